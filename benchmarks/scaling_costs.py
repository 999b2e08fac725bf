"""What workers cost and gain on this machine: the numbers that ``scaling`` prints and its simulation starts from."""

from __future__ import annotations

import contextlib
import io
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any


@dataclass(frozen=True)
class Case:
    """A model, its and samples an image that take a core less than a second."""

    model: str
    shape: tuple[int, int, int]
    n: int


CASES = (Case("small-cnn", (1, 28, 28), 20_000), Case("wide-resnet-40-2", (3, 32, 32), 100))
WARM = 10.0  # seconds from a first image until the workers before are gone and all new ones are up
FEWEST = 5  # images of a measurement, however short: their times have a spread
TINY = Case("linear", (1, 1, 1), 1)


def job_of(case: Case, n0: int = 64) -> Any:
    """What a worker is given: the model laid out as the command does, under uniform noise."""
    import torch

    from smoothing.batching import lay_out
    from smoothing.cluster import Job
    from smoothing.counting import Plan
    from smoothing.models.build import build_model
    from smoothing.noises import parse_noise

    torch.manual_seed(0)
    dataset = {3: "cifar10"}.get(case.shape[0], "digits")
    model = build_model(case.model, case.shape, 10, dataset=dataset).eval()
    lay_out(model, case.shape)
    noise = parse_noise("uniform", dim=int(torch.Size(case.shape).numel()), sigma=0.5)
    return Job(model, noise, 10, None, "cpu", Plan(n0, case.n, 0))


def throughput(case: Case, args: Any) -> dict[str, Any]:
    """Samples a second in a steady state: here with one thread and all, and with 1 and 2 workers.

    The best of several turns, since the machine's other guests only ever slow one down.
    """
    import torch

    from smoothing.cluster import connected, count_units
    from smoothing.counting import count_here
    from smoothing.voting import Voter, reuse_memory

    reuse_memory()
    job, images = job_of(case), list(range(10**6))
    rates: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    paces: list[float] = []

    def load(i: int) -> Any:
        return torch.rand(case.shape, generator=torch.Generator().manual_seed(i)).numpy()

    with connected(2, "cpu") as (ray, _):
        for _ in range(args.repetitions):
            ways = {
                f"here, {lanes} thread{'s' * (lanes > 1)}": count_here(
                    Voter(job.model, job.noise, 10, lanes=lanes), images, load, job.plan
                )
                for lanes in sorted({1, torch.get_num_threads()})
            } | {
                f"{workers} worker{'s' * (workers > 1)}": count_units(ray, workers, job, images, load)
                for workers in (1, 2)
            }
            for name, counted in ways.items():
                warm, clock = (WARM, cpu_seconds) if "worker" in name else (0.0, time.process_time)
                rate, cost, seconds = timed(counted, case.n + 64, warm, args.seconds, clock)
                counted.close()
                rates.setdefault(name, []).append(rate)
                costs.setdefault(name, []).append(cost)
                paces += seconds if name == "1 worker" else []
    return {
        "model": case.model,
        "n": case.n,
        "seconds": args.seconds,
        "rates": {name: max(values) for name, values in rates.items()},
        "cpu": {name: min(values) for name, values in costs.items()},
        "spread": spread(paces),
    }


def spread(seconds: list[float]) -> float:
    """The standard deviation of their logarithm, by their middle half: a minute's disturbance is no spread."""
    low, _, high = quantiles(map(math.log, seconds), n=4)
    return (high - low) / 1.349


def timed(
    counted: Iterable[Any], each: int, warm: float, window: float, clock: Callable[[], float]
) -> tuple[float, float, list[float]]:
    """Samples a second, CPU seconds a sample by ``clock``, and seconds of each image, over a ``window`` of seconds.

    It begins ``warm`` seconds after the first image, when all workers are up and those before them gone, and
    lasts for ``FEWEST`` images if the window has room for fewer.
    """
    first, begun, cpu, seconds = 0.0, 0.0, 0.0, []
    for image in counted:
        now = time.perf_counter()
        first = first or now
        if begun:
            seconds.append(image.seconds)
            if now - begun >= window and len(seconds) >= FEWEST:
                break
        elif now - first >= warm:
            begun, cpu = now, clock()
    total = each * len(seconds)
    return total / (time.perf_counter() - begun), (clock() - cpu) / total, seconds


def cpu_seconds() -> float:
    """Of this process and all that descend from it: Ray's servers and the workers."""
    import psutil

    total = 0.0
    for process in (own := psutil.Process(), *own.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def overheads(units: int) -> dict[str, float]:
    """Seconds until a worker has answered once, and of a unit that computes nothing: of the driver, and in all."""
    import numpy as np

    from smoothing.cluster import connected, count_units

    job, begun = job_of(TINY, n0=1), time.perf_counter()
    x = np.zeros(TINY.shape, dtype=np.float32)
    with connected(1, "cpu") as (ray, _):
        counted = count_units(ray, 1, job, list(range(units + 100)), lambda i: x)
        next(counted)
        start = time.perf_counter() - begun
        for _ in range(99):
            next(counted)
        wall, own, busy = time.perf_counter(), time.process_time(), 0.0
        for image in counted:
            busy += image.seconds
        own, wall = (time.process_time() - own) / units, (time.perf_counter() - wall - busy) / units
    # With one worker driver and worker wait for each other: what the driver does not do itself is the way.
    return {"start": start, "driver": own, "trip": max(0.0, wall - own), "unit": wall}


def imagenet_load() -> float:
    """Seconds to bring a photograph of ImageNet's usual size as 224×224 floats."""
    import numpy as np
    from PIL import Image

    from smoothing.data import load_dataset

    pixels = np.random.default_rng(0).integers(0, 256, (38, 50, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((500, 375)).save(stream, "JPEG", quality=90)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a", "b"):
            (Path(folder) / "test" / name).mkdir(parents=True)
            (Path(folder) / "test" / name / "0.jpg").write_bytes(stream.getvalue())
        data = load_dataset(f"folder:{folder},size=224", split="test")
        return median_seconds(lambda: data.images([0]))


def row_seconds() -> float:
    """Seconds to write a row and its time, each synchronised with the disk."""
    with tempfile.TemporaryFile(dir=".") as stream:

        def write() -> None:
            for _ in range(2):
                stream.write(b"x" * 4000)
                stream.flush()
                os.fsync(stream.fileno())

        return median_seconds(write)


def median_seconds(call: Any) -> float:
    seconds = []
    for _ in range(20):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return median(seconds)
