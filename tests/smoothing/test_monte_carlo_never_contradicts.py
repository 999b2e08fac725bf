"""Monte Carlo never contradicts a radius: every family, every norm, in the worst direction and 100 random ones.

False alarms: every statement "the draws refute that ρ certifies the shift" is wrong with probability at most ALPHA,
whatever the noise. ALPHA is 1e-6 over the number of all statements in this file that must not be made, so that by
Bonferroni all tests together raise a false alarm with probability at most 1e-6, over the choice of the seed.
"""

import itertools

import numpy as np
import pytest
import torch
from marks import slow, thinned

from geometry.errors import InputError
from geometry.norms import L1, L2, Linf
from smoothing.methods.directions import random_directions, worst_direction
from smoothing.methods.log_ratios import Draws
from smoothing.methods.monte_carlo import refute
from smoothing.noises import FAMILIES, parse_noise
from smoothing.theorems import certify_radius

RHO = np.array([0.6, 0.9, 0.99])
NORMS = (L1(), L2(), Linf())
DIRECTIONS = 100
# parameters in terms of the dimension; {half} = dim/2, {mid} = (dim-1)/2, {heavy} = dim + 3
PARAMETERS = {
    "gaussian": [""],
    "laplace": [""],
    "uniform": [""],
    "uniform-l1": [""],
    "uniform-l2": [""],
    "uniform-linf": [""],
    "exp-power": ["p=0.5", "p=1.5", "p=4"],
    "pareto": ["a=1", "a=3"],
    "body": ["wulff-linf", "cross-polytope"],
    "exp-l1": ["k=1", "k=2,j={mid}", "k=0.5"],
    "exp-l2": ["k=1", "k=2", "k=2,j={mid}", "k=0.5"],
    "exp-linf": ["k=1", "k=2,j={mid}", "k=0.5"],
    "pow-l1": ["k=1,a={heavy}", "k=2,a={dim}"],
    "pow-l2": ["k=1,a={heavy}", "k=2,a={dim}"],
    "pow-linf": ["k=1,a={heavy}", "k=2,a={dim}"],
}
LARGE = ("gaussian", "laplace", "uniform", "uniform-l2", "exp-linf:k=1", "exp-l2:k=1", "pow-l1:k=2,a=3072")
# draws per test: in the worst direction, in each of the random ones
COUNTS = {2: (40_000, 1000), 5: (40_000, 1000), 10: (40_000, 1000), 784: (6000, 800), 3072: (2500, 400)}


def specs(dim):
    """What users type, every family with its parameters."""
    names = {"dim": dim, "half": dim / 2, "mid": (dim - 1) / 2, "heavy": dim + 3}
    for family, choices in PARAMETERS.items():
        if family != "body" or dim <= 5:
            yield from (f"{family}:{text.format(**names)}".removesuffix(":") for text in choices)


QUICK = [(spec, dim, norm) for dim in (2, 10) for spec in specs(dim) for norm in NORMS]
QUICK += [(spec, 5, norm) for spec in specs(5) if spec.startswith("body") for norm in NORMS]
SLOW = [(spec, 784, norm) for spec in specs(784) for norm in NORMS]
SLOW += [(spec, 3072, norm) for spec in LARGE for norm in NORMS]
CELLS = [*thinned(QUICK, 0.3), *(slow(*cell) for cell in SLOW)]
ALPHA = 1e-6 / ((len(QUICK) + len(SLOW)) * len(RHO) * (1 + DIRECTIONS))


def certified(spec, dim, norm):
    """(noise, certificate at every ρ); every cell has a theorem."""
    noise = parse_noise(spec, dim=dim, scale=1.0)
    try:
        return noise, certify_radius(noise, norm, RHO)
    except InputError as reason:
        pytest.fail(f"no radius to contradict: {reason}")


def draws(noise, n, seed):
    def sample(count, seed):
        return noise.sample(count, generator=seed, dtype=torch.float64).numpy()

    return Draws(sample=sample, log_density=noise.log_prob, n=n, seed=seed)


def refuted(noise, radius, directions, n, alpha=ALPHA, seed=20):
    """Whether each (direction, ρ) is contradicted, shape (directions, ρ)."""
    shifts = (directions[:, None, :] * radius[:, None]).reshape(-1, noise.dim)
    rho = np.tile(RHO, len(directions))
    return refute(draws(noise, n, seed).log_ratios(shifts), rho, alpha).reshape(len(directions), len(RHO))


def test_every_family_is_here():
    assert set(PARAMETERS) == set(FAMILIES)


@pytest.mark.parametrize(("spec", "dim", "norm"), CELLS, ids=str)
def test_never_contradicts(spec, dim, norm):
    noise, certificate = certified(spec, dim, norm)
    worst, each = COUNTS[dim]
    assert not refuted(noise, certificate.radius, worst_direction(norm, dim)[None], worst).any()
    assert not refuted(
        noise, certificate.radius, random_directions(norm, dim, DIRECTIONS, seed=dim), each
    ).any()


TIGHT = [
    ("gaussian", L1()),
    ("gaussian", L2()),
    ("gaussian", Linf()),
    ("laplace", L1()),
    ("uniform", L1()),
    ("uniform", L2()),
    ("uniform", Linf()),
    ("uniform-l1", L1()),
    ("uniform-l2", L2()),
    ("uniform-l2", Linf()),
    ("exp-power:p=1.5", L1()),
    ("exp-power:p=4", L1()),
    ("exp-l1:k=1", L1()),
    ("exp-l2:k=2", L2()),
]


def worst_of_all(norm, dim):
    """The worst direction of the cells in TIGHT: of the ℓ2 ball it is the diagonal for the cube, any for spheres."""
    return worst_direction(norm, dim) if norm != L2() else np.full(dim, dim**-0.5)


@pytest.mark.parametrize(("dim", "n"), [(2, 200_000), (10, 200_000), slow(784, 60_000)])
@pytest.mark.parametrize(("spec", "norm"), thinned(TIGHT, 0.5), ids=str)
def test_it_can_fail(spec, norm, dim, n):
    """A tight radius is not refuted and one longer by a tenth is, at the level of the test above.

    At d = 784 the draws are too few to see that at ρ = 0.6.
    """
    noise, certificate = certified(spec, dim, norm)
    assert certificate.tight.all()
    direction = worst_of_all(norm, dim)[None]
    assert not refuted(noise, certificate.radius, direction, n).any()
    too_long = refuted(noise, 1.1 * certificate.radius, direction, n)
    assert too_long[0, 0 if dim <= 10 else 1 :].all()


def test_a_wrong_direction_would_not_do():
    """ℓ∞ radii of the cube, doubled, along an axis: only the diagonal tells. So the worst direction is tested apart."""
    noise = parse_noise("uniform", dim=10, scale=1.0)
    radius = 2 * certify_radius(noise, Linf(), RHO).radius
    axis, diagonal = np.eye(10)[:1], np.ones((1, 10))
    assert not refuted(noise, radius, axis, 40_000).any()
    assert refuted(noise, radius, diagonal, 40_000).all()


def test_the_count_of_statements():
    """What the module docstring claims about the family-wise rate."""
    statements = sum(len(RHO) * (1 + DIRECTIONS) for _ in itertools.chain(QUICK, SLOW))
    assert statements * ALPHA == pytest.approx(1e-6)
