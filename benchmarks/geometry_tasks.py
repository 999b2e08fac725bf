"""What is timed of the geometry, ours and the peers': a task by what is asked and by whom it is answered."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np

from geometry.bodies import LinfCrystal, ellipsoid
from geometry.cosine_series import Proof
from geometry.covariogram import covariogram
from geometry.isoperimetry import phi
from geometry.norms import Linf
from geometry.rademacher import average_and_gradient, rademacher_average
from geometry.zonotopes import crystal_determinants, f_vector, facets, vertices

_SAMPLE = 200_000  # determinants that stand for all
_POINTS = {6: 2000, 12: 3, 40: 3, 100: 3, 3072: 1}  # whose gauge is found, by dimension


class Task(NamedTuple):
    """``call`` answers with numbers; its time stands for ``share`` of what is asked."""

    call: Callable[[], Any]
    share: float = 1.0
    warm: bool = False
    """Whether what the library remembers between calls counts as part of the answer."""


def signs(dim: int) -> Any:
    """The 2^{d-1} sign vectors up to sign."""
    return np.array([(1, *rest) for rest in product((1, -1), repeat=dim - 1)])


def volume_ours(dim: int) -> Task:
    return Task(lambda: crystal_determinants(dim))


def volume_qhull(dim: int) -> Task:
    from scipy.spatial import ConvexHull

    given = vertices(signs(dim)).astype(np.float64)
    return Task(lambda: ConvexHull(given).volume / 2**dim)


def volume_normaliz(dim: int) -> Task:
    from PyNormaliz import Cone

    given = [[*row, 1] for row in vertices(signs(dim)).tolist()]
    return Task(lambda: float(Cone(vertices=given).Volume()) / math.factorial(dim) / 2**dim)


def volume_zonoopt(dim: int) -> Task:
    import zonoopt
    from scipy.sparse import csc_matrix

    given = csc_matrix(signs(dim).T.astype(np.float64))
    return Task(lambda: zonoopt.Zono(given, np.zeros(dim)).get_volume() / 2**dim)


def volume_plain(dim: int) -> Task:
    """np.linalg.det of all subsets that hold (1, …, 1); where they are too many, of a sample, without an answer."""
    rows = signs(dim).astype(np.float64)
    needed = math.comb(len(rows) - 1, dim - 1)
    if needed <= _SAMPLE:
        others = np.array(list(combinations(range(1, len(rows)), dim - 1)))
    else:
        keys = np.random.default_rng(0).random((_SAMPLE, len(rows) - 1))
        others = 1 + np.argsort(keys, axis=1)[:, : dim - 1]
    chosen = rows[np.column_stack([np.zeros(len(others), dtype=int), others])]

    def call() -> float | None:
        total = float(np.abs(np.linalg.det(chosen)).sum()) * len(rows) / dim
        return total if len(others) == needed else None

    return Task(call, len(others) / needed)


def vertices_ours(dim: int) -> Task:
    return Task(lambda: len(vertices(signs(dim))))


def vertices_zonoopt(dim: int) -> Task:
    import zonoopt
    from scipy.sparse import csc_matrix

    given = csc_matrix(signs(dim).T.astype(np.float64))
    return Task(lambda: len(zonoopt.get_vertices(zonoopt.Zono(given, np.zeros(dim)))))


def facets_ours(dim: int) -> Task:
    return Task(lambda: 2 * len(facets(signs(dim))[0]))


def facets_qhull(dim: int) -> Task:
    from scipy.spatial import ConvexHull

    given = vertices(signs(dim)).astype(np.float64)
    return Task(lambda: len(np.unique(np.round(ConvexHull(given).equations, 9) + 0.0, axis=0)))


def facets_ppl(dim: int) -> Task:
    from ppl import C_Polyhedron, Generator_System, Linear_Expression, point

    given = vertices(signs(dim)).tolist()

    def call() -> int:
        system = Generator_System()
        for row in given:
            system.insert(point(Linear_Expression(row, 0)))
        return len(C_Polyhedron(system).minimized_constraints())

    return Task(call)


def facets_normaliz(dim: int) -> Task:
    from PyNormaliz import Cone

    given = [[*row, 1] for row in vertices(signs(dim)).tolist()]
    return Task(lambda: len(Cone(vertices=given).SupportHyperplanes()))


def f_vector_ours(dim: int) -> Task:
    return Task(lambda: list(f_vector(signs(dim))))


def f_vector_normaliz(dim: int) -> Task:
    from PyNormaliz import Cone

    given = [[*row, 1] for row in vertices(signs(dim)).tolist()]
    return Task(lambda: Cone(vertices=given).FVector()[1:-1])


def unit(dim: int) -> Any:
    u = np.random.default_rng(dim).normal(size=dim)
    return u / np.linalg.norm(u)


def average_ours(dim: int) -> Task:
    u = unit(dim)
    return Task(lambda: float(rademacher_average(u)), warm=True)


def average_error(dim: int) -> float:
    average = rademacher_average(unit(dim))
    return float(average.error / average.value)


def average_series(dim: int) -> Task:
    """The series as it is written, L = 8 and K = 32, without a proof: Π over all coordinates by NumPy."""
    u, k = unit(dim), np.arange(1.0, 33, 2)

    def call() -> float:
        products = np.cos(np.multiply.outer(k * (math.pi / 8), u)).prod(axis=1)
        return float(4 - 32 / math.pi**2 * (products / k**2).sum())

    return Task(call, warm=True)


def gradient_ours(dim: int) -> Task:
    u = unit(dim)
    return Task(lambda: float(u @ average_and_gradient(u, proof=Proof.QUICK)[1]), warm=True)


def gauge_points(dim: int) -> Any:
    return np.random.default_rng(dim).normal(size=(_POINTS[dim], dim))


def gauge_ours(dim: int) -> Task:
    x = gauge_points(dim)
    return Task(lambda: float(LinfCrystal(dim).gauge(x).value[0]), len(x))


def gauge_error(dim: int) -> float:
    gauge = LinfCrystal(dim).gauge(gauge_points(dim)[:1])
    return float((gauge.error / gauge.value).max())


def gauge_program(dim: int) -> Task:
    """min t with x = Σ c_v v and |c_v| ≤ t over all pairs ±v, by HiGHS."""
    from scipy.optimize import linprog
    from scipy.sparse import bmat, eye_array

    rows, x = signs(dim), gauge_points(dim)[0]
    count = len(rows)
    ones, cost = np.ones((count, 1)), np.zeros(count + 1)
    cost[-1] = 2.0 ** (dim - 1)  # the crystal's generators are 2^{1-d} v
    bounds = bmat([[eye_array(count), -ones], [-eye_array(count), -ones]], format="csr")
    equal = np.column_stack([rows.T, np.zeros(dim)])

    def call() -> float:
        answer = linprog(
            cost,
            A_ub=bounds,
            b_ub=np.zeros(2 * count),
            A_eq=equal,
            b_eq=x,
            bounds=(None, None),
            method="highs",
        )
        return float(answer.fun)

    return Task(call)


def ellipsoid_matrix(dim: int) -> Any:
    return np.eye(dim) + 0.5 * np.random.default_rng(0).normal(size=(dim, dim)) / math.sqrt(dim)


def phi_ours(dim: int) -> Task:
    body = ellipsoid(ellipsoid_matrix(dim))
    return Task(lambda: float(phi(body, Linf()).value))


def phi_plain(dim: int) -> Task:
    """max ‖A⁻¹v‖₂ over the same sign vectors in one product, with the constant in front."""
    matrix = ellipsoid_matrix(dim)
    inverse, determinant = np.linalg.inv(matrix), abs(np.linalg.det(matrix))
    log_kappa = [0.5 * k * math.log(math.pi) - math.lgamma(0.5 * k + 1) for k in (dim - 1, dim)]
    factor = determinant ** (1 / dim) * math.exp(log_kappa[0] - (dim - 1) / dim * log_kappa[1])
    corners = signs(dim).astype(np.float64)
    return Task(lambda: factor * float(np.linalg.norm(corners @ inverse.T, axis=1).max()))


def shift(dim: int) -> Any:
    return np.linspace(0.1, 0.3, dim)


def covariogram_ours(dim: int) -> Task:
    return Task(lambda: float(covariogram(LinfCrystal(dim), shift(dim))))


def halfspaces(dim: int) -> tuple[Any, Any]:
    """(normals, heights) of W ∩ (W + v)."""
    normals, heights = facets(signs(dim) * 2.0 ** (1 - dim))
    both = np.concatenate([normals, -normals]).astype(np.float64)
    heights = np.concatenate([heights, heights])
    return np.concatenate([both, both]), np.concatenate([heights, heights + both @ shift(dim)])


def covariogram_qhull(dim: int) -> Task:
    """Qhull alone, which is given the facets: halfspaces to vertices, vertices to volume."""
    from scipy.spatial import ConvexHull, HalfspaceIntersection

    normals, heights = halfspaces(dim)
    whole = float(LinfCrystal(dim).volume)
    rows = np.column_stack([normals, -heights])
    return Task(lambda: ConvexHull(HalfspaceIntersection(rows, shift(dim) / 2).intersections).volume / whole)


TASKS: dict[tuple[str, str], Callable[[int], Task]] = {
    ("volume", "ours"): volume_ours,
    ("volume", "Qhull"): volume_qhull,
    ("volume", "Normaliz"): volume_normaliz,
    ("volume", "zonoopt"): volume_zonoopt,
    ("volume", "plain"): volume_plain,
    ("vertices", "ours"): vertices_ours,
    ("vertices", "zonoopt"): vertices_zonoopt,
    ("facets", "ours"): facets_ours,
    ("facets", "Qhull"): facets_qhull,
    ("facets", "PPL"): facets_ppl,
    ("facets", "Normaliz"): facets_normaliz,
    ("f-vector", "ours"): f_vector_ours,
    ("f-vector", "Normaliz"): f_vector_normaliz,
    ("h(u)", "ours"): average_ours,
    ("h(u)", "plain"): average_series,
    ("h(u) and gradient", "ours"): gradient_ours,
    ("gauge", "ours"): gauge_ours,
    ("gauge", "HiGHS"): gauge_program,
    ("phi, all vertices", "ours"): phi_ours,
    ("phi, all vertices", "plain"): phi_plain,
    ("covariogram", "ours"): covariogram_ours,
    ("covariogram", "Qhull"): covariogram_qhull,
}
ERRORS: dict[str, Callable[[int], float]] = {"h(u)": average_error, "gauge": gauge_error}
