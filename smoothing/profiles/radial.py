"""The radial laws as the level-set method takes them: masses of the radius, and how far ψ rises and reaches."""

from __future__ import annotations

import math

import numpy as np
from scipy import special as sp

from smoothing.methods.spherical import Law
from smoothing.profiles.base import Array, Profile
from smoothing.profiles.exponential import Exponential
from smoothing.profiles.power import Power


def radial_law(profile: Profile) -> Law:
    """The law of the radius under an exponential or a power profile, with its potential ψ."""
    if isinstance(profile, Exponential):
        return _exponential(profile)
    assert isinstance(profile, Power)
    return _power(profile)


def _exponential(profile: Exponential) -> Law:
    """ψ(r exp δ) - ψ(r) = u (exp(kδ) - 1) + jδ with u = r^k."""
    k, j, log_mass = profile.k, profile.j, profile.log_mass

    def reach(r: Array, t: Array) -> Array:
        u = r**k
        if j < 1e-15:  # rounding
            delta = np.log1p(np.maximum(t / u, -1)) / k
            return np.where(delta < np.inf, delta, np.log(t) / k - np.log(r))  # where u underflows
        # u exp(kδ) is (j/k) ω(z), ω + log ω = z; then two Newton steps on what cancels
        g = j / k
        goal, shift = (t + u) / g, math.log(g) - k * np.log(r)
        omega = sp.wrightomega(goal - shift)
        delta = np.where(omega < 1, goal - omega, np.log(omega) + shift)
        for _ in range(2):
            delta = delta - (u * np.expm1(delta) + g * delta - t) / (u * np.exp(delta) + g)
        return delta / k

    return Law(
        dim=profile.dim,
        quantile=profile.quantile,
        cdf=profile.cdf,
        log_density=lambda y: (profile.dim - j) * y - np.exp(k * y) - log_mass,
        rise=lambda r, delta: r**k * np.expm1(k * delta) + j * delta,
        reach=reach,
        slope=lambda r: j + k * r**k,
        bend=lambda t: np.log(t) / k,
    )


def _power(profile: Power) -> Law:
    """ψ(r exp δ) - ψ(r) = a log(1 + y (exp(kδ) - 1)) with y = r^k / (1 + r^k)."""
    k, a, log_mass = profile.k, profile.a, profile.log_mass

    def reach(r: Array, t: Array) -> Array:
        return np.log1p(np.maximum((1 + r**-k) * np.expm1(t / a), -1)) / k

    return Law(
        dim=profile.dim,
        quantile=profile.quantile,
        cdf=profile.cdf,
        log_density=lambda y: profile.dim * y - a * np.logaddexp(0.0, k * y) - log_mass,
        rise=lambda r, delta: a * np.log1p(np.expm1(k * delta) / (1 + r**-k)),
        reach=reach,
        slope=lambda r: a * k / (1 + r**-k),
        bend=lambda t: np.log(np.expm1(np.minimum(t / a, 700))) / k,
    )
