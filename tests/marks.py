"""Marks of single cases."""

import pytest


def slow(*values, **options):
    """A parameter set that only the slow tests run: others of its kind are among the quick ones."""
    return pytest.param(*values, marks=pytest.mark.slow, **options)
