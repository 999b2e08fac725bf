"""``python -m geometry.phi``: Φ of a body at unit volume, the lower bound over all sets, the gap between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geometry.cli import Parser, emit_json, floor_significant, positive_int, run, table

if TYPE_CHECKING:
    from geometry.body import Body
    from geometry.estimate import Estimate
    from geometry.isoperimetry import Phi


def parser() -> Parser:
    """The command's options."""
    p = Parser(
        prog="python -m geometry.phi",
        description="How fast an adversary takes volume from a body, beside the least that any set allows.",
    )
    p.add_argument(
        "--body", required=True, metavar="BODY",
        help="cube, ball, cross-polytope, wulff (the norm's own), wulff-l1, wulff-l2, wulff-linf, lp-ball:q=1.5, "
        "or from a file: box:FILE, ellipsoid:FILE (its matrix), polytope:FILE (vertices), zonotope:FILE (generators), "
        "voxels:FILE",
    )  # fmt: skip
    p.add_argument(
        "--norm",
        default="linf",
        help="l1, l2, linf (default), lp:p=3 or polytope:FILE (vertices of its ball)",
    )
    p.add_argument("--dim", type=positive_int, metavar="D", help="dimension; a file brings its own")
    p.add_argument(
        "--check", action="store_true", help="also by Monte Carlo on samples, and by differences of volumes"
    )
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)

    from geometry.isoperimetry import phi
    from geometry.parsing import parse_adversary, parse_body

    norm = parse_adversary(args.norm)
    body = parse_body(args.body, dim=args.dim, norm=norm)
    found = phi(body, norm)
    checks = _other_ways(body, found) if args.check else {}
    if args.json:
        document = {
            "body": args.body,
            "norm": args.norm,
            "dim": body.dim,
            "phi": float(found.value.value),
            "lower_bound": float(found.lower_bound.lower),
            "gap": float(found.gap.value),
            "method": found.value.method,
            "error": float(found.value.error),
            "lower_bound_error": 2 * float(found.lower_bound.error),
            "gap_error": float(found.gap.error),
        }
        if body.dim <= 100:
            document["direction"] = found.direction.tolist()
        if checks:
            document["checks"] = [
                {"phi": float(e.value), "method": name, "error": float(e.error)} for name, e in checks.items()
            ]
        emit_json(document)
        return
    print(f"{args.body} against {args.norm}, dim {body.dim}, at volume 1\n")
    rows = [
        ("phi", *_cells(found.value)),
        *(("  again", *_cells(estimate)) for estimate in checks.values()),
        (
            "lower bound, any set",
            floor_significant(float(found.lower_bound.lower), 10),
            "",
            found.lower_bound.method,
        ),
        ("optimality gap", *_cells(found.gap)),
    ]
    print(table(["", "value", "error", "method"], rows, left=1))


def _other_ways(body: Body, found: Phi) -> dict[str, Estimate]:
    """Φ along the same shift by the two ways that need samples only."""
    from geometry.errors import InputError
    from geometry.estimate import Estimate
    from geometry.growth import growth_rate

    ways = {}
    for name, way in (
        ("Monte Carlo", body.shadow_monte_carlo),
        ("differences", lambda v: growth_rate(body, v)),
    ):
        try:
            relative = way(found.direction)
        except InputError:  # no gauge, or no way to sample
            continue
        ways[name] = Estimate(relative.value * body.edge, relative.error * body.edge, relative.method)
    return ways


def _cells(estimate: Estimate) -> tuple[str, str, str]:
    error = f"{float(estimate.error):.2g}" if estimate.error else ""
    return f"{float(estimate.value):.10g}", error, estimate.method


if __name__ == "__main__":
    run(main, "geometry.phi")
