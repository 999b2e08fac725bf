"""The theorem table: which radius follows from (noise, norm, ρ), by which proof, under which condition.

Formulas are plain functions ``(noise, norm, rho) -> radius``; the decorator ``theorem`` enters them here as
data. The best radius, ``python -m smoothing.radius --list``, the docs and the tests over all cells are read off
the table. Outsiders add rows with the same decorator; a name used twice is an error at import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, Lp, Norm, parse_norm
from smoothing.certificate import Certificate
from smoothing.noise import Noise

Array = NDArray[np.float64]
# A formula gives the radius at every ρ in (1/2, 1], or (radius, bound on its absolute error).
Formula = Callable[[Any, Any, Array], Array | tuple[Array, Array]]
EVERY_NORM: tuple[type[Norm], ...] = (L1, L2, Linf, Lp)
EVERY_NOISE = "*"


class Method(StrEnum):
    """How a theorem gets its radius; the order is the order of preference among equal radii."""

    CLOSED_FORM = "closed form"
    LEVEL_SET = "level set"
    DIFFERENTIAL = "differential"
    MONTE_CARLO = "monte carlo"
    INCLUSION = "inclusion"

    @property
    def preference(self) -> int:
        return list(Method).index(self)


class Lead(StrEnum):
    """What a theorem says of a class that leads by p_A - p_B, without a majority or with more (``runner_up``)."""

    UNKNOWN = "unknown"
    FLOW = "flow"
    """R(ρ) = ∫ from 1-ρ to 1/2 of dp / Φ(p) for a bound Φ(p) = Φ(1-p) on what any set gains."""
    DISTANCE = "distance"
    """R(ρ) is how far no shift moves the noise by more than ρ - 1/2 in total variation."""


@dataclass(frozen=True)
class Theorem:
    """One row of the table."""

    name: str
    noises: tuple[str, ...]
    norms: tuple[type[Norm], ...]
    method: Method
    formula: Formula
    citation: str
    """A key of docs/references.bib."""
    tight: bool
    """Whether no larger radius is true."""
    sound: bool
    """Whether the radius is a proven lower bound; what is not sound is used only when it is named, and if tight then
    an upper bound on every true radius.
    """
    condition: str
    """The condition on parameters in words, empty where there is none."""
    when: Callable[[Any, Any], bool]
    accuracy: float
    """A bound on the relative error of the formula in floating point; it is subtracted from every radius."""
    lead: Lead = Lead.UNKNOWN
    """What else follows where the runner-up's probability is bounded too."""
    by_order: bool = False
    """Whether a larger score in convex order stands in the place of the noise's own: it may give less than others."""

    def applies(self, noise: Noise, norm: Norm) -> bool:
        """Whether the theorem speaks about this noise and norm, its condition included."""
        return self.covers(noise.family, type(norm)) and self.when(noise, norm)

    def covers(self, family: str, norm: type[Norm]) -> bool:
        """Whether the theorem is a row of the cell, for at least some parameters."""
        return (family in self.noises or EVERY_NOISE in self.noises) and norm in self.norms


_ROUNDING = 1e-9
_TABLE: dict[str, Theorem] = {}


F = TypeVar("F", bound=Callable[..., Any])


def theorem(
    name: str,
    *,
    noises: str | Iterable[str],
    norms: Iterable[type[Norm]],
    method: Method,
    citation: str,
    tight: bool = False,
    sound: bool = True,
    condition: str = "",
    when: Callable[[Any, Any], bool] = lambda noise, norm: True,
    accuracy: float = 1e-14,
    lead: Lead = Lead.UNKNOWN,
    by_order: bool = False,
) -> Callable[[F], F]:
    """Enter the decorated formula into the table; it stays callable on its own."""

    def enter(formula: F) -> F:
        if name in _TABLE:
            raise ValueError(f"a theorem named {name!r} stands in the table already")
        families = (noises,) if isinstance(noises, str) else tuple(noises)
        _TABLE[name] = Theorem(
            name, families, tuple(norms), method, formula, citation, tight, sound, condition, when, accuracy,
            lead, by_order,
        )  # fmt: skip
        return formula

    return enter


def theorems() -> tuple[Theorem, ...]:
    """Every theorem, in the order of preference."""
    import smoothing.methods.gaussian_order
    import smoothing.methods.generic
    import smoothing.methods.inclusion
    import smoothing.noises  # noqa: F401  (these imports fill the table)

    return tuple(sorted(_TABLE.values(), key=lambda t: t.method.preference))


def find_theorems(noise: Noise, norm: Norm) -> tuple[Theorem, ...]:
    """The sound theorems about a noise and a norm, preferred ones first."""
    return tuple(t for t in theorems() if t.sound and t.applies(noise, norm))


def certify_radius(
    noise: Noise, norm: Norm | str, rho: ArrayLike, *, theorem: str | None = None
) -> Certificate:
    """The largest radius that any sound theorem gives at each ρ (or the radius of the named theorem).

    ``rho``: lower bounds of the top class's probability in [0, 1], any shape. At ρ ≤ 1/2 the radius is 0:
    abstention is decided here and nowhere else. InputError for ρ outside [0, 1] or NaN, for a theorem that
    does not apply, and for a pair about which the table has nothing, saying what it has.
    """
    norm = parse_norm(norm)
    rho = np.asarray(rho, dtype=np.float64)
    if not ((rho >= 0) & (rho <= 1)).all():  # NaN fails both
        bad = rho[~((rho >= 0) & (rho <= 1))].flat[0]
        raise InputError(f"rho is a probability in [0, 1], got {bad:g}")
    chosen = _choose(noise, norm, theorem)
    flat = rho.ravel()
    certain = flat > 0.5
    radius, error = np.zeros(flat.shape), np.zeros(flat.shape)
    best = np.zeros(flat.shape, dtype=int)
    for index, candidate in enumerate(chosen if certain.any() else ()):
        value, slack = evaluate(candidate, noise, norm, flat[certain])
        lower = np.zeros(flat.shape)
        lower[certain] = value
        # what differs by rounding leaves the preferred theorem its name
        better = lower > radius * (1 + _ROUNDING)
        radius[better], best[better] = lower[better], index
        slacks = np.zeros(flat.shape)
        slacks[certain] = slack
        error[better] = slacks[better]
    return Certificate(
        noise,
        norm,
        rho,
        radius.reshape(rho.shape),
        error.reshape(rho.shape),
        np.array([t.name for t in chosen])[best].reshape(rho.shape),
        np.array([t.method.value for t in chosen])[best].reshape(rho.shape),
        np.array([t.tight for t in chosen])[best].reshape(rho.shape),
    )


def evaluate(candidate: Theorem, noise: Noise, norm: Norm, rho: Array) -> tuple[Array, Array]:
    """(radius, error) of one theorem at ρ in (1/2, 1]; the error is subtracted, the radius never negative."""
    with np.errstate(all="ignore"):  # what cannot be computed is found below
        result = candidate.formula(noise, norm, rho)
    value, slack = result if isinstance(result, tuple) else (result, np.zeros_like(rho))
    value = np.asarray(value, dtype=np.float64)
    # Short of certainty no radius is infinite; what overflowed is at least the largest float.
    value = np.where(np.isinf(value) & (rho < 1), np.finfo(float).max, value)
    with np.errstate(invalid="ignore"):
        slack = np.where(np.isinf(value), 0.0, np.abs(value) * candidate.accuracy + slack)
        lower = np.maximum(value - slack, 0.0)
    if np.isnan(lower).any():
        raise InputError(
            f"theorem {candidate.name} cannot be evaluated in floating point for {noise.spec} at dim={noise.dim} "
            f"and scale={noise.scale:g}, against {norm} at rho={rho[np.isnan(lower)][0]:g}: take milder parameters"
        )
    return lower, slack


def _choose(noise: Noise, norm: Norm, name: str | None) -> tuple[Theorem, ...]:
    if name is None:
        found = find_theorems(noise, norm)
        if not found:
            raise InputError(_nothing(noise, norm))
        # A tight theorem cannot be beaten.
        tight = next((t for t in found if t.tight), None)
        if tight is not None:
            return (tight,)
        from smoothing.methods.inclusion import can_help

        return tuple(t for t in found if t.method is not Method.INCLUSION or can_help(noise, norm))
    table = {t.name: t for t in theorems()}
    if name not in table:
        raise InputError(f"unknown theorem {name!r}; known: {', '.join(sorted(table))}")
    chosen = table[name]
    if not chosen.applies(noise, norm):
        condition = f" if {chosen.condition}" if chosen.condition else ""
        norms = "/".join(n.__name__ for n in chosen.norms)
        raise InputError(
            f"theorem {name} is about {'/'.join(chosen.noises)} noise against {norms}{condition}; "
            f"it does not apply to {noise.spec} at dim={noise.dim} against {norm}"
        )
    return (chosen,)


def _nothing(noise: Noise, norm: Norm) -> str:
    cells = [t for t in theorems() if noise.family in t.noises]
    listed = "; ".join(
        f"{t.name} ({'/'.join(n.__name__ for n in t.norms)}{', if ' + t.condition if t.condition else ''})"
        for t in cells
    )
    return f"no theorem of the table applies to {noise.spec} at dim={noise.dim} against {norm}. " + (
        f"For {noise.family} it has: {listed}" if listed else f"It has none for {noise.family}"
    )
