"""The measurements as tables, with the targets beside them."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.cells import BYTES, DIM_RATIO, DIMS, SECONDS
from benchmarks.worker import PROBES, WIDEST
from geometry.cli import table

Row = dict[str, Any]
_TITLES = {
    "level-set": "Level-set tables",
    "differential": "Differential tables",
    "single": "Single radii at ρ = 0.9 (first: the median over processes)",
}

_LEGEND = """first    the first call in its process, without imports
cold     the median of builds of a new noise, every lru_cache of the library emptied before
warm     the median of answers from full caches
× low d  cold at the high dimension over cold at the low one
memory   by how much the first call raised the peak of the resident set
error    the largest relative deviation from 25 digits or more at ρ = 0.9 to 1 - 1e-9; blank without a reference
rs4a     its constructor and certify_*, in a process of its own: cold makes the table in an empty folder"""


def render(document: dict[str, Any]) -> str:
    """Every table, then what the targets are and which rows miss them."""
    rows, quick = document["rows"], document["settings"]["quick"]
    parts = ["\n".join(f"{name:18}{value}" for name, value in document["machine"].items()), _LEGEND]
    for kind, title in _TITLES.items():
        chosen = [row for row in rows if row["kind"] == kind]
        if chosen:
            count = chosen[0]["radii"]
            reach = (
                f": {count} radii, ρ = Φ({WIDEST / count:g}) to Φ({WIDEST:g}) = 1 - 1e-9" if count > 1 else ""
            )
            parts.append(f"{title}{reach}\n\n{_times(chosen)}")
            parts.append(_targets(kind, chosen, quick))
    peers = [row for row in rows if "ends" in row.get("peer", {})]
    if peers:
        parts.append(
            "Radii of rs4a relative to ours (its probabilities are float32, as its own certification passes them)"
            f"\n\n{_deviations(peers)}"
        )
    return "\n\n".join(parts)


def _times(rows: list[Row]) -> str:
    with_peer = any("peer" in row for row in rows)
    header = ["noise", "norm", "theorem", "d", "first", "cold", "warm", "× low d", "memory", "error"]
    header += ["rs4a cold", "warm", "memory", "rs4a / ours"] if with_peer else []
    lines = []
    for row in rows:
        ours = row["ours"]
        line = [row["noise"], row["norm"], ", ".join(ours["theorems"]), str(row["dim"])]
        line += [duration(ours["first_s"]), duration(ours["cold_median_s"]), duration(ours["warm_median_s"])]
        ratio = _dim_ratio(row, rows)
        line += [
            "" if ratio is None else f"{ratio:.2f}",
            _megabytes(ours["growth_bytes"]),
            _error(row["deviation"]),
        ]
        lines.append(line + (_peer(row) if with_peer else []))
    return table(header, lines, left=3)


def _peer(row: Row) -> list[str]:
    peer = row["peer"]
    if "missing" in peer:
        return [f"no package {peer['missing']}", "", "", ""]
    if "failed" in peer:
        return [peer["failed"].partition(":")[0], "", "", ""]
    if "over_s" in peer:
        came = f" ({' of '.join(peer['step'])})" if "step" in peer else ""
        ratio = peer["over_s"] / row["ours"]["cold_median_s"]
        return [f"> {duration(peer['over_s'])}{came}", "", "", f"> {ratio:,.0f}"]
    count = "" if len(peer["cold_s"]) > 1 else " (once)"
    ratio = peer["cold_median_s"] / row["ours"]["cold_median_s"]
    return [
        duration(peer["cold_median_s"]) + count,
        duration(peer["warm_s"]),
        _megabytes(peer["growth_bytes"]),
        f"{ratio:,.0f}",
    ]


def _deviations(rows: list[Row]) -> str:
    header = ["noise", "norm", "d", "points", "last ρ", "monotone", *(_probe(rho) for rho in PROBES)]
    lines = []
    for row in rows:
        peer = row["peer"]
        ends = "nan" if peer["ends"] is None else f"{peer['ends']:.6f}"
        line = [row["noise"], row["norm"], str(row["dim"]), str(peer["points"]), ends]
        line.append("yes" if peer["monotone"] else "NO")
        pairs = zip(peer["probes"], row["ours"]["probes"], strict=True)
        lines.append(
            line + ["nan" if theirs is None else _percent(theirs / ours - 1) for theirs, ours in pairs]
        )
    return table(header, lines, left=2)


def _targets(kind: str, rows: list[Row], quick: bool) -> str:
    if quick:
        return "No verdict: a quick run has one repetition."
    limit = SECONDS[kind]
    tables = kind != "single"
    text = f"Targets: {'cold' if tables else 'first'} at most {duration(limit)}, memory at most {_megabytes(BYTES)}"
    text += f", d = {DIMS[1]} at most {DIM_RATIO:g} times d = {DIMS[0]}." if tables else "."
    missed = []
    for row in rows:
        ours, name = row["ours"], f"{row['noise']} at d = {row['dim']}"
        time = ours["cold_median_s" if tables else "first_s"]
        if time > limit:
            missed.append(f"{name} takes {duration(time)}")
        if (ours["growth_bytes"] or 0) > BYTES:
            missed.append(f"{name} needs {_megabytes(ours['growth_bytes'])}")
        ratio = _dim_ratio(row, rows)
        if tables and ratio is not None and ratio > DIM_RATIO:
            missed.append(f"{name} takes {ratio:.2f} times the lower")
    return "\n    ".join([f"{text} Missed:", *missed]) if missed else f"{text} All met."


def _dim_ratio(row: Row, rows: list[Row]) -> float | None:
    """The time at the high dimension over that at the low one; parameters that follow the dimension differ."""
    index = rows.index(row)
    if row["dim"] != DIMS[1] or not index or rows[index - 1]["dim"] != DIMS[0]:
        return None
    return float(row["ours"]["cold_median_s"] / rows[index - 1]["ours"]["cold_median_s"])


def duration(value: float) -> str:
    """Seconds as people read them: three digits and a unit."""
    if value < 1e-3:
        return f"{1e6 * value:.0f} µs"
    return (
        f"{1e3 * value:.3g} ms" if value < 0.9995 else f"{value:.3g} s" if value < 100 else f"{value:.0f} s"
    )


def _megabytes(value: float | None) -> str:
    return "" if value is None else f"{value / 1e6:.0f} MB"


def _error(value: float | None) -> str:
    return "" if value is None else f"{value:+.0e}"


def _percent(value: float) -> str:
    return f"{100 * value:+.2g} %" if math.isfinite(value) else str(value)


def _probe(rho: float) -> str:
    return f"{rho:g}" if rho < 0.9995 else f"1 - {1 - rho:.0e}"
