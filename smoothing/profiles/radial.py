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
    g = j / k if j >= 1e-15 else 0.0  # else rounding
    log_g = math.log(g) if g else -math.inf

    def reach(r: Array, t: Array) -> Array:
        u = r**k
        if not g:
            delta = np.log1p(np.maximum(t / u, -1)) / k
            alone = np.where(t > 0, np.log(np.abs(t)) / k - np.log(r), np.where(t == 0, 0.0, -np.inf))
            return np.where(u > 1e-290, delta, alone)  # u loses digits before it underflows
        # u exp(kδ) is g ω(z), ω + log ω = z; then two Newton steps on what cancels
        log_u = k * np.log(r)
        goal, shift = (t + u) / g, log_g - log_u
        omega = sp.wrightomega(goal - shift)
        delta = np.where(omega < 1, goal - omega, np.log(omega) + shift)
        for _ in range(2):
            grown = np.exp(delta + log_u)  # exp(δ) may overflow where u underflows
            risen = np.where(delta < 1, u * np.expm1(delta), grown - u)
            delta = delta - (risen + g * delta - t) / (grown + g)
        return delta / k

    def rise(r: Array, delta: Array) -> Array:
        u, near = r**k, k * delta < 1
        risen = u * np.expm1(np.minimum(k * delta, 1))
        if not near.all():  # exp(kδ) may overflow where u underflows
            risen = np.where(near, risen, np.exp(k * (np.log(r) + delta)) - u)
        return risen + j * delta

    def knees(t: Array) -> Array:
        """Where u is 1, t, g, and g exp(-t/g): the least u that s still takes notice of."""
        log_t = np.log(t)
        places = [np.zeros_like(t), log_t]
        if g:
            places += [np.full_like(t, log_g), log_g - t / g]
        return np.stack(places, axis=1) / k

    return Law(
        dim=profile.dim,
        quantile=profile.quantile,
        cdf=profile.cdf,
        log_density=lambda y: (profile.dim - j) * y - np.exp(k * y) - log_mass,
        rise=rise,
        reach=reach,
        slope=lambda r: j + k * r**k,
        bend=lambda t: np.log(t) / k,
        knees=knees,
        turn=k,
    )


def _power(profile: Power) -> Law:
    """ψ(r exp δ) - ψ(r) = a log(1 + y (exp(kδ) - 1)) with y = r^k / (1 + r^k)."""
    k, a, log_mass = profile.k, profile.a, profile.log_mass

    def reach(r: Array, t: Array) -> Array:
        return np.log1p(np.maximum((1 + r**-k) * np.expm1(t / a), -1)) / k

    def reach_far(r: Array, t: Array) -> Array:
        """The same for t/a and k log r whose exponentials overflow: kδ = T + log(1 + (1 - exp(-T))/u), T = t/a."""
        ratio = t / a
        lift = np.log(-np.expm1(-np.abs(ratio))) - k * np.log(r)
        up = np.logaddexp(0.0, lift)
        down = np.log1p(-np.minimum(np.exp(lift - ratio), 1.0))
        return (ratio + np.where(ratio > 0, up, down)) / k

    far = k > 10 or a < 4

    def rise(r: Array, delta: Array) -> Array:
        near = k * delta < 1
        risen = np.log1p(np.expm1(np.minimum(k * delta, 1)) / (1 + r**-k))
        if not near.all():
            far = np.logaddexp(0.0, k * (np.log(r) + delta)) - np.logaddexp(0.0, k * np.log(r))
            risen = np.where(near, risen, far)
        return a * risen

    return Law(
        dim=profile.dim,
        quantile=profile.quantile,
        cdf=profile.cdf,
        log_density=lambda y: profile.dim * y - a * np.logaddexp(0.0, k * y) - log_mass,
        rise=rise,
        reach=reach_far if far else reach,
        slope=lambda r: a * k / (1 + r**-k),
        bend=lambda t: np.log(np.expm1(np.minimum(t / a, 700))) / k,
        knees=lambda t: np.stack([np.zeros_like(t), np.log(-np.expm1(-t / a))], axis=1) / k,
        turn=k,
    )
