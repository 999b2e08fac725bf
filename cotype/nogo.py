"""``python -m cotype.nogo``: the largest ε that any useful smoothing scheme can have, and real schemes beside it."""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING, Any

from geometry.cli import Parser, ceil_significant, emit_json, floor_significant, positive_int, run, table

if TYPE_CHECKING:
    from geometry.norms import Norm


def parser() -> Parser:
    """The command's options."""
    p = Parser(
        prog="python -m cotype.nogo",
        description="The ceiling on the robust radius eps of any (eps, s, l)-useful smoothing scheme, with what it was "
        "attained with, the Gaussian scheme beside it, and the ratio. Points at distance 1 or more must stay apart.",
    )
    adversary = p.add_mutually_exclusive_group()
    adversary.add_argument(
        "--p", type=_exponent, metavar="P", help="the lp norm, a number >= 1 or inf (default inf)"
    )
    adversary.add_argument(
        "--norm", metavar="NORM", help="l1, l2, linf, lp:p=3 or polytope:FILE (vertices of its ball)"
    )
    p.add_argument(
        "--dim", type=positive_int, metavar="D", help="dimension (default 3072; a file brings its own)"
    )
    p.add_argument(
        "--s", type=_surplus, default=0.01, help="probability beyond 1/2 that certifies, in (0, 1/2) (0.01)"
    )
    p.add_argument("--accuracy", type=_accuracy, default=0.38, metavar="L",
                   help="l: total variation between points at distance 1 or more, in (0, 1] (0.38). The best test then "
                   "tells two such points apart with probability (1 + l)/2")  # fmt: skip
    p.add_argument(
        "--sweep", action="store_true", help="ceiling and schemes against the dimension and against s/l"
    )
    p.add_argument("--out", metavar="FILE", help="draw the sweep into FILE (png, pdf, svg)")
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)

    from geometry.errors import InputError
    from geometry.norms import lp
    from geometry.parsing import parse_adversary
    from geometry.polytope_norm import PolytopeNorm

    norm = parse_adversary(args.norm) if args.norm else lp(math.inf if args.p is None else args.p)
    dim = args.dim or (norm.dim if isinstance(norm, PolytopeNorm) else 3072)
    if isinstance(norm, PolytopeNorm) and dim != norm.dim:
        raise InputError(f"--dim is {dim}, but the ball of {args.norm} has dimension {norm.dim}")
    if args.out and not args.sweep:
        raise InputError("--out draws a sweep: give --sweep too")
    document = facts(norm, dim, args.s, args.accuracy)
    if args.sweep:
        from cotype.nogo_figures import save_sweep, sweep

        found = sweep(norm, dim, args.s, args.accuracy)
        document["sweep"] = found
        if args.out:
            save_sweep(found, args.out)
            print(f"figure: {args.out}", file=sys.stderr)
    if args.json:
        emit_json(document)
    else:
        print(_report(document))
        for key, name in (("by_dim", "dim"), ("by_share", "share")) if args.sweep else ():
            if key in document["sweep"]:
                print("\n" + _sweep(document["sweep"][key], name))


def facts(norm: Norm, dim: int, s: float, accuracy: float) -> dict[str, Any]:
    """The ceiling, what it was attained with, and the schemes."""
    from cotype.ceiling import ceiling
    from cotype.schemes import schemes
    from geometry.errors import InputError

    best, even = ceiling(norm, dim, s, accuracy), ceiling(norm, dim, s, accuracy, even=True)
    known = list(schemes(norm, dim, s, accuracy))
    reached = known[0].epsilon
    try:
        p: float | None = norm.exponent
    except InputError:
        p = None
    return {
        "p": p,
        "norm": norm.name,
        "dim": dim,
        "s": s,
        "accuracy": accuracy,
        "ceiling": best.epsilon,
        "gaussian_epsilon": reached,
        "ratio": best.epsilon / reached if reached > 0 else math.inf,
        "method": best.method,
        "m": best.m,
        "n": best.n,
        "k": best.k,
        "vectors": best.vectors,
        "even_ceiling": even.epsilon,
        "even_ratio": even.epsilon / reached if reached > 0 else math.inf,
        "even_method": even.method,
        "schemes": [{"name": k.name, "epsilon": k.epsilon, "parameter": k.parameter} for k in known],
    }


def _report(d: dict[str, Any]) -> str:
    head = f"{d['norm']} adversary, dim {d['dim']}: eps of schemes useful at s = {d['s']:g}, l = {d['accuracy']:g}\n"
    how = d["method"] + (f", m = {d['m']}, vectors {d['vectors']}" if d["m"] else "")

    def ratio(value: float) -> str:
        return f"{value / d['gaussian_epsilon']:.3f}" if d["gaussian_epsilon"] > 0 else ""

    rows = [
        ("ceiling, any scheme", ceil_significant(d["ceiling"]), ratio(d["ceiling"]), how),
        (
            "ceiling, even noise",
            ceil_significant(d["even_ceiling"]),
            ratio(d["even_ceiling"]),
            d["even_method"],
        ),
    ]
    rows += [
        (k["name"], floor_significant(k["epsilon"]), ratio(k["epsilon"]), k["parameter"])
        for k in d["schemes"]
    ]
    return head + "\n" + table(["", "eps", "/ Gaussian", "attained with"], rows, left=1)


def _sweep(data: dict[str, list[float]], first: str) -> str:
    """Every eighth point of a sweep: ceilings rounded up, schemes down."""
    curves = [name for name in data if name != first]
    header = [{"dim": "d", "share": "s/l"}[first], *(name.replace("_", " ") for name in curves)]
    rows = [
        [
            f"{data[first][i]:.4g}" if first == "share" else str(data[first][i]),
            *(
                (ceil_significant if "ceiling" in name else floor_significant)(data[name][i], 4)
                for name in curves
            ),
        ]
        for i in range(0, len(data[first]), 8)
    ]
    return table(header, rows, left=0)


def _exponent(text: str) -> float:
    value = _number(text)
    if not value >= 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, or inf, for a norm; got {text}")
    return value


def _surplus(text: str) -> float:
    value = _number(text)
    if not 0 < value < 0.5:
        raise argparse.ArgumentTypeError(f"must be in (0, 1/2), got {text}")
    return value


def _accuracy(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be a total variation in (0, 1], got {text}")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None


if __name__ == "__main__":
    run(main, "cotype.nogo")
