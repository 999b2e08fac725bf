"""The votes of images: what is asked about each, and how a unit of it, or one image after another, is counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from smoothing.sequential import Stopping, count_until
from smoothing.units import Answer, Counted, Unit
from smoothing.voting import ESTIMATION, SELECTION, Voter, block_size


@dataclass(frozen=True)
class Plan:
    """What is asked of every image: n0 samples choose the class, n (fewer where ``stop`` says so) bound its share."""

    n0: int
    n: int
    seed: int
    stop: Stopping | None = None

    def block(self, dim: int, device: str) -> int:
        """What units are multiples of: a block, or the image where the votes decide how many there are."""
        return self.n if self.stop is not None else block_size(dim, ESTIMATION, device)


def count_unit(voter: Voter, x: torch.Tensor, unit: Unit, plan: Plan) -> Answer:
    """The votes of a unit of the image ``x``."""
    begun = time.perf_counter()
    votes0 = None
    if unit.first == 0:
        votes0 = voter.count(x, plan.n0, seed=plan.seed, image=unit.image, stage=SELECTION)
    if plan.stop is None:
        votes = voter.count(x, unit.n, first=unit.first, seed=plan.seed, image=unit.image, stage=ESTIMATION)
    else:
        assert votes0 is not None, "the votes decide when to stop: such an image is one unit"
        chosen = int(votes0.counts.argmax())
        votes = count_until(voter, x, chosen, plan.stop, most=unit.n, seed=plan.seed, image=unit.image)
    return Answer(votes0, votes, time.perf_counter() - begun)


def count_here(
    voter: Voter, images: Iterable[int], load: Callable[[int], np.ndarray], plan: Plan
) -> Generator[Counted, None, None]:
    """The votes of ``images``, which ``load`` brings, one after another in this process."""
    for i in images:
        begun = time.perf_counter()
        x = torch.from_numpy(load(i))
        answer = count_unit(voter, x, Unit(i, 0, plan.n), plan)
        assert answer.votes0 is not None
        yield Counted(i, answer.votes0, answer.votes, time.perf_counter() - begun)
