"""A certificate carries its evidence: the radius, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geometry.norms import Norm
from smoothing.noise import Noise


@dataclass(frozen=True)
class Certificate:
    """No input within ``radius`` in ``norm`` can change the majority vote, if ρ is at least ``rho``.

    The fields after ``norm`` are arrays of one shape, that of ρ. ``radius`` is a lower bound numerically too:
    ``error``, the bound on everything that rounding and quadrature may have added, is already subtracted.
    A radius of 0 abstains (ρ ≤ 1/2; with ``runner_up`` the class may lead by too little); inf says that
    no shift of any size changes the vote.
    """

    noise: Noise
    norm: Norm
    rho: NDArray[np.float64]
    radius: NDArray[np.float64]
    error: NDArray[np.float64]
    theorem: NDArray[np.str_]
    method: NDArray[np.str_]
    tight: NDArray[np.bool_]
