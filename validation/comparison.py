"""One cell of noise × norm × dimension by every method, and the checks that these must pass.

An ``Entry`` is what one method says about a cell at every ρ. Its ``bound`` tells what may be compared: a ``lower``
bound is a certificate, ``exact`` is tight, an ``upper`` bound is above every true radius, and an ``estimate`` (Monte
Carlo) has a band. The order lower ≤ exact ≤ upper is the sandwich differential ≤ true ≤ level set.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, Norm, shrinkage
from smoothing.methods.inclusion import direct_theorems
from smoothing.noise import Noise
from smoothing.noises import parse_noise
from smoothing.theorems import Certificate, Method, certify_radius, evaluate, theorems

Array = NDArray[np.float64]

RHO = (0.51, 0.6, 0.75, 0.9, 0.99, 0.999)
FALSE_ALARM = 1e-6
"""Of all Monte Carlo statements of one run together."""
AGREE = 1e-9
"""Relative difference up to which two methods for the same quantity agree, beyond the errors they state."""
_ABOVE = 1e-13  # rounding of the comparison itself, and the digits that an oracle vouches for
_UNSEEN = 1e-7  # the error that an inclusion's source has subtracted is not seen from the cell
_DRAWS = 6e6  # numbers drawn for a cell


@dataclass(frozen=True)
class Cell:
    """What is compared: noise as users type it at σ = 1 (or λ = 1 where σ is infinite), norm and dimension."""

    spec: str
    norm: Norm
    dim: int

    @property
    def noise(self) -> Noise:
        noise = parse_noise(self.spec, dim=self.dim, scale=1.0)
        return noise.with_sigma(1.0) if np.isfinite(noise.log_unit_sigma) else noise

    def __str__(self) -> str:
        return f"{self.spec} {self.norm} d={self.dim}"


@dataclass(frozen=True)
class Entry:
    """One method's radii at every ρ; NaN where it was not asked."""

    method: str
    theorem: str
    bound: str
    radius: Array
    error: Array
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """All entries of one cell, and the checks that failed, in words."""

    cell: Cell
    rho: Array
    best: Certificate | None
    entries: list[Entry]
    failures: list[str] = field(default_factory=list)
    note: str = ""


def specs(dim: int) -> list[str]:
    """Every family at parameters that are typical in this dimension."""
    half = dim // 2
    listed = ["gaussian", "laplace", "uniform", "exp-power:p=0.5", "exp-power:p=1.5", "pareto:a=3"]
    listed += ["uniform-l1", "uniform-l2"]
    for shape in ("l1", "l2", "linf"):
        listed += [
            f"exp-{shape}:k=1,j={half}" if half < dim - 1 else f"exp-{shape}:k=0.5",
            f"exp-{shape}:k=2",
        ]
        listed += [f"pow-{shape}:k=1,a={dim + 10}"]
    return listed + ([f"body:{name}" for name in ("wulff-linf", "cross-polytope")] if dim <= 5 else [])


def compare(
    cell: Cell,
    rho: Sequence[float] = RHO,
    *,
    statements: int = 1000,
    seed: int = 0,
    oracle_seconds: float = 1.0,
    inflate: float = 1.0,
) -> Comparison:
    """The cell by every method. ``inflate`` multiplies the certified radius, to see that the checks find it wrong.

    ``statements`` is the number of Monte Carlo statements in the run, among which the false alarms are shared.
    """
    noise, norm, rhos = cell.noise, cell.norm, np.asarray(rho, dtype=np.float64)
    try:
        best, seconds = _timed(lambda: certify_radius(noise, norm, rhos))
    except InputError as reason:
        return Comparison(cell, rhos, None, [], [], str(reason))
    claimed = best.radius * inflate
    bound = "exact" if best.tight.all() else "lower"
    entries = [Entry("certified", str(best.theorem[0]), bound, claimed, best.error, seconds)]
    entries += _by_theorem(noise, norm, rhos)
    entries += _by_oracle(noise, norm, rhos, str(best.theorem[0]), oracle_seconds)
    entries += _by_baselines(noise, norm, rhos)
    contradicted, sample = _by_sampling(cell, noise, norm, rhos, claimed, FALSE_ALARM / statements, seed)
    entries.append(sample)
    failures = [f"{cell}: {what}" for what in _failures(rhos, entries, best.theorem, contradicted)]
    return Comparison(cell, rhos, best, entries, failures)


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return call(), time.perf_counter() - start


def _by_theorem(noise: Noise, norm: Norm, rho: Array) -> list[Entry]:
    """Every row of the theorem table that applies, sound or an upper bound."""
    entries = []
    for row in theorems():
        if not row.applies(noise, norm):
            continue
        try:
            (radius, error), seconds = _timed(partial(evaluate, row, noise, norm, rho))
        except InputError:  # beyond what floating point resolves; a certificate says so on its own
            continue
        bound = ("exact" if row.tight else "lower") if row.sound else "upper"
        if bound == "upper":
            radius = radius + 2 * error
        entries.append(Entry(row.method.value, row.name, bound, radius, error, seconds))
    return entries


def _by_oracle(noise: Noise, norm: Norm, rho: Array, theorem: str, budget: float) -> list[Entry]:
    """High precision, from the definitions: the radius that the theorem claims, at as many ρ as the time allows."""
    radius, start = np.full(rho.shape, np.nan), time.perf_counter()
    rows = {row.name: row for row in theorems()}
    method = "tight" if rows[theorem].tight else "differential"
    for index in np.argsort(np.abs(rho - 0.9), kind="stable"):
        try:
            radius[index] = (
                max(_included(noise, norm, float(rho[index])))
                if rows[theorem].method is Method.INCLUSION
                else _best_reference(noise, norm, float(rho[index]), method)
            )
        except (ValueError, ArithmeticError):
            break
        if time.perf_counter() - start > budget:
            break
    if np.isnan(radius).all():
        return []
    return [Entry("oracle", method, "same", radius, np.zeros_like(radius), time.perf_counter() - start)]


def _best_reference(noise: Noise, norm: Norm, rho: float, method: str) -> float:
    """The theorem's own, or what inclusion gives where that is more: against ℓ2 no theorem about products is best at
    every ρ."""
    own = _reference(noise, norm, rho, method)
    return max([own, *_included(noise, norm, rho)]) if norm == L2() and method == "differential" else own


def _included(noise: Noise, norm: Norm, rho: float) -> list[float]:
    """What the radii against other norms leave for this one."""
    found = []
    for source in (L1(), L2(), Linf()):
        rows = direct_theorems(noise, source)
        if source != norm and rows:
            method = "tight" if rows[0].tight else "differential"
            found.append(_reference(noise, source, rho, method) * shrinkage(source, norm, noise.dim))
    return found


def _reference(noise: Noise, norm: Norm, rho: float, method: str) -> float:
    from validation.oracle import radius

    family, parameters = noise.family, cast("dict[str, Any]", dict(noise.parameters))
    known: Any = {"method": method} if family in ("uniform-l1", "exp-l2", "pow-l2") else {}
    return float(radius(family, parameters, noise.dim, norm.name, rho, scale=noise.scale, **known))


def _by_baselines(noise: Noise, norm: Norm, rho: Array) -> list[Entry]:
    from validation.baselines import baselines

    entries = []
    for method in baselines(noise, norm):
        try:
            radius, seconds = _timed(partial(method.radius, noise, norm, rho))
        except InputError:
            continue
        entries.append(Entry("baseline", method.name, "lower", radius, 1e-9 * radius, seconds))
    return entries


def _by_sampling(
    cell: Cell, noise: Noise, norm: Norm, rho: Array, radius: Array, alpha: float, seed: int
) -> tuple[NDArray[np.bool_], Entry]:
    """Whether samples contradict each radius along the worst direction, and the band of the mass that flips the vote.

    The entry's ``radius`` is the upper end for ρ and its ``error`` the width: [1 - high, 1 - low] holds the least ρ
    that certifies the shift.
    """
    import torch

    from smoothing.methods.log_ratios import Draws
    from smoothing.methods.monte_carlo import flip_mass_band, refute

    def sample(count: int, seed: int) -> Array:
        drawn: Array = noise.sample(count, generator=seed, dtype=torch.float64).numpy()
        return drawn

    start = time.perf_counter()
    n = int(np.clip(_DRAWS / (noise.dim * len(rho)), 1500, 30_000))
    finite = np.minimum(radius, 1e100)
    direction = np.full(noise.dim, noise.dim**-0.5) if isinstance(norm, L2) else norm.direction(noise.dim)
    draws = Draws(sample=sample, log_density=noise.log_prob, n=n, seed=seed)
    ratios = draws.log_ratios(finite[:, None] * direction)
    contradicted = refute(ratios, rho, alpha)
    low, high = flip_mass_band(ratios, max(alpha, 1e-3))
    entry = Entry(
        "monte carlo", f"rho needed, n={n}", "band", 1 - low, high - low, time.perf_counter() - start
    )
    return contradicted, entry


def _failures(
    rho: Array, entries: list[Entry], theorem: NDArray[np.str_], contradicted: NDArray[np.bool_]
) -> list[str]:
    """What is wrong, in words; ``theorem`` is the one that each certified radius rests on."""
    claim, others = entries[0], entries[1:]
    found = []

    def check(good: NDArray[np.bool_], what: str) -> None:
        if not good.all():
            at = rho[~good][0]
            found.append(f"{what} at rho = {at:g}")

    for entry in others:
        with np.errstate(invalid="ignore"):
            if entry.bound == "same":
                asked = ~np.isnan(entry.radius)
                slack = (_UNSEEN if claim.theorem == "inclusion" else AGREE) * np.abs(
                    entry.radius
                ) + 2 * claim.error
                check(~asked | (claim.radius <= entry.radius * (1 + _ABOVE)), "above the oracle")
                check(~asked | (claim.radius >= entry.radius - slack), "short of the oracle")
            elif entry.bound in ("exact", "upper"):
                slack = entry.radius * AGREE + 2 * entry.error
                check(
                    claim.radius <= entry.radius + slack, f"above {entry.theorem}, which nothing true exceeds"
                )
            if claim.bound == "exact" and entry.bound == "lower":
                slack = AGREE * claim.radius + 2 * claim.error
                check(entry.radius <= claim.radius + slack, f"{entry.theorem} exceeds the tight radius")
    lower = [
        e for e in others if e.method in ("differential", "closed form", "inclusion") and e.bound == "lower"
    ]
    for entry in lower:
        slack = AGREE * entry.radius + 2 * (claim.error + entry.error)
        equal = claim.radius == entry.radius  # both infinite, their difference being NaN
        with np.errstate(invalid="ignore"):
            reached = equal | (claim.radius >= entry.radius - slack)
            kept = (theorem != entry.theorem) | equal | (claim.radius <= entry.radius + slack)
        check(reached, f"below {entry.theorem}, which is a certificate")
        check(kept, f"above {entry.theorem}, on which it rests")
    by_order = {row.name for row in theorems() if row.by_order}
    same = [e for e in lower if e.method != "inclusion" and e.theorem not in by_order]
    for entry, other in combinations(same, 2):
        slack = AGREE * other.radius + 2 * (entry.error + other.error)
        with np.errstate(invalid="ignore"):
            agree = (entry.radius == other.radius) | (np.abs(entry.radius - other.radius) <= slack)
        check(agree, f"{entry.theorem} differs from {other.theorem}")
    rising = np.append(True, claim.radius[1:] >= claim.radius[:-1] * (1 - 1e-12))
    check(rising, "falls as rho grows")
    check(~contradicted, "contradicted by Monte Carlo")
    return list(dict.fromkeys(found))
