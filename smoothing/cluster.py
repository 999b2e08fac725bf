"""Units of images on the workers of Ray: a machine's cores, its GPUs, or a cluster.

A worker is a process with the model in it, put there once. The driver hands each a unit at a time, gives the unit of
a worker that died to another one, and yields the images' votes in order, so that rows do not tell where they were
counted. Ray is an extra and is imported here alone.
"""

from __future__ import annotations

import copy
import importlib
import logging
import os
import socket
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import PicklingError
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
from torch import nn

from geometry.errors import InputError
from smoothing.counting import Plan, count_unit
from smoothing.noise import Noise
from smoothing.units import Answer, Counted, Deal, Unit
from smoothing.voting import Voter, reuse_memory

_STARTS = 3  # times that Ray may fail to start, and workers end in a row before one of them has the model
_PATIENCE = 60.0  # seconds without a sign of any worker
_ANSWER = 5.0  # seconds for a cluster to take a connection
_CROWD = 8  # workers that may share a core
_INLINE = 100_000  # bytes: what is larger, Ray would store anew with every unit


@dataclass(frozen=True)
class Job:
    """What a worker needs to count any unit."""

    model: nn.Module
    noise: Noise
    num_classes: int
    batch: int | None
    device: str
    plan: Plan


class Worker:
    """A process that counts units: on a GPU of its own, or on one core."""

    def begin(self, job: Job) -> None:
        """Take the model, once."""
        if job.device == "cpu":
            torch.set_num_threads(1)
        reuse_memory()
        model = job.model.to(job.device).eval()
        self._plan = job.plan
        self._voter = Voter(model, job.noise, job.num_classes, batch=job.batch, device=job.device)

    def count(self, unit: Unit, x: np.ndarray) -> Answer:
        """The votes of a unit."""
        return count_unit(
            self._voter, torch.from_numpy(np.array(x)), unit, self._plan
        )  # Ray's memory is read-only


def import_ray() -> Any:
    """Ray, silent and telling nobody. InputError where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise InputError(
            "--workers needs Ray, which is not installed: pip install 'smoothing-shapes[cluster]'"
        ) from None


def check_workers(workers: int | str) -> None:
    """InputError where workers cannot start, before anything takes time; a note where they share cores."""
    import_ray()
    if isinstance(workers, str):
        _check_reachable(_address(workers))
        return
    cores = os.cpu_count() or 1
    if workers > _CROWD * cores:
        raise InputError(f"--workers {workers}: this machine has {cores} cores, and a worker fills one")
    if workers > cores:
        print(f"note: {workers} workers share {cores} cores; more than {cores} gain nothing", file=sys.stderr)


def _address(workers: str) -> str:
    """What Ray calls the address that users write."""
    return "auto" if workers == "ray://auto" else workers


def _check_reachable(address: str) -> None:
    """InputError where nothing listens: Ray itself would try for half a minute, or for ever."""
    if address == "auto":
        found = os.environ.get("RAY_ADDRESS", "")
        note = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"
        if not found and note.is_file():  # written by `ray start`, and left there when the cluster ends
            found = note.read_text().strip()
        address = found
    url = urlsplit(address if "//" in address else f"//{address}")
    try:
        host, port = url.hostname, url.port
    except ValueError as error:
        raise InputError(f"--workers: {address} is no address: {error}") from None
    if not host or not port:
        return  # Ray says what it makes of it
    try:
        socket.create_connection((host, port), timeout=_ANSWER).close()
    except OSError as error:
        raise InputError(
            f"--workers: nothing answers at {host}:{port} ({error.strerror or error}); is the cluster up?"
        ) from None


@contextmanager
def connected(workers: int | str, device: str) -> Iterator[tuple[Any, int]]:
    """Ray, and the number of workers: as asked on this machine, or one on each GPU (core) of the cluster addressed."""
    ray = import_ray()
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    kind = "CPU" if device == "cpu" else "GPU"
    if isinstance(workers, int):
        # Workers import what the driver can import: a user's model may stand in any folder of its path.
        paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path)
        options = {
            "address": "local",
            "num_cpus": workers,
            "include_dashboard": False,
            "runtime_env": {"env_vars": {"PYTHONPATH": paths}},
        }
    else:
        # The cluster runs the driver's code, whatever version is installed there.
        code = [str(Path(__file__).parents[1] / room) for room in ("geometry", "smoothing")]
        options = {"address": _address(workers), "runtime_env": {"py_modules": code}}
    for attempt in range(1, _STARTS + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what the error says once more
                ray.init(**options, **quiet)
            break
        except Exception as error:
            # Any: Ray gives its own processes half a minute on a busy machine, then raises a bare Exception.
            ray.shutdown()
            if attempt < _STARTS and "timed out" in str(error).lower():
                print("Ray did not start within its half minute; once more", file=sys.stderr)
                continue
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(f"--workers {workers}: Ray does not start or answer: {reason[0]}") from error
    try:
        there = int(ray.cluster_resources().get(kind, 0))
        wanted = workers if isinstance(workers, int) else max(1, there)
        if there < wanted:
            raise InputError(f"--workers {workers}: a worker takes a {kind}, and Ray found {there}")
        yield ray, wanted
    finally:
        ray.shutdown()


@contextmanager
def counting_on(
    workers: int | str, job: Job, images: list[int], load: Callable[[int], np.ndarray]
) -> Iterator[Generator[Counted, None, None]]:
    """The votes of ``images`` in their order, while Ray is up; ``load`` brings an image, here on the driver."""
    with connected(workers, job.device) as (ray, number):
        yield count_units(ray, number, job, images, load)


def count_units(
    ray: Any, workers: int, job: Job, images: list[int], load: Callable[[int], np.ndarray]
) -> Generator[Counted, None, None]:
    """Start the workers, keep them busy, replace those that end; yield the images' votes in their order."""
    plan, kind = job.plan, job.device
    deal = Deal(images, n0=plan.n0, n=plan.n, block=plan.block(job.noise.dim, kind), workers=workers)
    remote = ray.remote(Worker).options(num_cpus=1, num_gpus=0 if kind == "cpu" else 1)
    placed = _put(ray, job)
    events: SimpleQueue[tuple[Any, Unit | None, Future[Answer]]] = SimpleQueue()
    pixels: dict[int, Any] = {}
    idle: list[Any] = []
    started: list[Any] = []
    stillborn, heard, waiting = 0, False, False

    def expect(worker: Any, unit: Unit | None, reply: Any) -> None:
        reply.future().add_done_callback(lambda future: events.put((worker, unit, future)))

    def start() -> None:
        worker = remote.remote()
        started.append(worker)
        expect(worker, None, worker.begin.remote(placed))

    def hand_out() -> bool:
        """Whether all went well: an image that cannot be read ends the run after the rows before it."""
        while idle and (unit := deal.take()) is not None:
            if unit.image not in pixels:
                try:
                    x = load(unit.image)
                except Exception as error:
                    deal.failed(unit, error)
                    return False
                pixels[unit.image] = ray.put(x) if x.nbytes > _INLINE else x
            worker = idle.pop()
            expect(worker, unit, worker.count.remote(unit, pixels[unit.image]))
        return True

    try:
        for _ in range(workers):
            start()
        while True:
            rows = deal.in_turn()
            well = hand_out()  # before the rows are written: the disk keeps nobody waiting
            for row in rows:
                pixels.pop(row.image)
                yield row
            if rows or not well:
                continue  # an error may stand behind them
            if deal.complete:
                return
            try:
                worker, unit, future = events.get(timeout=None if waiting else _PATIENCE)
            except Empty:
                silent = "no worker has answered for" if heard else "Ray has started no worker for"
                print(
                    f"{silent} {_PATIENCE:.0f} s: is the cluster busy, or gone? Ctrl-C ends", file=sys.stderr
                )
                waiting = True  # said once
                continue
            heard, waiting = True, False
            try:
                answer = future.result()
            except ray.exceptions.RayTaskError as error:  # the worker lives; what it did raised
                cause = error.cause if isinstance(error.cause, Exception) else error
                if unit is None:
                    raise InputError(f"a worker cannot take the model: {_first_line(cause)}") from error
                deal.failed(unit, InputError(str(cause)) if isinstance(cause, InputError) else cause)
            except ray.exceptions.RayError as error:  # the worker is gone, or its machine
                stillborn = stillborn + 1 if unit is None else 0
                if stillborn > _STARTS:
                    raise InputError(
                        f"workers end before they have the model: {_first_line(error)}"
                    ) from error
                if unit is not None:
                    deal.lost(unit)
                start()
                continue
            else:
                stillborn = 0
                if unit is not None:
                    deal.done(unit, answer)
            idle.append(worker)
    finally:
        if ray.is_initialized():  # whoever comes next may need their cores
            for worker in started:
                ray.kill(worker)


def _put(ray: Any, job: Job) -> Any:
    """The job in Ray's store, its model on the CPU. InputError where the model cannot be sent."""
    model = job.model if job.device == "cpu" else copy.deepcopy(job.model).cpu()
    try:
        return ray.put(Job(model, job.noise, job.num_classes, job.batch, job.device, job.plan))
    except (TypeError, AttributeError, NotImplementedError, ImportError, PicklingError) as error:
        # Locks and open files cannot be sent, and a cluster must be able to import the model's code.
        raise InputError(f"the model cannot be sent to workers: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
