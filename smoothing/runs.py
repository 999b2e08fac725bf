"""The run folder: votes, not verdicts.

``config.json`` holds every parameter, ``rows.jsonl`` one line per image with its vote counts. Radii are derived
from votes, so that a later theorem re-certifies an old run without a model. Rows are appended, flushed and
fsynced one by one; a torn last line is recognised and redone; a resumed run ends in the same bytes as one that
was never interrupted (times, which never repeat, stand in ``times.jsonl``).
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from geometry.errors import InputError
from geometry.norms import Norm
from smoothing.certificate import Certificate
from smoothing.confidence import ABSTAIN, clopper_pearson_lower
from smoothing.noises import Noise, parse_noise
from smoothing.theorems import certify_radius


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


class RunFolder:
    """A run on disk. Open it with ``RunFolder.create`` (new or to be resumed) or ``RunFolder.read``."""

    def __init__(self, path: Path, config: dict[str, Any], rows: list[Row]) -> None:
        self.path = path
        self.config = config
        self.rows = rows

    @classmethod
    def create(cls, path: Path, settings: dict[str, Any], facts: dict[str, Any]) -> RunFolder:
        """Start a run at ``path``, or take up the one that stands there.

        ``settings`` determine the rows: a folder of other settings is refused, naming what differs. ``facts``
        (versions, device name) are recorded and not compared.
        """
        settings = json.loads(json.dumps(settings))
        config_path = path / "config.json"
        if not config_path.exists():
            if path.exists() and not path.is_dir():
                raise InputError(f"run folder {path} is a file; give another --run-dir")
            path.mkdir(parents=True, exist_ok=True)
            if (path / "rows.jsonl").exists():
                raise InputError(f"run folder {path} has rows but no config.json; give another --run-dir")
            write_atomic(config_path, json.dumps({"settings": settings, "facts": facts}, indent=2) + "\n")
        run = cls.read(path)
        old = run.config["settings"]
        different = sorted(k for k in settings.keys() | old.keys() if settings.get(k) != old.get(k))
        if different:
            listed = ", ".join(f"{k} was {old.get(k)!r} and is {settings.get(k)!r}" for k in different)
            raise InputError(
                f"run folder {path} holds a run of other settings ({listed}); give another --run-dir"
            )
        return run

    @classmethod
    def read(cls, path: Path) -> RunFolder:
        """The run at ``path``, complete or not. InputError for what is no run or is damaged before its last line."""
        config_path = path / "config.json"
        try:
            config = json.loads(config_path.read_text())
            config["settings"]["noise"]
        except FileNotFoundError:
            raise InputError(f"{path} is no run folder: it has no config.json") from None
        except (json.JSONDecodeError, KeyError, TypeError):
            raise InputError(f"{config_path} is not the configuration of a run") from None
        return cls(path, config, list(_read_rows(path / "rows.jsonl")))

    @property
    def settings(self) -> dict[str, Any]:
        return self.config["settings"]

    @property
    def noise(self) -> Noise:
        """The noise of the run, at its exact scale."""
        return parse_noise(self.settings["noise"], dim=self.settings["dim"], scale=self.settings["scale"])

    @contextmanager
    def writing(self) -> Iterator[RowWriter]:
        """Append rows; a second writer on the same folder is refused."""
        with (self.path / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(f"another process is writing run folder {self.path}; wait for it") from None
            rows_path = self.path / "rows.jsonl"
            # Rows may have come since the folder was read; what is torn is cut off before anything is added.
            self.rows = list(_read_rows(rows_path))
            _cut_torn_line(rows_path)
            with rows_path.open("a") as rows, (self.path / "times.jsonl").open("a") as times:
                yield RowWriter(self, rows, times)

    # -- what the votes say -------------------------------------------------------------------------------

    def labels(self) -> NDArray[np.int64]:
        """The true classes, in the order of the rows."""
        return np.array([row.label for row in self.rows], dtype=np.int64)

    def predictions(self) -> NDArray[np.int64]:
        """The classes that the smoothed classifier returned, ABSTAIN (-1) among them."""
        return np.array([row.prediction for row in self.rows], dtype=np.int64)

    def certificate(
        self, norm: Norm, *, alpha: float | None = None, theorem: str | None = None
    ) -> Certificate:
        """The certificates of all rows, derived from the votes; ``alpha`` may differ from the run's."""
        alpha = self.settings["alpha"] if alpha is None else alpha
        chosen = [int(np.argmax(row.votes0)) for row in self.rows]
        k = np.array([row.votes[c] for row, c in zip(self.rows, chosen, strict=True)], dtype=np.int64)
        n = np.array([row.n for row in self.rows], dtype=np.int64)
        rho = clopper_pearson_lower(k, n, alpha)
        return certify_radius(self.noise, norm, rho, theorem=theorem)

    def certified_accuracy(
        self,
        norm: Norm,
        radii: NDArray[np.float64],
        *,
        alpha: float | None = None,
        theorem: str | None = None,
    ) -> NDArray[np.float64]:
        """The share of images predicted correctly with a radius of at least each of ``radii``."""
        certificate = self.certificate(norm, alpha=alpha, theorem=theorem)
        chosen = np.array([int(np.argmax(row.votes0)) for row in self.rows])
        correct = (chosen == self.labels()) & (certificate.rho > 0.5)
        return (correct[:, None] & (certificate.radius[:, None] >= radii)).mean(axis=0)


class RowWriter:
    """Appends rows that survive a crash the moment they are written."""

    def __init__(self, run: RunFolder, rows: TextIO, times: TextIO) -> None:
        self._run, self._rows, self._times = run, rows, times

    def append(self, row: Row, seconds: float) -> None:
        """Write one row and its time."""
        for stream, record in (
            (self._times, {"index": row.index, "seconds": seconds}),
            (self._rows, asdict(row)),
        ):
            stream.write(json.dumps(record, separators=(",", ":")) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._run.rows.append(row)


def make_row(index: int, label: int, *, votes0: Any, votes: Any, alpha: float, seed: int) -> Row:
    """The row of one image from its two ``Votes``: the class by votes0, abstention by votes."""
    chosen = int(np.argmax(votes0.counts))
    rho = clopper_pearson_lower(votes.counts[chosen], votes.n, alpha)
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
    )


def read_times(path: Path) -> dict[int, float]:
    """Seconds per image index, as far as they were recorded."""
    times = {}
    if (path / "times.jsonl").exists():
        for line in (path / "times.jsonl").read_text().splitlines():
            try:
                record = json.loads(line)
                times[int(record["index"])] = float(record["seconds"])
            except (ValueError, KeyError, TypeError):
                continue  # a torn line; times are informative only
    return times


def write_atomic(path: Path, text: str) -> None:
    """The whole file or none of it: write beside, fsync, rename."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def environment() -> dict[str, Any]:
    """Versions and revision, for the record."""
    import scipy
    import torch

    here = Path(__file__).parent
    try:
        revision = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=5,
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        revision = ""
    return {
        "git": revision or "unknown",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def _read_rows(path: Path) -> Iterator[Row]:
    if not path.exists():
        return
    lines = path.read_text(errors="replace").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            return  # torn by a crash: redone on resume
        try:
            yield Row(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            raise InputError(f"{path}, line {number}: not a row of a run; the file is damaged") from None


def _cut_torn_line(path: Path) -> None:
    if path.exists():
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with path.open("r+b") as stream:
                stream.truncate(whole)
                os.fsync(stream.fileno())
