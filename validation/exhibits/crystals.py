"""The Wulff crystals of ℓ1, ℓ2 and ℓ∞ in space: cube, ball and rhombic dodecahedron (the paper's section 5)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from geometry.crystal_figures import crystal_faces, draw_solid
from geometry.figures import symbol
from geometry.norms import parse_norm
from validation.exhibits.exhibit import Exhibit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLORS = {"l1": "#0072B2", "l2": "#D55E00", "linf": "#009E73"}


def load(folder: Path) -> dict[str, list[NDArray[np.float64]]]:
    """norm to the crystal's polygons; no runs needed."""
    return {name: crystal_faces(parse_norm(name)) for name in _COLORS}


def draw(axes: list[Any], data: dict[str, list[NDArray[np.float64]]]) -> None:
    """One panel a norm."""
    for ax, (name, faces) in zip(axes, data.items(), strict=True):
        draw_solid(ax, f"best against {symbol(parse_norm(name))}", faces, _COLORS[name])


EXHIBIT = Exhibit("crystals", "the Wulff crystals in space (section 5)", load, draw, panels=3, size=(3.2, 3.4),
                  projection="3d")  # fmt: skip
