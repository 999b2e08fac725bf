"""What the paper's section 6 claims of its experiments, put to the test on stored runs.

A claim compares two groups of noises at round radii by their envelopes; it is confirmed, not confirmed, or not
decidable with these images, by paired bootstrap intervals that hold at all radii together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geometry.norms import parse_norm
from smoothing.runs import RunFolder
from validation.envelopes import Envelope, difference, thinned, training

Array = NDArray[np.float64]

MARGIN = 0.05
"""Certified accuracies that differ by less than five points match."""

RADII = {
    "l1": np.arange(1, 9) / 2,  # those of the paper's Table 1
    "l2": np.arange(1, 9) / 4,
    "linf": np.arange(1, 9) / 100,
}

CUBICAL = ("exp-linf", "pow-linf")
SPHERICAL = ("uniform-l2", "exp-l2", "pow-l2")
CROSS_POLYTOPE = ("laplace", "uniform-l1", "exp-l1", "pow-l1")


@dataclass(frozen=True)
class Group:
    """Noises by family (or, with a colon, exactly) under one training, and what to call them."""

    label: str
    families: tuple[str, ...]
    loss: str = "augment"

    def has(self, run: RunFolder) -> bool:
        """Whether the run is one of the group's."""
        return run.noise.family in self.families and training(run) == self.loss


UNIFORM = Group("uniform", ("uniform", "uniform-linf"))
GAUSSIAN = Group("Gaussian", ("gaussian",))
LAPLACE = Group("Laplace", ("laplace",))
STABILITY = Group("uniform with stability training", UNIFORM.families, "stability")


@dataclass(frozen=True)
class Claim:
    """``left`` against ``right``: it beats it, or it matches and does not exceed it."""

    name: str
    text: str
    norm: str
    left: Group
    right: Group
    matches: bool = False
    n: int | None = 10_000
    """Votes an image at which both are compared; None: all that there are."""


CLAIMS = (
    Claim("uniform-laplace", "uniform beats Laplace in ℓ1", "l1", UNIFORM, LAPLACE, n=None),
    Claim("uniform-gaussian", "uniform beats the Gaussian in ℓ1", "l1", UNIFORM, GAUSSIAN, n=None),
    Claim("laplace-gaussian", "Laplace beats the Gaussian in ℓ1", "l1", LAPLACE, GAUSSIAN, n=None),
    Claim("cubical", "other cubical noises match but do not exceed uniform in ℓ1", "l1",
          Group("exp-linf, pow-linf", CUBICAL), UNIFORM, matches=True),
    Claim("spherical", "other spherical noises match but do not exceed the Gaussian in ℓ2", "l2",
          Group("uniform-l2, exp-l2, pow-l2", SPHERICAL), GAUSSIAN, matches=True),
    Claim("linf-cube", "spherical noises beat cubical ones in ℓ∞", "linf",
          Group("spherical", (*GAUSSIAN.families, *SPHERICAL)), Group("cubical", (*UNIFORM.families, *CUBICAL))),
    Claim("linf-cross", "spherical noises beat cross-polytope ones in ℓ∞", "linf",
          Group("spherical", (*GAUSSIAN.families, *SPHERICAL)), Group("cross-polytope", CROSS_POLYTOPE)),
    Claim("stability", "stability training helps uniform noise in ℓ1", "l1", STABILITY, UNIFORM, n=None),
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """A claim with the evidence on it; all arrays have one entry a radius."""

    claim: Claim
    radii: Array
    left: Array
    right: Array
    sigmas: tuple[list[float], list[float]]
    lower: Array
    """With ``upper``: the interval of left - right."""
    upper: Array

    @property
    def word(self) -> str:
        """Confirmed, not confirmed, or not decidable, and where.

        "Beats" is confirmed at the radii where the interval is above 0, "matches and does not exceed" where it is
        within the margin; either fails where the interval says the contrary.
        """
        if self.claim.matches:
            holds = (self.lower > -MARGIN) & (self.upper < MARGIN)
            fails = (self.lower > 0) & (self.left - self.right > MARGIN) | (self.upper < -MARGIN)
        else:
            holds, fails = self.lower > 0, self.upper < 0
        if holds.all():
            return "confirmed at every radius"
        if not fails.any() and not holds.any():
            return "not decidable with these images"
        parts = [
            f"{word} at {_listed(self.radii[where])}"
            for word, where in (
                ("confirmed", holds),
                ("not confirmed", fails),
                ("not decidable", ~holds & ~fails),
            )
            if where.any()
        ]
        return "; ".join(parts)


def judge(claim: Claim, runs: Sequence[RunFolder]) -> Verdict | None:
    """The verdict on a claim; None where the runs have nothing on one of its sides."""
    norm, radii = parse_norm(claim.norm), RADII[claim.norm]
    left_runs = [run for run in runs if claim.left.has(run)]
    right_runs = [run for run in runs if claim.right.has(run)]
    shared = {_sigma(run) for run in left_runs} & {_sigma(run) for run in right_runs}
    sides = []
    for group, members in ((claim.left, left_runs), (claim.right, right_runs)):
        kept = [run for run in members if _sigma(run) in shared]
        if not kept:
            return None
        if claim.n is not None:
            kept = [thinned(run, claim.n) for run in kept]
        sides.append(Envelope(group.label, tuple(sorted(kept, key=_sigma)), norm))
    left, right = sides
    _, lower, upper = difference(left, right, radii)
    sigmas = left.best_sigma(radii), right.best_sigma(radii)
    return Verdict(claim, radii, left.accuracy(radii), right.accuracy(radii), sigmas, lower, upper)


def _sigma(run: RunFolder) -> float:
    return float(f"{run.noise.sigma:.6g}")


def _listed(radii: Array) -> str:
    return ", ".join(f"{r:g}" for r in radii)
