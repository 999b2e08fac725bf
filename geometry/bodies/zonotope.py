"""Zonotopes: sums of segments, the bodies whose every shadow is a sum of determinants."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog

from geometry.body import Body, Seed, Symmetry
from geometry.errors import InputError
from geometry.estimate import EXACT, LINEAR_PROGRAM, MONTE_CARLO, STANDARD_ERRORS, Estimate
from geometry.zonotopes import faces
from geometry.zonotopes.determinants import SAMPLES, log_sum_abs_det
from geometry.zonotopes.flats import flats, tractable
from geometry.zonotopes.moments import mean_square
from geometry.zonotopes.rows import TOLERANCE
from geometry.zonotopes.segments import checked, segments
from geometry.zonotopes.tiling import sample_zonotope

Array = NDArray[np.float64]

_NUMBERS = 1 << 22  # held at once


@dataclass(frozen=True, eq=False)
class Zonotope(Body):
    """Σ [-g, g] over the rows g of ``generators``, shape (count, d).

    Up to some ten thousand flats (32 generators in d = 6: ``flats.tractable``) everything is exact, in integers where
    the generators lie on a lattice; beyond, the volume and shadows are by Monte Carlo, the gauge by linear programs,
    and there are no samples. InputError unless the generators are finite and span R^d.
    """

    generators: Array
    symmetry = Symmetry.CENTRAL

    def __post_init__(self) -> None:
        rows = checked(self.generators)
        if np.linalg.matrix_rank(rows.astype(np.float64)) < rows.shape[1]:
            raise InputError(f"the generators must span R^{rows.shape[1]}: the zonotope has no interior")
        object.__setattr__(self, "generators", rows)

    def __str__(self) -> str:
        return "zonotope"

    @property
    def dim(self) -> int:  # type: ignore[override]
        return int(self.generators.shape[1])

    @property
    def exact(self) -> bool:
        """Whether the faces can be listed."""
        return tractable(*self._rows.shape)

    @cached_property
    def vertices(self) -> Array:
        """The vertices, each once, shape (count, d): counter-clockwise in the plane."""
        return faces.vertices(self.generators).astype(np.float64)

    @cached_property
    def facets(self) -> Array:
        """The polar's vertices a, one of each ± pair: the zonotope is {x : |<a, x>| ≤ 1 for all rows a}."""
        normals, heights = faces.facets(self.generators)
        return (normals / heights[:, None]).astype(np.float64)

    @cached_property
    def f_vector(self) -> tuple[int, ...]:
        """(vertices, edges, …, facets)."""
        return faces.f_vector(self.generators)

    @cached_property
    def edges(self) -> NDArray[np.intp]:
        """Pairs of numbers of ``vertices``."""
        return faces.edges(self.generators)

    def support(self, u: ArrayLike) -> Estimate:
        """Σ |<g, u>|."""
        return Estimate(np.abs(np.asarray(u) @ self._rows.T).sum(axis=-1))

    def support_point(self, u: ArrayLike) -> Array:
        return np.where(np.asarray(u) @ self._rows.T < 0, -1.0, 1.0) @ self._rows

    def gauge(self, x: ArrayLike) -> Estimate:
        """The largest |<a, x>| over the facets; or min t with x = Σ c_i g_i, |c_i| ≤ t, between t and its dual."""
        x = np.asarray(x, dtype=np.float64)
        if self.exact:
            gauge = np.abs((x * self.gauge_gradient(x)).sum(axis=-1))
            return Estimate(gauge, self._slack * gauge, EXACT)
        bounds = [self._program(point)[:2] for point in x.reshape(-1, self.dim)]
        lower, upper = np.array(bounds).reshape(-1, 2).T.reshape(2, *x.shape[:-1])
        return Estimate.between(lower, upper, LINEAR_PROGRAM)

    def gauge_gradient(self, x: ArrayLike) -> Array:
        x = np.asarray(x, dtype=np.float64)
        points = x.reshape(-1, self.dim)
        if not self.exact:
            return np.array([self._program(point)[2] for point in points]).reshape(x.shape)
        gradient, facets = np.empty_like(points), self.facets
        block = max(1, _NUMBERS // len(facets))
        for start in range(0, len(points), block):
            heights = points[start : start + block] @ facets.T
            best = np.abs(heights).argmax(axis=1)
            sides = np.where(np.take_along_axis(heights, best[:, None], axis=1) < 0, -1.0, 1.0)
            gradient[start : start + block] = sides * facets[best]
        return gradient.reshape(x.shape)

    def _program(self, x: Array) -> tuple[float, float, Array]:
        """(lower, upper, gradient) of the gauge at x.

        The dual's y bounds it by <x, y> / Σ|<g, y>| whatever the solver's errors are. The primal's c does by max |c|
        and what c misses of x, which lies within its length / σ_min(g): the ball of radius σ_min is in the zonotope,
        as Σ|<g, u>| ≥ ‖(<g, u>)‖₂.
        """
        size = float(np.abs(x).max())
        if size == 0:
            return 0.0, 0.0, np.zeros(self.dim)
        rows, count = self._rows, len(self._rows)
        # Variables c_1, …, c_n, t. Rows of ±c - t ≤ 0, then of Σ c g = x, brought to size 1.
        eye, ones = np.eye(count), np.ones((count, 1))
        answer = linprog(
            np.concatenate([np.zeros(count), [1.0]]),
            A_ub=np.block([[eye, -ones], [-eye, -ones]]),
            b_ub=np.zeros(2 * count),
            A_eq=np.column_stack([rows.T, np.zeros(self.dim)]),
            b_eq=x / size,
            bounds=(None, None),
            method="highs",
        )
        if answer.status != 0:
            raise InputError(f"no gauge of the zonotope at {x}: {answer.message}")
        c, y = answer.x[:-1] * size, answer.eqlin.marginals
        y = y / np.abs(rows @ y).sum()
        missed = float(np.linalg.vector_norm(x - c @ rows)) / float(np.linalg.svd(rows, compute_uv=False)[-1])
        lower = float(x @ y)
        return lower, max(lower, float(np.abs(c).max()) + missed), y

    @cached_property
    def log_volume(self) -> Estimate:
        """d log 2 + log Σ|det| over d-subsets of the generators."""
        log = log_sum_abs_det(self.generators)
        return Estimate(self.dim * math.log(2) + log.value, log.error, log.method)

    def relative_shadow(self, v: ArrayLike) -> Estimate:
        """½ Σ_J |det(g_J, v)| / Σ|det|, J running over (d-1)-subsets: merged into one term a facet, or sampled."""
        v = np.asarray(v, dtype=np.float64)
        if not self.exact:
            return self._random_shadow(v)
        shadow = np.abs(v @ self.normals.T).sum(axis=-1)
        return Estimate(shadow, self._slack * shadow, EXACT)

    @cached_property
    def normals(self) -> Array:
        """Rows b with relative shadow Σ |<b, v>|, one for each pair of facets."""
        lattice = flats(self.generators)
        normals = faces.normals(lattice) * lattice.ranks[-1].weights[:, None]
        return (normals / (2 * lattice.total * lattice.segments.scale)).astype(np.float64)

    def _random_shadow(self, v: Array, samples: int = SAMPLES, seed: Seed = 0) -> Estimate:
        """From random (d-1)-subsets J: |det(g_J, v)| is |<n, v>| times the volume of J, n their common normal."""
        count, dim = self._rows.shape
        rng, log = np.random.default_rng(seed), self.log_volume
        scale = math.lgamma(count + 1) - math.lgamma(dim) - math.lgamma(count - dim + 2) - float(log.value)
        scale += (dim - 1) * math.log(2)  # 2^d in the volume, ½ in front
        directions = v.reshape(-1, dim)
        block = max(1, _NUMBERS // max(count, dim * dim, len(directions)))
        total, squares = np.zeros(len(directions)), np.zeros(len(directions))
        for start in range(0, samples, block):
            keys = rng.random((min(block, samples - start), count))
            chosen = self._rows[np.argpartition(keys, dim - 1, axis=1)[:, : dim - 1]]
            q, r = np.linalg.qr(chosen.swapaxes(1, 2), mode="complete")
            with np.errstate(divide="ignore"):
                logs = np.log(np.abs(np.diagonal(r, axis1=1, axis2=2))).sum(axis=1)
            terms = np.exp(logs + scale)[:, None] * np.abs(q[:, :, -1] @ directions.T)
            total, squares = total + terms.sum(axis=0), squares + (terms**2).sum(axis=0)
        mean = total / samples
        spread = STANDARD_ERRORS * np.sqrt(np.maximum(squares / samples - mean**2, 0) / (samples - 1))
        error = mean * math.expm1(float(log.error)) + spread * math.exp(float(log.error))
        return Estimate(mean.reshape(v.shape[:-1]), error.reshape(v.shape[:-1]), MONTE_CARLO)

    @cached_property
    def mean_square(self) -> float:
        """E‖X‖₂² for X uniform on the zonotope, exactly."""
        return mean_square(self.generators)

    def sample(self, count: int, *, seed: Seed) -> Array:
        """By a tiling with parallelotopes: ``geometry.zonotopes.sample_zonotope``."""
        return sample_zonotope(self.generators, count, seed=seed)

    @cached_property
    def _slack(self) -> float:
        """Relative error of what is read off the faces: 0 on a lattice, else the tolerance that merges flats."""
        return 0.0 if segments(self.generators).exact else self.dim * TOLERANCE

    @cached_property
    def _rows(self) -> Array:
        """The generators without zeros, parallel ones merged."""
        reduced = segments(self.generators)
        return reduced.rows.astype(np.float64) * reduced.scale
