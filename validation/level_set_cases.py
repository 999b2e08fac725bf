"""The second table of reference radii: level sets of spheres, cubes and single coordinates.

    python -m validation.oracle_table --table level-sets --out tests/data/oracle_level_sets.json

Of spherical noise the radius against l2 is tight. Of cubes it is the radius along e₁ (norm "l1") or along (1, ..., 1)
(norm "linf"), and of products the one along e₁: upper bounds, which log-concave products reach.
"""

from collections.abc import Iterator
from typing import Any

import mpmath

from validation.oracle import sigma_over_scale
from validation.oracle.level_sets import BITS, Direction, radius
from validation.oracle.thresholds import DIGITS

__all__ = ["BITS", "DIGITS", "RHOS", "cases", "compute"]

RHOS = (0.5 + 1e-6, 0.51, 0.6, 0.75, 0.9, 0.99, 0.999, 1 - 1e-6, 1 - 1e-9)
WAYS: dict[str, Direction] = {"l1": "e1", "linf": "diagonal", "l2": "e1"}
Case = tuple[str, dict[str, float], int, str, str]  # noise, params, dim, norm, method


def spheres() -> Iterator[Case]:
    """Every profile at every size."""
    for dim in (2, 3, 10, 64, 784, 3072):
        for k in (0.5, 1.0, 2.0, 3.0):
            for j in (0.0, float(dim // 2), dim - 0.5):
                yield "exp-l2", {"k": k, "j": j}, dim, "l2", "level-set"
    for dim in (2, 10, 784, 3072):
        for k in (0.5, 1.0, 2.0, 3.0):
            for a in (dim / k + 0.5, 2 * dim / k):
                yield "pow-l2", {"k": k, "a": a}, dim, "l2", "level-set"
    large = 150528
    for k, j in ((1.0, 0.0), (2.0, 0.0), (0.5, 1.0), (2.0, 75264.0), (3.0, large - 0.5)):
        yield "exp-l2", {"k": k, "j": j}, large, "l2", "level-set"
    for k, a in ((1.0, 2.0 * large), (2.0, large / 2 + 0.5)):
        yield "pow-l2", {"k": k, "a": a}, large, "l2", "level-set"
    for dim in (2, 3, 64, 784, 150528):
        for k, j in ((10.0, 0.0), (40.0, float(dim // 2)), (100.0, dim - 0.5)):
            yield "exp-l2", {"k": k, "j": j}, dim, "l2", "level-set"
    for dim in (3, 64, 784, large):
        for k, a in ((10.0, dim / 10 + 0.5), (40.0, dim / 20 + 0.5)):
            yield "pow-l2", {"k": k, "a": a}, dim, "l2", "level-set"


def lines() -> Iterator[Case]:
    """One coordinate of a product."""
    for p in (0.3, 0.5, 0.9, 1.0, 1.5, 3.0):
        yield "exp-power", {"p": p}, 1, "l1", "level-set"
    for a in (0.5, 1.0, 3.0, 100.0):
        yield "pareto", {"a": a}, 1, "l1", "level-set"


def cubes() -> Iterator[Case]:
    """Along an axis and along the diagonal."""
    for dim in (2, 10, 784):
        for norm in ("l1", "linf"):
            for k, j in ((1.0, 0.0), (0.5, 1.0 * (dim // 2)), (2.0, 0.0), (2.0, dim - 0.5), (3.0, 1.0)):
                yield "exp-linf", {"k": k, "j": j}, dim, norm, "level-set"
            for k, a in ((1.0, dim + 0.5), (2.0, 1.0 * dim)):
                yield "pow-linf", {"k": k, "a": a}, dim, norm, "level-set"


def walls() -> Iterator[Case]:
    """Spheres whose density falls within 1/k of r = 1, over few dimensions."""
    for dim, k, j in (
        (2, 40.0, 0.0), (3, 40.0, 0.0), (2, 100.0, 0.0), (3, 100.0, 0.0), (10, 100.0, 0.0), (2, 100.0, 0.5),
        (2, 300.0, 0.0),
    ):  # fmt: skip
        yield "exp-l2", {"k": k, "j": j}, dim, "l2", "level-set"
    for dim in (2, 3, 10):
        for k in (40.0, 100.0):
            yield "pow-l2", {"k": k, "a": dim / k + 0.5}, dim, "l2", "level-set"
    yield "pow-l2", {"k": 40.0, "a": 0.1}, 2, "l2", "level-set"


def cases() -> list[Case]:
    """All of them, the quick ones first."""
    return [*lines(), *spheres(), *cubes(), *walls()]


def digits(value: Any) -> str:
    """Twenty-five significant digits."""
    return "inf" if value == mpmath.inf else str(mpmath.nstr(value, 25, strip_zeros=False))


def compute(case: Case) -> dict[str, Any]:
    """One entry of the table."""
    noise, params, dim, norm, method = case
    with mpmath.workdps(40):
        return {
            "noise": noise,
            "params": params,
            "dim": dim,
            "norm": norm,
            "direction": "any" if norm == "l2" else WAYS[norm],
            "method": method,
            "sigma_over_scale": digits(sigma_over_scale(noise, dict(params), dim)),
            "radius": [digits(radius(noise, dict(params), dim, rho, direction=WAYS[norm])) for rho in RHOS],
        }
