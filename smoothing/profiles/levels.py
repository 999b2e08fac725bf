"""The radial score ψ'(r) by its levels: P(ψ' > ℓ) and E[ψ'; ψ' > ℓ].

Where ψ' exceeds a level is an inside, an outside, an inside and an outside, or a shell; its ends solve
log ψ'(e^y) = log ℓ in y = log r, by Newton's method from the asymptotes: monotone where ψ' is, and on the square root
of what is left of its extremum otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from scipy import special as sp

from smoothing.methods.level_tables import tabulated
from smoothing.methods.score_laws import ScoreLaw
from smoothing.methods.score_mixtures import CosineMixture, RadialScore, SignsMixture
from smoothing.profiles.base import Array, Profile
from smoothing.profiles.exponential import Exponential
from smoothing.profiles.power import Power
from smoothing.special import gauss_legendre

_STEPS = 60
_NODES, _WEIGHTS = gauss_legendre(20)
_EDGE = 11.5  # normal score of a mass of 1e-30


def radial_score(profile: Profile) -> RadialScore:
    """The law of ψ'(r) for a profile whose score is integrable."""
    if isinstance(profile, Exponential):
        return _exponential(profile)
    assert isinstance(profile, Power)
    return _power(profile)


def _newton(y: Array, goal: Array, value_and_slope: object) -> Array:
    """From the side on which the iterates approach the root monotonically; NaN where there is none."""
    assert callable(value_and_slope)
    for _ in range(_STEPS):
        value, slope = value_and_slope(y)
        step = (value - goal) / slope
        y = y - step
        if not (np.abs(step) > 1e-15 * np.maximum(np.abs(y), 1)).any():
            break
    return y


def _exponential(profile: Exponential) -> RadialScore:
    k, j, a = profile.k, profile.j, profile.gamma_shape
    scores = partial(_score, profile)
    if k == 1 and j == 0:
        return RadialScore(
            lambda level, mean: (np.where(level < 1, 1.0, 0.0), np.where(level < 1, 1.0, 0.0)),
            1.0, (1.0, 1.0), (1.0,), np.ones_like, 1.0, 1.0, True,
        )  # fmt: skip
    if j == 0:  # ψ' = k u^(1-1/k): an outside (k > 1) or an inside

        def above(level: Array, mean: bool) -> tuple[Array, Array]:
            with np.errstate(all="ignore"):
                u = np.exp(np.log(level / k) * (k / (k - 1)))
            mass = (sp.gammaincc if k > 1 else sp.gammainc)(a, u)
            return mass, profile.partial(u, upper=k > 1) if mean else mass

        return RadialScore(
            above,
            profile.mean_score,
            _range(profile),
            _levels(profile),
            scores,
            is_bounded=profile.score_is_bounded,
        )

    def score(y: Array) -> tuple[Array, Array]:
        pole, rise = math.log(j) - y, math.log(k) + (k - 1) * y
        value = np.logaddexp(pole, rise)
        return value, (k - 1) * np.exp(rise - value) - np.exp(pole - value)

    turn = (math.log(j) - math.log(k * (k - 1))) / k if k > 1 else math.inf
    least = float(np.exp(score(np.array(turn))[0])) if k > 1 else 0.0

    def above_falling(level: Array, mean: bool) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            if k == 1:
                y = np.where(level > 1, math.log(j) - np.log(level - 1), np.inf)
            else:  # the score is above both of its asymptotes
                y = np.maximum(math.log(j) - np.log(level), (math.log(k) - np.log(level)) / (1 - k))
                y = _newton(y, np.log(level), score)
            u = np.exp(k * y)
        mass = sp.gammainc(a, u)
        return mass, profile.partial(u, upper=False) if mean else mass

    def above_turning(level: Array, mean: bool) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            near, far = two_roots(k, np.maximum(np.log(level / least), 0.0))
            inner, outer = np.exp(k * (turn + near)), np.exp(k * (turn + far))
        mass = sp.gammainc(a, inner) + sp.gammaincc(a, outer)
        if not mean:
            return mass, mass
        return mass, profile.partial(inner, upper=False) + profile.partial(outer, upper=True)

    low = 1.0 if k == 1 else least
    span = _range(profile, (turn, low))
    levels = _levels(profile) + ((low,) if low else ())
    above = above_turning if k > 1 else above_falling
    return RadialScore(above, profile.mean_score, span, levels, scores, low)


def _power(profile: Power) -> RadialScore:
    a, k, alpha, beta = profile.a, profile.k, profile.alpha, profile.beta
    scale = math.log(a * k)
    scores = partial(_score, profile)

    def ball(y: Array, mean: bool, *, outside: bool = False) -> tuple[Array, Array]:
        """The mass of the ball of radius e^y, or of what is ``outside``, and E[ψ'] there."""
        with np.errstate(over="ignore"):
            inner, outer = sp.expit(k * y), sp.expit(-k * y)

        def tail(a: float, b: float) -> Array:
            return _lower_tail(b, a, outer, inner) if outside else _lower_tail(a, b, inner, outer)

        mass = tail(alpha, beta)
        return mass, profile.mean_score * tail(1 + (profile.dim - 1) / k, beta + 1 / k) if mean else mass

    middle = float(np.log(profile.quantile(np.zeros(1)))[0])

    def score(y: Array) -> tuple[Array, Array]:
        return scale + (k - 1) * y - np.logaddexp(0.0, k * y), k - 1 - k * sp.expit(k * y)

    peak = math.log(k - 1) / k if k > 1 else -math.inf
    most = math.inf if k < 1 else (a if k == 1 else float(np.exp(score(np.array(peak))[0])))

    def above_falling(level: Array, mean: bool) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            none = level >= most
            y = np.where(none, 0.0, scale - np.log(level))
            if k == 1:
                y = np.log(np.expm1(np.where(none, 1.0, y)))
            else:  # the score is below both of its asymptotes
                y = _newton(np.minimum(y, y / (1 - k)), np.log(level), score)
            mass, part = ball(y, mean)
        return np.where(none, 0.0, mass), np.where(none, 0.0, part)

    def above_turning(level: Array, mean: bool) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            near, far = two_roots(k, np.maximum(np.log(most / level), 0.0))
            # Of two tails that are subtracted, those on the shell's side of the median are small.
            side = peak - far > middle
            mass, whole, less, whole_less = (np.empty(np.shape(level)) for _ in range(4))
            for of, large, small in ((~side, peak - near, peak - far), (side, peak - far, peak - near)):
                outside = of is side
                mass[of], whole[of] = ball(large[of], mean, outside=outside)
                less[of], whole_less[of] = ball(small[of], mean, outside=outside)
            shell, part = np.maximum(mass - less, 0), np.maximum(whole - whole_less, 0)
            thin = (shell < 0.03 * mass) & (far - near < 0.5)
            if thin.any():  # the difference cancels, but the density is smooth
                width = (far - near)[thin]
                y = (peak - far)[thin][:, None] + 0.5 * width[:, None] * (1 + _NODES)
                density = profile.dim * y - a * np.logaddexp(0.0, k * y) - profile.log_mass
                density = 0.5 * width[:, None] * np.exp(density) * _WEIGHTS
                shell[thin] = density.sum(axis=1)
                part[thin] = (density * np.exp(score(y)[0])).sum(axis=1)
        return shell, part

    span = _range(profile, (peak, most))
    levels = _levels(profile) + ((most,) if np.isfinite(most) else ())
    above = above_turning if k > 1 else above_falling
    return RadialScore(above, profile.mean_score, span, levels, scores, top=most, is_bounded=k >= 1)


def two_roots(k: float, target: Array) -> tuple[Array, Array]:
    """The z < 0 and the z > 0 with log((e^((k-1)z) + (k-1) e^-z) / k) = ``target`` ≥ 0, for k > 1.

    The left side has its minimum 0 at z = 0 and is nearly a square there: Newton's method on its root, which is nearly
    linear everywhere, needs half a dozen steps.
    """
    root = np.sqrt(target)
    found = []
    for side in (-1.0, 1.0):
        asymptote = target + math.log1p(1 / (k - 1)) if side < 0 else (target + math.log(k)) / (k - 1)
        z = side * np.where(root < 0.7, root * math.sqrt(2 / (k - 1)), asymptote)
        for _ in range(12):
            decay = np.exp(-k * np.abs(z))
            near = np.log1p((np.expm1((k - 1) * z) + (k - 1) * np.expm1(-z)) / k)
            far = (
                -z + np.log((decay + k - 1) / k)
                if side < 0
                else (k - 1) * z + np.log((1 + (k - 1) * decay) / k)
            )
            value = np.sqrt(np.maximum(np.where(np.abs(z) * max(k - 1, 1) < 1, near, far), 0.0))
            slope = (k - 1) * (1 - decay) / ((decay + k - 1) if side < 0 else (1 + (k - 1) * decay))
            step = (value - root) * 2 * value / slope
            z = np.where(np.isfinite(step), z - side * step, z)
            z = side * np.maximum(side * z, 0.0)
            if not (np.abs(step) > 1e-14 * np.maximum(np.abs(z), 1e-6)).any():
                break
        found.append(z)
    return found[0], found[1]


def _lower_tail(a: float, b: float, y: Array, z: Array) -> Array:
    """P(Beta(a, b) ≤ y), z = 1-y, by SciPy: to 1e-11 where the parameters are large."""
    y, z, tail = np.asarray(y), np.asarray(z), np.empty(np.shape(y))
    lower = y < z
    tail[lower], tail[~lower] = sp.betainc(a, b, y[lower]), sp.betaincc(b, a, z[~lower])
    return tail


def _score(profile: Exponential | Power, w: Array) -> Array:
    """ψ' at the radii with these normal scores."""
    with np.errstate(all="ignore"):
        r = profile.quantile(w)
        if isinstance(profile, Power):
            return profile.a * profile.k * r ** (profile.k - 1) / (1 + r**profile.k)
        return profile.k * r ** (profile.k - 1) + (profile.j / r if profile.j else 0.0)


def _range(profile: Exponential | Power, turn: tuple[float, float] | None = None) -> tuple[float, float]:
    """The levels that the score takes but for a mass of 1e-30: those of both ends, and an extremum between them.

    ``turn``: log r and the level of the extremum.
    """
    ends = np.array([-_EDGE, _EDGE])
    levels = _score(profile, ends)
    with np.errstate(all="ignore"):
        first, last = np.log(profile.quantile(ends))
    if turn is not None and not (turn[0] < first or turn[0] > last):
        levels = np.append(levels, turn[1])
    low, high = float(levels.min()), float(levels.max())
    return (low, high) if low > 0 and math.isfinite(high) else (0.0, math.inf)


def _levels(profile: Exponential | Power) -> tuple[float, ...]:
    levels = _score(profile, np.arange(-8.0, 9.0))
    return tuple(float(level) for level in levels[np.isfinite(levels) & (levels > 0)])


@dataclass(frozen=True)
class ProfileScore(ScoreLaw):
    """S = ±ψ'(r) with a fair sign."""

    profile: Profile

    def upper(self, w: Array) -> Array:
        return self.profile.upper_score(w)

    @property
    def is_bounded(self) -> bool:
        return self.profile.score_is_bounded


@lru_cache(maxsize=256)
def signs_mixture(profile: Profile) -> SignsMixture:
    """ψ'(r) (σ₁ + … + σ_d): a cross-polytope against ℓ∞."""
    return SignsMixture(tabulated(radial_score(profile), profile.dim), profile.dim)


@lru_cache(maxsize=256)
def cosine_mixture(profile: Profile) -> CosineMixture:
    """ψ'(r) times a coordinate of a uniform direction: a ball against ℓ2."""
    return CosineMixture(tabulated(radial_score(profile), profile.dim), profile.dim)
