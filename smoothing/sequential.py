"""Votes until a question is answered: is the radius at least r? what is ρ, to a width?

Certificates rest on bets (``smoothing.betting``), so each is right with probability 1 - α although the number of
samples depends on the votes. That no more can be certified, where counting stopped for that reason, is known with
probability 1 - α too: both at once with 1 - 2α. Clear images need a hundred samples where a fixed plan takes 100 000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from geometry.errors import InputError
from geometry.norms import Norm, number, parse_norm
from smoothing.betting import betting_lower, log_capital
from smoothing.noise import Noise
from smoothing.theorems import certify_radius
from smoothing.voting import ESTIMATION, SEQUENTIAL, Voter, Votes, block_size

_SMALL = 8  # so many looks after small blocks
_GROWTH = 1.2  # then looks are geometric: the price of looking stays small, and few samples are drawn in vain


@dataclass(frozen=True)
class Until:
    """When to stop: every radius of ``radii`` decided against ``norm``, or ρ known to ``width``."""

    radii: tuple[float, ...] = ()
    norm: Norm | None = None
    width: float | None = None

    def __str__(self) -> str:
        if self.width is not None:
            return f"width={number(self.width)}"
        return f"radius={','.join(map(number, self.radii))} norm={self.norm}"


def parse_until(words: list[str]) -> Until:
    """``radius=0.5[,1,…] norm=l1`` or ``width=0.01``, as words of the command line."""
    usage = "--until takes radius=R[,R...] norm=NORM, or width=W"
    pairs = dict(word.partition("=")[::2] for word in words)
    if len(pairs) != len(words) or pairs.keys() not in ({"radius", "norm"}, {"width"}):
        raise InputError(f"{usage}, got {' '.join(words)!r}")
    try:
        values = [float(text) for text in pairs.get("radius", pairs.get("width", "")).split(",")]
    except ValueError:
        raise InputError(f"{usage}, got {' '.join(words)!r}") from None
    if "width" in pairs:
        if len(values) > 1 or not 0 < values[0] < 1:
            raise InputError(f"the width is a difference of probabilities in (0, 1), got {pairs['width']}")
        return Until(width=values[0])
    radii = tuple(sorted(set(values)))
    if not all(0 < radius < np.inf for radius in radii):
        raise InputError(f"radii are positive, finite numbers, got {pairs['radius']}")
    return Until(radii=radii, norm=parse_norm(pairs["norm"]))


def rho_for_radius(noise: Noise, norm: Norm, radius: float) -> float:
    """The least ρ, up to rounding, whose certified radius is at least ``radius``.

    InputError where ρ = 1 - 1e-9 is not enough.
    """
    low, high = 0.5, 1 - 1e-9
    if certify_radius(noise, norm, high).radius < radius:
        raise InputError(
            f"a radius of {radius:g} against {norm} is beyond {noise.spec} at sigma={noise.sigma:g}, "
            "whatever the votes: take a larger sigma or a smaller radius"
        )
    while high - low > 1e-12:
        middle = (low + high) / 2
        if certify_radius(noise, norm, middle).radius >= radius:
            high = middle
        else:
            low = middle
    return high


class Stopping:
    """The rule as a predicate of votes: may counting stop?"""

    def __init__(self, until: Until, noise: Noise, alpha: float) -> None:
        self.width = until.width
        self.alpha = alpha
        self.levels: NDArray[np.float64] = np.array(
            [rho_for_radius(noise, until.norm, radius) for radius in until.radii] if until.norm else []
        )

    def __call__(self, k: int, n: int) -> bool:
        """After k votes of n for the chosen class: is everything known, or nothing to be hoped for?"""
        if self.width is not None:
            return self._rejects(n - k, n, 0.5) or self._within(self.width, k, n)
        enough = -np.log(self.alpha)
        reached = log_capital(k, n, self.levels) >= enough
        refuted = log_capital(n - k, n, 1 - self.levels) >= enough
        return bool((reached | refuted).all())

    def _within(self, width: float, k: int, n: int) -> bool:
        """Are the bounds on ρ that near? Finding them takes milliseconds, so bets first: most often they say no."""
        share = k / n
        right = min(share + width / 2, (share + 1) / 2)
        left = right - width
        if (
            left > 0
            and right < 1
            and not self._rejects(k, n, left)
            and not self._rejects(n - k, n, 1 - right)
        ):
            return False  # both lie between the bounds
        if share > width and not self._rejects(k, n, share - width):
            return False  # so do this and k/n
        low, others = betting_lower([k, n - k], n, self.alpha)
        return bool((1 - others) - low <= width)

    def _rejects(self, k: int, n: int, p0: float) -> bool:
        """Have the bets against p ≤ p0 won enough?"""
        return bool(log_capital(k, n, p0) >= -np.log(self.alpha))


def looks(most: int, small: int, large: int) -> Iterator[tuple[int, int, int]]:
    """(stage, first, n) of each next piece: small blocks for clear images, then geometric steps of large blocks."""
    done = 0
    while done < min(most, _SMALL * small):
        n = min(small, most - done)
        yield SEQUENTIAL, done, n
        done += n
    first = 0
    while done < most:
        n = min(max(1, int((_GROWTH - 1) * done) // large) * large, most - done)
        yield ESTIMATION, first, n
        first, done = first + n, done + n


def count_until(
    voter: Voter,
    x: torch.Tensor,
    chosen: int,
    stop: Callable[[int, int], bool],
    *,
    most: int,
    seed: int,
    image: int,
) -> Votes:
    """Votes of one image until ``stop(votes for chosen, n)``, or until there are ``most``."""
    votes = Votes(np.zeros(voter.num_classes, dtype=np.int64), 0, 0)
    small, large = (block_size(voter.noise.dim, s, voter.device.type) for s in (SEQUENTIAL, ESTIMATION))
    for stage, first, more in looks(most, small, large):
        votes += voter.count(x, more, first=first, seed=seed, image=image, stage=stage)
        if stop(int(votes.counts[chosen]), votes.n):
            break
    return votes
