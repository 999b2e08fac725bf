"""The run folder: votes, not verdicts.

``config.json`` holds every parameter, ``rows.jsonl`` one line per image with its vote counts. Radii are derived
from votes, so that a later theorem re-certifies an old run without a model. Rows are appended, flushed and
fsynced one by one; a torn last line is recognised and redone; a resumed run ends in the same bytes as one that
was never interrupted (times, which never repeat, stand in ``times.jsonl``).
"""

from __future__ import annotations

import gzip
import json
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry.errors import InputError
from geometry.files import appending, check_writable, jsonable, locked, write_atomic, write_json
from geometry.norms import Norm
from smoothing.betting import betting_lower
from smoothing.certificate import Certificate
from smoothing.confidence import ABSTAIN, Bound, check_alpha, clopper_pearson_lower, randomized_lower
from smoothing.noises import Noise, parse_noise
from smoothing.rows import PACKED, ROWS, TIMES, Row, RowWriter, make_row, read_lines, read_rows, read_times
from smoothing.runner_up import certify_runner_up, two_bounds
from smoothing.theorems import certify_radius

__all__ = [
    "CONFIG",
    "PACKED",
    "ROWS",
    "TIMES",
    "Row",
    "RunFolder",
    "environment",
    "make_row",
    "pack",
    "read_times",
]

CONFIG = "config.json"
_WHERE_ASKED = {"until", "randomized", "precision"}  # settings that are not there where they are off
_DRAW = 101  # the stream of randomized bounds: votes have the small numbers (``voting``)


class RunFolder:
    """A run on disk. Open it with ``RunFolder.create`` (new or to be resumed) or ``RunFolder.read``.

    ``alpha``, ``theorem`` and ``runner_up`` are what its certificates are derived with: the run's own failure
    probability, the best theorem and what the run was asked for, unless ``read`` was told otherwise. With
    ``runner_up`` α covers bounds on all classes, and radii are those of ``smoothing.runner_up``.
    """

    def __init__(
        self,
        path: Path,
        config: dict[str, Any],
        rows: list[Row],
        *,
        alpha: float | None = None,
        theorem: str | None = None,
        runner_up: bool | None = None,
    ) -> None:
        self.path = path
        self.config = config
        self.rows = rows
        self.alpha: float = config["settings"]["alpha"] if alpha is None else alpha
        self.theorem = theorem
        asked = bool(config.get("facts", {}).get("runner_up", False))
        self.runner_up = asked if runner_up is None else runner_up
        check_alpha(self.alpha)

    @classmethod
    def create(cls, path: Path, settings: dict[str, Any], facts: dict[str, Any]) -> RunFolder:
        """Start a run at ``path``, or take up the one that stands there.

        ``settings`` determine the rows: a folder of other settings is refused, naming what differs. ``facts``
        (versions, device name) are recorded and not compared.
        """
        cls.check(path, settings)
        path.mkdir(parents=True, exist_ok=True)
        with locked(path, wait=False):
            cls.check(path, settings)  # another process may have begun its run meanwhile
            if not (path / CONFIG).exists():
                write_json(path / CONFIG, {"settings": settings, "facts": facts})
            return cls.read(path)

    @classmethod
    def check(cls, path: Path, settings: dict[str, Any]) -> None:
        """InputError unless a run of these settings, or of the part of them that is known yet, can stand here."""
        if path.exists() and not path.is_dir():
            raise InputError(f"run folder {path} is a file; give another --run-dir")
        check_writable(path)
        if not (path / CONFIG).exists():
            if (path / ROWS).exists():
                raise InputError(f"run folder {path} has rows but no config.json; give another --run-dir")
            return
        old = cls.read(path).settings
        settings = json.loads(json.dumps(jsonable(settings)))
        compared = settings.keys() | (old.keys() & _WHERE_ASKED)
        different = sorted(k for k in compared if settings.get(k) != old.get(k))
        if different:
            listed = ", ".join(f"{k} was {old.get(k)!r} and is {settings.get(k)!r}" for k in different)
            raise InputError(
                f"run folder {path} holds a run of other settings ({listed}); give another --run-dir"
            )

    @classmethod
    def read(
        cls,
        path: Path,
        *,
        alpha: float | None = None,
        theorem: str | None = None,
        runner_up: bool | None = None,
    ) -> RunFolder:
        """The run at ``path``, complete or not. InputError for what is no run or is damaged before its end."""
        try:
            config = json.loads((path / CONFIG).read_bytes())
            settings = config["settings"]
            if not isinstance(config.get("facts", {}), dict):
                raise TypeError("facts")
            parse_noise(settings["noise"], dim=settings["dim"], scale=settings["scale"])
            missing = {"alpha", "classes", "dataset", "model", "n", "n0", "seed"} - settings.keys()
        except FileNotFoundError:
            raise InputError(
                f"{path} is no run folder: it has no config.json (missing or mistyped?)"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"{path / CONFIG} is not the configuration of a run") from None
        if missing:
            raise InputError(f"{path / CONFIG} is not the configuration of a run: it has no {min(missing)}")
        rows = list(read_rows(path, settings))
        return cls(path, config, rows, alpha=alpha, theorem=theorem, runner_up=runner_up)

    @property
    def settings(self) -> dict[str, Any]:
        return self.config["settings"]

    @property
    def bound(self) -> Bound:
        """What turns votes into ρ: where their number depends on the votes, only a bound for all numbers at once."""
        if "randomized" in self.settings:
            draws = np.array([row.draw for row in self.rows], dtype=np.float64)
            return lambda k, n, alpha: randomized_lower(k, n, alpha, draws)
        return betting_lower if "until" in self.settings else clopper_pearson_lower

    def draw(self, index: int) -> float | None:
        """The uniform number of an image's randomized bound: a function of the seed and the image; None without one."""
        if "randomized" not in self.settings:
            return None
        return float(np.random.Generator(np.random.PCG64([self.settings["seed"], index, _DRAW])).random())

    @cached_property
    def noise(self) -> Noise:
        """The noise of the run, at its exact scale."""
        return parse_noise(self.settings["noise"], dim=self.settings["dim"], scale=self.settings["scale"])

    @contextmanager
    def writing(self) -> Iterator[RowWriter]:
        """Append rows; a second writer on the same folder is refused."""
        with locked(self.path, wait=False):
            # Rows may have come since the folder was read; what is torn is cut off before anything is added.
            if (self.path / PACKED).exists() and not (self.path / ROWS).exists():
                write_atomic(self.path / ROWS, b"".join(line + b"\n" for line in read_lines(self.path)))
            self.rows = list(read_rows(self.path, self.settings))
            with appending(self.path / ROWS) as row, appending(self.path / TIMES) as time:
                yield RowWriter(self.rows, row, time)

    # -- what the votes say -------------------------------------------------------------------------------

    def labels(self) -> NDArray[np.int64]:
        """The true classes, in the order of the rows."""
        return np.array([row.label for row in self.rows], dtype=np.int64)

    def rho(self) -> NDArray[np.float64]:
        """The lower confidence bound on the chosen class's probability, per row."""
        return self._two_bounds()[0] if self.runner_up else self._bound_at(self.alpha)

    def second(self) -> NDArray[np.float64] | None:
        """The upper confidence bound on every other class's probability, per row; None without ``runner_up``."""
        return self._two_bounds()[1] if self.runner_up else None

    def predictions(self) -> NDArray[np.int64]:
        """The classes that the smoothed classifier returns, ABSTAIN (-1) among them."""
        chosen = np.array([row.chosen for row in self.rows], dtype=np.int64)
        if self.runner_up:
            first, second = self._two_bounds()
            return np.where(first > second, chosen, ABSTAIN)
        return np.where(self.rho() > 0.5, chosen, ABSTAIN)

    def correct(self) -> NDArray[np.bool_]:
        """Which images are predicted correctly."""
        return self.predictions() == self.labels()

    def certificate(self, norm: Norm) -> Certificate:
        """The certificates of all rows, derived from the votes."""
        if self.runner_up:
            return certify_runner_up(self.noise, norm, *self._two_bounds(), theorem=self.theorem)
        return certify_radius(self.noise, norm, self.rho(), theorem=self.theorem)

    def certified(self, norm: Norm, radii: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many images are predicted correctly with a radius of at least each of ``radii``."""
        radius = self.certificate(norm).radius
        return (self.correct()[:, None] & (radius[:, None] >= radii)).sum(axis=0)

    def certified_accuracy(self, norm: Norm, radii: NDArray[np.float64]) -> NDArray[np.float64]:
        """The share of images predicted correctly with a radius of at least each of ``radii``."""
        return self.certified(norm, radii) / len(self.rows)

    def _bound_at(self, alpha: float) -> NDArray[np.float64]:
        k = np.array([row.votes[row.chosen] for row in self.rows], dtype=np.int64)
        n = np.array([row.n for row in self.rows], dtype=np.int64)
        return self.bound(k, n, alpha)

    def _two_bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        votes = np.array([row.votes for row in self.rows], dtype=np.int64).reshape(len(self.rows), -1)
        chosen = np.array([row.chosen for row in self.rows], dtype=np.int64)
        return two_bounds(votes, chosen, [row.n for row in self.rows], self.alpha, self.bound)


def environment() -> dict[str, Any]:
    """Versions and revision, for the record."""
    import scipy
    import torch

    describe = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        answer = subprocess.run(
            describe, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=5
        )
        revision = answer.stdout.strip()
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


def pack(folder: Path, to: Path) -> None:
    """A finished run as it is kept for others to read: its configuration, and its rows compressed."""
    write_atomic(to / CONFIG, (folder / CONFIG).read_bytes())
    data = b"".join(line + b"\n" for line in read_lines(folder))
    write_atomic(to / PACKED, gzip.compress(data, compresslevel=9, mtime=0))
