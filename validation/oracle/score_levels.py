"""The level λ = log ψ'(r) of a radial profile and its density, vectorised in extended precision.

With y = log u, u = r^k, and y = centre + t,

    λ(t + η) - λ(t) = ±(log(1 + s (e^η - 1)) - κη),    s = the share ku/(ku + j) or u/(1 + u) at t,

with + and κ = 1/k for exponential profiles, - and κ = 1 - 1/k for power laws. Differences are taken from the point of
interest, so that none of them cancels; where 0 < κ < 1 and s passes κ, λ has an extremum.
"""

from fractions import Fraction
from typing import Any

import numpy as np
from flint import ctx

from validation.oracle.arith import ball
from validation.oracle.laws import BetaPrime, lgamma
from validation.oracle.score_flow import Real, real
from validation.oracle.shells import Shell

FAINT = 90.0  # densities e^-90 below the peak are left out: the sums P(S > 0) and E S⁺ would show it


def _cumulants(order: int) -> list[list[Fraction]]:
    """log(1 + κ(e^z - 1)) = κz + Σ (polynomial in κ) z^n: a coin's cumulants, next = κ(1-κ) d(last)/dκ, over n!."""
    polynomial, found, factorial = [Fraction(0), Fraction(1)], [], 1
    for n in range(2, order + 1):
        slope = [i * c for i, c in enumerate(polynomial)][1:]
        polynomial = [Fraction(0), *slope, Fraction(0)]
        for i, c in enumerate(slope):
            polynomial[i + 2] -= c
        factorial *= n
        found.append([c / factorial for c in polynomial])
    return found


def _value(polynomial: list[Fraction], x: Fraction) -> Fraction:
    return sum((c * x**i for i, c in enumerate(polynomial)), Fraction(0))


CUMULANTS = _cumulants(14)


class Level:
    """λ and the density of y for one profile; t = 0 is where the density of y is largest."""

    def __init__(self, shell: Shell) -> None:
        """All constants from balls, each correctly rounded."""
        law, k = shell.law, shell.k
        self.shell = shell
        self.sign, self.kappa = (1, 1 / k) if shell.profile == "exp" else (-1, 1 - 1 / k)
        self.turns = shell.two_sided
        with ctx.workprec(256):
            if isinstance(law, BetaPrime):
                u, total = ball(law.a / law.b), law.a + law.b
                peak = ball(law.a) * u.log() - ball(total) * u.log1p()
                peak -= lgamma(law.a) + lgamma(law.b) - lgamma(total)
                level = ball(shell.other * k).log() + ball(1 - 1 / k) * u.log() - u.log1p()
                share, rest = u / (1 + u), 1 / (1 + u)
                self.a, self.b, self.total = real(law.a), real(law.b), real(total)
            else:
                u, whole = ball(law.a), ball(k * law.a + shell.other)
                peak = u * u.log() - u - lgamma(law.a)
                level = whole.log() - u.log() / ball(k)
                share, rest = ball(k) * u / whole, ball(shell.other) / whole
                self.a, self.b, self.total = real(law.a), Real(0), None
            self.peak, self.level = real(peak), real(level)
            self.share, self.rest = real(share), real(rest)
            kappa = ball(self.kappa)
            self.k0, self.k1 = real(kappa), real(1 - kappa)  # κ and 1-κ
            self.mean = real(shell.mean())  # E ψ'(r)
            if self.turns:
                hump = (kappa / (1 - kappa) * rest / share).log()
                self.hump = real(hump)
                slope = (share * (hump.exp() - 1)).log1p() - kappa * hump
                self.top = real(level + self.sign * slope)  # the extreme level
                self.series = [real(_value(c, self.kappa)) for c in CUMULANTS]
            self.bounded = shell.profile == "pow" and k == 1  # λ = log a - log(1+u) < log a
            if self.bounded:
                self.top, self.scale = real(ball(shell.other).log()), real(u.log())
        self.left, self.right = self._reach(-1, FAINT), self._reach(1, FAINT)
        self.one_side = 0
        if self.turns and not self.left < self.hump < self.right:  # an extremum where there is no mass
            self.turns, self.one_side = False, 1 if self.hump < 0 else -1

    def log_density(self, t: Any) -> Any:
        """Log of the density of y."""
        if self.total is None:
            return self.peak + self.a * (t - np.expm1(t))
        if self.a < self.b:
            return self.peak + self.a * t - self.total * np.log1p(self.a / self.total * np.expm1(t))
        return self.peak - self.b * t - self.total * np.log1p(self.b / self.total * np.expm1(-t))

    def share_at(self, t: Any) -> Any:
        """s at t."""
        return self.share / (self.share + self.rest * np.exp(-t))

    def rise(self, t: Any, eta: Any) -> Any:
        """λ(t + η) - λ(t)."""
        if self.rest == 0:
            return self.sign * self.k1 * eta
        share = self.share_at(t)
        with np.errstate(divide="ignore"):
            grown = np.log1p(share * np.expm1(eta))
            if np.any(eta < -1):  # there 1 + s (e^η - 1) cancels, and (1-s) + s e^η does not
                rest = np.log(self.rest) - t - np.log(self.share + self.rest * np.exp(-t))
                grown = np.where((eta < -1) & (share > 0.5), np.logaddexp(rest, np.log(share) + eta), grown)
        return self.sign * (grown - self.k0 * eta)

    def slope(self, t: Any) -> Any:
        """dλ/dt."""
        return self.sign * (self.k1 if self.rest == 0 else self.share_at(t) - self.k0)

    def bend(self, z: Any) -> Any:
        """D(z) = log(1 + κ(e^z - 1)) - κz ≥ 0: what λ moves between its extremum and a distance z from it."""
        small = np.abs(z) < 0.05
        near = np.where(small, z, 0)
        total = np.zeros_like(near)
        for coefficient in self.series[::-1]:
            total = (total + coefficient) * near
        return np.where(small, total * near, np.log1p(self.k0 * np.expm1(z)) - self.k0 * z)

    def climb(self, z: Any, eta: Any) -> Any:
        """The rise of λ from a distance z of its extremum, where the slope is too small to be told from a share."""
        share, slope = self.share_at(self.hump + z), self.bend_slope(z)
        small = np.abs(eta) < 0.05
        near, total = np.where(small, eta, 0), np.zeros(np.broadcast(z, eta).shape, Real)
        for cumulant in CUMULANTS[::-1]:
            total = (total + np.polyval([Real(c) for c in cumulant[::-1]], share)) * near
        return np.where(small, self.sign * (total + slope) * near, self.rise(self.hump + z, eta))

    def bend_slope(self, z: Any) -> Any:
        """dD/dz."""
        return self.k0 * self.k1 * np.expm1(z) / (1 + self.k0 * np.expm1(z))

    def root(self, side: int, drop: Any) -> Any:
        """z on a side of 0 with D(z) = drop > 0. D is convex: Newton's method descends once it is outside."""
        tail, rate = (self.k1, self.k0) if side < 0 else (self.k0, self.k1)
        z = side * np.minimum(np.sqrt(2 * drop / (self.k0 * self.k1)), (drop - np.log(tail)) / rate)
        for _ in range(60):
            step = (self.bend(z) - drop) / self.bend_slope(z)
            z = z - step
            if np.all(np.abs(step) <= 1e-17 * np.abs(z)):
                break
        return z

    def ends(self, drop: Any) -> list[tuple[Any, Any]]:
        """(t, |dλ/dt|) at the ends of the set of levels that are `drop` > 0 away from `top`."""
        if self.bounded:
            t = np.log(np.expm1(drop)) - self.scale
            return [(t, -np.expm1(-drop))]
        return [
            (self.hump + z, np.abs(self.bend_slope(z))) for z in (self.root(-1, drop), self.root(1, drop))
        ]

    def position(self, rise: Any) -> Any:
        """t with λ(t) - λ(0) = rise, where λ is monotone on the mass; NaN for a level that is not taken."""
        if self.one_side:
            drop = self.sign * (self.level - self.top + rise)
            z = self.root(self.one_side, np.where(drop > 0, drop, 1))
            return np.where(drop > 0, self.hump + z, np.nan)
        if self.rest == 0 and self.k1 == 0:  # ψ' is constant: all t, or none
            return np.where(rise < 0, Real(np.inf), Real(-np.inf))
        if self.rest == 0:
            return rise / (self.sign * self.k1)
        target, share, rest = self.sign * rise, np.log(self.share), np.log(self.rest)
        # both asymptotes lie below the convex function, so their crossings with the target are on its outer side
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = (rest - target) / self.k0, (target - share) / self.k1
            if self.k0 > 0:  # λ falls towards large t
                t = np.maximum(first, second) if self.k1 < 0 else np.where(target > share, first, np.nan)
            else:
                t = np.minimum(first, second) if self.k0 < 0 else np.where(target > rest, second, np.nan)
            for _ in range(200):
                step = (self.sign * self.rise(Real(0), t) - target) / (self.sign * self.slope(t))
                t = t - step
                if not np.any(np.abs(step) > 1e-17 * (1 + np.abs(t))):
                    break
        return t

    def _reach(self, side: int, drop: float) -> Any:
        """t on a side where both the density of y and ψ' times it have fallen by e^-drop."""

        def high(far: float) -> bool:
            t = Real(far)
            fall = self.log_density(t) - self.peak
            return bool(max(fall, fall + self.rise(Real(0), t)) > -drop)

        low, far = 0.0, float(side)
        while high(far):
            far *= 2
        for _ in range(60):
            middle = (low + far) / 2
            low, far = (middle, far) if high(middle) else (low, middle)
        return Real(far)

    def bulk(self) -> list[Any]:
        """Some t that mark the peak of the density on both sides, from left to right."""
        return [self._reach(-1, drop) for drop in (FAINT, 12.0, 1.0)] + [
            self._reach(1, drop) for drop in (1.0, 12.0, FAINT)
        ]
