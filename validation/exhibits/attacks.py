"""What attacks reach beside what is certified: the gap between a proof and the best known adversary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geometry.errors import InputError
from geometry.figures import symbol
from geometry.norms import parse_norm
from validation.attack import attacks_on
from validation.exhibits.exhibit import Exhibit

if TYPE_CHECKING:
    from smoothing.runs import RunFolder
    from validation.attacks import Attacked

NORMS = ("l1", "l2", "linf")


def load(folder: Path) -> dict[str, tuple[RunFolder, list[Attacked]]]:
    """The attacked runs by noise. InputError where none was."""
    found = attacks_on(folder)
    if not found:
        raise InputError(f"no run in {folder} was attacked: python -m validation.attack RUN does it")
    return found


def draw(axes: list[Any], data: dict[str, tuple[RunFolder, list[Attacked]]]) -> None:
    """Per norm: dotted the share of the attacked images certified, solid the share that no attack broke."""
    for ax, name in zip(axes, NORMS, strict=True):
        top = 0.0
        for color, (label, (_, attacks)) in enumerate(data.items()):
            chosen = [one for one in attacks if one.norm == name]
            certified = np.sort([one.radius for one in chosen])
            broken = np.sort([np.inf if one.broken is None else one.broken for one in chosen])
            # An attack that was given up, at 16 times the radius, counts as one that failed everywhere.
            end = max(one.broken or one.survived for one in chosen)
            grid = np.linspace(0, end, 500)
            for style, radii in ((":", certified), ("-", broken)):
                share = 100 * (radii[None] > grid[:, None]).mean(axis=1)
                ax.plot(grid, share, style, color=f"C{color}", label=label if style == "-" else None)
            top = max(top, end)
        ax.set_xlim(0, top)
        ax.set_ylim(0, 102)
        ax.set_xlabel(f"{symbol(parse_norm(name))} radius")
    axes[0].set_ylabel("of the attacked images (%)")
    axes[1].set_title("certified (dotted), not broken by PGD (solid)")
    axes[2].legend(fontsize=7)


EXHIBIT = Exhibit("attacks", "certified and empirical robustness", load, draw, panels=3, size=(3.6, 3.2),
                  sharey=True)  # fmt: skip
