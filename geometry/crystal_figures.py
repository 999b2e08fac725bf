"""Pictures of crystals beside their norm's ball: shaded in two and three dimensions, a skeleton in four."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry.bodies import Zonotope
from geometry.bodies.polytope import Polytope
from geometry.crystals import crystal_generators, lp_directions, wulff_crystal
from geometry.errors import InputError
from geometry.figures import save, symbol
from geometry.norms import L1, L2, Linf, Lp, Norm
from geometry.polytope_norm import PolytopeNorm
from geometry.skeleton import polygons

Array = NDArray[np.float64]

_LIGHT = np.array([0.35, -0.55, 0.76])
_VIEW = {"elev": 22.0, "azim": -58.0}
_FINE = 20_000
_BALL, _CRYSTAL = "#56B4E9", "#E69F00"


def save_crystal(norm: Norm, dim: int, path: str | Path) -> None:
    """The unit ball and its crystal, side by side; dim 2 to 4. InputError beyond."""
    name = "unit ball" if isinstance(norm, PolytopeNorm) else f"{symbol(norm)} ball"
    if dim == 2:
        outlines = (name, _outline(norm, None), _BALL), ("Wulff crystal", _outline(norm, dim), _CRYSTAL)
        save(lambda axes: _each(axes, draw_outline, outlines), path, panels=2, size=(3.4, 3.4), sharey=False)
    elif dim == 3:
        solids = (name, _ball_faces(norm), _BALL), ("Wulff crystal", crystal_faces(norm), _CRYSTAL)
        save(
            lambda axes: _each(axes, draw_solid, solids),
            path,
            panels=2,
            size=(3.6, 3.7),
            sharey=False,
            projection="3d",
        )
    elif dim == 4:
        skeletons = [
            (name, *_ball_skeleton(norm), _BALL),
            ("Wulff crystal", *_crystal_skeleton(norm), _CRYSTAL),
        ]
        save(
            lambda axes: _each(axes, draw_skeleton, skeletons), path, panels=2, size=(4.4, 4.4), sharey=False
        )
    else:
        raise InputError(
            f"crystals are drawn in dimension 2, 3 and 4, not {dim}; without --out the facts are shown"
        )


def draw_outline(ax: Any, title: str, outline: Array, color: str) -> None:
    """A filled polygon, shape (corners, 2)."""
    ax.fill(*outline.T, facecolor=color, alpha=0.55, edgecolor="black", linewidth=1.4, joinstyle="round")
    reach = 1.12 * np.abs(outline).max()
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", title=title)
    ax.axhline(0, color="0.6", linewidth=0.6, zorder=0)
    ax.axvline(0, color="0.6", linewidth=0.6, zorder=0)


def draw_solid(ax: Any, title: str, faces: list[Array], color: str) -> None:
    """Shaded polygons, each of shape (corners, 3); edges are drawn unless there are very many."""
    from matplotlib.colors import to_rgb
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    base, shades = np.array(to_rgb(color)), []
    for face in faces:
        centre = face.mean(axis=0)
        normal = np.cross(face[2] - face[0], face[-1] - face[1])  # of its diagonals
        length = float(np.linalg.norm(normal))
        if length < 2e-3 * float(centre @ centre):  # a sliver of a smooth body
            normal, length = centre, float(np.linalg.norm(centre))
        light = max(0.0, float(normal @ _LIGHT) * (1 if normal @ centre > 0 else -1) / length)
        shades.append(np.clip(base * (0.45 + 0.62 * light) + 0.10 * light**6, 0, 1))
    few = len(faces) <= 300
    solid = Poly3DCollection(
        faces, facecolors=shades, edgecolors="black" if few else shades, linewidths=0.9 if few else 0.1
    )
    ax.add_collection3d(solid)
    reach = 0.68 * max(np.linalg.norm(face, axis=1).max() for face in faces)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach))
    ax.set_box_aspect((1, 1, 1))
    ax.view_init(**_VIEW)
    ax.set_axis_off()
    ax.set_title(title)


def draw_skeleton(ax: Any, title: str, points: Array, pairs: NDArray[np.intp], color: str) -> None:
    """A four-dimensional skeleton, along a direction that keeps its vertices apart; nearer edges are darker."""
    from matplotlib.collections import LineCollection

    turn = _projection()
    flat, depth = points @ turn[:2].T, points @ turn[2:].T
    near = depth[pairs].sum(axis=2).mean(axis=1)
    order = np.argsort(near)
    share = (near - near.min()) / max(float(np.ptp(near)), 1e-12)
    alphas = 0.15 + 0.65 * share[order]
    ax.add_collection(
        LineCollection(
            list(flat[pairs[order]]),
            colors=[(0, 0, 0, a) for a in alphas],
            linewidths=0.4 + 0.8 * share[order],
        )
    )
    ax.scatter(*flat.T, s=14, color=color, edgecolor="black", linewidth=0.5, zorder=3)
    reach = 1.08 * np.abs(flat).max()
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    ax.set_title(f"{title}: {len(points)} vertices, {len(pairs)} edges")
    ax.set_axis_off()


def _each(axes: Any, draw: Any, data: Any) -> None:
    for ax, arguments in zip(axes, data, strict=True):
        draw(ax, *arguments)


def _projection() -> Array:
    """Four orthonormal rows: the Coxeter plane of the hypercube, which it meets in an octagon, and what lies across."""
    angle = np.pi * np.arange(4) / 4
    rows = np.stack([np.cos(angle), np.sin(angle), np.cos(3 * angle), np.sin(3 * angle)])
    return rows / np.sqrt(2)


def _outline(norm: Norm, dim: int | None) -> Array:
    """The boundary of the ball (``dim`` None) or of the crystal in the plane, in order."""
    if dim is None and not isinstance(norm, PolytopeNorm):
        angle = np.linspace(0, 2 * np.pi, 721)[:-1]
        directions = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return directions / norm.value(directions)[:, None]
    if dim is not None and isinstance(norm, L2):
        return _outline(norm, None) * float(wulff_crystal(norm, 2).support(np.eye(2)[0]))
    body = (
        norm.ball if dim is None and isinstance(norm, PolytopeNorm) else Zonotope(crystal_generators(norm, 2))
    )
    points = body.vertices
    return points[np.argsort(np.arctan2(points[:, 1], points[:, 0]))]


def _ball_faces(norm: Norm) -> list[Array]:
    if isinstance(norm, PolytopeNorm):
        return polygons(norm.ball)
    if isinstance(norm, (L1, Linf)):
        return polygons(Polytope(norm.vertices(3)))
    return _round_faces(lambda u: u / norm.value(u)[..., None])


def crystal_faces(norm: Norm) -> list[Array]:
    """The polygons of the crystal in space, each of shape (corners, 3)."""
    if isinstance(norm, (L1, Linf, PolytopeNorm)):
        return polygons(Polytope(Zonotope(crystal_generators(norm, 3)).vertices))
    if isinstance(norm, L2):
        radius = float(wulff_crystal(norm, 3).support(np.eye(3)[0]))
        return _round_faces(lambda u: radius * u)
    assert isinstance(norm, Lp)
    rows = lp_directions(norm, 3, _FINE)  # so many that no segment shows
    return _round_faces(lambda u: np.sign(u @ rows.T) @ rows)


def _round_faces(place: Any) -> list[Array]:
    """The sphere's meridians and parallels as quadrilaterals, moved by ``place``."""
    polar, around = np.linspace(1e-3, np.pi - 1e-3, 46), np.linspace(0, 2 * np.pi, 91)
    sphere = np.stack(
        [
            np.outer(np.sin(polar), np.cos(around)),
            np.outer(np.sin(polar), np.sin(around)),
            np.outer(np.cos(polar), np.ones_like(around)),
        ],
        axis=-1,
    )
    points = np.asarray(place(sphere))
    quads = np.stack([points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]], axis=2)
    faces = quads.reshape(-1, 4, 3)
    area = np.linalg.norm(np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0]), axis=1)
    return list(faces[area > 1e-9 * area.max()])


def _ball_skeleton(norm: Norm) -> tuple[Array, NDArray[np.intp]]:
    from geometry.skeleton import edges

    vertices = norm.vertices(4)
    if vertices is None:
        raise InputError(
            f"the ball of {norm} has no skeleton to draw in dimension 4; l1, linf and polytope norms have"
        )
    body = Polytope(vertices)
    return body.vertices, edges(body)


def _crystal_skeleton(norm: Norm) -> tuple[Array, NDArray[np.intp]]:
    zonotope = Zonotope(crystal_generators(norm, 4))
    return zonotope.vertices, zonotope.edges
