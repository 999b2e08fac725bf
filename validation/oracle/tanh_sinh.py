"""Tanh-sinh quadrature in Arb, and roots in a bracket: the two tools of the level sets.

Nodes crowd at the ends of a panel, so that jumps and roots of any order may stand there. The step is halved until three
rules agree, the last two to the tolerance; the finest is then known to more digits than their difference shows.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from flint import arb, ctx

from validation.oracle.arith import PrecisionError

_FINEST = 7  # halvings of the step before the panel is halved


@lru_cache(maxsize=64)
def _nodes(level: int, precision: int) -> list[tuple[Any, Any]]:
    """(δ, weight) for the panel [0, 1]: a node at δ and one at 1 - δ, those that this level adds to the coarser ones.

    x = (odd) 2^-level, δ = 1/(1 + exp(π sinh x)), weight = π cosh(x) δ (1-δ).
    """
    with ctx.workprec(precision):
        step, least = arb(2) ** -level, arb(2) ** -precision
        nodes: list[tuple[Any, Any]] = []
        x = step
        while True:
            delta = 1 / (1 + (arb.pi() * x.sinh()).exp())
            weight = arb.pi() * x.cosh() * delta * (1 - delta)
            if weight < least:
                return nodes
            nodes.append((delta.mid(), weight.mid()))
            x += step if level == 0 else 2 * step


def integrate(function: Callable[[Any], Any], low: Any, high: Any, tolerance: Any, depth: int = 0) -> Any:
    """∫ function over [low, high]; where the finest rule has not settled either, the panel is halved."""
    width, last, quiet = high - low, arb.nan(), 0
    total = function((low + high) / 2) * arb.pi() / 4
    for level in range(_FINEST + 1):
        for delta, weight in _nodes(level, int(ctx.prec)):
            reach = width * delta
            total += weight * (function(low + reach) + function(high - reach))
        value = (total * width * arb(2) ** -level).mid()
        quiet = quiet + 1 if abs(value - last) < (tolerance if quiet else 1e8 * tolerance) else 0
        if quiet >= 2 and level >= 4:
            return value
        last = value
    if depth == 24:
        raise PrecisionError(f"tanh-sinh does not settle between {float(low)} and {float(high)}")
    middle = ((low + high) / 2).mid()
    halves = ((low, middle), (middle, high))
    return sum((integrate(function, *half, tolerance / 2, depth + 1) for half in halves), arb(0))


def crossing(function: Callable[[Any], Any], low: Any, high: Any, tolerance: Any) -> Any:
    """The root of a function with different signs at low and high, to `tolerance`: secants, halved where they stall."""
    low, high = arb(low).mid(), arb(high).mid()
    at_low, at_high = function(low), function(high)
    if (at_low > 0) == (at_high > 0):
        raise PrecisionError(f"no change of sign between {float(low)} and {float(high)}")
    older, at_older, newer, at_newer = low, at_low, high, at_high
    widths = [high - low] * 3
    while True:
        change = at_newer - at_older
        step = at_newer * (newer - older) / change if change != 0 else arb.nan()
        guess = (newer - step).mid()
        if abs(step) < tolerance and low <= guess <= high:
            return guess
        if not low < guess < high or 2 * (high - low) > widths[-3]:
            guess = ((low + high) / 2).mid()
        if high - low < tolerance:
            return guess
        at_guess = function(guess)
        if (at_guess > 0) == (at_low > 0):
            low, at_low = guess, at_guess
        else:
            high, at_high = guess, at_guess
        widths.append(high - low)
        older, at_older, newer, at_newer = newer, at_newer, guess, at_guess


def bracket(function: Callable[[Any], Any], start: Any, step: float) -> tuple[Any, Any]:
    """(low, high) around the root of an increasing function, by growing steps from `start`."""
    here = arb(start).mid()
    above = function(here) > 0
    for _ in range(60):
        there = here - step if above else here + step
        if (function(there) > 0) != above:
            return (there, here) if above else (here, there)
        here, step = there, 2 * step
    raise PrecisionError(f"no bracket from {float(start)}")


def sign_changes(function: Callable[[Any], Any], points: list[Any], tolerance: Any) -> list[Any]:
    """Where a function changes its sign: between neighbours of a grid, and twice around an extremum beyond zero."""
    values = [function(point) for point in points]
    spans = [
        (i, points[i], points[i + 1])
        for i in range(len(points) - 1)
        if (values[i] > 0) != (values[i + 1] > 0)
    ]
    found = [crossing(function, low, high, tolerance) for _, low, high in spans]
    for i in range(1, len(points) - 1):
        before, here, after = (value if values[i] > 0 else -value for value in values[i - 1 : i + 2])
        if here < before and here < after and min(before, after) > 0:
            turn = _beyond_zero(function, points[i - 1], points[i + 1], 1 if values[i] > 0 else -1)
            if turn is not None:
                found += [
                    crossing(function, points[i - 1], turn, tolerance),
                    crossing(function, turn, points[i + 1], tolerance),
                ]
    return found


def _beyond_zero(function: Callable[[Any], Any], low: Any, high: Any, sign: int) -> Any | None:
    """A point where sign · function < 0, on the way to its minimum by golden sections; None where that is above 0."""
    ratio = (arb(5).sqrt() - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = sign * function(left), sign * function(right)
    for _ in range(40):
        if at_left < 0 or at_right < 0:
            return (left if at_left < 0 else right).mid()
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = sign * function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = sign * function(right)
    return None
