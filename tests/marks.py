"""Marks of single cases."""

from collections.abc import Iterable

import pytest

_GOLDEN = 0.6180339887498949


def slow(*values, **options):
    """A parameter set that only the slow tests run: others of its kind are among the quick ones."""
    return pytest.param(*values, marks=pytest.mark.slow, **options)


def is_kept(index: int, share: float) -> bool:
    """About that share of all indices, spread evenly: the golden ratio is in step with no nested loop."""
    return index * _GOLDEN % 1 < share


def thinned(cases: Iterable, share: float) -> list:
    """All cases, of which about that share is quick."""
    return [
        case if is_kept(index, share) else slow(*(case if isinstance(case, tuple) else (case,)))
        for index, case in enumerate(cases)
    ]
