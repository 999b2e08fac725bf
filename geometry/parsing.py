"""Bodies and norms as users type them: ``lp-ball:q=1.5``, ``zonotope:generators.txt``, ``polytope:vertices.csv``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from geometry.bodies import (
    Ball,
    Box,
    CrossPolytope,
    LpBall,
    Polytope,
    Voxels,
    Zonotope,
    cube,
    ellipsoid,
)
from geometry.body import Body
from geometry.crystals import wulff_crystal
from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, Norm, parse_norm
from geometry.point_files import read_array, read_rows
from geometry.polytope_norm import PolytopeNorm

NAMED: dict[str, Callable[[int], Body]] = {
    "cube": cube,
    "ball": Ball,
    "cross-polytope": CrossPolytope,
    "wulff-l1": lambda dim: wulff_crystal(L1(), dim),
    "wulff-l2": lambda dim: wulff_crystal(L2(), dim),
    "wulff-linf": lambda dim: wulff_crystal(Linf(), dim),
}
FROM_FILE: dict[str, Callable[[str], Body]] = {
    "box": lambda path: Box(read_array(path).ravel()),
    "ellipsoid": lambda path: ellipsoid(read_rows(path)),
    "polytope": lambda path: _centred(read_rows(path)),
    "zonotope": lambda path: Zonotope(read_rows(path)),
    "voxels": lambda path: Voxels(_grid(read_array(path), path)),
}
KNOWN = (
    *NAMED,
    "wulff (the norm's own)",
    "lp-ball:q=NUMBER",
    *(f"{name}:FILE" for name in FROM_FILE),
)


def parse_body(text: str, *, dim: int | None, norm: Norm) -> Body:
    """The body that a user means; ``wulff`` is the crystal of ``norm``. A file brings its dimension.

    ``ellipsoid:FILE`` holds the matrix A of A B₂, ``polytope:FILE`` its vertices (its place does not matter: their mean
    becomes the origin), ``zonotope:FILE`` the g of its segments [-g, g], ``box:FILE`` half widths, ``voxels:FILE`` a
    grid of zeros and ones (.npy or .json).
    """
    name, _, argument = text.partition(":")
    if name in FROM_FILE:
        if not argument:
            raise InputError(f"body {name} is read from a file: {name}:FILE")
        body = FROM_FILE[name](argument)
        if dim is not None and dim != body.dim:
            raise InputError(f"dim is {dim}, but {argument} holds a body of dimension {body.dim}")
        return body
    if dim is None and isinstance(norm, PolytopeNorm):
        dim = norm.dim
    if dim is None:
        raise InputError(f"body {text} needs --dim")
    if text in NAMED:
        return NAMED[text](dim)
    if text == "wulff":
        return wulff_crystal(norm, dim)
    if name == "lp-ball" and argument.startswith("q="):
        try:
            return LpBall(dim, float(argument.removeprefix("q=")))
        except InputError:
            raise
        except ValueError:
            pass
    raise InputError(f"unknown body {text!r}; known: {', '.join(KNOWN)}")


def parse_adversary(text: str) -> Norm:
    """``l1``, ``l2``, ``linf``, ``lp:p=3``, or ``polytope:FILE`` with vertices of the unit ball, half are enough."""
    if text.startswith("polytope:"):
        return PolytopeNorm(read_rows(text.removeprefix("polytope:")))
    try:
        return parse_norm(text)
    except InputError as error:
        hint = ", polytope:FILE" if "known:" in str(error) else ""
        raise InputError(f"{error}{hint}") from None


def _grid(values: np.ndarray, path: str) -> np.ndarray:
    if not np.isin(values, (0, 1)).all():
        raise InputError(f"{path} must hold zeros and ones, a cell each")
    return values == 1


def _centred(points: np.ndarray) -> Body:
    """The hull of the points about their vertices' mean, which is inside."""
    if points.shape[1] > 1:
        with contextlib.suppress(QhullError):  # Polytope says what is wrong
            points = points[ConvexHull(points).vertices]
    points = points / (np.abs(points).max() or 1.0)  # Φ does not depend on it
    centre = points.mean(axis=0)
    symmetric = np.allclose(centre, 0, atol=1e-12 * np.abs(points).max())
    return Polytope(points if symmetric else points - centre)
