"""Level sets in Arb against exact identities, other integrals, and Neyman-Pearson done by sorting a grid."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from flint import arb, ctx
from marks import slow
from mpmath import mp
from numpy.typing import NDArray

from validation import level_set_cases, oracle
from validation.oracle.boundaries import share_within
from validation.oracle.level_sets import radius, rho_needed
from validation.oracle.shifted_shells import ShiftedShell
from validation.oracle.tanh_sinh import crossing, integrate, sign_changes
from validation.oracle_table import key

Array = NDArray[np.float64]
TABLE = Path(__file__).parents[1] / "data" / "oracle_level_sets.json"
EVERY_RHO = (0.5 + 1e-6, 0.6, 0.99, 1 - 1e-9)
SPHERES = [
    ("exp-l2", {"k": 1.0, "j": 0.0}),
    ("exp-l2", {"k": 0.5, "j": 2.0}),
    ("exp-l2", {"k": 3.0, "j": 4.5}),
    ("pow-l2", {"k": 2.0, "a": 3.5}),
    ("pow-l2", {"k": 0.5, "a": 20.0}),
]


def close(value: object, reference: object, relative: float = 1e-23) -> bool:
    with mp.workdps(40):
        return bool(abs(mp.mpf(value) - mp.mpf(reference)) <= relative * abs(mp.mpf(reference)))


def number(value: arb) -> mp.mpf:
    with mp.workdps(50):
        return mp.mpf(value.str(50, radius=False))


@pytest.mark.parametrize("dim", [784, *(slow(dim) for dim in (2, 3, 10, 150528))])
def test_gaussian(dim: int) -> None:
    """R = Φ_N⁻¹(ρ)/√2: for k = 2, j = 0 every level set is a half-space."""
    for rho in EVERY_RHO:
        assert close(radius("exp-l2", {"k": 2}, dim, rho), oracle.radius("exp-l2", {"k": 2}, dim, "l2", rho))


def test_convex_potentials_on_a_line() -> None:
    """R is the quantile of ρ, here found from the threshold of the likelihood ratio."""
    for p in (1.25, 2, 3):
        for rho in EVERY_RHO:
            assert close(
                radius("exp-power", {"p": p}, 1, rho), oracle.radius("exp-power", {"p": p}, 1, "l1", rho)
            )


@pytest.mark.parametrize(
    ("noise", "params"),
    [SPHERES[0], *(slow(*case) for case in SPHERES[1:])],
)
def test_inverse(noise: str, params: dict[str, float]) -> None:
    for rho in (0.51, 0.999):
        r = radius(noise, dict(params), 5, rho)
        assert close(rho_needed(noise, dict(params), 5, r), rho)
        with mp.workdps(40):
            longer, shorter = r * (1 + mp.mpf(10) ** -18), r * (1 - mp.mpf(10) ** -18)
        assert rho_needed(noise, dict(params), 5, shorter) < rho < rho_needed(noise, dict(params), 5, longer)


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "params"), SPHERES)
def test_two_precisions_agree(noise: str, params: dict[str, float]) -> None:
    """More bits also move the window and the nodes."""
    for rho in (0.6, 1 - 1e-6):
        assert close(*(radius(noise, dict(params), 5, rho, bits=bits) for bits in (170, 260)), 1e-22)


def bipolar(potential: Callable[[Array], Array], dim: int, e: float, t: float) -> float:
    """P(ψ(|X-v|) ≤ ψ(|X|) + t), integrated over r = |X| and s = |X-v|, d odd.

    The sphere of radius r meets that of radius s about v in one of dimension d-2 and radius h: the joint density is
    proportional to q(r) r s h^(d-3), (2eh)² = ((r+e)² - s²)(s² - (r-e)²), a polynomial in s.
    """
    nodes, weights = np.polynomial.legendre.leggauss(20)
    edges = np.concatenate([np.geomspace(1e-9, 1, 60), np.geomspace(1, 900, 600)[1:]]) * e / 2
    edges = np.sort(
        np.concatenate([edges, e + e * np.geomspace(1e-9, 0.2, 40), e - e * np.geomspace(1e-9, 0.2, 40)])
    )
    r = ((edges[1:] + edges[:-1]) / 2 + np.diff(edges) / 2 * nodes[:, None]).ravel()
    weight = (np.diff(edges) / 2 * weights[:, None]).ravel()
    low, high = abs(r - e), r + e
    reach, top = low.copy(), high.copy()
    for _ in range(70):  # s with ψ(s) = ψ(r) + t, no further than the triangle goes
        middle = (reach + top) / 2
        below = potential(middle) <= potential(r) + t
        reach, top = np.where(below, middle, reach), np.where(below, top, middle)

    def mass(end: Array) -> Array:
        s = (low + end) / 2 + (end - low) / 2 * nodes[:, None]
        square = ((r + e) ** 2 - s * s) * (s * s - (r - e) ** 2)
        return (end - low) * (weights[:, None] * s * square ** ((dim - 3) // 2)).sum(axis=0)

    density = weight * np.exp(-potential(r)) * r
    return float((density * mass(reach)).sum() / (density * mass(high)).sum())


@pytest.mark.parametrize("dim", [3, 5, 9])
@pytest.mark.parametrize(
    ("k", "j", "e"), [(1.0, 0.0, 4.0), (3.0, 1.0, 0.75), (2.0, 2.5, 1.25), (0.5, 0.0, 30.0)]
)
def test_masses_in_bipolar_coordinates(dim: int, k: float, j: float, e: float) -> None:
    """No cosine, no beta function, no law of r: in doubles."""
    shell = ShiftedShell("exp", dim, Fraction(k), Fraction(j), "ball")
    for t in (0.4, -0.3, 0.9):
        with ctx.workprec(200):
            value = 0.5 - float(shell.below_half(arb(e), arb(t), arb(10) ** -20))
        assert value == pytest.approx(bipolar(lambda r: r**k + j * np.log(r), dim, e, t), abs=1e-5)


@pytest.mark.parametrize("dim", [10, 784])
@pytest.mark.parametrize(
    ("profile", "k", "other"), [("exp", 1, 0), ("exp", 3, 5), ("pow", 1, 40), ("pow", 0.5, 40)]
)
def test_gauss_legendre_in_mpmath(profile: str, k: float, other: float, dim: int) -> None:
    """The same mass in mpmath alone: another rule, in r itself, another incomplete beta function."""
    if profile == "pow":
        other += dim / k
    shell = ShiftedShell(profile, dim, Fraction(k), Fraction(other), "ball")  # type: ignore[arg-type]
    with ctx.workprec(200), mp.workdps(30):
        middle = float(np.exp(shell.middle))
        e = Fraction(1.25 * middle / dim**0.5)
        t = Fraction(1.1 * float(shell.first_threshold(arb(float(e)))))
        value = number(shell.below_half(arb(float(e)), arb(float(t)), arb(10) ** -32))
        kinks = [mp.exp(number(y)) for y in shell.kinks(arb(float(e)), arb(float(t)))]
        low, high = (mp.exp(number(y)) for y in shell.window)
        e, t, k, j = mp.mpf(float(e)), mp.mpf(float(t)), mp.mpf(k), mp.mpf(other)

        def partner(r: mp.mpf) -> mp.mpf:
            if profile == "pow":
                return ((1 + r**k) * mp.exp(t / j) - 1) ** (1 / k)
            if j == 0:
                return (r**k + t) ** (1 / k)
            return (j / k * mp.lambertw(k / j * mp.exp(k / j * (r**k + t) + k * mp.log(r)))) ** (1 / k)

        def density(r: mp.mpf) -> mp.mpf:
            if profile == "pow":
                norm = mp.log(mp.mpf(k)) - mp.log(mp.beta(dim / k, j - dim / k))
                return mp.exp((dim - 1) * mp.log(r) - j * mp.log1p(r**k) + norm)
            return mp.exp((dim - 1 - j) * mp.log(r) - r**k + mp.log(k) - mp.loggamma((dim - j) / k))

        def signed(r: mp.mpf) -> mp.mpf:
            s = partner(r)
            c = (r * r + e * e - s * s) / (2 * r * e)
            if abs(c) >= 1:
                return density(r) * mp.sign(c) / 2
            share = mp.betainc(mp.mpf(1) / 2, mp.mpf(dim - 1) / 2, 0, c * c, regularized=True)
            return density(r) * mp.sign(c) * share / 2

        width = mp.log(high / low)
        deviation = mp.mpf(shell.law.log_spread()[1] / float(k))
        points = [middle * mp.exp(deviation * i) for i in range(-12, 13)]
        points = [low, *(p for p in points if low < p < high), *(q for q in kinks if low < q < high), high]
        if width > 30 * deviation:
            points += [middle * mp.exp(deviation * i) for i in (-40, -30, -20, 15, 20, 30, 40)]
        points = sorted({p for p in points if low <= p <= high})
        reference = mp.quad(signed, points, method="gauss-legendre", maxdegree=5)
        assert abs(value - reference) < 1e-20


def sorted_masses(log_radial: object, dim: int, middle: float, e: float, p: float) -> float:
    """G(p, v) by Neyman-Pearson on a grid in (x₁, z), z the length of the other coordinates, with density z^(d-2) q."""
    spread = middle / dim**0.5
    x = (np.arange(2400) + 0.5) / 1200 * 9 * spread - 9 * spread + e / 2
    z = middle * np.exp((np.arange(1600) + 0.5) / 800 * 1.2 - 1.2) if dim > 20 else None
    if z is None:
        z = (np.arange(1600) + 0.5) / 1600 * 6 * middle
        weight = (dim - 2) * np.log(z)
    else:
        weight = (dim - 1) * np.log(z)  # dz = z d(log z)
    log_base = log_radial(np.hypot(x[:, None], z)) + weight  # type: ignore[operator]
    log_moved = log_radial(np.hypot(x[:, None] - e, z)) + weight  # type: ignore[operator]
    top = log_base.max()
    base, moved = np.exp(log_base - top).ravel(), np.exp(log_moved - top).ravel()
    order = np.argsort(-(log_moved - log_base).ravel())
    return float(np.interp(p, np.cumsum(base[order]) / base.sum(), np.cumsum(moved[order]) / moved.sum()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("noise", "params", "dim", "log_radial"),
    [
        ("exp-l2", {"k": 3.0, "j": 0.0}, 3, lambda r: -(r**3)),
        ("exp-l2", {"k": 1.5, "j": 1.0}, 5, lambda r: -np.log(r) - r**1.5),
        ("exp-l2", {"k": 1.0, "j": 30.0}, 64, lambda r: -30 * np.log(r) - r),
        ("exp-l2", {"k": 0.5, "j": 0.0}, 784, lambda r: -np.sqrt(r)),
        ("pow-l2", {"k": 2.0, "a": 700.0}, 784, lambda r: -700 * np.log1p(r * r)),
    ],
)
def test_best_sets_by_sorting(noise, params, dim, log_radial) -> None:  # type: ignore[no-untyped-def]
    """At R, and not before it, a set of mass 1 - ρ reaches 1/2 when moved."""
    law = ShiftedShell(noise[:3], dim, *(Fraction(value) for value in params.values()), "ball")
    middle = float(np.exp(law.middle))
    for rho in (0.6, 0.9):
        r = float(radius(noise, dict(params), dim, rho))
        assert sorted_masses(log_radial, dim, middle, r, 1 - rho) == pytest.approx(0.5, abs=1e-3)
        assert sorted_masses(log_radial, dim, middle, 0.97 * r, 1 - rho) < 0.499 - (rho > 0.7) * 0.01


@pytest.mark.slow
def test_limits_of_spheres() -> None:
    """k → ∞ is uniform, a → ∞ with λ^k = a is exponential."""
    for rho, k, relative in ((0.6, 40, 0.015), (0.99, 80, 0.003)):
        assert close(
            radius("exp-l2", {"k": k}, 3, rho), oracle.radius("uniform-l2", {}, 3, "l2", rho), relative
        )
        limit = radius("exp-l2", {"k": 1}, 4, rho)
        assert close(1e7 * radius("pow-l2", {"k": 1, "a": 1e7}, 4, rho), limit, 1e-6)
    # here τ is about exp(-140), and 200 bits would not do
    assert close(radius("exp-l2", {"k": 200}, 3, 0.6), oracle.radius("uniform-l2", {}, 3, "l2", 0.6), 0.003)


@pytest.mark.parametrize("dim", [3, 50])
@pytest.mark.parametrize("shape", ["ball", "axis", "diagonal"])
def test_volumes_by_sampling(shape: str, dim: int) -> None:
    """A(r, s) from points on the boundary."""
    generator = np.random.default_rng(7)
    n, r = 400_000, 1.5
    if shape == "ball":
        x = generator.normal(size=(n, dim))
        x *= r / np.linalg.norm(x, axis=1, keepdims=True)
    else:
        x = generator.uniform(-r, r, size=(n, dim))
        x[np.arange(n), generator.integers(dim, size=n)] = r * generator.choice([-1, 1], size=n)
    for e, s in ((0.4, 1.6), (0.1, 1.45), (0.5, 1.2), (0.05, 1.5 + 1 / 256)):
        v = np.zeros(dim)
        v[: dim if shape == "diagonal" else 1] = e
        gauge = np.linalg.norm(x - v, axis=1) if shape == "ball" else abs(x - v).max(axis=1)
        share = (gauge <= s).mean()
        with ctx.workprec(120):
            value = float(share_within(shape, dim, arb(r), arb(s), arb(e), falls=s < r))  # type: ignore[arg-type]
        assert abs(share - value) < 5 * (value * (1 - value) / n) ** 0.5 + 1e-9


CUBES = [
    ("exp-linf", {"k": 2.0, "j": 0.0}),
    ("exp-linf", {"k": 0.5, "j": 1.0}),
    ("exp-linf", {"k": 1.0, "j": 0.5}),
    ("pow-linf", {"k": 1.0, "a": 7.0}),
    ("pow-linf", {"k": 2.0, "a": 5.0}),
]


@pytest.mark.parametrize(("noise", "params"), [CUBES[0], *(slow(*case) for case in CUBES[1:])])
def test_cubes_lie_above_the_differential_method(noise: str, params: dict[str, float]) -> None:
    for norm, direction in level_set_cases.WAYS.items():
        if norm == "l2":
            continue
        for rho in (0.5 + 1e-6, 0.75, 0.999):
            upper = radius(noise, dict(params), 5, rho, direction=direction)
            lower = oracle.radius(noise, dict(params), 5, norm, rho)
            with mp.workdps(40):
                assert lower * (1 - mp.mpf(10) ** -22) < upper < 4 * lower
            if (rho < 0.51 and norm == "linf") or (rho < 0.6 and norm == "l1"):
                assert close(upper, lower, 1e-2)


@pytest.mark.slow
def test_cubes_of_independent_form() -> None:
    for rho in (0.6, 0.75, 0.99):
        r = radius("exp-linf", {"k": 1}, 6, rho, direction="diagonal")
        assert close(r, oracle.radius("exp-linf", {"k": 1}, 6, "linf", rho))  # -log 2(1-ρ)
        # the atoms at k = 1 are not seen from k ≠ 1
        for k in ("1.000001", "0.999999"):
            assert close(radius("exp-linf", {"k": k}, 6, rho, direction="diagonal"), r, 1e-4)
    for rho, k, relative in ((0.6, 40, 0.015), (0.99, 80, 0.006)):
        for direction, norm in (("e1", "l1"), ("diagonal", "linf")):
            value = radius("exp-linf", {"k": k}, 3, rho, direction=direction)  # type: ignore[arg-type]
            assert close(value, oracle.radius("uniform", {}, 3, norm, rho), relative)


def grid_masses(density: object, shift: tuple[float, float], p: float, reach: float) -> float:
    """G(p, v) in the plane by Neyman-Pearson on a grid of cells."""
    x = (np.arange(1600) + 0.5) / 800 * reach - reach
    base = density(x[:, None], x[None, :])  # type: ignore[operator]
    moved = density(x[:, None] - shift[0], x[None, :] - shift[1])  # type: ignore[operator]
    order = np.argsort(-(moved / base).ravel(), kind="stable")
    base, moved = base.ravel()[order] / base.sum(), moved.ravel()[order] / moved.sum()
    return float(np.interp(p, np.cumsum(base), np.cumsum(moved)))


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["e1", "diagonal"])
@pytest.mark.parametrize(
    ("noise", "params", "reach", "profile"),
    [
        ("exp-linf", {"k": 2.0, "j": 0.0}, 5.0, lambda r: np.exp(-(r**2))),
        ("exp-linf", {"k": 0.8, "j": 0.0}, 60.0, lambda r: np.exp(-(r**0.8))),
        ("exp-linf", {"k": 1.0, "j": 0.0}, 25.0, lambda r: np.exp(-r)),
        ("pow-linf", {"k": 2.0, "a": 4.0}, 30.0, lambda r: (1 + r**2) ** -4.0),
    ],
)
def test_cubes_in_the_plane(noise, params, reach, profile, direction) -> None:  # type: ignore[no-untyped-def]
    for rho in (0.6, 0.9):
        r = float(radius(noise, dict(params), 2, rho, direction=direction))
        shift = (r, r if direction == "diagonal" else 0.0)
        mass = grid_masses(lambda x, y: profile(np.maximum(abs(x), abs(y))), shift, 1 - rho, reach)
        assert mass == pytest.approx(0.5, abs=3e-3)


def test_heavy_lines() -> None:
    x = np.linspace(-60, 60, 1_200_001)
    for noise, params, density in [
        ("exp-power", {"p": 0.7}, lambda t: np.exp(-(np.abs(t) ** 0.7))),
        ("pareto", {"a": 5.0}, lambda t: (1 + np.abs(t)) ** -6.0),
    ]:
        for rho in (0.6, 0.9):
            r = radius(noise, dict(params), 1, rho)
            assert close(rho_needed(noise, dict(params), 1, r), rho)
            base, moved = density(x), density(x - float(r))
            order = np.argsort(-moved / base, kind="stable")
            base, moved = base[order] / base.sum(), moved[order] / moved.sum()
            best = float(np.interp(1 - rho, np.cumsum(base), np.cumsum(moved)))
            assert best == pytest.approx(0.5, abs=3e-4)
            assert r > oracle.radius(noise, dict(params), 1, "l1", rho)
    for rho in (0.6, 0.99):
        laplace = oracle.radius("laplace", {}, 1, "l1", rho)
        assert close(radius("exp-power", {"p": "0.999999"}, 1, rho), laplace, 1e-4)
        assert close(1e7 * radius("pareto", {"a": 1e7}, 1, rho), laplace, 1e-5)


def test_the_oracle_knows_spheres() -> None:
    r = radius("exp-l2", {"k": 1}, 16, 0.9)
    with mp.workdps(40):
        assert close(oracle.radius("exp-l2", {"k": 1}, 16, "l1", 0.9, method="tight"), r)
        assert close(4 * oracle.radius("exp-l2", {"k": 1}, 16, "linf", 0.9, method="tight"), r)
        scaled = oracle.radius("exp-l2", {"k": 1}, 16, "lp:p=4", 0.9, method="tight", scale=6)
        assert close(scaled, 3 * r)
        assert (
            oracle.radius("exp-l2", {"k": 1}, 16, "l2", 0.9)
            < r
            < 1.01 * oracle.radius("exp-l2", {"k": 1}, 16, "l2", 0.9)
        )
    assert oracle.radius("pow-l2", {"k": 1, "a": 17}, 16, "l2", 0.5, method="tight") == 0
    assert oracle.radius("exp-l2", {"k": 2}, 1, "l2", 0.9, method="tight") > 0


@pytest.mark.parametrize(
    ("noise", "params", "dim", "rho"),
    [
        ("exp-l2", {"k": 1, "j": 0}, 1, 0.7),
        ("exp-l2", {"k": 1, "j": 10}, 10, 0.7),
        ("exp-linf", {"k": 0, "j": 1}, 10, 0.7),
        ("pow-l2", {"k": 1, "a": 10}, 10, 0.7),
        ("pareto", {"a": 0}, 1, 0.7),
        ("exp-l1", {"k": 1, "j": 0}, 3, 0.7),
        ("exp-l2", {"k": 1, "j": 0}, 3, 1.0),
    ],
)
def test_outside_what_is_covered(noise: str, params: dict[str, float], dim: int, rho: float) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        radius(noise, dict(params), dim, rho)


def test_tools() -> None:
    with ctx.workprec(200):
        tiny = arb(10) ** -45
        assert abs(integrate(lambda x: x.sqrt(), arb(0), arb(1), tiny) - arb(2) / 3) < tiny
        peak = integrate(lambda x: (-((40 * x - 12) ** 2)).exp(), arb(0), arb(1), tiny)
        assert abs(peak - arb.pi().sqrt() / 40) < tiny
        assert abs(crossing(lambda x: x * x - 2, arb(0), arb(5), tiny) - arb(2).sqrt()) < tiny
        grid = [arb(i) for i in range(9)]
        roots = sign_changes(lambda x: ((x - arb("4.3")) ** 2 - arb("1e-10")).mid(), grid, tiny)
        assert [float(root) for root in sorted(roots)] == pytest.approx([4.3 - 1e-5, 4.3 + 1e-5], abs=1e-14)
        assert sign_changes(lambda x: ((x - arb("4.3")) ** 2 + arb("1e-10")).mid(), grid, tiny) == []


@pytest.mark.slow
def test_the_table_is_what_the_oracle_says() -> None:
    table = json.loads(TABLE.read_text())
    assert [float.fromhex(rho) for rho in table["rho"]] == list(level_set_cases.RHOS)
    assert table["digits"] == 25
    cases = level_set_cases.cases()
    entries = {key(entry): entry for entry in table["cases"]}
    assert list(entries) == [json.dumps(list(case)) for case in cases]
    for entry in table["cases"]:
        values = [mp.mpf(value) for value in entry["radius"]]
        assert values == sorted(values) and values[0] > 0
    for case in cases[:9:4]:
        assert level_set_cases.compute(case) == entries[json.dumps(list(case))]
    for case in cases[10::17]:
        noise, params, dim, norm, _ = case
        value = radius(
            noise, dict(params), dim, level_set_cases.RHOS[3], direction=level_set_cases.WAYS[norm]
        )
        assert close(value, entries[json.dumps(list(case))]["radius"][3])
