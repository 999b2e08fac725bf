"""The paper's curves of radius against ρ, for all families at σ = 1 and d = 3072, one panel a norm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from geometry.norms import parse_norm
from validation.comparison import Cell, specs
from validation.comparison_figures import draw_radii
from validation.exhibits.exhibit import Exhibit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIM = 3072
NORMS = ("l1", "l2", "linf")


def load(folder: Path) -> list[Cell]:
    """Every cell; no runs needed."""
    return [Cell(spec, parse_norm(norm), DIM) for norm in NORMS for spec in specs(DIM)]


def draw(axes: list[Axes], data: list[Cell]) -> None:
    """One panel a norm, one line a noise."""
    draw_radii(list(axes), data, [parse_norm(norm) for norm in NORMS])


EXHIBIT = Exhibit(
    "radii", "radius against ρ for every family", load, draw, panels=3, size=(4.4, 4.0), sharey=False
)
