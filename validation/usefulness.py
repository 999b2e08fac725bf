"""``python -m validation.usefulness``: the (ε, s, ℓ) that a noise really has, against the no-go ceiling."""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING, Any

from geometry.cli import (
    Parser,
    ceil_significant,
    emit_json,
    floor_significant,
    positive_float,
    positive_int,
    run,
    table,
)

if TYPE_CHECKING:
    from geometry.norms import Norm
    from smoothing.noise import Noise


def parser() -> Parser:
    """The command's options."""
    p = Parser(
        prog="python -m validation.usefulness",
        description="How useful a noise is as a smoothing scheme: eps is the radius certified at rho = 1/2 + s, l the "
        "least total variation between points at distance 1 or more. Beside it the no-go ceiling at this s and l. "
        "Exit code 1 if an eps exceeds it. Without --noise: every family.",
    )
    p.add_argument("--noise", nargs="+", metavar="NAME[:...]", help="default: every family")
    p.add_argument("--norm", nargs="+", default=["l1", "l2", "linf"], help="default l1 l2 linf; also lp:p=3")
    p.add_argument("--dim", type=positive_int, default=3072, metavar="D", help="default 3072")
    p.add_argument("--sigma", type=positive_float, default=1.0, help="of the noise, in units in which points to be "
                   "told apart are at distance 1 (default 1)")  # fmt: skip
    p.add_argument(
        "--s", type=_surplus, default=0.01, help="probability beyond 1/2 that certifies (default 0.01)"
    )
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)

    from geometry.errors import InputError
    from geometry.norms import parse_norm
    from smoothing.noises import parse_noise
    from validation.comparison import specs

    norms = [parse_norm(text) for text in args.norm]
    rows = []
    for spec in args.noise or specs(args.dim):
        noise = parse_noise(spec, dim=args.dim, sigma=args.sigma)
        for norm in norms:
            try:
                rows.append(usefulness(noise, norm, args.s))
            except InputError:
                if args.noise:
                    raise  # in a table of everything, a cell without a theorem is left out
    failures = [f"{r['noise']} against {r['norm']} exceeds the ceiling" for r in rows if exceeds(r)]
    if args.json:
        emit_json({"dim": args.dim, "sigma": args.sigma, "s": args.s, "rows": rows, "failures": failures})
    else:
        print(_report(rows, args.dim, args.sigma, args.s))
    if failures:
        sys.stdout.flush()
        print("\n".join(failures), file=sys.stderr)
        raise SystemExit(1)


def usefulness(noise: Noise, norm: Norm, s: float) -> dict[str, Any]:
    """ε, bounds of ℓ, and the ceilings at the lower one, which is where they are highest: they hold for the true ℓ.

    ``gaussian_epsilon``: that of Gaussian noise with the same ℓ, where ℓ is known to 1 %.
    """
    from cotype.ceiling import ceiling
    from cotype.schemes import gaussian
    from smoothing.theorems import certify_radius
    from validation.separation import separation

    certificate = certify_radius(noise, norm, 0.5 + s)
    found = separation(noise, norm)
    row: dict[str, Any] = {
        "noise": noise.spec,
        "norm": norm.name,
        "epsilon": float(certificate.radius),
        "theorem": str(certificate.theorem),
        "accuracy_lower": found.lower,
        "accuracy_upper": found.upper,
        "ceiling": math.inf,
        "even_ceiling": math.inf,
        "gaussian_epsilon": None,
    }
    if found.lower > 0:
        row["ceiling"] = ceiling(norm, noise.dim, s, found.lower).epsilon
        row["even_ceiling"] = ceiling(norm, noise.dim, s, found.lower, even=True).epsilon
    if found.lower >= 0.99 * found.upper:
        row["gaussian_epsilon"] = gaussian(norm, noise.dim, s, found.lower)[1]
    return row


def exceeds(row: dict[str, Any]) -> bool:
    """Whether a row contradicts the theorem; every noise here is even, so the lower ceiling is the test."""
    return bool(row["epsilon"] > row["even_ceiling"])


def _report(rows: list[dict[str, Any]], dim: int, sigma: float, s: float) -> str:
    def accuracy(row: dict[str, Any]) -> str:
        low, high = row["accuracy_lower"], row["accuracy_upper"]
        return f"{low:.4f}" if high - low < 1e-5 else f"{low:.4f}..{high:.4f}"

    cells = [
        (
            row["noise"],
            row["norm"],
            floor_significant(row["epsilon"], 5),
            accuracy(row),
            ceil_significant(row["even_ceiling"], 5),
            ceil_significant(row["ceiling"], 5),
            f"{row['epsilon'] / row['even_ceiling']:.3f}" if math.isfinite(row["even_ceiling"]) else "",
            floor_significant(row["gaussian_epsilon"], 5) if row["gaussian_epsilon"] is not None else "",
        )
        for row in rows
    ]
    header = [
        "noise",
        "norm",
        "eps",
        "l",
        "no even noise above",
        "no scheme above",
        "share",
        "Gaussian of that l",
    ]
    head = f"dim {dim}, sigma {sigma:g}, s = {s:g} (rho = {0.5 + s:g}); points at distance 1 are to be told apart\n\n"
    return head + table(header, cells, left=2)


def _surplus(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None
    if not 0 < value < 0.5:
        raise argparse.ArgumentTypeError(f"must be in (0, 1/2), got {text}")
    return value


if __name__ == "__main__":
    run(main, "validation.usefulness")
