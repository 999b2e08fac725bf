"""The figure that section 7 of the paper describes in words: how near schemes come to what no scheme exceeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cotype.ceiling import ceiling
from cotype.schemes import schemes
from geometry.figures import save, symbol
from geometry.norms import Norm
from geometry.polytope_norm import PolytopeNorm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SCHEMES = {"Gaussian": ("C0", "-"), "random cuts": ("C2", "--"), "sign cuts": ("C3", ":")}

_ANCHOR = 0.1


def sweep(norm: Norm, dim: int, s: float, separation: float) -> dict[str, Any]:
    """Ceilings and schemes against d = 2^4..2^20 at this s, and against s/ℓ = 1e-3..1/2 in this dimension.

    Where nothing is excluded a ceiling is inf. A norm from a file has one dimension: then the first panel is missing.
    """
    name = "the norm's" if isinstance(norm, PolytopeNorm) else symbol(norm)
    found: dict[str, Any] = {"norm": name, "dim": dim, "s": s, "accuracy": separation}
    if not isinstance(norm, PolytopeNorm):
        dims = [round(2**e) for e in np.linspace(4, 20, 65)]
        found["by_dim"] = {"dim": dims, **_curves([(norm, d, s) for d in dims], separation)}
    count = 97 if not isinstance(norm, PolytopeNorm) else 25
    share = [float(x) for x in np.geomspace(1e-3, 0.5, count) if x * separation < 0.5]
    found["by_share"] = {"share": share, **_curves([(norm, dim, x * separation) for x in share], separation)}
    return found


def _curves(points: list[tuple[Norm, int, float]], separation: float) -> dict[str, list[float]]:
    curves: dict[str, list[float]] = {"ceiling": [], "even_ceiling": []}
    for norm, dim, s in points:
        curves["ceiling"].append(ceiling(norm, dim, s, separation).epsilon)
        curves["even_ceiling"].append(ceiling(norm, dim, s, separation, even=True).epsilon)
        for scheme in schemes(norm, dim, s, separation):
            curves.setdefault(scheme.name, []).append(scheme.epsilon)
    return curves


def save_sweep(found: dict[str, Any], path: str | Path) -> None:
    """The panels of a sweep, side by side."""
    panels = [draw_by_dim, draw_by_share] if "by_dim" in found else [draw_by_share]

    def draw(axes: Any) -> None:
        for ax, panel in zip(np.atleast_1d(axes), panels, strict=True):
            panel(ax, found)

    save(draw, path, panels=len(panels), size=(4.8, 3.9), sharey=False)


def draw_by_dim(ax: Axes, found: dict[str, Any]) -> None:
    """ε against d, both logarithmic."""
    data = found["by_dim"]
    _lines(ax, np.array(data["dim"]), data)
    ax.set_xscale("log", base=2)
    ax.set_xlabel("dimension d")
    ax.set_ylabel(f"robust radius ε in {found['norm']}")
    ax.set_title(f"s = {found['s']:g}, accuracy ℓ = {found['accuracy']:g}")
    ax.legend(loc="lower left")


def draw_by_share(ax: Axes, found: dict[str, Any]) -> None:
    """ε against s/ℓ, both logarithmic, with the slope of the paper's fourth root beside ours."""
    data = found["by_share"]
    share = np.array(data["share"])
    _lines(ax, share, data)
    top = np.array(data["ceiling"])
    at = int(
        np.argmin(np.abs(np.log(share / _ANCHOR)))
    )  # the paper's constant is unknown: one point is shared
    ax.plot(share, top[at] * (share / share[at]) ** 0.25, color="0.5", linewidth=1.0, linestyle="-.",
            label=r"$\propto (s/\ell)^{1/4}$ (the paper's rate)")  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlabel("s/ℓ")
    ax.set_ylabel(f"robust radius ε in {found['norm']}")
    ax.set_title(f"d = {found['dim']}, accuracy ℓ = {found['accuracy']:g}")
    ax.legend(loc="lower right")


def _lines(ax: Axes, x: Any, data: dict[str, Any]) -> None:
    top, even = (np.array(data[key]) for key in ("ceiling", "even_ceiling"))
    known = np.isfinite(top)
    roof = max(float(top[known].max(initial=0.0)) * 3, 1e-12)
    ax.fill_between(x, np.where(known, top, np.nan), roof, color="0.88", linewidth=0, zorder=0)
    ax.plot(x, np.where(known, top, np.nan), color="black", label="no scheme above")
    ax.plot(x, np.where(np.isfinite(even), even, np.nan), color="C1", label="no even noise above")
    lowest = np.inf
    for name, (color, style) in _SCHEMES.items():
        if name in data:
            ax.plot(x, data[name], color=color, linestyle=style, label=name)
            lowest = min(lowest, float(np.min(data[name])))
    ax.set_yscale("log")
    ax.set_ylim(lowest / 1.6, roof)
