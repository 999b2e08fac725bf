"""The ballot of a run: what determines its votes, and the votes counted into its folder."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geometry.cli import Progress
from smoothing.settings import at_home, file_label, kind, short_hash

if TYPE_CHECKING:
    from argparse import Namespace

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from smoothing.data import Dataset
    from smoothing.noises import Noise
    from smoothing.runs import RunFolder
    from smoothing.sequential import Stopping

RUNS = Path("runs")
"""Where run folders go that no option names."""


@dataclass(frozen=True)
class Voted:
    """A run whose votes are complete, with the cost of what this call added."""

    run: RunFolder
    seconds: float
    samples: int


def vote_settings(
    args: Namespace, test: Dataset, noise: Noise, indices: list[int], device: torch.device
) -> dict[str, Any]:
    """What determines the rows of a run, besides the model."""
    from smoothing.voting import ESTIMATION, block_size

    return {
        "dataset": kind(test),
        "data": test.fingerprint,
        "classes": list(test.classes),
        "indices": f"{indices[0]}:{indices[-1] + 1}:{args.stride}",  # a slice: short, and exact
        "noise": noise.spec,
        "dim": noise.dim,
        "scale": noise.scale,
        "n0": args.n0,
        "n": args.n,
        "alpha": args.alpha,
        "seed": args.seed,
        "batch": args.batch or block_size(noise.dim, ESTIMATION, device.type),
        "device": device.type,
        **({"until": str(args.until)} if args.until is not None else {}),
        **({"randomized": True} if args.randomized else {}),
        **({"precision": args.precision} if args.precision != "float32" else {}),
    }


def vote(
    args: Namespace,
    model: nn.Module,
    settings: dict[str, Any],
    facts: dict[str, Any],
    test: Dataset,
    noise: Noise,
    indices: list[int],
    device: torch.device,
    stop: Stopping | None,
    progress: Progress,
) -> Voted:
    """Count the votes that the run folder does not hold yet, row by row; Ctrl-C ends it after an image."""
    from contextlib import ExitStack, closing

    import torch

    from geometry.errors import InputError
    from geometry.interrupts import gentle_stop
    from smoothing.abreast import count_abreast
    from smoothing.batching import lay_out
    from smoothing.counting import Plan, count_here
    from smoothing.models.precision import in_precision
    from smoothing.runs import RunFolder, make_row
    from smoothing.voting import Voter, reuse_memory

    reuse_memory()
    model = in_precision(model, args.precision)
    lay_out(model, test.shape)
    auto = args.batch == "auto"
    home = at_home(device)
    if auto and home != device:
        raise InputError("--batch auto probes the device, which only the cluster has: give a number")
    voter = Voter(model, noise, test.num_classes, batch=None if auto else args.batch, device=home)
    voter.check(test.shape)
    if auto:
        voter.tune(test.shape)
        print(
            f"batch: {voter.batch}" + (f" in each of {voter.lanes} lanes" if voter.lanes > 1 else ""),
            file=sys.stderr,
        )
    name = torch.cuda.get_device_name(home) if home.type == "cuda" else device.type
    facts = {**facts, "batch": voter.batch, "device": name}
    label = file_label(kind(test), settings["model"], noise.spec, f"sigma{noise.sigma:.4g}")
    path = args.run_dir or RUNS / f"{label}_{short_hash(settings)}"
    folder = RunFolder.create(path, settings, facts)
    if folder.runner_up != args.runner_up:
        first, option = ("with", "--no-runner-up") if folder.runner_up else ("without", "--runner-up")
        print(
            f"{path} was begun {first} --runner-up: smoothing.report takes {option} to show this",
            file=sys.stderr,
        )
    folder.runner_up = args.runner_up
    plan = Plan(args.n0, args.n, args.seed, stop)
    started, samples = time.perf_counter(), 0
    with folder.writing() as writer, ExitStack() as stack:
        done = {row.index for row in folder.rows}
        todo = [i for i in indices if i not in done]
        if done and todo:
            print(f"resuming {path}: {len(done)} of {len(indices)} images are there", file=sys.stderr)

        def load(i: int) -> NDArray[np.float32]:
            return test.images([i])[0]

        if args.workers is None or not todo:
            count = count_abreast if stop is not None and voter.lanes > 1 else count_here
            counted = stack.enter_context(closing(count(voter, todo, load, plan)))
        else:
            from smoothing.cluster import Job, counting_on

            job = Job(model, noise, test.num_classes, voter.batch, device.type, plan)
            counted = stack.enter_context(counting_on(args.workers, job, todo, load))
        bar = stack.enter_context(progress(len(indices), "certifying", "image", done=len(done)))
        # A row holds all votes of an image, so that those of half an image would be lost: it is finished.
        stopping = stack.enter_context(gentle_stop("this image"))
        for image in counted:
            row = make_row(
                image.image,
                int(test.labels[image.image]),
                votes0=image.votes0,
                votes=image.votes,
                alpha=args.alpha,
                seed=args.seed,
                bound=folder.bound,
                draw=folder.draw(image.image),
            )
            writer.append(row, image.seconds)
            samples += image.votes0.n + image.votes.n
            bar.update()
            if stopping():
                raise KeyboardInterrupt(f"{len(folder.rows)} of {len(indices)} images done")
    return Voted(folder, time.perf_counter() - started, samples)
