"""``python -m geometry.crystal``: the Wulff crystal of a norm, its facts and its picture."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from geometry.cli import Parser, emit_json, floor_significant, positive_int, run

if TYPE_CHECKING:
    from geometry.body import Body
    from geometry.norms import Norm


_BOUND = "phi_of_any_set_at_least"


def parser() -> Parser:
    """The command's options."""
    p = Parser(
        prog="python -m geometry.crystal",
        description="The Wulff crystal of a norm: facts and picture. Where the ball is symmetric enough "
        "(l1, l2, linf), no set of its volume loses less to that adversary.",
    )
    p.add_argument(
        "--norm", default="linf", help="l1, l2, linf (default), lp:p=3, polytope:FILE (vertices of its ball)"
    )
    p.add_argument("--dim", type=positive_int, metavar="D", help="dimension (3; a file brings its own)")
    p.add_argument("--out", metavar="FILE", help="draw it into FILE (png, pdf, svg), up to dim 4")
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)

    from geometry.crystals import wulff_crystal
    from geometry.parsing import parse_adversary
    from geometry.polytope_norm import PolytopeNorm

    norm = parse_adversary(args.norm)
    dim = args.dim or (norm.dim if isinstance(norm, PolytopeNorm) else 3)
    crystal = wulff_crystal(norm, dim)
    if args.out:
        from geometry.crystal_figures import save_crystal

        save_crystal(norm, dim, args.out)
        print(f"figure: {args.out}", file=sys.stderr)
    found = {"norm": args.norm, "dim": dim, **facts(crystal, norm)}
    if args.json:
        emit_json(found)
        return
    print(f"the Wulff crystal of {args.norm} in dimension {dim}: {crystal}\n")
    width = max(map(len, found))
    for key, value in list(found.items())[2:]:
        text = floor_significant(value, 10) if key == _BOUND else _plain(value)
        print(f"{key.replace('_', ' '):{width}}  {text}")


def facts(crystal: Body, norm: Norm) -> dict[str, Any]:
    """What is known of a crystal; vertices and faces as long as they can be listed."""
    import numpy as np

    from geometry.crystal_facts import combinatorics, radii
    from geometry.crystals import crystal_generators
    from geometry.norms import Lp

    log_volume, dim = crystal.log_volume, crystal.dim
    volume = crystal.volume
    found: dict[str, Any] = {}
    if isinstance(norm, Lp):
        found["stood_for_by"] = (
            f"a zonotope of {len(crystal_generators(norm, dim))} segments; digits beyond 3 are its own"
        )
    if volume.value > 0:  # else it is no float, and its logarithm is
        found["volume"] = float(volume.value)
        found["volume_error"] = float(volume.error)
    found["log_volume"] = float(log_volume.value)
    found["log_volume_error"] = float(log_volume.error)
    found["volume_method"] = log_volume.method
    found[_BOUND] = float(0.5 * dim * np.exp(log_volume.lower / dim))
    found.update(radii(crystal, norm))
    found.update(combinatorics(crystal, norm))
    return found


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, dict):
        return ", ".join(f"{count} of {name}" for name, count in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    run(main, "geometry.crystal")
