"""Figure 1 of the paper as the theorem table drawn: which proof gives the radius of every noise and norm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geometry.cli import floor_significant
from geometry.figures import symbol
from geometry.norms import parse_norm
from smoothing.theorems import Method, certify_radius, theorems
from validation.comparison import Cell, specs
from validation.exhibits.exhibit import Exhibit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

DIM, RHO = 3072, 0.9
NORMS = ("l1", "l2", "linf")
_COLORS = {
    Method.CLOSED_FORM: "C0",
    Method.LEVEL_SET: "C2",
    Method.DIFFERENTIAL: "C5",
    Method.INCLUSION: "C4",
}

Cells = dict[tuple[str, str], tuple[Method, bool, float]]


def load(folder: Path) -> Cells:
    """(noise, norm) to (method, tight, radius at ρ = 0.9 and σ = 1): what the table answers with; no runs needed."""
    rows = {row.name: row for row in theorems()}
    cells: Cells = {}
    for spec in specs(DIM):
        for name in NORMS:
            cell = Cell(spec, parse_norm(name), DIM)
            answer = certify_radius(cell.noise, cell.norm, np.array([RHO]))
            row = rows[str(answer.theorem[0])]
            cells[spec, name] = row.method, row.tight, float(answer.radius[0])
    return cells


def draw(ax: Axes, data: Cells) -> None:
    """A cell a colour by its method, full where tight, hatched where not, with the radius in it."""
    from matplotlib.patches import Patch

    names = list(dict.fromkeys(spec for spec, _ in data))
    for (spec, norm), (method, tight, radius) in data.items():
        x, y = NORMS.index(norm), names.index(spec)
        face = (x - 0.48, y - 0.46)
        ax.add_patch(_cell(face, _COLORS[method], tight=tight))
        ax.text(x, y, floor_significant(radius, 2), ha="center", va="center", fontsize=7)
    ax.set_xlim(-0.5, len(NORMS) - 0.5)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xticks(range(len(NORMS)), [symbol(parse_norm(name)) for name in NORMS])
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.xaxis.tick_top()
    ax.grid(visible=False)
    ax.tick_params(length=0)
    used = {method for method, _, _ in data.values()}
    handles = [Patch(color=_COLORS[m], alpha=0.55, label=m.value) for m in Method if m in used]
    handles.append(Patch(facecolor="white", edgecolor="0.4", hatch="////", label="not tight"))
    ax.legend(handles=handles, fontsize=7, loc="upper center", bbox_to_anchor=(0.4, -0.02), ncol=3)
    ax.set_title(f"radius at ρ = {RHO}, d = {DIM}, σ = 1", fontsize=9)


def _cell(corner: tuple[float, float], color: str, *, tight: bool) -> Patch:
    from matplotlib.patches import Rectangle

    cell = Rectangle(corner, 0.96, 0.92, facecolor=color, alpha=0.55, linewidth=0)
    if not tight:
        cell.set(hatch="////", edgecolor="white")
    return cell


EXHIBIT = Exhibit(
    "theorem_table", "the theorem table, noise by norm (Figure 1 and Table A.1)", load, draw, size=(4.6, 7.2)
)
