"""R = ∫ from 1-ρ to 1/2 of dp/Φ(p) from the density of a score S that is symmetric and has no atom but S = 0.

The best set of probability p is {S > s}, so with f the density of S on (0, ∞),

    P(s) = ∫_s^∞ f,   Φ(s) = E[S; S > s] = ∫_s^∞ t f(t) dt,   R = (P(S = 0)/2) / Φ(0) + ∫_0^{s_ρ} f/Φ ds,

where P(s_ρ) = 1-ρ. Everything follows from f, here the density h of x = log S. Sums run from the far tail inwards, so
that each is one of positive terms; what they reach at s = 0 must be P(S > 0) and E S⁺, which are known otherwise.

Arithmetic is NumPy's extended precision (64 bits), hence fifteen to seventeen correct digits and not fifty. Two Gauss
rules are compared on every panel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from flint import arb, ctx

from validation.oracle.arith import PrecisionError, ball, legendre

Real = np.longdouble
Density = Callable[
    [Any, Any], Any
]  # h at x = base + offset; the offset is exact where h is singular at the base
ORDERS = (20, 30)
TOLERANCE = Real(3e-16)


def real(value: Any) -> Any:
    """A rational number or a ball in extended precision."""
    if np.finfo(Real).nmant < 63:
        raise PrecisionError("this platform's long double is not longer than double")
    value = ball(value) if isinstance(value, int | Fraction) else arb(value)
    return Real(value.mid().str(30, radius=False))


def extended(value: Any) -> Any:
    """An extended-precision number as a ball without error."""
    high = float(value)
    return arb(high) + arb(float(value - Real(high)))


@lru_cache(maxsize=8)
def rule(order: int) -> tuple[Any, Any, Any]:
    """Gauss-Legendre nodes and weights on [-1, 1], and the matrix of integrals from -1 to each node."""
    with ctx.workprec(256):
        nodes, weights, cumulative = legendre(order)
        table = np.array([real(entry) for entry in cumulative.entries()]).reshape(order, order)
        return np.array([real(x) for x in nodes]), np.array([real(w) for w in weights]), table


@dataclass(frozen=True)
class Stretch:
    """x = base + sign·y^power for y between two values, given with the larger x first; power 2 unfolds a root."""

    base: Any
    right: Any
    left: Any
    sign: int = 1
    power: int = 1

    def cut(self, right: Any, left: Any) -> "Stretch":
        """A part of it."""
        return Stretch(self.base, right, left, self.sign, self.power)

    def sample(self, density: Density, order: int) -> tuple[Any, Any]:
        """(h |dx/dt|, s) at the nodes t of the rule, from the right end to the left one."""
        half = (self.left - self.right) / 2
        y = (self.left + self.right) / 2 + half * rule(order)[0]
        offset = self.sign * y**self.power
        jacobian = self.power * abs(y) ** (self.power - 1) * abs(half)
        return density(self.base, offset) * jacobian, np.exp(self.base + offset)


@dataclass(frozen=True)
class Piece:
    """P and Φ at the right end of a stretch, what it adds to each, and its part of R."""

    stretch: Stretch
    mass_right: Any
    phi_right: Any
    mass: Any
    gain: Any
    flow: Any


def integrate(density: Density, stretch: Stretch, mass: Any, phi: Any, order: int) -> Piece:
    """One stretch by one rule."""
    _, weights, cumulative = rule(order)
    h, s = stretch.sample(density, order)
    phis = phi + cumulative @ (h * s)
    flow = weights @ np.divide(h, phis, out=np.zeros_like(h), where=phis > 0)
    return Piece(stretch, mass, phi, weights @ h, weights @ (h * s), flow)


def settle(
    density: Density, stretch: Stretch, mass: Any, phi: Any, lowest: Any, floor: Any, depth: int = 0
) -> list[Piece]:
    """The stretch cut, from right to left, until two rules agree.

    Flow where less than the mass `lowest` is left is of no interest, nor are errors of the order of `floor`.
    """
    coarse, fine = (integrate(density, stretch, mass, phi, order) for order in ORDERS)
    total, slack = mass + fine.mass, max(lowest / max(mass + fine.mass, Real("1e-4000")), 1)
    good = abs(fine.mass - coarse.mass) <= TOLERANCE * slack * total
    good &= abs(fine.gain - coarse.gain) <= TOLERANCE * slack * (phi + fine.gain)
    if total > lowest:
        good &= abs(fine.flow - coarse.flow) <= TOLERANCE * fine.flow + floor
    if good or total < lowest * Real(1e-20):
        return [fine]
    if depth == 60:
        raise PrecisionError(f"a panel does not settle near s = {np.exp(stretch.base)}: {coarse} {fine}")
    middle = (stretch.right + stretch.left) / 2
    pieces = settle(density, stretch.cut(stretch.right, middle), mass, phi, lowest, floor, depth + 1)
    last = pieces[-1]
    edge = last.mass_right + last.mass, last.phi_right + last.gain
    return pieces + settle(density, stretch.cut(middle, stretch.left), *edge, lowest, floor, depth + 1)


class Flow:
    """All radii of one score. `stretches` lie side by side from right to left, beyond them lie `tail` = (P, Φ)."""

    def __init__(
        self,
        density: Density,
        stretches: Sequence[Stretch],
        mass: Any,
        mean: Any,
        tail: tuple[Any, Any] = (Real(0), Real(0)),
        lowest: float = 1e-12,
    ) -> None:
        """`mass` is P(S > 0) and `mean` is E S⁺, both known otherwise; `lowest` is the least 1-ρ asked for."""
        self.density, self.mass, self.mean, self.lowest = density, mass, mean, lowest
        pieces: list[Piece] = []
        reached, phi = tail
        for stretch in stretches:
            pieces += settle(density, stretch, reached, phi, Real(lowest), 1e-22 / mean)
            reached, phi = pieces[-1].mass_right + pieces[-1].mass, pieces[-1].phi_right + pieces[-1].gain
        self.closure = float(max(abs(reached / mass - 1), abs(phi / mean - 1)))
        if not self.closure < 1e-14:
            raise PrecisionError(f"P(S > 0) and E S⁺ are missed by {self.closure:.1e}")
        self.pieces = pieces[::-1]
        self.below = np.cumsum([Real(0)] + [piece.mass for piece in self.pieces])
        self.flows = np.cumsum([Real(0)] + [piece.flow for piece in self.pieces])

    def _position(self, piece: Piece, wanted: Any, from_left: bool) -> Any:
        """y in a stretch with that much mass between it and one of the ends."""
        stretch = piece.stretch
        start = stretch.left if from_left else stretch.right
        stop = stretch.right if from_left else stretch.left
        low, high = start, stop
        y = start + (stop - start) * wanted / piece.mass
        for _ in range(200):
            part = stretch.cut(start, y) if from_left else stretch.cut(y, start)
            h, _ = part.sample(self.density, ORDERS[1])
            excess = rule(ORDERS[1])[1] @ h - wanted
            low, high = (low, y) if excess > 0 else (y, high)
            if abs(excess) <= 4e-19 * wanted:
                return y
            slope = self.density(stretch.base, np.array([stretch.sign * y**stretch.power]))[0]
            slope *= stretch.power * abs(y) ** (stretch.power - 1) * (1 if stop > start else -1)
            step = y - excess / slope if slope else high
            new = step if min(low, high) < step < max(low, high) else (low + high) / 2
            if abs(new - y) <= 2e-19 * abs(y):
                return new
            y = new
        return y

    def radius(self, above_half: Fraction) -> Any:
        """R at ρ = 1/2 + above_half, as an exact ball."""
        p = real(Fraction(1, 2) - above_half)
        if p < self.lowest:
            raise ValueError(f"this score was followed down to 1-ρ = {self.lowest}, got {float(p)}")
        atom = Real(0.5) - self.mass  # P(S = 0)/2, on which Φ stays Φ(0)
        inner = real(above_half) - atom  # P(0 < S < s_ρ)
        if inner <= 0:
            return extended(real(above_half) / self.mean)
        if inner < p:
            index = min(int(np.searchsorted(self.below, inner)), len(self.pieces)) - 1
            piece = self.pieces[index]
            y = self._position(piece, inner - self.below[index], from_left=True)
        else:
            index = next(i for i, piece in enumerate(self.pieces) if piece.mass_right <= p)
            piece = self.pieces[index]
            y = self._position(piece, p - piece.mass_right, from_left=False)
        stretch, fine = piece.stretch, ORDERS[1]
        outer = integrate(
            self.density, stretch.cut(stretch.right, y), piece.mass_right, piece.phi_right, fine
        )
        mass, phi = outer.mass_right + outer.mass, outer.phi_right + outer.gain
        rest = integrate(self.density, stretch.cut(y, stretch.left), mass, phi, fine)
        return extended(atom / self.mean + self.flows[index] + rest.flow)
