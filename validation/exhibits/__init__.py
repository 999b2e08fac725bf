"""The paper's exhibits: one module each, with a pure ``draw(ax, data)``; ``ALL`` is the table of them."""

from __future__ import annotations

from validation.exhibits import attacks, bodies, certified, crystals, nogo, radii, stability, theorem_table
from validation.exhibits.exhibit import Exhibit

ALL: dict[str, Exhibit] = {
    exhibit.name: exhibit
    for exhibit in (
        *certified.EXHIBITS,
        stability.EXHIBIT,
        bodies.EXHIBIT,
        attacks.EXHIBIT,
        theorem_table.EXHIBIT,
        radii.EXHIBIT,
        crystals.EXHIBIT,
        nogo.EXHIBIT,
    )
}
