"""Images side by side, one a lane, where the votes decide how many there are.

Such an image asks for a block, looks, and asks for another: its blocks are too few to keep all cores busy, but several
images do. When no other image is left to begin, the last ones get the lanes that have become free.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
import torch

from smoothing.counting import Plan, count_here, count_unit
from smoothing.lanes import models_of, threads_each
from smoothing.units import Answer, Counted, Deal, Unit
from smoothing.voting import Voter


def count_abreast(
    voter: Voter, images: Sequence[int], load: Callable[[int], np.ndarray], plan: Plan
) -> Generator[Counted, None, None]:
    """The votes of ``images`` in their order, as many at a time as ``voter`` has lanes.

    The same as one after another. Closing the iterator ends the images in hand after a block each.
    """
    lanes = voter.lanes
    models = models_of(voter.model, min(lanes, len(images)))
    if len(models) == 1:  # a single image, or a model that no two lanes can call
        yield from count_here(voter, images, load, plan)
        return
    free = [voter.on_one_lane(model) for model in models]
    deal = Deal(images, n0=plan.n0, n=plan.n, block=plan.n, workers=len(free))
    busy: dict[Future[Answer], tuple[Voter, Unit]] = {}
    ended: SimpleQueue[Future[Answer]] = SimpleQueue()

    def hand_out(pool: ThreadPoolExecutor) -> bool:
        """Whether all went well: an image that cannot be read ends the run after the rows before it."""
        while free and (unit := deal.take()) is not None:
            try:
                x = torch.from_numpy(load(unit.image))
            except Exception as error:
                deal.failed(unit, error)
                return False
            own = free.pop()
            own.lanes = 1
            future = pool.submit(count_unit, own, x, unit, plan)
            busy[future] = own, unit
            future.add_done_callback(ended.put)
        for own, _ in busy.values() if free else ():
            own.lanes = lanes // len(busy)
        return True

    with threads_each(1), ThreadPoolExecutor(lanes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            while True:
                rows = deal.in_turn()
                well = hand_out(pool)
                yield from rows
                if rows or not well:
                    continue  # an error may stand behind them
                if deal.complete:
                    return
                future = ended.get()
                own, unit = busy.pop(future)
                free.append(own)
                try:
                    deal.done(unit, future.result())
                except Exception as error:
                    deal.failed(unit, error)
        finally:
            for own, _ in busy.values():
                own.halt()
