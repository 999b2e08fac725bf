"""Images cut into units for many workers, and their votes put together again in the images' order.

A unit is some whole blocks of one image: as many as take a worker about a second, and fewer towards the end. So an
image of 100 000 samples is spread over all workers, none of which computes alone for long while the others have
nothing left, and a lost worker costs a second. Cuts may follow the clock, since they change no vote: the noise of a
block is a function of (seed, image, stage, block) alone.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geometry.errors import InputError

if TYPE_CHECKING:
    from smoothing.voting import Votes

SECONDS = 1.0
"""Of a worker's time in a unit: a thousand times what it costs to hand one out."""
_LEAST = 0.1  # at the end, where units shrink
_DRIVER = 5e-4  # seconds of the driver a unit: with many workers it would not keep up with smaller ones
_AHEAD = 1000  # images that may be finished before their turn: what the driver holds is bounded
_TRIES = 3  # workers that a unit may end before it is given up


@dataclass(frozen=True)
class Unit:
    """Copies ``first`` to ``first + n`` of an image's estimation; with the first ones goes the choice of the class."""

    image: int
    first: int
    n: int


@dataclass(frozen=True)
class Answer:
    """The votes of a unit: of the choice, where it was part of it, and of the estimation."""

    votes0: Votes | None
    votes: Votes
    seconds: float


@dataclass(frozen=True)
class Counted:
    """All votes of an image, and the computing time in them."""

    image: int
    votes0: Votes
    votes: Votes
    seconds: float


class Deal:
    """Hands out the units of ``images`` and takes back their votes, in any order; rows come in the images' order."""

    def __init__(self, images: Sequence[int], *, n0: int, n: int, block: int, workers: int) -> None:
        """``block``: units are multiples of it; with ``block`` = ``n`` an image is one unit."""
        self._images, self._n0, self._n, self._block, self._workers = images, n0, n, block, workers
        self._turn = 0  # the position of the image whose row comes next
        self._next, self._first = (
            0,
            0,
        )  # where cutting goes on: the image's position, and its copies handed out
        self._pace: float | None = None  # seconds a sample, of the latest units
        self._parts: dict[int, list[Answer]] = {}
        self._missing: dict[int, int] = {}
        self._finished: dict[int, Counted | Exception] = {}
        self._lost: deque[Unit] = deque()
        self._losses: Counter[Unit] = Counter()

    @property
    def complete(self) -> bool:
        """Whether every row has come."""
        return self._turn == len(self._images)

    def take(self) -> Unit | None:
        """A unit to count; None where there is none for now."""
        if self._lost:
            return self._lost.popleft()
        if self._next >= len(self._images) or self._next - self._turn >= max(_AHEAD, 2 * self._workers):
            return None
        image, first, n = self._images[self._next], self._first, self._cut()
        if first == 0:
            self._parts[image], self._missing[image] = [], self._n
        self._first += n
        if self._first == self._n:
            self._next, self._first = self._next + 1, 0
        return Unit(image, first, n)

    def _cut(self) -> int:
        """How many of the image's remaining copies the next unit has: even pieces, near the size that is due."""
        rest = self._n - self._first
        if self._pace is None:
            return min(self._block, rest)
        left = (len(self._images) - self._next) * self._n - self._first
        least = max(_LEAST, _DRIVER * self._workers)
        due = min(SECONDS, max(least, left * self._pace / (2 * self._workers)))
        pieces = max(1, round(rest * self._pace / due))
        return min(rest, -(-rest // (pieces * self._block)) * self._block)

    def done(self, unit: Unit, answer: Answer) -> None:
        """The votes of a unit have come."""
        pace = max(answer.seconds, 1e-9) / (unit.n + (0 if unit.first else self._n0))
        self._pace = pace if self._pace is None else self._pace + 0.1 * (pace - self._pace)
        if unit.image not in self._parts:
            return  # another unit of the image failed
        parts = self._parts[unit.image]
        parts.append(answer)
        self._missing[unit.image] -= unit.n
        if self._missing[unit.image] == 0:
            (votes0,) = (part.votes0 for part in parts if part.votes0 is not None)
            votes = parts[0].votes
            for part in parts[1:]:
                votes += part.votes
            self._close(unit.image, Counted(unit.image, votes0, votes, sum(part.seconds for part in parts)))

    def lost(self, unit: Unit) -> None:
        """The unit's worker is gone: another one counts it, unless it has ended too many of them."""
        self._losses[unit] += 1
        if self._losses[unit] < _TRIES:
            self._lost.append(unit)
            return
        self.failed(
            unit,
            InputError(
                f"image {unit.image}: {_TRIES} workers in a row ended while they counted it, perhaps for want of "
                "memory; try a smaller --batch or fewer --workers. The rows before it are kept"
            ),
        )

    def failed(self, unit: Unit, error: Exception) -> None:
        """Counting failed for good: the rows before it still come, then the error. Nothing new is handed out."""
        if unit.image in self._parts:
            self._close(unit.image, error)
        self._next = len(self._images)
        self._lost = deque(other for other in self._lost if other.image != unit.image)

    def _close(self, image: int, result: Counted | Exception) -> None:
        del self._parts[image], self._missing[image]
        self._finished[image] = result

    def in_turn(self) -> list[Counted]:
        """The rows whose turn it is. Raises the error of an image as soon as it stands first."""
        rows: list[Counted] = []
        while not self.complete:
            result = self._finished.get(self._images[self._turn])
            if result is None or (rows and isinstance(result, Exception)):
                break
            if isinstance(result, Exception):
                raise result
            del self._finished[result.image]
            rows.append(result)
            self._turn += 1
        return rows
