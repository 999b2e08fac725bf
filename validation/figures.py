"""``python -m validation.figures [NAME…]``: the paper's exhibits and docs/results.md, from stored votes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from geometry.cli import Parser, emit_json, progress, run, table

if TYPE_CHECKING:
    from argparse import Namespace

    from validation.exhibits import Exhibit

RUNS = Path("docs/runs")
RESULTS = "results"


def parser() -> Parser:
    """The command's options."""
    p = Parser(
        prog="python -m validation.figures",
        description="Draw the paper's tables and figures from stored runs; nothing is trained or sampled. "
        "The same runs give the same bytes.",
    )
    p.add_argument("names", nargs="*", metavar="NAME", help="which (default: all; --list shows them)")
    p.add_argument("--list", action="store_true", help="what there is to draw")
    p.add_argument(
        "--runs", type=Path, default=RUNS, metavar="FOLDER", help=f"the stored runs (default {RUNS})"
    )
    p.add_argument("--dataset", default="fashion-mnist", help="which of them (default fashion-mnist)")
    p.add_argument(
        "--out", type=Path, default=Path("docs/figures"), help="where they go (default docs/figures)"
    )
    p.add_argument("--document", type=Path, default=Path("docs/results.md"), help="whose tables the name results "
                   "writes (default docs/results.md)")  # fmt: skip
    p.add_argument("--format", nargs="+", choices=("png", "pdf", "svg"), default=["png", "pdf"])
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    from geometry.errors import InputError
    from validation.exhibits import ALL

    if args.list:
        shown = [[e.name, e.shows] for e in ALL.values()]
        print(table(["name", "shows"], [*shown, [RESULTS, f"the tables of {args.document}"]]))
        return
    unknown = [name for name in args.names if name not in (*ALL, RESULTS)]
    if unknown:
        raise InputError(f"no figure is named {unknown[0]!r}; known: {', '.join((*ALL, RESULTS))}")
    chosen = args.names or [*ALL, RESULTS]
    if RESULTS in args.names and not args.document.is_file():
        raise InputError(f"no document {args.document} to write tables into; give another --document")
    drawn: dict[str, list[Path]] = {}
    missing: dict[str, str] = {}
    with progress(len(chosen), "drawing", "figure") as bar:
        for name in chosen:
            try:
                drawn[name] = draw(name, args)
            except InputError as error:
                if args.names:
                    raise
                missing[name] = str(error)
            bar.update()
    if args.json:
        emit_json(
            {"figures": {name: [str(p) for p in paths] for name, paths in drawn.items()}, "missing": missing}
        )
        return
    print(table(["figure", "files"], [[name, " ".join(map(str, paths))] for name, paths in drawn.items()]))
    for name, reason in missing.items():
        print(f"no {name}: {reason}", file=sys.stderr)


def draw(name: str, args: Namespace) -> list[Path]:
    """Draw one exhibit, or write the document; the files. InputError where the runs are not there."""
    from validation.exhibits import ALL

    if name == RESULTS:
        from validation.results import blocks, rewrite

        rewrite(args.document, blocks(args.runs, args.dataset))
        return [args.document]
    return render(ALL[name], args.runs / (ALL[name].runs or args.dataset), args.out, args.format)


def render(exhibit: Exhibit, runs: Path, out: Path, formats: list[str]) -> list[Path]:
    """The files of one exhibit."""
    from geometry.figures import save

    data = exhibit.load(runs)
    paths = [out / f"{exhibit.name}.{suffix}" for suffix in formats]
    for path in paths:
        save(lambda axes: exhibit.draw(axes, data), path, panels=exhibit.panels, size=exhibit.size,
             sharey=exhibit.sharey, projection=exhibit.projection)  # fmt: skip
    return paths


if __name__ == "__main__":
    run(main, "validation.figures")
