"""Bodies and crystals against exact values (exact integer arithmetic, Qhull-free) and closed-form shadows."""

import math

import numpy as np
import pytest

from geometry.bodies import CrossPolytope, Polytope
from geometry.bodies import cube as box
from geometry.crystals import explicit
from geometry.crystals import wulff_crystal as crystal
from geometry.errors import InputError
from geometry.norms import L1, L2, Linf


def cube(dim, half=1.0):
    return explicit(box(dim, half))


def cross_polytope(dim):
    return explicit(CrossPolytope(dim))


def wulff_crystal(norm, dim):
    return explicit(crystal(norm, dim))


# d: vertices, facets, volume, smallest Φ against linf at unit volume (exact integers and rationals, by Normaliz
# and PPL; Φ = (d/2) Vol^(1/d)).
CRYSTAL = {
    2: (4, 4, 2, 1.4142135624),
    3: (14, 12, 2, 1.8898815748),
    4: (104, 40, 15 / 8, 2.3403473193),
    5: (1882, 280, 105 / 64, 2.7602084031),
}


def phi(body, norm):
    """Φ at unit volume: max shadow / Vol^((d-1)/d)."""
    share = math.exp(float(body.log_volume) * (body.dim - 1) / body.dim)
    return body.shadow(norm.vertices(body.dim)).value.max() / share


@pytest.mark.parametrize("dim", CRYSTAL)
def test_linf_crystal(dim):
    vertices, facets, volume, smallest = CRYSTAL[dim]
    body = wulff_crystal(Linf(), dim)
    assert len(body.vertices) == vertices and len(body.facets) == facets
    assert math.exp(body.log_volume) == pytest.approx(volume, rel=1e-12)
    assert phi(body, Linf()) == pytest.approx(smallest, rel=1e-10)
    # its support function is E|<σ,u>|
    u = np.random.default_rng(0).normal(size=(50, dim))
    mean = np.abs(u @ Linf().vertices(dim).T).mean(axis=1)
    np.testing.assert_allclose(body.support(u), mean, rtol=1e-12)
    assert float(body.gauge(np.eye(dim)[0])) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "norm", "values"),
    [
        (cube, Linf(), [2, 3, 4, 5]),
        (cube, L1(), [1, 1, 1, 1]),
        (cross_polytope, L1(), [1.41421356, 1.65096362, 1.80720401, 1.91925975]),
        (cross_polytope, Linf(), [1.41421356, 2.47644544, 2.71080601, 3.59861203]),
        (lambda d: wulff_crystal(Linf(), d), L1(), [1.41421356, 1.25992105, 1.24818524, 1.26180956]),
    ],
)
def test_phi_of_unit_volume_bodies(make, norm, values):
    for dim, expected in zip((2, 3, 4, 5), values, strict=True):
        assert phi(make(dim), norm) == pytest.approx(expected, rel=1e-8)


def test_dimension_one_is_an_interval():
    body = Polytope.symmetric(np.array([[2.0], [-0.5]]))
    assert math.exp(body.log_volume) == pytest.approx(4) and float(body.shadow([1.0])) == pytest.approx(1)
    assert body.mean_square == pytest.approx(4 / 3)


def test_mean_square_of_the_cube():
    for dim in (2, 3, 4):
        assert cube(dim, 0.5).mean_square == pytest.approx(dim / 12, rel=1e-12)


def test_errors():
    with pytest.raises(InputError, match="no interior"):
        _ = Polytope.symmetric(np.array([[1.0, 0], [0.5, 0], [2, 0]])).log_volume
    with pytest.raises(InputError, match="shape"):
        Polytope(np.array([1.0, 2.0]))
    with pytest.raises(InputError, match="list of vertices"):
        wulff_crystal(Linf(), 6)
    with pytest.raises(InputError, match="list of vertices"):
        wulff_crystal(L2(), 3)
