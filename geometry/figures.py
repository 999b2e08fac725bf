"""What every figure shares: one style sheet, colour-blind safe, and a file written at the end."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from geometry.errors import InputError
from geometry.files import write_atomic
from geometry.norms import Norm

SYMBOL = {"l1": r"$\ell_1$", "l2": r"$\ell_2$", "linf": r"$\ell_\infty$"}


# Nothing of the day or the machine in a file: the same data draw the same bytes.
_UNDATED: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    ".svg": {"Date": None},
}


def symbol(norm: Norm) -> str:
    """ℓ1, ℓ2, ℓ∞ or ℓp as matplotlib text."""
    return SYMBOL.get(norm.name, rf"$\ell_{{{norm.exponent:g}}}$")


def checked_name(path: str | Path) -> Path:
    """The path, if its name ends as a figure's does; InputError else. Ask before long work."""
    path = Path(path)
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"figure {path}: the name must end in one of .png, .pdf, .svg")
    return path


def save(
    draw: Callable[[Any], None],
    path: str | Path,
    *,
    panels: int = 1,
    size: tuple[float, float] = (4.2, 3.2),
    sharey: bool = True,
    projection: str | None = None,
) -> None:
    """Draw on ``panels`` axes side by side (an axes, or an array of them) and write the file, whole or not at all."""
    import io

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    path = checked_name(path)
    with plt.style.context(str(files("geometry").joinpath("house.mplstyle"))):
        figure, axes = plt.subplots(
            1,
            panels,
            figsize=(size[0] * panels, size[1]),
            sharey=sharey,
            subplot_kw={"projection": projection},
        )
        draw(axes)
        drawn = io.BytesIO()
        figure.savefig(drawn, format=path.suffix[1:], metadata=_UNDATED.get(path.suffix))
        plt.close(figure)
    write_atomic(path, drawn.getvalue())
