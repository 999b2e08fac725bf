"""Table 1's second rows of the paper: what stability training adds to uniform noise against ℓ1 adversaries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geometry.figures import symbol
from geometry.norms import parse_norm
from validation.envelopes import Envelope, envelope, read_runs
from validation.exhibits.exhibit import Exhibit

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def load(folder: Path) -> list[Envelope]:
    """Uniform noise with both trainings, at the σ that both have."""
    runs = [run for run in read_runs(folder) if run.noise.spec == "uniform"]
    found = [envelope(runs, "uniform", parse_norm("l1"), loss=loss) for loss in ("augment", "stability")]
    both = [one for one in found if one is not None]
    shared = set.intersection(*(set(one.sigmas) for one in both))
    return [
        Envelope(
            one.label, tuple(r for r, s in zip(one.runs, one.sigmas, strict=True) if s in shared), one.norm
        )
        for one in both
    ]


def draw(ax: Axes, data: list[Envelope]) -> None:
    """Envelopes thick, the single σ thin."""
    radii = np.linspace(0, 1.02 * max(one.top() for one in data), 400)
    for index, one in enumerate(data):
        for run in one.runs:
            single = 100 * run.certified_accuracy(one.norm, radii)
            ax.plot(radii, single, color=f"C{index}", linewidth=0.7, alpha=0.5)
        label = "augmentation" if index == 0 else "stability"
        ax.plot(radii, 100 * one.accuracy(radii), color=f"C{index}", label=label)
    ax.set_xlim(0, radii[-1])
    ax.set_ylim(0, 100)
    ax.set_xlabel(f"{symbol(data[0].norm)} radius")
    ax.set_ylabel("certified accuracy (%)")
    ax.set_title(f"{data[0].runs[0].settings['dataset']}, uniform noise, best σ (thin: every σ)")
    ax.legend(title="training")


EXHIBIT = Exhibit("stability", "uniform noise with stability training (Table 1)", load, draw)
