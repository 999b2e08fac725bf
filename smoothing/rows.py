"""The rows of a run: the votes of one image each, appended so that they survive a crash, read so that damage shows."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geometry.errors import InputError
from geometry.files import whole_lines
from smoothing.confidence import ABSTAIN, Bound, clopper_pearson_lower, randomized_lower

ROWS, TIMES = "rows.jsonl", "times.jsonl"
PACKED = "rows.jsonl.gz"
"""A finished run's rows, where they are kept compressed."""

Append = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Row:
    """The evidence about one image: what was asked, and how the votes fell."""

    index: int
    label: int
    n0: int
    n: int
    alpha: float
    seed: int
    votes0: list[int]
    """Votes per class of the n0 selection samples."""
    votes: list[int]
    """Votes per class of the n estimation samples; they sum to n less the invalid ones."""
    invalid: int
    """Samples whose logits were NaN: votes for no class."""
    prediction: int
    """The class chosen by votes0 if its probability is certified above 1/2, else ABSTAIN (-1)."""
    draw: float | None = None
    """The uniform number of a randomized bound, where the run has those."""

    @property
    def chosen(self) -> int:
        """The class that the selection samples chose."""
        return int(np.argmax(self.votes0))

    def fits(self, settings: dict[str, Any]) -> bool:
        """Whether this is a row that a run of these settings can have written."""
        numbers = [self.index, self.label, self.n0, self.n, self.seed, self.invalid, self.prediction]
        counts = [self.votes0, self.votes]
        classes = len(settings["classes"])
        return (
            all(type(v) is int for v in numbers)
            and all(isinstance(c, list) and len(c) == classes for c in counts)
            and all(type(v) is int and v >= 0 for c in counts for v in c)
            and sum(self.votes0) + sum(self.votes) + self.invalid == self.n0 + self.n
            and sum(self.votes) <= self.n
            and all(getattr(self, key) == settings[key] for key in ("n0", "alpha", "seed"))
            and (1 <= self.n <= settings["n"] if "until" in settings else self.n == settings["n"])
            and (isinstance(self.draw, float) if "randomized" in settings else self.draw is None)
        )


class RowWriter:
    """Appends rows that survive a crash the moment they are written."""

    def __init__(self, rows: list[Row], row: Append, time: Append) -> None:
        self._rows, self._row, self._time = rows, row, time

    def append(self, row: Row, seconds: float) -> None:
        """Write one row and, before it, its time: no row is ever without one."""
        fields = {name: value for name, value in asdict(row).items() if value is not None}
        self._time({"index": row.index, "seconds": seconds})
        self._row(fields)
        self._rows.append(row)


def make_row(
    index: int,
    label: int,
    *,
    votes0: Any,
    votes: Any,
    alpha: float,
    seed: int,
    bound: Bound = clopper_pearson_lower,
    draw: float | None = None,
) -> Row:
    """The row of one image from its two ``Votes``: the class by votes0, abstention by votes and their ``bound``.

    With a ``draw`` the bound is the randomized one.
    """
    chosen = int(np.argmax(votes0.counts))
    k = votes.counts[chosen]
    rho = bound(k, votes.n, alpha) if draw is None else randomized_lower(k, votes.n, alpha, draw)
    return Row(
        index,
        label,
        votes0.n,
        votes.n,
        alpha,
        seed,
        votes0.counts.tolist(),
        votes.counts.tolist(),
        votes0.invalid + votes.invalid,
        chosen if rho > 0.5 else ABSTAIN,
        draw,
    )


def read_times(path: Path) -> dict[int, float]:
    """Seconds per image index, as far as they were recorded."""
    times = {}
    for line in whole_lines(path / TIMES):
        try:
            record = json.loads(line)
            times[int(record["index"])] = float(record["seconds"])
        except (ValueError, KeyError, TypeError):
            continue  # times are informative only
    return times


def read_lines(folder: Path) -> list[bytes]:
    """The whole lines of ``rows.jsonl``, or of what it was compressed to."""
    if (folder / ROWS).exists() or not (folder / PACKED).is_file():
        return whole_lines(folder / ROWS)
    try:
        return gzip.decompress((folder / PACKED).read_bytes()).split(b"\n")[:-1]
    except (OSError, EOFError, zlib.error):
        raise InputError(f"{folder / PACKED} is damaged") from None


def read_rows(folder: Path, settings: dict[str, Any]) -> Iterator[Row]:
    """The rows of a folder. InputError for a line that a run of these settings cannot have written."""
    path = folder / ROWS
    seen: set[int] = set()
    for number, line in enumerate(read_lines(folder), start=1):
        try:
            row = Row(**json.loads(line))
            sound = row.fits(settings) and row.index not in seen
        except (ValueError, TypeError):
            sound = False
        if not sound:
            raise InputError(f"{path}, line {number}: not a row of this run; the file is damaged")
        seen.add(row.index)
        yield row
