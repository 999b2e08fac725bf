"""``python -m validation.compare_methods``: every radius by every method, and whether they agree."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geometry.cli import (
    Parser,
    emit_json,
    floor_significant,
    natural,
    nonnegative_float,
    positive_float,
    positive_int,
    probability,
    progress,
    run,
    table,
)

if TYPE_CHECKING:
    import argparse

    from validation.comparison import Cell, Comparison

_SHOWN = 0.9  # the ρ of the printed table, or the nearest one asked for


def parser() -> Parser:
    """The command's options."""
    p = Parser(
        prog="python -m validation.compare_methods",
        description="Every cell of noise x norm by every method: closed form, differential, level set, Monte Carlo, "
        "high precision and the baselines of prior work. Exit code 1 if any check fails.",
    )
    p.add_argument("--noise", nargs="+", metavar="NAME[:...]", help="default: every family")
    p.add_argument("--norm", nargs="+", default=["l1", "l2", "linf"], help="default l1 l2 linf")
    p.add_argument(
        "--dim", nargs="+", type=positive_int, default=[2, 10, 784, 3072], help="default 2 10 784 3072"
    )
    p.add_argument("--rho", nargs="+", type=probability, help="default 0.51 0.6 0.75 0.9 0.99 0.999")
    p.add_argument("--oracle-seconds", type=nonnegative_float, default=0.3, metavar="S",
                   help="time for high precision, a cell (default 0.3)")  # fmt: skip
    p.add_argument("--inflate", type=positive_float, default=1.0, metavar="F",
                   help="multiply every certified radius by F, to see that the checks find it wrong")  # fmt: skip
    p.add_argument("--seed", type=natural, default=0, help="of Monte Carlo (default 0)")
    p.add_argument("--jobs", type=positive_int, help="processes (default: the number of cores)")
    p.add_argument("--out", metavar="FOLDER", default="runs/compare_methods",
                   help="comparison.json, .csv and figures go there (default runs/compare_methods)")  # fmt: skip
    p.add_argument("--no-figures", action="store_true", help="leave the figures out")
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    import time

    start = time.perf_counter()
    groups = _groups(args)
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)  # before the work, which would be lost with it
    results = _run(groups, args)
    failures = [what for result in results for what in result.failures]
    document = {"cells": _records(results), "failures": failures}
    _save(folder, document)
    if not args.no_figures:
        from validation.comparison_figures import draw_all

        for path in draw_all(folder, results):
            print(f"figure: {path}", file=sys.stderr)
    if args.json:
        emit_json(document)
    else:
        print(_report(results))
        print(
            f"\n{_summary(results)} in {time.perf_counter() - start:.0f} s; all of it: {folder / 'comparison.csv'}"
        )
        for what in failures:
            print(f"FAILED {what}")
    if failures:
        sys.stdout.flush()
        raise SystemExit(1)


def _groups(args: argparse.Namespace) -> list[list[Cell]]:
    """The cells of one noise and dimension stay together: their laws are tabulated once."""
    from geometry.errors import InputError
    from geometry.norms import parse_norm
    from validation.comparison import Cell, specs

    norms = [parse_norm(text) for text in args.norm]
    if args.rho and min(args.rho) <= 0.5:
        raise InputError(
            f"--rho: above 1/2 is required, where there is a radius to compare; got {min(args.rho):g}"
        )
    groups, refused = [], None
    for dim in args.dim:
        for spec in args.noise or specs(dim):
            cells = [Cell(spec, norm, dim) for norm in norms]
            try:
                cells[0].noise  # noqa: B018  (parameters out of range show here and not in a worker)
            except InputError as reason:
                if not args.noise or len(args.dim) == 1:
                    raise
                refused = reason  # a noise that one of several dimensions does not admit
                continue
            groups.append(cells)
    if not groups and refused is not None:
        raise refused
    return groups


def _run(groups: list[list[Cell]], args: argparse.Namespace) -> list[Comparison]:
    import multiprocessing
    import os

    from validation.comparison import RHO

    rho = tuple(sorted(set(args.rho))) if args.rho else RHO
    statements = len(rho) * sum(map(len, groups))
    jobs = min(args.jobs or os.cpu_count() or 1, len(groups))
    # long ones first, so that no process is left alone with one
    order = sorted(range(len(groups)), key=lambda i: -_weight(groups[i][0]))
    work = [(groups[i], rho, statements, args.seed, args.oracle_seconds, args.inflate) for i in order]
    found: dict[int, list[Comparison]] = {}
    with progress(sum(map(len, groups)), "comparing", "cells") as bar:
        if jobs == 1:
            for i, item in zip(order, work, strict=True):
                found[i] = _compare_group(item)
                bar.update(len(found[i]))
        else:
            os.environ.setdefault("OMP_NUM_THREADS", "1")
            with multiprocessing.get_context("spawn").Pool(jobs) as pool:
                for i, result in zip(order, pool.imap(_compare_group, work), strict=True):
                    found[i] = result
                    bar.update(len(result))
    return [result for i in range(len(groups)) for result in found[i]]


def _weight(cell: Cell) -> float:
    """Which groups take long: sums of heavy scores, and what is tabulated level by level."""
    family = cell.spec.partition(":")[0]
    return {"pareto": 4, "exp-power": 3, "pow-l2": 3, "pow-l1": 2, "exp-l2": 2, "exp-l1": 1}.get(family, 0)


def _compare_group(item: tuple[Any, ...]) -> list[Comparison]:
    from validation.comparison import compare

    cells, rho, statements, seed, oracle_seconds, inflate = item
    return [
        compare(cell, rho, statements=statements, seed=seed, oracle_seconds=oracle_seconds, inflate=inflate)
        for cell in cells
    ]


def _records(results: list[Comparison]) -> list[dict[str, Any]]:
    keys = ("method", "theorem", "bound", "radius", "error", "seconds")
    rows: list[dict[str, Any]] = []
    for result in results:
        head = {"noise": result.cell.spec, "norm": result.cell.norm.name, "dim": result.cell.dim}
        if result.best is None:
            rows.append({**head, "method": "none", "note": result.note})
        for entry in result.entries:
            row = {"rho": result.rho, **{key: getattr(entry, key) for key in keys}}
            listed = {k: _plain(value) if hasattr(value, "tolist") else value for k, value in row.items()}
            rows.append({**head, **listed})
    return rows


def _plain(values: Any) -> list[float | None]:
    """A list for JSON, which has no NaN: null is where a method was not asked."""
    return [None if value != value else value for value in values.tolist()]


def _save(folder: Path, document: dict[str, Any]) -> None:
    """comparison.json and comparison.csv, whole or not at all."""
    import json

    from geometry.files import jsonable, write_atomic

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["noise", "norm", "dim", "method", "theorem", "bound", "rho", "radius", "error", "seconds"]
    )
    for row in document["cells"]:
        for rho, radius, error in zip(
            row.get("rho", ()), row.get("radius", ()), row.get("error", ()), strict=True
        ):
            head = [row[key] for key in ("noise", "norm", "dim", "method", "theorem", "bound")]
            writer.writerow(
                [
                    *head,
                    repr(rho),
                    "" if radius is None else repr(radius),
                    repr(error),
                    f"{row['seconds']:.4g}",
                ]
            )
    for name, content in (
        ("comparison.csv", text.getvalue()),
        ("comparison.json", json.dumps(jsonable(document), allow_nan=False) + "\n"),
    ):
        write_atomic(folder / name, content)


def _report(results: list[Comparison]) -> str:
    import numpy as np

    def radius(entries: list[Any], index: int) -> str:
        values = [float(entry.radius[index]) for entry in entries if np.isfinite(entry.radius[index])]
        return floor_significant(max(values), 5) if values else ""

    rows = []
    for result in results:
        cell = result.cell
        index = int(np.argmin(np.abs(result.rho - _SHOWN)))
        if result.best is None:
            rows.append([cell.spec, cell.norm.name, str(cell.dim), *[""] * 8, "no theorem"])
            continue
        by = {
            m: [e for e in result.entries if e.method == m]
            for m in ("closed form", "differential", "level set", "oracle", "baseline", "monte carlo")
        }
        band = by["monte carlo"][0]
        low, high = band.radius[index] - band.error[index], band.radius[index]
        rows.append(
            [
                cell.spec,
                cell.norm.name,
                str(cell.dim),
                floor_significant(float(result.entries[0].radius[index]), 5),
                result.entries[0].theorem,
                radius(by["closed form"], index),
                radius(by["differential"], index),
                radius(by["level set"], index),
                radius(by["oracle"], index),
                radius(by["baseline"], index),
                f"{low:.3f}..{high:.3f}",
                "FAILED" if result.failures else "ok",
            ]
        )
    shown = float(results[0].rho[int(np.argmin(np.abs(results[0].rho - _SHOWN)))])
    header = ["noise", "norm", "d", f"R({shown:g})", "theorem", "closed", "differential", "level set", "oracle",
              "baseline", "rho by MC", "checks"]  # fmt: skip
    return table(header, rows, left=2)


def _summary(results: list[Comparison]) -> str:
    with_oracle = sum(any(e.method == "oracle" for e in r.entries) for r in results)
    failed = sum(bool(r.failures) for r in results)
    none = sum(r.best is None for r in results)
    text = f"{len(results)} cells, {with_oracle} against the oracle, {failed} with failed checks"
    return text + (f", {none} without a theorem" if none else "")


if __name__ == "__main__":
    run(main, "validation.compare_methods")
