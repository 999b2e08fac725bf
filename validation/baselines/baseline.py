"""The contract of a baseline: a radius from ρ alone, by a method that was published before the theorems here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.errors import InputError
from geometry.norms import Norm
from smoothing.noise import Noise

Array = NDArray[np.float64]

SLACK = 1e-9
"""What is taken off every radius, relatively: more than quadrature and root-finding add."""


@dataclass(frozen=True)
class Baseline:
    """One method of prior work."""

    name: str
    citation: str
    """A key of docs/references.bib."""
    claim: str
    """The certificate in one line."""
    applies: Callable[[Noise, Norm], bool]
    """Whether the method says anything about this noise and norm."""
    formula: Callable[[Noise, Norm, Array], Array]
    """(noise, norm, ρ) -> radius, vectorised over ρ in (1/2, 1]."""

    def radius(self, noise: Noise, norm: Norm, rho: ArrayLike) -> Array:
        """The certified radius at each ρ, any shape, a lower bound: ``SLACK`` is subtracted; 0 for ρ ≤ 1/2.

        InputError where the method is undefined, and for ρ outside [0, 1].
        """
        if not self.applies(noise, norm):
            raise InputError(
                f"{self.name} gives no radius for {noise.spec} at dim={noise.dim} against {norm}; "
                "baselines(noise, norm) lists the methods that do"
            )
        rho = np.asarray(rho, dtype=np.float64)
        if not ((rho >= 0) & (rho <= 1)).all():  # NaN fails both
            raise InputError(
                f"rho is a probability in [0, 1], got {rho[~((rho >= 0) & (rho <= 1))].flat[0]:g}"
            )
        result = np.zeros(rho.shape)
        certain = rho > 0.5
        if certain.any():
            with np.errstate(all="ignore"):  # overflow means an infinite divergence, which certifies nothing
                value = self.formula(noise, norm, rho[certain])
            if np.isnan(value).any():
                bad = rho[certain][np.isnan(value)][0]
                raise InputError(
                    f"{self.name} cannot be evaluated for {noise.spec} against {norm} at rho={bad:g}"
                )
            result[certain] = np.maximum(value, 0.0) * (1 - SLACK)
        return result
