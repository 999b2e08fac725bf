"""The no-go ceiling of the paper's section 7 against ℓ∞ adversaries, with what real schemes reach."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotype.nogo_figures import draw_by_dim, draw_by_share, sweep
from geometry.norms import parse_norm
from validation.exhibits.exhibit import Exhibit

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def load(folder: Path) -> dict[str, Any]:
    """Ceilings and schemes against d and against s/ℓ; no runs needed. ℓ = 0.38 is the paper's example."""
    return sweep(parse_norm("linf"), 3072, 0.01, 0.38)


def draw(axes: list[Axes], data: dict[str, Any]) -> None:
    """Against d on the left, against s/ℓ on the right."""
    draw_by_dim(axes[0], data)
    draw_by_share(axes[1], data)


EXHIBIT = Exhibit("nogo", "the no-go ceiling and what schemes reach (section 7)", load, draw, panels=2,
                  size=(4.8, 3.9))  # fmt: skip
