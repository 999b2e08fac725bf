"""Exponential-power noise with p next to 1 against ℓ∞: two parts against the sum's own table, and samples."""

import numpy as np
import pytest
from scipy import special

from geometry.norms import Linf
from smoothing.methods.near_signs import NearSigns
from smoothing.noises import parse_noise
from smoothing.theorems import certify_radius


def exp_power_scores(p, dim):
    law, _ = parse_noise(f"exp-power:p={p}", dim=dim, scale=1.0).score(Linf())
    return law


@pytest.mark.parametrize(("p", "dim"), [(0.97, 10), (1.005, 10), (1.03, 10), (0.985, 784), (1.03, 784)])
def test_two_parts_lie_above_their_sum(p, dim):
    """Where the table of the sum itself is fine enough: never below it, and above it by a few |p - 1|."""
    law = exp_power_scores(p, dim)
    assert isinstance(law, NearSigns) and law.table.resolved
    w = np.linspace(-3, 5, 33)
    parts = law.centre * np.interp(special.ndtr(-w), *law._corners) + law._apart.upper(w)
    true = law.table.upper(w)
    assert (parts >= true * (1 - 1e-10)).all()
    assert (parts <= true * (1 + 3 * abs(p - 1))).all()


@pytest.mark.parametrize(("p", "dim"), [(0.99, 64), (1.01, 64), (0.999, 9)])
def test_two_parts_against_samples_where_no_table_is_fine_enough(p, dim):
    """The largest share q of 200 000 sums of |S|: five standard deviations, false alarms 6e-7 each."""
    law = exp_power_scores(p, dim)
    assert not law.table.resolved
    rng = np.random.Generator(np.random.PCG64(3))
    size = p * rng.standard_gamma(1 / p, (200_000, dim)) ** ((p - 1) / p)
    sums = np.sort(np.abs((size * rng.choice([-1.0, 1.0], size.shape)).sum(axis=1)))[::-1]
    for q in (0.9, 0.5, 0.1, 0.01):
        top = sums[: int(q * len(sums))]
        seen, error = top.sum() / len(sums), 5 * sums.std() * np.sqrt(q / len(sums))
        bound = float(law.upper(-special.ndtri(q)))
        assert seen - error <= bound <= (seen + error) * (1 + 4 * abs(p - 1))


@pytest.mark.parametrize("p", [0.99, 1.001, 1.01])
def test_next_to_laplace_noise_little_is_lost(p):
    """The radius is that of Laplace noise but for a few |p - 1|: moments alone leave 17 % to 40 % out."""
    rho = [0.6, 0.9, 0.999, 1 - 1e-9]
    found = certify_radius(parse_noise(f"exp-power:p={p}", dim=64, scale=1.0), Linf(), rho).radius
    laplace = certify_radius(parse_noise("laplace", dim=64, scale=1.0), Linf(), rho).radius
    np.testing.assert_allclose(found, laplace, rtol=3 * abs(p - 1))
