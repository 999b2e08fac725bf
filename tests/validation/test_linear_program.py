"""The worst-case classifier as a linear program against Neyman-Pearson radii and optima found by hand."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import special as sp

from geometry.errors import InputError
from geometry.norms import L1
from smoothing import certify_radius, parse_noise
from validation.baselines import baselines
from validation.linear_program import SideInformation, cell_masses, radius_by_program, worst_case

# Thresholds multiply the solver's tolerance of 1e-10.
CLOSE = 1e-6


def gaussian(x):
    return sp.ndtr(x), sp.ndtr(-x)


def laplace(x):
    tail = 0.5 * np.exp(-np.abs(x))
    return np.where(x < 0, tail, 1 - tail), np.where(x < 0, 1 - tail, tail)


def uniform(x):
    below = np.clip(0.5 * (x + 1), 0, 1)
    return below, np.clip(0.5 * (1 - x), 0, 1)


def power_law(a):
    def tails(x):
        tail = 0.5 * (1 + np.abs(x)) ** -a
        return np.where(x < 0, tail, 1 - tail), np.where(x < 0, 1 - tail, tail)

    return tails


def heavy(p):
    def tails(x):
        tail = 0.5 * sp.gammaincc(1 / p, np.abs(x) ** p)
        return np.where(x < 0, tail, 1 - tail), np.where(x < 0, 1 - tail, tail)

    return tails


def grid(low, high, count, *extra):
    """Equal cells of a line, cut at the shift and at some other points too."""
    return lambda shift: np.unique(np.concatenate([np.linspace(low, high, count), [0, shift], extra]))


LAWS = {"gaussian": gaussian, "laplace": laplace, "uniform": uniform}


# -- by hand ------------------------------------------------------------------------------------------------


def test_three_cells():
    worst = worst_case([0.5, 0.3, 0.2], [0.2, 0.3, 0.5], 0.3)
    assert worst.value == pytest.approx(0.6)
    np.testing.assert_allclose(worst.classifier, [0, 1 / 3, 1], atol=1e-9)
    assert worst.threshold == pytest.approx(1.0)  # r/q of the cell that is divided


def test_three_cells_and_a_limit():
    # at most 0.08 of the last cell: the rest of p comes from the second, 0.5 · 0.4 + 0.3 · (0.22/0.3)
    known = SideInformation(at_most=(np.array([[0, 0, 0.2]]), np.array([0.08])))
    assert worst_case([0.5, 0.3, 0.2], [0.2, 0.3, 0.5], 0.3, known).value == pytest.approx(0.42)


def test_growth_function_of_gaussian_noise():
    p, shift = 0.1, 0.8
    cuts = np.sort(np.append(np.linspace(-6, 6, 60), sp.ndtri(1 - p)))
    worst = worst_case(cell_masses(gaussian, cuts, 0), cell_masses(gaussian, cuts, shift), p)
    assert worst.value == pytest.approx(sp.ndtr(sp.ndtri(p) + shift), abs=1e-8)
    # a threshold: nothing below the cut, everything above it
    np.testing.assert_allclose(worst.classifier[1:-1], cuts[:-1] >= sp.ndtri(1 - p), atol=1e-6)


def test_masses_of_far_cells_keep_their_accuracy():
    masses = cell_masses(gaussian, np.array([-20.0, 19.0, 20.0, 21.0]), 0.0)
    exact = [sp.ndtr(-20), 1, sp.ndtr(-19) - sp.ndtr(-20), sp.ndtr(-20) - sp.ndtr(-21), sp.ndtr(-21)]
    np.testing.assert_allclose(masses, exact, rtol=1e-13)


# -- radii --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("rho", [0.6, 0.9, 0.99])
def test_neyman_pearson_radius(name, rho):
    tight = float(certify_radius(parse_noise(name, dim=1, scale=1), L1(), rho).radius)
    radius = radius_by_program(LAWS[name], 1 - rho, edges=grid(-5, 10, 60, -1, 1), largest=6)
    assert radius == pytest.approx(tight, rel=CLOSE)  # the best region begins at the shift, which is a cut


@pytest.mark.parametrize("name", ["gaussian", "laplace"])
def test_coarse_cells_err_upwards(name):
    tight = float(certify_radius(parse_noise(name, dim=1, scale=1), L1(), 0.9).radius)
    radii = [
        radius_by_program(LAWS[name], 0.1, edges=lambda shift, n=n: np.linspace(-5, 10, n) + 0.01, largest=6)
        for n in (16, 31, 61, 121)  # each cuts the cells of the one before
    ]
    assert all(coarse >= fine - 1e-8 for coarse, fine in pairwise(radii))
    assert radii[0] > tight * (1 + 1e-4) and radii[-1] >= tight * (1 - CLOSE)


@pytest.mark.parametrize(("spec", "tails"), [("pareto:a=3", power_law(3)), ("exp-power:p=0.5", heavy(0.5))])
@pytest.mark.parametrize("rho", [0.6, 0.9, 0.99])
def test_no_proven_radius_exceeds_it(spec, tails, rho):
    """Heavy tails: the best regions are intervals around the shift, and no closed form is known."""
    noise = parse_noise(spec, dim=1, scale=1)

    def edges(shift):
        steps = np.concatenate([np.geomspace(1e-3, 100, 120), [0]]) * max(shift, 1e-3)
        return np.unique(np.concatenate([shift + steps, shift - steps, steps, -steps]))

    radius = radius_by_program(tails, 1 - rho, edges=edges, largest=200, tolerance=1e-6)
    for method in baselines(noise, L1()):
        assert method.radius(noise, L1(), rho) <= radius * (1 + 1e-5), method.name
    assert certify_radius(noise, L1(), rho).radius <= radius * (1 + 1e-5)


# -- more information ---------------------------------------------------------------------------------------


def test_known_half_line():
    """Given m of the mass p on x > 0: there the tail beyond c, on the left the interval next to 0."""
    p, m, shift = 0.1, 0.06, 0.9
    c, a = -sp.ndtri(m), sp.ndtri(0.5 - (p - m))
    cuts = np.unique(np.concatenate([np.linspace(-6, 6, 80), [0, c, a]]))
    right = np.append(cuts, np.inf) > 0
    q, r = cell_masses(gaussian, cuts, 0), cell_masses(gaussian, cuts, shift)
    worst = worst_case(q, r, p, SideInformation(equal=((q * right)[None], np.array([m]))))
    expected = sp.ndtr(shift - c) + sp.ndtr(-shift) - sp.ndtr(a - shift)
    assert worst.value == pytest.approx(expected, abs=1e-8)
    assert worst.value < worst_case(q, r, p).value - 0.01


def test_half_line_enlarges_the_radius():
    p, m = 0.1, 0.06

    def known(cuts, shift):
        q = cell_masses(gaussian, cuts, 0)
        return SideInformation(equal=((q * (np.append(cuts, np.inf) > 0))[None], np.array([m])))

    edges = grid(-5, 10, 80, -sp.ndtri(m), sp.ndtri(0.5 - (p - m)))
    plain = radius_by_program(gaussian, p, edges=edges, largest=6)
    informed = radius_by_program(gaussian, p, edges=edges, known=known, largest=6)
    assert informed > 1.05 * plain


def test_second_noise_level_enlarges_the_radius():
    """The wrong class is |x| > c, measured at σ = 1 and σ = 2: the second vote rules out the half-line."""
    c = 1.7
    p, p2 = 2 * sp.ndtr(-c), 2 * sp.ndtr(-c / 2)
    edges = grid(-8, 12, 120, -c, c)

    def known(cuts, shift):
        wide = cell_masses(lambda x: gaussian(x / 2), cuts, 0)
        return SideInformation(equal=(wide[None], np.array([p2])))

    plain = radius_by_program(gaussian, p, edges=edges, largest=6)
    informed = radius_by_program(gaussian, p, edges=edges, known=known, largest=6)
    assert informed > 1.01 * plain
    # the region itself agrees with everything measured, so it bounds what can be certified
    cuts = edges(1.0)
    q, r = cell_masses(gaussian, cuts, 0), cell_masses(gaussian, cuts, 1.0)
    own = sp.ndtr(1 - c) + sp.ndtr(-1 - c)
    assert own <= worst_case(q, r, p, known(cuts, 1.0)).value + 1e-8


# -- mistakes -----------------------------------------------------------------------------------------------


def test_mistakes_are_named():
    with pytest.raises(InputError, match="masses of the same cells"):
        worst_case([0.5, 0.5], [1.0], 0.1)
    with pytest.raises(InputError, match=r"got 1\.5"):
        worst_case([0.5, 0.5], [0.5, 0.5], 1.5)
    with pytest.raises(InputError, match="contradict"):
        worst_case(
            [0.5, 0.5], [0.2, 0.8], 0.1, SideInformation(equal=(np.array([[1.0, 0]]), np.array([0.9])))
        )
    with pytest.raises(InputError, match="largest"):
        radius_by_program(gaussian, 0.1, edges=grid(-5, 5, 9), largest=np.inf)


def test_half_a_vote_certifies_nothing():
    assert radius_by_program(gaussian, 0.5, edges=grid(-5, 5, 9), largest=2) == 0


def test_the_end_of_the_search_is_returned():
    assert radius_by_program(gaussian, 0.01, edges=grid(-5, 5, 41), largest=0.5) == 0.5


def test_nothing_is_printed(capfd):
    worst_case([0.5, 0.5], [0.2, 0.8], 0.1)
    assert capfd.readouterr() == ("", "")
