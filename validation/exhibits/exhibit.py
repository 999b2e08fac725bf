"""What an exhibit is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Exhibit:
    """A figure: where its data come from, and how they are drawn."""

    name: str
    shows: str
    """What it shows, in a few words, and which exhibit of the paper it answers."""
    load: Callable[[Path], Any]
    """From the folder of stored runs to the data; theory needs none of them."""
    draw: Callable[[Any, Any], None]
    """``draw(ax, data)``; ``ax`` is a list of axes where there are several panels."""
    panels: int = 1
    size: tuple[float, float] = (5.2, 3.6)
    """Inches of a panel."""
    sharey: bool = False
    projection: str | None = None
    runs: str | None = None
    """The dataset whose runs it needs, where that is not for the user to choose."""
