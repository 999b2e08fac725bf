"""A certification on 1 to 1024 GPUs, event by event: the units are cut and handed out by the code that does it.

What is simulated is time: a unit's samples over the GPU's rate, with a spread; a driver that handles one unit after
another; a link that leaves the driver's machine; nodes that wait for the model. Every second of a GPU is booked to
computing or to what it waited for.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass
from typing import Any

CAUSES = ("start", "model", "driver", "network", "trip", "tail")


@dataclass(frozen=True)
class Work:
    """Images, samples of each, and the block that units are multiples of."""

    images: int
    n: int
    n0: int
    block: int


@dataclass(frozen=True)
class Costs:
    """Seconds, unless another unit is named."""

    rate: float
    """Samples a second of a GPU."""
    spread: float
    """The standard deviation of the logarithm of a unit's time."""
    driver: float
    """Of the driver, for a unit: its answer taken, the next one handed out."""
    trip: float
    """From the driver to the worker and back, while both wait."""
    load: float
    """Of the driver, for an image: read, decoded, stored."""
    row: float
    """Of the driver, for a row: written and synchronised."""
    start: float
    """Until Ray is up and a worker would have the model, were it there."""
    image_bytes: float
    model_bytes: float
    link: float
    """Bytes a second out of the driver's machine."""
    gpus_per_node: int = 8


def simulate(
    gpus: int, work: Work, costs: Costs, *, whole_images: bool = False, seed: int = 0
) -> dict[str, Any]:
    """The run's seconds, its efficiency, and the share of all GPU time that each cause of waiting took.

    ``whole_images``: what if an image were the unit.
    """
    import numpy as np

    from smoothing.units import Answer, Deal, Unit
    from smoothing.voting import Votes

    dice = random.Random(seed)
    block = work.n if whole_images else work.block
    deal = Deal(range(work.images), n0=work.n0, n=work.n, block=block, workers=gpus)
    model, image = costs.model_bytes / costs.link, costs.image_bytes / costs.link
    lost = dict.fromkeys(CAUSES, 0.0)
    # (time, a number that breaks ties, unit, its seconds): what the driver hears next
    events: list[tuple[float, int, Unit | None, float]] = []
    # one node gets the model after another: the driver's machine has one link
    ready = [costs.start + model * (gpu // costs.gpus_per_node + 1) for gpu in range(gpus)]
    for gpu in range(gpus):
        heapq.heappush(events, (ready[gpu], gpu, None, 0.0))
    driver = link = end = computing = 0.0
    opened = work.images * [False]
    idle: list[float] = []  # since when
    units = 0
    while not deal.complete:
        now, tie, unit, seconds = heapq.heappop(events)
        driver = max(driver, now)
        if unit is not None:
            votes = Votes(np.zeros(1, dtype=np.int64), 0, unit.n)
            deal.done(unit, Answer(None if unit.first else Votes(votes.counts, 0, work.n0), votes, seconds))
        idle.append(now)
        rows = deal.in_turn()
        while idle and (unit := deal.take()) is not None:
            units += 1
            since = idle.pop()
            driver += costs.driver + (0.0 if opened[unit.image] else costs.load)
            opened[unit.image] = True
            link = max(link, driver) + image
            seconds = (unit.n + (0 if unit.first else work.n0)) / costs.rate
            seconds *= math.exp(dice.gauss(0, costs.spread))
            lost["driver"] += driver - since
            lost["network"] += link - driver
            lost["trip"] += costs.trip
            computing += seconds
            heapq.heappush(events, (link + costs.trip + seconds, tie + gpus, unit, seconds))
        driver += len(rows) * costs.row
        end = driver
    lost["start"] = gpus * min(end, costs.start)
    lost["model"] = sum(min(end, moment) - min(end, costs.start) for moment in ready)  # it may come too late
    lost["tail"] = sum(end - since for since in idle)
    total = gpus * end
    return {
        "gpus": gpus,
        "seconds": end,
        "units": units,
        "efficiency": computing / total,
        "lost": {cause: value / total for cause, value in lost.items()},
        "driver_busy": (units * costs.driver + work.images * (costs.load + costs.row)) / end,
    }


def bottleneck(result: dict[str, Any]) -> str:
    """The cause that most GPU time was lost to."""
    return max(result["lost"], key=result["lost"].__getitem__)
