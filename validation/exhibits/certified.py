"""Figures 2 and 3 of the paper: certified accuracy against the radius, for every noise its envelope over σ."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geometry.figures import symbol
from geometry.norms import Norm, parse_norm
from validation.envelopes import Envelope, envelope, read_runs
from validation.exhibits.exhibit import Exhibit
from validation.line_styles import in_order, line_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N = 10_000
"""Votes an image: those of the headline noises, which have more, are thinned to as many."""


def load(norm: Norm, folder: Path) -> list[Envelope]:
    """The envelopes of all noises that were trained with augmentation, at equal n."""
    runs = read_runs(folder)
    specs = in_order([run.noise.spec for run in runs])
    found = [envelope(runs, spec, norm, n=N) for spec in specs]
    return [one for one in found if one is not None]


def draw(ax: Axes, data: list[Envelope]) -> None:
    """One line a noise; its colour is the shape of its level sets."""
    norm = data[0].norm
    radii = np.linspace(0, 1.02 * max(one.top() for one in data), 500)
    styles = line_styles([one.label for one in data])
    for one in data:
        accuracy = np.where(radii <= one.top(), 100 * one.accuracy(radii), np.nan)
        ax.plot(radii, accuracy, **styles[one.label])
    ax.set_xlim(0, radii[-1])
    ax.set_ylim(0, 100)
    ax.set_xlabel(f"{symbol(norm)} radius")
    ax.set_ylabel("certified accuracy (%)")
    run = data[0].runs[0]
    ax.set_title(f"{run.settings['dataset']}, {len(run.rows)} images, n = {N:,}, α = {run.alpha:g}")
    ax.legend(title="noise, its best σ at every radius", fontsize=7, title_fontsize=7, loc="upper right")


EXHIBITS = tuple(
    Exhibit(
        f"certified_{name}",
        f"certified {name} accuracy of every noise ({source} of the paper)",
        partial(load, parse_norm(name)),
        draw,
        size=(6.0, 4.2),
    )
    for name, source in (("l1", "Figure 2"), ("l2", "Figure 3 left"), ("linf", "Figure 3 right"))
)
