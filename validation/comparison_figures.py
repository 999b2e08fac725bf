"""Figures of the comparison: radius against ρ for all families, and the width of the sandwich against d.

Each drawer is pure, ``draw(ax, data)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from geometry.figures import save, symbol
from geometry.norms import L1, L2, Linf, Norm
from smoothing.theorems import certify_radius
from validation.comparison import Cell, Comparison
from validation.line_styles import line_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICKS = np.array([0.5, 0.7, 0.9, 0.99, 0.999])
_MARKERS = {"l1": "d", "l2": "o", "linf": "s"}


def draw_all(folder: Path, results: Sequence[Comparison]) -> list[Path]:
    """Radius against ρ in the largest dimension compared, and the sandwich where both halves are there."""
    done = []
    dim = max(result.cell.dim for result in results)
    norms = list({result.cell.norm.name: result.cell.norm for result in results}.values())
    cells = [result.cell for result in results if result.cell.dim == dim and result.best is not None]
    if cells:
        path = folder / f"radii_d{dim}.png"
        save(
            lambda axes: draw_radii(list(np.atleast_1d(axes)), cells, norms),
            path,
            panels=len(norms),
            size=(5.0, 4.2),
            sharey=False,
        )
        done.append(path)
    if gaps(results):
        path = folder / "sandwich.png"
        save(lambda ax: draw_sandwich(ax, results), path, size=(6.4, 4.2))
        done.append(path)
    return done


def draw_radii(axes: Sequence[Axes], cells: Sequence[Cell], norms: Sequence[Norm]) -> None:
    """Certified radius against ρ at σ = 1, one panel a norm, one line a noise."""
    score = np.linspace(0.02, 3.1, 80)
    styles = line_styles([cell.spec for cell in cells])
    for ax, norm in zip(axes, norms, strict=True):
        largest = 0.0
        for cell in sorted((c for c in cells if c.norm == norm), key=lambda c: list(styles).index(c.spec)):
            radius = certify_radius(cell.noise, norm, ndtr(score)).radius
            ax.plot(score, radius, **styles[cell.spec])
            largest = max(largest, float(radius[np.isfinite(radius)].max()))
        ax.set_xticks(ndtri(_TICKS), [f"{t:g}" for t in _TICKS])
        ax.set_yscale("log")
        ax.set_ylim(largest * 1e-4, largest * 1.4)
        ax.set_xlabel("probability ρ of the top class")
        ax.set_title(f"{symbol(norm)} radius, d = {cells[0].dim}, σ = 1")
    axes[-1].legend(
        title="level sets by colour",
        fontsize=6,
        title_fontsize=6,
        loc="center left",
        bbox_to_anchor=(1.02, 0.5),
    )


def gaps(results: Sequence[Comparison]) -> dict[tuple[str, str], dict[int, float]]:
    """(family, norm) to {d: the largest of level set / differential - 1 over ρ}, where a cell has both."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for result in results:
        lower = [
            e.radius
            for e in result.entries
            if e.method in ("differential", "closed form") and e.bound == "lower"
        ]
        upper = [e.radius for e in result.entries if e.method == "level set"]
        if lower and upper and type(result.cell.norm) in (L1, L2, Linf):
            gap = float(np.max(np.min(upper, axis=0) / np.max(lower, axis=0) - 1))
            key = _family(result.cell.spec), result.cell.norm.name
            found.setdefault(key, {})[result.cell.dim] = gap
    return found


def _family(spec: str) -> str:
    """The spec without the parameters that follow the dimension."""
    name, _, rest = spec.partition(":")
    kept = [item for item in rest.split(",") if item and item[0] not in "aj"]
    return f"{name}:{','.join(kept)}" if kept else name


def draw_sandwich(ax: Axes, results: Sequence[Comparison]) -> None:
    """Level set over differential against d: in high dimension both methods become one."""
    found = gaps(results)
    styles = line_styles([family for family, _ in found])
    for (family, norm), by_dim in sorted(found.items(), key=lambda item: list(styles).index(item[0][0])):
        dims = np.array(sorted(by_dim))
        values = np.maximum([by_dim[d] for d in dims], 1e-12)
        style = {**styles[family], "label": f"{family} {norm}"}
        ax.plot(dims, values, marker=_MARKERS.get(norm, "x"), markersize=4, **style)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("dimension d")
    ax.set_ylabel("level set / differential - 1")
    ax.set_title("Width of the sandwich, worst ρ")
    ax.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.02, 0.5))
