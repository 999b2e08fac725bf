"""How a noise is drawn: the colour is the shape of its level sets; its members differ by dashes and lightness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_SHAPES = {
    "cube": ("C0", ("uniform", "uniform-linf", "exp-linf", "pow-linf")),
    "ball": ("C1", ("gaussian", "uniform-l2", "exp-l2", "pow-l2")),
    "cross-polytope": ("C2", ("laplace", "uniform-l1", "exp-l1", "pow-l1")),
    "none of them": ("C3", ()),
}
_DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))


def shape(spec: str) -> str:
    """The shape of a noise's level sets.

    >>> shape("exp-l2:k=1,j=0"), shape("pareto:a=3")
    ('ball', 'none of them')
    """
    family = spec.partition(":")[0]
    return next((name for name, (_, members) in _SHAPES.items() if family in members), "none of them")


def in_order(specs: Sequence[str]) -> list[str]:
    """By shape, and within one as the table has them: those without parameters first."""
    names = list(_SHAPES)
    return sorted(dict.fromkeys(specs), key=lambda spec: (names.index(shape(spec)), ":" in spec, spec))


def line_styles(specs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Spec to the keyword arguments of ``plot``, in the order of a legend."""
    from matplotlib.colors import to_rgb

    found: dict[str, dict[str, Any]] = {}
    for name, (color, _) in _SHAPES.items():
        for i, spec in enumerate(s for s in in_order(specs) if shape(s) == name):
            lightness = 0.45 * (i // len(_DASHES)) if i else 0.0
            mixed = tuple((1 - lightness) * c + lightness for c in to_rgb(color))
            found[spec] = {
                "color": mixed,
                "linestyle": _DASHES[i % len(_DASHES)],
                "linewidth": 2.2 if i == 0 else 1.2,
                "label": spec,
            }
    return found
