"""Exact inputs, ball arithmetic and the two numerical tools of the oracle: Newton and Gauss-Legendre.

Inputs are rationals (a float is the binary number that it is), special functions are Arb balls, and
every ball that is too wide is computed again with more bits. Only truncation of a quadrature is outside
the balls, and that is held by comparing two rules.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath
from flint import arb, arb_mat, ctx, fmpq

Number = int | float | str | Fraction


class PrecisionError(ArithmeticError):
    """A ball stayed too wide, or an iteration did not settle."""


def exact(value: Number) -> Fraction:
    """The rational number meant: a float is its binary value, a string its decimal one."""
    return Fraction(value)


def ball(value: Fraction | int) -> Any:
    """The smallest ball around a rational number at the working precision."""
    value = Fraction(value)
    return arb(fmpq(value.numerator, value.denominator))


def digits() -> int:
    """Decimal digits aimed at: one for every eight working bits, which leaves more than half as guard."""
    return int(ctx.prec) // 8


def to_mpf(value: Any) -> mpmath.mpf:
    """The midpoint of a ball, exactly, once the ball is narrow enough to deserve it."""
    if not value.is_finite() or (value != 0 and value.rel_accuracy_bits() < 3.33 * digits()):
        raise PrecisionError(f"a result is known to {value.rel_accuracy_bits()} bits only: {value}")
    mantissa, exponent = value.mid().man_exp()
    with mpmath.workprec(int(ctx.prec) + 64):
        return mpmath.mpf(int(mantissa)) * mpmath.mpf(2) ** int(exponent)


def accurate(compute: Callable[[], Any], bits: int | None = None) -> Any:
    """`compute()` with working precision doubled until the ball has the relative accuracy wanted."""
    wanted = int(ctx.prec) * 3 // 4 if bits is None else bits
    precision = int(ctx.prec)
    for _ in range(5):
        with ctx.workprec(precision):
            value = compute()
        if value.is_finite() and value.rel_accuracy_bits() >= wanted:
            return value
        precision *= 2
    raise PrecisionError(f"no {wanted} accurate bits with {precision // 2} working bits: {value}")


def newton(start: float, residual: Callable[[Any], tuple[Any, Any]], steps: int = 60) -> Any:
    """The root of a function given as (value, slope), from a start near it; exact midpoint returned.

    The function should be the logarithm of a ratio: convergence is asked of it absolutely.
    """
    x = arb(start)
    for _ in range(steps):
        value, slope = residual(x)
        step = (value / slope).mid()
        x = (x - step).mid()
        if abs(value) < arb(2) ** (-int(ctx.prec) // 3):  # this step squares an error already small
            return x
    raise PrecisionError(f"Newton's method did not settle near {start}")


@lru_cache(maxsize=16)
def _legendre(order: int, precision: int) -> tuple[list[Any], list[Any], Any]:
    """Nodes and weights of Gauss-Legendre on [-1, 1] and the matrix of integrals from -1 to each node.

    With p_k the Legendre polynomials, the j-th cardinal function is w_j sum_k (2k+1)/2 p_k(x_j) p_k(x)
    and the integral of p_k from -1 to x is (p_{k+1}(x) - p_{k-1}(x)) / (2k+1).
    """
    with ctx.workprec(precision + 64):
        pairs = [arb.legendre_p_root(order, i, weight=True) for i in range(order)]
        nodes, weights = [node for node, _ in pairs], [weight for _, weight in pairs]
        table = []
        for x in nodes:
            row = [arb(1), x]
            for k in range(1, order + 1):
                row.append(((2 * k + 1) * x * row[k] - k * row[k - 1]) / (k + 1))
            table.append(row)
        values = arb_mat([[weights[j] * table[j][k] / 2 for j in range(order)] for k in range(order)])
        integrals = [
            [x + 1] + [row[k + 1] - row[k - 1] for k in range(1, order)]
            for x, row in zip(nodes, table, strict=True)
        ]
        return nodes, weights, arb_mat(integrals) * values


def legendre(order: int) -> tuple[list[Any], list[Any], Any]:
    """Nodes, weights and cumulative matrix on [-1, 1] at the working precision."""
    return _legendre(order, int(ctx.prec))


def column(matrix: Any, vector: list[Any]) -> list[Any]:
    """Matrix times vector, as a list."""
    return list((matrix * arb_mat([[entry] for entry in vector])).entries())
