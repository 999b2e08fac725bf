"""``python -m smoothing.radius``: the certified radius of any noise against any norm, and the theorem table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from geometry.cli import (
    Parser,
    emit_json,
    floor_significant,
    positive_float,
    positive_int,
    probability,
    run,
    table,
)

if TYPE_CHECKING:
    import argparse

    from smoothing.noises import Noise


def parser() -> Parser:
    """The command's options."""
    p = Parser(prog="python -m smoothing.radius", description="Certified radius from (noise, norm, rho).")
    p.add_argument(
        "--noise", metavar="NAME[:key=value,...]", help="such as uniform, exp-linf:k=2,j=100, pareto:a=3"
    )
    p.add_argument("--dim", type=positive_int, metavar="D", help="input dimension, such as 3072")
    size = p.add_mutually_exclusive_group()
    size.add_argument("--sigma", type=positive_float, help="sqrt(E|noise|_2^2 / dim); the default, at 1")
    size.add_argument("--scale", type=positive_float, help="lambda of the density instead of sigma")
    p.add_argument("--norm", default="l2", help="l1, l2, linf or lp:p=3 (default l2)")
    p.add_argument("--rho", type=probability, nargs="+", default=[0.6, 0.7, 0.8, 0.9, 0.99, 0.999])
    p.add_argument("--theorem", metavar="NAME", help="use this theorem instead of the best one")
    p.add_argument(
        "--list", action="store_true", help="print the theorem table (of --noise, if given) and exit"
    )
    p.add_argument("--plot", metavar="FILE", help="draw the radius against rho into FILE (png, pdf, svg)")
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    if args.list:
        _list(args)
        return
    if args.noise is None or args.dim is None:
        parser().error("--noise and --dim are required (or --list)")

    from geometry.norms import number, parse_norm
    from smoothing.noises import parse_noise
    from smoothing.theorems import certify_radius

    sigma = 1.0 if args.sigma is None and args.scale is None else args.sigma
    noise = parse_noise(args.noise, dim=args.dim, sigma=sigma, scale=args.scale)
    norm = parse_norm(args.norm)
    result = certify_radius(noise, norm, args.rho, theorem=args.theorem)
    if args.plot:
        _plot(noise, args)
    columns = (args.rho, result.radius, result.theorem, result.method, result.tight, result.error)
    rows = list(zip(*columns, strict=True))
    if args.json:
        keys = ("rho", "radius", "theorem", "method", "tight", "error")
        emit_json(
            {
                "noise": noise.spec,
                "norm": norm.name,
                "dim": noise.dim,
                "sigma": noise.sigma,
                "scale": noise.scale,
                "radii": [dict(zip(keys, row, strict=True)) for row in rows],
            }
        )
        return
    print(
        f"{noise.spec} noise, dim {noise.dim}, sigma {noise.sigma:.6g} (scale {noise.scale:.6g}), {norm} adversary\n"
    )
    body = [
        (number(rho), floor_significant(radius), name, method, "yes" if tight else "")
        if rho > 0.5
        else (number(rho), "0", "abstain", "", "")
        for rho, radius, name, method, tight, _ in rows
    ]
    print(table(["rho", "radius", "theorem", "method", "tight"], body, left=0))


def _list(args: argparse.Namespace) -> None:
    from smoothing.noises import FAMILIES
    from smoothing.theorems import EVERY_NOISE, theorems

    family = args.noise.partition(":")[0] if args.noise else None
    if family is not None and family not in FAMILIES:
        from geometry.errors import InputError

        raise InputError(f"unknown noise {family!r}; known: {', '.join(sorted(FAMILIES))}")
    found = [t for t in theorems() if family is None or family in t.noises or EVERY_NOISE in t.noises]
    found.sort(key=lambda t: (EVERY_NOISE in t.noises, t.noises, len(t.norms), t.method.preference))
    if args.json:
        keys = ("name", "noises", "method", "tight", "sound", "citation", "condition")
        emit_json(
            {
                "theorems": [
                    {**{k: getattr(t, k) for k in keys}, "norms": [n.__name__.lower() for n in t.norms]}
                    for t in found
                ]
            }
        )
        return
    rows = [
        (
            "every noise" if t.noises == (EVERY_NOISE,) else ", ".join(t.noises),
            ", ".join(n.__name__.lower() for n in t.norms),
            t.name,
            t.method.value if t.sound else f"{t.method.value} (upper bound)",
            "yes" if t.tight and t.sound else "",
            t.citation,
            t.condition,
        )
        for t in found
    ]
    print(table(["noise", "norm", "theorem", "method", "tight", "citation", "condition"], rows, left=7))


def _plot(noise: Noise, args: argparse.Namespace) -> None:
    """R against ρ in every norm asked for (the named one, solid; the other two, thin, for scale)."""
    from geometry.figures import save
    from smoothing.figures import draw_radius

    save(lambda ax: draw_radius(ax, noise, args.norm, theorem=args.theorem), args.plot)
    print(f"figure: {args.plot}", file=sys.stderr)


if __name__ == "__main__":
    run(main, "smoothing.radius")
