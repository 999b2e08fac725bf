"""Mixture and sum scores against exact identities, closed forms, convolution, and cells sorted by their score."""

import json
from fractions import Fraction
from itertools import pairwise
from math import comb, factorial
from pathlib import Path

import mpmath
import numpy as np
import pytest
from flint import acb, arb, ctx
from marks import slow
from mpmath import mp
from scipy import special

from validation.oracle import radius, score_sums, score_sums_pareto, score_sums_power
from validation.oracle.arith import PrecisionError, to_mpf
from validation.oracle.score_flow import Flow, Real, Stretch
from validation.oracle.score_mixtures import coordinate_flow
from validation.oracle.shells import Shell
from validation.oracle_scores_table import DIGITS, RHOS, compute, key, mixtures, near_laplace, sums

TABLE = Path(__file__).parents[1] / "data" / "oracle_scores.json"
EVERY_RHO = (0.5 + 1e-6, 0.6, 0.9, 0.999, 1 - 1e-9)
pytestmark = pytest.mark.slow  # minutes of ball arithmetic
KINDS = [  # (profile, k, j or a) in the plane or in space, one for each shape of the superlevel sets of ψ'
    ("exp", "2", "0"),
    ("exp", "1/2", "0"),
    ("exp", "1/2", "1/2"),
    ("exp", "1", "1/2"),
    ("exp", "5/2", "1/2"),
    ("pow", "1/2", "9"),
    ("pow", "1", "11/2"),
    ("pow", "2", "3"),
]


def close(value: object, reference: object, relative: float = 1e-15) -> bool:
    with mp.workdps(40):
        return bool(abs(mp.mpf(value) - mp.mpf(reference)) <= relative * abs(mp.mpf(reference)))


def half(rho: float) -> Fraction:
    return Fraction(rho) - Fraction(1, 2)


def value_of(flow: Flow, rho: float) -> mpmath.mpf:
    with ctx.workprec(100):
        return to_mpf(flow.radius(half(rho)))


def params_of(profile: str, k: str, other: str) -> dict[str, Fraction]:
    return {"k": Fraction(k), ("j" if profile == "exp" else "a"): Fraction(other)}


def test_a_normal_score_has_the_normal_quantile() -> None:
    """Φ(s) is the normal density itself, so f/Φ = 1 and R = s_ρ; with an atom at 0, Φ(0) lasts longer."""

    def density(base: np.longdouble, offset: np.ndarray) -> np.ndarray:
        s = np.exp(base + offset)
        return s * np.exp(-(s**2) / 2) / np.sqrt(2 * Real("3.14159265358979323846264"))

    cuts = np.linspace(2.8, -60, 24, dtype=Real)
    stretches = [Stretch(Real(0), a, b) for a, b in pairwise(cuts)]
    root = 1 / np.sqrt(2 * Real("3.14159265358979323846264"))
    flow = Flow(density, stretches, Real(0.5), root)
    thin = Flow(lambda base, x: density(base, x) / 2, stretches, Real(0.25), root / 2)
    for rho in EVERY_RHO:
        with mp.workdps(30):
            quantile = mp.sqrt(2) * mp.erfinv(2 * mp.mpf(rho) - 1)
            assert close(value_of(flow, rho), quantile, 1e-17)
            p = 1 - mp.mpf(rho)
            if p > 0.25:
                expected = (mp.mpf(rho) - 0.5) * 2 * mp.sqrt(2 * mp.pi)
            else:  # P(S > s) is halved, and so is Φ
                expected = mp.sqrt(2 * mp.pi) / 2 + mp.sqrt(2) * mp.erfinv(1 - 4 * p)
            assert close(value_of(thin, rho), expected, 1e-16)
    with pytest.raises(PrecisionError, match="missed"):
        Flow(density, stretches[:5] + stretches[6:], Real(0.5), root)
    with pytest.raises(ValueError, match="followed"):
        flow.radius(Fraction(1, 2) - Fraction(1, 10**14))


@pytest.mark.parametrize(("profile", "k", "other"), KINDS)
def test_the_plane_turned_by_45_degrees(profile: str, k: str, other: str) -> None:
    """A cross-polytope in the plane is a square on its corner, and (1, 1) twice its new axis: exact twins."""
    params = params_of(profile, k, other)
    for rho in EVERY_RHO:
        twin = radius(f"{profile}-linf", dict(params), 2, "l1", rho)
        assert close(2 * radius(f"{profile}-l1", dict(params), 2, "linf", rho), twin)


@pytest.mark.parametrize("dim", [2, 3, 10, slow(3072), 150528])
def test_two_known_spherical_exponentials(dim: int) -> None:
    for k in (1, 2):
        flow = coordinate_flow(Shell("exp", dim, Fraction(k), Fraction(0)))
        for rho in EVERY_RHO:
            assert close(value_of(flow, rho), radius("exp-l2", {"k": k, "j": 0}, dim, "l2", rho))


@pytest.mark.parametrize("dim", [3, 10, 784])
def test_profiles_close_to_laplace(dim: int) -> None:
    """At k = 1 the radius is a finite sum of logarithms, and on either side of it differs by the order of |k - 1|."""
    laplace = float(radius("laplace", {}, dim, "linf", 0.9))
    for h in (Fraction(1, 2**20), -Fraction(1, 2**20)):
        far, near = (float(radius("exp-l1", {"k": 1 + t, "j": 0}, dim, "linf", 0.9)) for t in (h, h / 2))
        assert far == pytest.approx(laplace, rel=1e-4) and far != laplace
        assert 2 * near - far == pytest.approx(laplace, rel=1e-9)


def sorted_radius(scores: np.ndarray, masses: np.ndarray, rho: float) -> float:
    """∫ dp/Φ(p) with cells put in the order of their score, from the definition of Φ."""
    order = np.argsort(-scores, axis=None)
    mass = masses.ravel()[order] / masses.sum()
    gain, p = np.cumsum(mass * scores.ravel()[order]), np.cumsum(mass)
    middle = gain - mass * scores.ravel()[order] / 2
    used = np.clip(np.minimum(p, 0.5) - np.maximum(p - mass, 1 - rho), 0, None)
    return float((used[used > 0] / middle[used > 0]).sum())


def radial_cells(profile: str, k: float, other: float, dim: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """ψ'(r) and the mass of cells of log r."""
    y = np.linspace(-25, 25, count)
    u = np.exp(np.minimum(k * y, 700))
    if profile == "exp":
        log_mass, slope = (dim - other) * y - u, (k * u + other) * np.exp(-y)
    else:
        log_mass, slope = dim * y - other * np.log1p(u), other * k * u / (1 + u) * np.exp(-y)
    kept = log_mass > log_mass.max() - 40
    return slope[kept], np.exp(log_mass[kept] - log_mass.max())


@pytest.mark.parametrize(("profile", "k", "other"), KINDS)
def test_mixtures_by_sorting(profile: str, k: str, other: str) -> None:
    dim = 3
    params = params_of(profile, k, other)
    slope, mass = radial_cells(profile, float(Fraction(k)), float(Fraction(other)), dim, 40_001)
    signs = np.array([comb(dim, m) for m in range(dim + 1)]) / 2**dim
    cosine = (np.arange(400) + 0.5) / 200 - 1  # uniform in three dimensions
    for rho in (0.55, 0.8, 0.97):
        value = float(radius(f"{profile}-l1", dict(params), dim, "linf", rho))
        w = 2 * np.arange(dim + 1) - dim
        assert value == pytest.approx(sorted_radius(np.outer(w, slope), np.outer(signs, mass), rho), rel=1e-4)
        value = float(radius(f"{profile}-l2", dict(params), dim, "l2", rho))
        cells = np.outer(cosine, slope[::4])
        every = np.outer(np.ones(400), mass[::4])
        assert value == pytest.approx(sorted_radius(cells, every, rho), rel=3e-4)


@pytest.mark.slow
def test_mixtures_in_many_dimensions_by_sorting() -> None:
    dim = 784
    signs = np.array([comb(dim, m) for m in range(dim // 2 - 130, dim // 2 + 131)], dtype=object) / 2**dim
    w = 2.0 * np.arange(-130, 131)
    for profile, k, other in [
        ("exp", 2.0, 0.0),
        ("exp", 2.0, 392.0),
        ("pow", 2.0, 784.0),
        ("pow", 1.0, 1000.0),
    ]:
        name = "j" if profile == "exp" else "a"
        slope, mass = radial_cells(profile, k, other, dim, 80_001)
        for rho in (0.55, 0.8, 0.97):
            value = float(radius(f"{profile}-l1", {"k": k, name: other}, dim, "linf", rho))
            cells = sorted_radius(np.outer(w, slope), np.outer(signs.astype(float), mass), rho)
            assert value == pytest.approx(cells, rel=1e-4)


def irwin_hall(dim: int, s: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf, mpmath.mpf]:
    """f, P and Φ of a sum of d uniforms on [-1, 1]: truncated powers (d - 2m - s)₊, integrated by parts."""
    density = above = excess = mp.mpf(0)
    for m in range(dim + 1):
        reach = dim - 2 * m - s
        if reach > 0:
            sign = (-1) ** m * comb(dim, m) / mp.mpf(2) ** dim
            density += sign * reach ** (dim - 1) / factorial(dim - 1)
            above += sign * reach**dim / factorial(dim)
            excess += sign * reach ** (dim + 1) / factorial(dim + 1)
    return density, above, excess + s * above


@pytest.mark.slow
@pytest.mark.parametrize("dim", [2, 3, 10, 40])
def test_pareto_one_is_irwin_hall(dim: int) -> None:
    """a = 1 has scores that are uniform: everything is piecewise polynomial. Both routes (d ≤ 32 and above)."""
    with mp.workdps(40):
        for rho in (0.5 + 1e-6, 0.6, 0.9, 0.999, 1 - 1e-9):
            p = 1 - mp.mpf(rho)
            low, high = mp.mpf(0), mp.mpf(dim)
            for _ in range(120):
                middle = (low + high) / 2
                low, high = (middle, high) if irwin_hall(dim, middle)[1] > p else (low, middle)
            corners = [mp.mpf(0), *[mp.mpf(m) for m in range(1, dim) if m < low], low]

            def flow(s: mpmath.mpf) -> mpmath.mpf:
                density, _, phi = irwin_hall(dim, s)
                return density / phi

            expected = mp.quad(flow, corners) / 2
            assert close(radius("pareto", {"a": 1}, dim, "linf", rho), expected, 1e-15)


@pytest.mark.parametrize("p", ["1/2", slow("4/5"), "3/2", "3", "10"])
def test_sum_of_two_powers_by_convolution(p: str) -> None:
    """f, P and Φ of Y₁ + Y₂ where S > s is decided by x₂ given x₁: one integral over x₁, no transform."""
    power = Fraction(p)
    with ctx.workprec(score_sums.BITS), mp.workdps(20):
        law = score_sums_power.power_spectrum(power, 2, 1e-3)
        q = mp.mpf(power.numerator) / power.denominator
        norm = 2 * mp.gamma(1 + 1 / q)

        def tail(t: mpmath.mpf) -> mpmath.mpf:
            """P(Y > t), t > 0."""
            u = (t / q) ** (1 / (1 - 1 / q))
            low = mp.gammainc(1 / q, 0, u, regularized=True)
            return (1 - low) / 2 if q > 1 else low / 2

        def score(x: mpmath.mpf) -> mpmath.mpf:
            return q * x ** (q - 1)

        for s in (mp.mpf(1), mp.mpf(4)):
            edge = (s / q) ** (1 / (q - 1))  # where one coordinate alone reaches s
            points = [mp.mpf(0), edge, mp.inf] if edge > 1e-3 else [mp.mpf(0), edge, mp.mpf(1), mp.inf]

            def above(x: mpmath.mpf, s: mpmath.mpf = s) -> mpmath.mpf:
                y = score(x)
                other = tail(s - y) if y < s else (1 - tail(y - s) if y > s else mp.mpf(1) / 2)
                return mp.exp(-(x**q)) / norm * (other + tail(s + y))

            expected = mp.quad(above, points)
            assert close(to_mpf(law.mass(arb(float(s)))), expected, 1e-9)


@pytest.mark.parametrize("p", ["3/2", "3"])
def test_transform_against_its_power_series(p: str) -> None:
    """M(ζ) = Σ ζ^2n E Y^2n / (2n)!, moments of |x|^p ~ Gamma(1/p); for p = 1/2 it is a Bessel function instead."""
    power = Fraction(p)
    beta = score_sums_power.ray_angle(power)
    with ctx.workprec(score_sums.BITS), mp.workdps(60):
        forward, backward = score_sums_power.power_scores(power, beta)
        q = mp.mpf(power.numerator) / power.denominator
        for x in (0.01, 0.5, 2.0):
            zeta = acb(0, arb(beta)).exp() * x
            point = x * mp.expj(mp.mpf(beta))
            series = sum(
                point ** (2 * n)
                * q ** (2 * n)
                * mp.gamma(1 / q + 2 * n * (1 - 1 / q))
                / mp.gamma(1 / q)
                / mp.factorial(2 * n)
                for n in range(500)
            )
            value = (forward.transform(zeta)[0] + backward.transform(-zeta)[0]) / 2
            assert abs(mp.mpc(to_mpf(value.real), to_mpf(value.imag)) - series) < 1e-21


def test_transform_of_root_exponential_is_bessel() -> None:
    """p = 1/2: |Y| = 1/(2u), u ~ Gamma(2), so L(ζ) = ζ K₂(√(2ζ)) and -L'(ζ) = K₁(√(2ζ)) √(ζ/2)."""
    power = Fraction(1, 2)
    beta = score_sums_power.ray_angle(power)
    with ctx.workprec(score_sums.BITS), mp.workdps(40):
        for law, turn in zip(score_sums_power.power_scores(power, beta), (1, -1), strict=True):
            for x in (1e-6, 0.3, 20.0):
                zeta, point = turn * acb(0, arb(beta)).exp() * x, turn * x * mp.expj(mp.mpf(beta))
                root = mp.sqrt(2 * point)
                exact = point * mp.besselk(2, root), mp.besselk(1, root) * root / 2
                for value, reference in zip(law.transform(zeta), exact, strict=True):
                    assert abs(mp.mpc(to_mpf(value.real), to_mpf(value.imag)) - reference) < 1e-30


@pytest.mark.parametrize("dim", [2, 40])
def test_power_two_is_gaussian(dim: int) -> None:
    flow = score_sums_power.power_flow(Fraction(2), dim)
    for rho in EVERY_RHO:
        expected = radius("gaussian", {}, dim, "linf", rho)
        assert close(value_of(flow, rho) * mpmath.sqrt(2), expected, 1e-14)
        assert close(radius("exp-power", {"p": 2}, dim, "linf", rho) * mpmath.sqrt(2), expected, 1e-14)
        assert radius("exp-power", {"p": 1}, dim, "linf", rho) == radius("laplace", {}, dim, "linf", rho)


@pytest.mark.slow
@pytest.mark.parametrize(("a", "dim"), [("1/2", 34), ("3/2", 16), ("3", 16)])
def test_two_routes_for_pareto(a: str, dim: int) -> None:
    """Rays group by group for corners, and one trapezoidal rule on the imaginary axis."""
    shape = Fraction(a)
    with ctx.workprec(score_sums.BITS):
        rays = score_sums_pareto.CornerSpectrum(shape, dim)
        axis = score_sums_pareto.pareto_spectrum(shape, dim)
        for s in (0.3, 2.5, 5.9):
            for value, reference in [
                (rays.f(arb(s)), axis.f(arb(s))),
                (rays.mass(arb(s)), axis.mass(arb(s))),
                (rays.phi(arb(s)), axis.phi(arb(s))),
            ]:
                assert abs(value - reference) < arb("1e-20")


@pytest.mark.slow
def test_twice_the_nodes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Truncation and steps: f, P and Φ, far out in the tail too, where 1-ρ is about 1e-9."""
    cases = [
        (lambda: score_sums_power.power_spectrum(Fraction(1, 2), 784, 1.0), (1.0, 60.0, 3e5)),
        (lambda: score_sums_power.power_spectrum(Fraction(3, 2), 10, 1e-3), (1e-3, 3.0, 30.0)),
        (lambda: score_sums_power.power_spectrum(Fraction(10), 3, 1e-9), (1e-9, 3.0, 20.0)),
        (lambda: score_sums_pareto.CornerSpectrum(Fraction(20), 10), (1e-9, 0.7, 9.96)),
        (lambda: score_sums_pareto.CornerSpectrum(Fraction(1, 2), 3), (1e-9, 0.7, 2.99)),
        (lambda: score_sums_pareto.pareto_spectrum(Fraction(20), 784), (0.1, 30.0, 160.0)),
    ]
    with ctx.workprec(score_sums.BITS):
        for build, points in cases:
            laws = []
            for finer in (1, 2):
                monkeypatch.setattr(score_sums, "FINER", finer)
                score_sums_power.power_scores.cache_clear()
                laws.append(build())
            for s in points:
                for name in ("f", "mass", "phi"):
                    coarse, fine = (to_mpf_loose(getattr(law, name)(arb(s))) for law in laws)
                    assert abs(coarse - fine) <= 2e-15 * abs(fine) + 1e-24  # P itself is 1e-9 there
    score_sums_power.power_scores.cache_clear()


def to_mpf_loose(value: arb) -> mpmath.mpf:
    with ctx.workprec(64):
        return to_mpf(value)


def sum_on_a_grid(score: np.ndarray, dim: int, rho: float) -> float:
    """R from the law of a sum of d scores on a grid, by repeated convolution of the masses of its cells."""
    reach = np.abs(score).max()
    count = 2**14
    cells = (
        np.bincount(np.rint((score / reach + 1) * count / 2).astype(int), minlength=count + 1) / score.size
    )
    size = 1 << int(np.ceil(np.log2(dim * count + 1)))
    mass = np.fft.irfft(np.fft.rfft(cells, size) ** dim, size)[: dim * count + 1].clip(0)
    return sorted_radius((np.arange(dim * count + 1) * 2 / count - dim) * reach, mass, rho)


@pytest.mark.slow
@pytest.mark.parametrize("dim", [3, 10])
def test_sums_by_convolution_of_cells(dim: int) -> None:
    u = (np.arange(400_000) + 0.5) / 400_000
    both = np.concatenate([u, -u])
    for a in (0.5, 20.0) if dim == 3 else (3.0,):
        score = (a + 1) * np.sign(both) * np.abs(both) ** (1 / a)
        for rho in (0.6, 0.9, 0.99):
            value = float(radius("pareto", {"a": a}, dim, "linf", rho))
            assert value == pytest.approx(sum_on_a_grid(score, dim, rho), rel=1e-3)
    for p in (1.5, 3.0) if dim == 3 else (1.5,):
        score = p * np.sign(both) * special.gammaincinv(1 / p, np.abs(both)) ** (1 - 1 / p)
        for rho in (0.6, 0.9, 0.99):
            value = float(radius("exp-power", {"p": p}, dim, "linf", rho))
            assert value == pytest.approx(sum_on_a_grid(score, dim, rho), rel=1e-3)


@pytest.mark.parametrize(
    ("noise", "params", "dim", "norm", "rho"),
    [
        ("exp-l1", {"k": 2, "j": 9}, 10, "linf", 0.7),
        ("exp-linf", {"k": 2, "j": 0}, 10, "l2", 0.7),
        ("exp-l2", {"k": 2, "j": 9}, 10, "l2", 0.7),
        ("pow-l2", {"k": 2, "a": 5}, 10, "l2", 0.7),
        ("pow-l1", {"k": 2, "a": 9}, 10, "linf", 1 - 1e-14),
        ("exp-power", {"p": 0.9}, 2, "linf", 0.7),
        ("exp-power", {"p": 3}, 10, "lp:p=3", 0.7),
        ("exp-power", {"p": 3}, 10, "l2", 0.7),
        ("pareto", {"a": 0.5}, 10, "l2", 0.7),
    ],
)
def test_outside_what_is_covered(
    noise: str, params: dict[str, float], dim: int, norm: str, rho: float
) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        radius(noise, params, dim, norm, rho)


def test_lp_is_l2_by_its_factor() -> None:
    in_l2 = radius("pow-l2", {"k": 1, "a": 20}, 16, "l2", 0.9)
    assert close(4 * radius("pow-l2", {"k": 1, "a": 20}, 16, "linf", 0.9), in_l2)
    assert radius("pow-l2", {"k": 1, "a": 20}, 16, "l1", 0.9) == in_l2
    assert close(
        radius("pow-l2", {"k": 2, "a": 3}, 1, "l2", 0.9), radius("pow-linf", {"k": 2, "a": 3}, 1, "linf", 0.9)
    )


def test_the_table_is_what_the_oracle_says() -> None:
    table = json.loads(TABLE.read_text())
    assert [float.fromhex(rho) for rho in table["rho"]] == list(RHOS) and table["digits"] == DIGITS
    entries = {key(entry): entry for entry in table["cases"]}
    cases = [*mixtures(), *sums(), *near_laplace()]
    assert set(entries) == {json.dumps(list(case)) for case in cases}
    for entry in table["cases"]:
        values = [mp.mpf(value) for value in entry["radius"]]
        assert values == sorted(values) and values[0] > 0
    for case in [c for c in cases if c[0].endswith("-l1") and c[2] < 1000][::5]:
        for value, reference in zip(
            compute(case)["radius"], entries[json.dumps(list(case))]["radius"], strict=True
        ):
            assert close(value, reference)


def test_signs_and_directions_meet_in_many_dimensions() -> None:
    """A sum of d signs and d times a coordinate of a direction are alike to 1/d, so the two radii are too, by 1/d.

    One column is a sum over the signs and the other an integral over the sphere; at ρ → 1/2 their ratio is that of
    E|W|, which is 1 + 1/(2d) + ....
    """
    table = json.loads(TABLE.read_text())
    entries = {(e["noise"], json.dumps(e["params"]), e["dim"]): e["radius"] for e in table["cases"]}
    pairs = [(key, radii) for key, radii in entries.items() if key[0].endswith("-l1") and key[2] >= 784]
    assert len(pairs) == 48
    for (noise, params, dim), radii in pairs:
        twins = entries[noise[:3] + "-l2", params, dim]
        excess = [dim * float(mp.mpf(a) * dim / mp.mpf(b) - 1) for a, b in zip(radii, twins, strict=True)]
        assert excess[0] == pytest.approx(0.5, abs=2e-3)
        assert max(map(abs, excess)) < 2
