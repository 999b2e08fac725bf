"""``python -m cotype.constant``: a norm's cotype-2 constant between what a sequence attains and what is proven."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geometry.cli import (
    Parser,
    ceil_significant,
    emit_json,
    floor_significant,
    natural,
    positive_int,
    run,
    table,
)
from geometry.errors import InputError

if TYPE_CHECKING:
    from cotype.constants import Bounds
    from cotype.search import Certificate
    from geometry.norms import Norm

_SHOWN = 16  # vectors and coordinates that are printed
_STORED = 4096  # numbers that go into the JSON document


def parser() -> Parser:
    """The command's options."""
    p = Parser(
        prog="python -m cotype.constant",
        description="The least C with (E|sum s_j x_j|^r)^(1/r) >= (sum |x_j|^2)^(1/2) / C for random signs s, from "
        "both sides, with vectors that attain the lower one. Printed to ten digits; --json has the bounds as proven.",
    )  # fmt: skip
    which = p.add_mutually_exclusive_group(required=True)
    which.add_argument("--p", type=_exponent, metavar="P", help="the norm lp, p >= 1 or inf")
    which.add_argument(
        "--norm", help="l1, l2, linf, lp:p=3 or polytope:FILE (vertices of its ball, half are enough)"
    )
    p.add_argument("--dim", type=positive_int, metavar="D", help="dimension; a polytope brings its own")
    p.add_argument(
        "--moment", type=int, choices=(1, 2), default=1, help="r: mean norm (1, default) or mean square"
    )
    p.add_argument("--restarts", type=natural, default=24, help="random starts of the search (default 24)")
    p.add_argument("--seed", type=natural, default=0, help="of the random starts (default 0)")
    p.add_argument("--out", type=Path, metavar="FILE", help="save the vectors as .npy or .json, one a row")
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    if args.out and args.out.suffix not in (".npy", ".json"):
        raise InputError(f"--out must end in .npy or .json, got {args.out}")

    from cotype.constants import cotype_bounds
    from cotype.search import search

    norm, dim = _norm(args)
    bounds = cotype_bounds(norm, dim, moment=args.moment)
    found = search(norm, dim, moment=args.moment, restarts=args.restarts, seed=args.seed)
    if args.out:
        _save(args.out, found)
    lower = max(bounds.lower, found.lower)
    if args.json:
        emit_json({"p": args.p, "norm": _name(args), "dim": dim, "moment": args.moment, "lower": lower}
                  | _document(bounds, found))  # fmt: skip
        return
    print(f"cotype-2 constant of {_name(args)} in dimension {dim}, moment {args.moment}\n")
    attained = f"attained by {len(found.vectors)} vectors" + ("" if found.certain else " (Monte Carlo)")
    rows = [
        ("lower bound", floor_significant(bounds.lower, 10), bounds.sources[0].removeprefix("lower: ")),
        ("found", floor_significant(found.lower, 10), attained),
        ("upper bound", ceil_significant(bounds.upper, 10), bounds.sources[1].removeprefix("upper: ")),
    ]
    print(table(["", "C", "why"], rows, left=3))
    if max(found.vectors.shape) <= _SHOWN:
        print("\nvectors")
        print(table([f"x{i + 1}" for i in range(dim)], _cells(found), left=0))


def _norm(args: argparse.Namespace) -> tuple[Norm, int]:
    """The norm and its dimension."""
    from geometry.norms import lp
    from geometry.parsing import parse_adversary
    from geometry.polytope_norm import PolytopeNorm

    norm = lp(args.p) if args.norm is None else parse_adversary(args.norm)
    if isinstance(norm, PolytopeNorm):
        if args.dim not in (None, norm.dim):
            raise InputError(f"dim is {args.dim}, but {args.norm} is a norm of dimension {norm.dim}")
        return norm, norm.dim
    if args.dim is None:
        raise InputError(f"norm {norm} needs --dim")
    return norm, args.dim


def _name(args: argparse.Namespace) -> str:
    return args.norm or ("linf" if args.p == float("inf") else f"l{args.p:g}")


def _document(bounds: Bounds, found: Certificate) -> dict[str, Any]:
    """What JSON says beyond the question and the answer's lower end."""
    return {
        "upper": bounds.upper,
        "sources": list(bounds.sources),
        "facts": [vars(fact) for fact in bounds.facts],
        "found": found.lower,
        "average": float(found.average.value),
        "average_error": float(found.average.error),
        "method": found.average.method,
        "vectors": found.vectors.tolist() if found.vectors.size <= _STORED else None,
    }


def _cells(found: Certificate) -> list[tuple[str, ...]]:
    return [tuple(f"{x + 0.0:.6g}" for x in row) for row in found.vectors.tolist()]


def _save(path: Path, found: Certificate) -> None:
    import io

    import numpy as np

    from geometry.files import write_atomic, write_json

    if path.suffix == ".json":
        write_json(path, found.vectors.tolist())
    else:
        stream = io.BytesIO()
        np.save(stream, found.vectors)
        write_atomic(path, stream.getvalue())


def _exponent(text: str) -> float:
    """An argparse type: inf or a number of at least 1."""
    try:
        p = float(text)
    except ValueError:
        p = 0.0
    if not p >= 1:
        raise argparse.ArgumentTypeError(f"must be inf or a number of at least 1, got {text}")
    return p


if __name__ == "__main__":
    run(main, "cotype.constant")
