"""``python -m smoothing.report RUN…``: tables, envelopes and exports from stored votes, without a model."""

from __future__ import annotations

import csv
import datetime
import sys
from argparse import BooleanOptionalAction
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geometry.cli import Parser, emit_json, percent, run, table

if TYPE_CHECKING:
    from geometry.norms import Norm
    from smoothing.runs import RunFolder

COLUMNS = ("idx", "label", "predict", "radius", "correct", "time")


def parser() -> Parser:
    """The command's options."""
    p = Parser(
        prog="python -m smoothing.report",
        description="Certified accuracies of stored runs: radii are derived anew from the votes. Several runs "
        "give their upper envelope, as over several sigma.",
    )
    p.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    p.add_argument("--norm", default="l1", help="l1 (default), l2, linf or lp:p=3")
    p.add_argument("--radii", type=float, nargs="+", help="the radii of the table (default: a round grid)")
    p.add_argument("--alpha", type=float, help="another failure probability than the runs' own")
    p.add_argument(
        "--runner-up",
        action=BooleanOptionalAction,
        default=None,
        help="bound the other classes too, at the same alpha (default: as the run was asked; decide before you look)",
    )
    p.add_argument("--theorem", metavar="NAME", help="use this theorem instead of the best one")
    p.add_argument(
        "--export", choices=("tsv", "csv", "parquet"), help="write one row per image beside each run"
    )
    p.add_argument("--out", type=Path, help="where --export writes (one run) instead")
    p.add_argument("--figure", type=Path, help="draw the curves and their envelope into this file")
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    from geometry.errors import InputError
    from geometry.norms import number, parse_norm
    from smoothing.runs import RunFolder

    norm = parse_norm(args.norm)
    reading = {"alpha": args.alpha, "theorem": args.theorem, "runner_up": args.runner_up}
    runs = [RunFolder.read(path, **reading) for path in args.runs]
    for r in runs:
        if not r.rows:
            raise InputError(f"{r.path} has no rows yet: run smoothing.certify on it first")
    unlike = [
        r for r in runs if any(r.settings.get(k) != runs[0].settings.get(k) for k in ("data", "indices"))
    ]
    if unlike:
        raise InputError(f"{unlike[0].path} is about other images than {runs[0].path}: no envelope of both")
    for r in runs[1:]:
        if [row.index for row in r.rows] != [row.index for row in runs[0].rows]:
            has = " and ".join(f"{run.path} has {len(run.rows)}" for run in (runs[0], r))
            raise InputError(
                f"an envelope is of the same images, but {has}: finish the runs, or report each alone"
            )
        if r.alpha != runs[0].alpha:
            raise InputError(
                f"alpha is {runs[0].alpha:g} in {runs[0].path} and {r.alpha:g} in {r.path}: give one with --alpha"
            )
    if args.radii is not None and not all(r >= 0 for r in args.radii):
        raise InputError(f"--radii must be at least 0, got {min(args.radii)}")
    if args.out is not None and (args.export is None or len(runs) > 1):
        raise InputError("--out goes with --export and a single run")
    if args.export:
        for r in runs:
            path = args.out or r.path / f"certified_{norm.name.replace(':', '_')}.{args.export}"
            export(r, norm, path, args.export)
            print(f"{args.export}: {path}", file=sys.stderr)
    radii = np.array(args.radii) if args.radii else radius_grid(runs, norm)
    counts = [r.certified(norm, radii) for r in runs]
    shares = np.stack([c / len(r.rows) for r, c in zip(runs, counts, strict=True)])
    envelope = shares.max(axis=0)
    if args.figure:
        from geometry.figures import save
        from smoothing.figures import draw_envelope

        save(lambda ax: draw_envelope(ax, runs, norm), args.figure, size=(5.2, 3.6))
        print(f"figure: {args.figure}", file=sys.stderr)
    if args.json:
        emit_json(
            {
                "norm": norm.name,
                "radii": radii.tolist(),
                "runs": [
                    {
                        "run_dir": str(r.path),
                        "noise": r.noise.spec,
                        "sigma": r.noise.sigma,
                        "accuracy": s.tolist(),
                    }
                    for r, s in zip(runs, shares, strict=True)
                ],
                "envelope": envelope.tolist(),
            }
        )
        return
    if len(runs) == 1:
        print(summary(runs[0]))
    header = [f"{norm} radius", *map(number, radii)]
    shown = [[percent(k, len(r.rows)) for k in c] for r, c in zip(runs, counts, strict=True)]
    rows = [
        [f"{r.noise.spec} sigma={r.noise.sigma:.4g}", *cells] for r, cells in zip(runs, shown, strict=True)
    ]
    if len(runs) > 1:
        rows.append(["envelope", *(max(column, key=Decimal) for column in zip(*shown, strict=True))])
    print(table(header, rows))


def summary(run: RunFolder) -> str:
    """What was certified, in one line."""
    s = run.settings
    samples = f"= {s['n']}"
    if "until" in s:
        spent = np.array([row.n for row in run.rows])
        samples = f"<= {s['n']} until {s['until']} (mean {spent.mean():,.0f}, median {np.median(spent):,.0f})"
    abstained = int((run.predictions() < 0).sum())
    how = [word for word, on in (("runner-up", run.runner_up), ("randomized", "randomized" in s)) if on]
    how += [s["precision"]] if "precision" in s else []
    return (
        f"{s['dataset']}, {s['model']}, {s['noise']} noise (sigma {run.noise.sigma:.4g}): "
        f"{len(run.rows)} images, n {samples}, alpha = {run.alpha:g}{''.join(f', {word}' for word in how)}\n"
        f"clean accuracy {percent(run.correct().sum(), len(run.rows))} %, abstained on {abstained}"
    )


def invalid_line(run: RunFolder) -> str:
    """A warning about samples whose logits were NaN, empty where there were none."""
    invalid = sum(row.invalid for row in run.rows)
    if not invalid:
        return ""
    images = sum(row.invalid > 0 for row in run.rows)
    return f"warning: {invalid} noisy samples of {images} images had NaN logits; they count as votes for no class"


def accuracy_tables(run: RunFolder, norms: Sequence[Norm]) -> str:
    """Certified accuracy in percent over a round grid of radii, one table a norm; percentages round down."""
    from geometry.norms import number

    blocks = []
    for norm in norms:
        radii = radius_grid([run], norm)
        cells = [percent(k, len(run.rows)) for k in run.certified(norm, radii)]
        blocks.append(table([f"{norm.name} radius", *map(number, radii)], [["certified %", *cells]]))
    return "\n" + "\n\n".join(blocks)


def radius_grid(runs: Sequence[RunFolder], norm: Norm) -> NDArray[np.float64]:
    """0 and up to eight round radii that span what the runs certify."""
    radius = np.concatenate([r.certificate(norm).radius for r in runs])
    top = radius[np.isfinite(radius)].max(initial=0.0)
    if top <= 0:
        return np.zeros(1)
    step = top / 8
    magnitude = 10.0 ** np.floor(np.log10(step))
    step = magnitude * next(m for m in (1, 2, 2.5, 5, 10) if m * magnitude >= step * (1 - 1e-9))
    # decimal, so that the grid is what it is printed as
    return np.array([float(f"{i * step:.12g}") for i in range(int(top / step) + 1)])


def export(run: RunFolder, norm: Norm, path: Path, kind: str) -> None:
    """One row per image: idx, label, predict, radius, correct, time, as tools around randomized smoothing read it.

    tsv keeps their header and rounds radii down to 6 significant digits; csv and parquet have full precision
    and the probability bounds besides (``second`` where the other classes were bounded too).
    """
    from geometry.cli import floor_significant
    from geometry.files import naming
    from smoothing.runs import read_times

    certificate, predictions, second = run.certificate(norm), run.predictions().tolist(), run.second()
    times = read_times(run.path)
    records: list[dict[str, Any]] = []
    for i, row in enumerate(run.rows):
        records.append(
            {
                "idx": row.index,
                "label": row.label,
                "predict": predictions[i],
                "radius": float(certificate.radius[i]),
                "correct": int(predictions[i] == row.label),
                "time": times.get(row.index, 0.0),
                "rho": float(certificate.rho[i]),
                **({} if second is None else {"second": float(second[i])}),
                "theorem": str(certificate.theorem[i]),
            }
        )
    if kind == "parquet":
        with naming(path):
            _write_parquet(records, path)
        return
    with naming(path), path.open("w", newline="") as stream:
        if kind == "tsv":
            writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
            writer.writerow(COLUMNS)
            for r in records:
                span = str(datetime.timedelta(seconds=r["time"]))
                shown = [
                    r["idx"],
                    r["label"],
                    r["predict"],
                    floor_significant(r["radius"]),
                    r["correct"],
                    span,
                ]
                writer.writerow(shown)
        else:
            rows = csv.DictWriter(stream, list(records[0]), lineterminator="\n")
            rows.writeheader()
            rows.writerows(records)


def _write_parquet(records: list[dict[str, Any]], path: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        from geometry.errors import InputError

        raise InputError("--export parquet needs pyarrow: pip install 'smoothing-shapes[parquet]'") from None
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), path)


if __name__ == "__main__":
    run(main, "smoothing.report")
