"""``python -m geometry.shapes``: Φ of the well-known bodies against ℓ1, ℓ2 and ℓ∞ over the dimension.

Theorem 5.2 of Yang et al. 2020 as numbers: the cube is optimal for ℓ1, the ball for ℓ2, the crystal for ℓ∞, with the
ball approaching it as d grows and the cube and the cross-polytope not.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from geometry.cli import Parser, emit_json, floor_significant, positive_int, progress, run, table

if TYPE_CHECKING:
    from geometry.isoperimetry import Phi

NORMS = ("l1", "l2", "linf")
BODIES = ("cube", "ball", "cross-polytope", "wulff-linf")
DIMS = (2, 3, 4, 5, 10, 100, 784, 3072)
CURVE = (2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512, 1024, 2048, 3072)
# Up to which dimension the crystal is asked: against l2 by its facets, against l1 by random determinants.
_CRYSTAL = {"l1": 100, "l2": 6, "linf": 1 << 20}


def parser() -> Parser:
    """The command's options."""
    p = Parser(
        prog="python -m geometry.shapes",
        description="Phi at unit volume of cube, ball, cross-polytope and crystal against l1, l2, linf.",
    )
    p.add_argument(
        "--dims", type=positive_int, nargs="+", default=list(DIMS), metavar="D", help="columns of the table"
    )
    p.add_argument(
        "--out", metavar="FILE", help="draw the gap to the optimum against d up to 3072 (png, pdf, svg)"
    )
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    if args.out:
        from geometry.figures import checked_name

        checked_name(args.out)
    dims = sorted(set(args.dims) | set(CURVE if args.out else ()))
    found: dict[tuple[str, str, int], Phi | None] = {}
    with progress(len(NORMS) * len(BODIES) * len(dims), "shapes", "phi") as bar:
        for norm in NORMS:
            for body in BODIES:
                for dim in dims:
                    found[norm, body, dim] = known(norm, body, dim)
                    bar.update()
    if args.out:
        from geometry.figures import save

        save(lambda axes: draw_gaps(axes, found), args.out, panels=3, size=(3.3, 3.1))
        print(f"figure: {args.out}", file=sys.stderr)
    if args.json:
        shown = {key: phi for key, phi in found.items() if phi is not None and key[2] in args.dims}
        emit_json({"shapes": [_row(*key, phi) for key, phi in shown.items()]})
        return
    print("phi at volume 1 / how many times the lower bound over all sets, at most; * is optimal\n")
    for norm in NORMS:
        print(f"against {norm}")
        rows = [[f"  {body}", *(_cell(found[norm, body, dim]) for dim in args.dims)] for body in BODIES]
        least = [found[norm, "cube", dim] for dim in args.dims]
        rows.append(
            ["  lower bound", *(floor_significant(float(phi.lower_bound.lower), 5) for phi in least if phi)]
        )
        print(table(["  d", *map(str, args.dims)], rows) + "\n")


def known(norm: str, body: str, dim: int) -> Phi | None:
    """Φ of one body against one norm; None where the crystal's shadow would take too long."""
    from geometry.isoperimetry import phi
    from geometry.norms import parse_norm
    from geometry.parsing import parse_body

    if body == "wulff-linf" and dim > _CRYSTAL[norm]:
        return None
    adversary = parse_norm(norm)
    return phi(parse_body(body, dim=dim, norm=adversary), adversary)


def draw_gaps(axes: Any, found: dict[tuple[str, str, int], Phi | None]) -> None:
    """Φ over its lower bound against d, a panel a norm, a curve a body."""
    from geometry.figures import symbol
    from geometry.norms import parse_norm

    marks = {"cube": "s", "ball": "o", "cross-polytope": "D", "wulff-linf": "h"}
    for ax, norm in zip(axes, NORMS, strict=True):
        for i, body in enumerate(BODIES):
            curve = [
                (dim, float(phi.gap.value))
                for (n, b, dim), phi in found.items()
                if (n, b) == (norm, body) and phi
            ]
            label = r"$\ell_\infty$ crystal" if body == "wulff-linf" else body
            ax.plot(
                *zip(*curve, strict=True),
                marker=marks[body],
                markersize=3.5,
                color=f"C{i}",
                label=label,
                linewidth=1.3,
            )
        ax.set(
            xscale="log", yscale="log", xlabel="dimension d", title=f"{symbol(parse_norm(norm))} adversary"
        )
        ax.axhline(1, color="black", linewidth=0.8, linestyle=":")
    axes[0].set_ylabel("Φ / lower bound over all sets")
    axes[0].legend()


def _cell(phi: Phi | None) -> str:
    if phi is None:
        return "-"
    star = "*" if float(phi.gap.upper) <= 1 + 1e-9 else " "
    return f"{float(phi.value.value):.5g} / {float(phi.gap.upper):.4f}{star}"


def _row(norm: str, body: str, dim: int, phi: Phi) -> dict[str, Any]:
    return {
        "norm": norm,
        "body": body,
        "dim": dim,
        "phi": float(phi.value.value),
        "error": float(phi.value.error),
        "lower_bound": float(phi.lower_bound.lower),
        "gap": float(phi.gap.value),
        "gap_error": float(phi.gap.error),
        "method": phi.value.method,
    }


if __name__ == "__main__":
    run(main, "geometry.shapes")
