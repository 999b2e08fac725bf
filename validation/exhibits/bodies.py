"""Geometry and accuracy: the certified accuracy of uniform noise on four bodies, and their Φ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geometry.errors import InputError
from geometry.figures import symbol
from geometry.norms import Linf
from validation.bodies import Contest, contests
from validation.exhibits.exhibit import Exhibit
from validation.sweep import BODIES, LOW

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = "digits-pca5"
_MARKERS = dict(zip(BODIES, "o^Ds", strict=True))
_COLORS = dict(zip(BODIES, ("C0", "C1", "C2", "C3"), strict=True))


def load(folder: Path) -> list[Contest]:
    """All contests. InputError where there are no runs."""
    found = contests(folder)
    if not found:
        raise InputError(
            f"{folder} holds no runs: python -m validation.experiments --dataset {LOW} makes them"
        )
    return found


def draw(axes: list[Any], data: list[Contest]) -> None:
    """One dataset's accuracies, then all averages against 1/Φ: at equal σ and at equal volume."""
    curves, *others = axes
    shown = next((c for c in data if (c.name, c.equal) == (SHOWN, "sigma")), data[0])
    _draw_curves(curves, shown)
    for ax, equal in zip(others, ("sigma", "volume"), strict=True):
        _draw_order(ax, [c for c in data if c.equal == equal], "σ" if equal == "sigma" else equal)


def _draw_curves(ax: Axes, contest: Contest) -> None:
    top = max(held.max() for held in contest.held.values())
    radii = np.linspace(0, 1.02 * top, 400)
    for body in contest.ranking:
        accuracy = 100 * contest.accuracy(body, radii)
        ax.plot(radii, accuracy, color=_COLORS[body], label=f"{body} ({contest.rate[body]:.2f})")
    ax.set_xlim(0, radii[-1])
    ax.set_ylim(0, 100)
    ax.set_xlabel(f"{symbol(Linf())} radius (standard deviations)")
    ax.set_ylabel("certified accuracy (%)")
    ax.set_title(f"{contest.name}, equal σ")
    ax.legend(title="uniform noise on (its Φ)")


def _draw_order(ax: Axes, data: list[Contest], equal: str) -> None:
    for contest in data:
        x, y = (np.array([of[b] for b in contest.ranking]) for of in (contest.rate, contest.average))
        ax.plot(1 / x, y, color="0.6", linewidth=1, zorder=1)
        # At the worst body's end, where the lines stand apart.
        name = "iris" if contest.name == "iris" else f"d={contest.dim}"
        ax.annotate(
            name, (1 / x[-1], y[-1]), xytext=(0, -12), textcoords="offset points", fontsize=7, ha="center"
        )
        for body, at, height in zip(contest.ranking, 1 / x, y, strict=True):
            ax.plot(at, height, _MARKERS[body], color=_COLORS[body], markersize=5)
    ax.margins(x=0.16, y=0.12)
    ax.set_xlabel("1 / Φ of the body at its size")
    ax.set_ylabel(f"average certified {symbol(Linf())} radius")
    ax.set_title(f"iris, and digits in d dimensions, equal {equal}")


EXHIBIT = Exhibit("bodies", "geometry and accuracy: uniform noise on four bodies, and their Φ", load, draw,
                  panels=3, size=(4.2, 3.6), runs=LOW)  # fmt: skip
