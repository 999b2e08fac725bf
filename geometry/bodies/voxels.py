"""Unions of boxes on a grid: candidates that need not be convex, nor in one piece."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.body import Body, Seed, Symmetry
from geometry.errors import InputError
from geometry.estimate import EXACT, Estimate

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Voxels(Body):
    """The cells of a grid that are ``occupied``: a boolean array with d axes. ``edges``: per axis its n+1 cuts.

    Without ``edges`` the cells are unit cubes about the origin. Everything but the gauge, which the set has not, is
    exact.
    """

    occupied: NDArray[np.bool_]
    edges: tuple[Array, ...] | None = None

    convex = False

    def __post_init__(self) -> None:
        occupied = np.asarray(self.occupied, dtype=bool)
        if not occupied.ndim or not occupied.any():
            raise InputError(
                "occupied must be a boolean array with an axis per dimension and at least one cell"
            )
        edges = self.edges or tuple(np.arange(n + 1) - 0.5 * n for n in occupied.shape)
        edges = tuple(np.asarray(cuts, dtype=np.float64) for cuts in edges)
        fits = len(edges) == occupied.ndim and all(
            cuts.shape == (n + 1,) and (np.diff(cuts) > 0).all()
            for cuts, n in zip(edges, occupied.shape, strict=False)
        )
        if not fits:
            raise InputError(
                f"edges must hold n+1 growing cuts per axis for a grid of shape {occupied.shape}"
            )
        object.__setattr__(self, "occupied", occupied)
        object.__setattr__(self, "edges", edges)

    def __str__(self) -> str:
        return "voxels"

    @property
    def dim(self) -> int:  # type: ignore[override]
        return self.occupied.ndim

    @property
    def symmetry(self) -> Symmetry:  # type: ignore[override]
        """Of the grid with its cells, about the origin."""
        grid = self.occupied
        even = all(np.allclose(cuts, -cuts[::-1]) for cuts in self._cuts)
        if not (even and np.array_equal(grid, np.flip(grid))):
            return Symmetry.NONE
        cubic = all(len(c) == len(self._cuts[0]) and np.allclose(c, self._cuts[0]) for c in self._cuts)
        images = [np.flip(grid, 0), np.moveaxis(grid, 0, -1), np.swapaxes(grid, 0, min(1, self.dim - 1))]
        full = cubic and all(np.array_equal(grid, image) for image in images)
        return Symmetry.SIGNED_PERMUTATIONS if full else Symmetry.CENTRAL

    @property
    def _cuts(self) -> tuple[Array, ...]:
        assert self.edges is not None
        return self.edges

    @property
    def _cells(self) -> Array:
        """The volume of every cell of the grid."""
        volume = np.ones(())
        for cuts in self._cuts:
            volume = np.multiply.outer(volume, np.diff(cuts))
        return volume

    def gauge(self, x: ArrayLike) -> Estimate:
        raise InputError("a union of boxes has no gauge: rays may leave it and come back")

    def gauge_gradient(self, x: ArrayLike) -> Array:
        raise InputError("a union of boxes has no gauge: rays may leave it and come back")

    def contains(self, x: ArrayLike) -> NDArray[np.bool_]:
        x = np.asarray(x, dtype=np.float64)
        inside = np.ones(x.shape[:-1], dtype=bool)
        index = []
        for i, cuts in enumerate(self._cuts):
            cell = np.searchsorted(cuts, x[..., i], side="right") - 1
            inside &= (cell >= 0) & (cell < len(cuts) - 1)
            index.append(cell.clip(0, len(cuts) - 2))
        return inside & self.occupied[tuple(index)]

    @property
    def log_volume(self) -> Estimate:
        return Estimate(math.log(self._cells[self.occupied].sum()), 0.0, EXACT)

    def sample(self, count: int, *, seed: Seed) -> Array:
        generator = np.random.default_rng(seed)
        where = np.argwhere(self.occupied)
        share = self._cells[self.occupied]
        chosen = where[generator.choice(len(where), size=count, p=share / share.sum())]
        low = np.stack([cuts[chosen[:, i]] for i, cuts in enumerate(self._cuts)], axis=1)
        high = np.stack([cuts[chosen[:, i] + 1] for i, cuts in enumerate(self._cuts)], axis=1)
        return generator.uniform(low, high)

    def relative_shadow(self, v: ArrayLike) -> Estimate:
        """½ Σ_i |v_i| · area of the faces across axis i / Vol."""
        volume, area = self._cells[self.occupied].sum(), np.empty(self.dim)
        for i, cuts in enumerate(self._cuts):
            padding = [(1, 1) if axis == i else (0, 0) for axis in range(self.dim)]
            exposed = np.diff(np.pad(self.occupied, padding).astype(int), axis=i) != 0
            across = np.moveaxis(self._cells, i, 0)[:1] / (cuts[1] - cuts[0])
            area[i] = (np.moveaxis(exposed, i, 0) * across).sum()
        return Estimate(np.abs(v) @ (0.5 * area / volume), 0.0, EXACT)

    def overlap(self, v: ArrayLike) -> float:
        """Vol(S ∩ (S + v)): cells meet shifted cells in boxes, whose edges are overlaps of intervals."""
        met = self.occupied.astype(np.float64)
        for i, (cuts, shift) in enumerate(zip(self._cuts, np.asarray(v, dtype=np.float64), strict=True)):
            low = np.maximum.outer(cuts[:-1], cuts[:-1] + shift)
            high = np.minimum.outer(cuts[1:], cuts[1:] + shift)
            met = np.moveaxis(np.tensordot(np.maximum(high - low, 0), met, axes=(1, i)), 0, i)
        return float(met[self.occupied].sum())
