"""The loops of ``kernels`` through numba: from its cache at once, else in seconds. ImportError where it is missing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache as remembered
from typing import Any

import numpy as np

from smoothing.kernels import NO_TABLE, PARTS, Law, Loop, Resize, loop_of, resize


def compiled(law: Law) -> Loop:
    """The law's ``loop_of``."""
    return _compiled(loop_of(law), (0, 0, 0, np.empty(0, np.float32), 1.0, 0.0, NO_TABLE), law)


def compiled_resize() -> Resize:
    """``kernels.resize``."""
    return _compiled(resize, (np.empty((0, 1), np.float32), np.empty(0), 1.0, 1.0))


def _compiled(
    loop: Callable[..., None], example: tuple[Any, ...], *parts: Callable[..., Any]
) -> Callable[..., None]:
    """By calling it with arguments of the types to come."""
    import numba

    for function in (*PARTS, *parts):
        _may_be_called(function)
    for cache in (True, False):
        with suppress(RuntimeError, OSError):  # no folder to keep it in, or a full disk
            found: Callable[..., None] = numba.njit(nogil=True, cache=cache)(loop)
            found(*example)
            return found
    raise ImportError("numba compiles nothing here")


@remembered
def _may_be_called(function: Callable[..., Any]) -> None:
    """By compiled code; for Python it stays what it is."""
    from numba.extending import register_jitable

    register_jitable(function)
