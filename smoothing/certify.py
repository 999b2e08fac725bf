"""``python -m smoothing.certify``: the main job. Train under a noise (or bring a model), vote, certify, report."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geometry.cli import Parser, Progress, emit_json, natural, positive_int, probability, progress, run
from smoothing.settings import (
    add_problem_options,
    add_training_options,
    at_home,
    file_label,
    kind,
    load_split,
    make_noise,
    model_name,
    pick_device,
    short_hash,
)

if TYPE_CHECKING:
    from argparse import Namespace

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from geometry.norms import Norm
    from smoothing.data import Dataset
    from smoothing.noises import Noise
    from smoothing.runs import RunFolder
    from smoothing.sequential import Stopping


RUNS = Path("runs")
"""Where run folders go that no option names."""


def parser() -> Parser:
    """The command's options."""
    p = Parser(
        prog="python -m smoothing.certify",
        description="Certify a smoothed classifier: from nothing (the embedded digits, a small network trained "
        "under the noise) or on your own data and model. The same command again resumes an interrupted run.",
    )
    add_problem_options(p)
    p.add_argument("--checkpoint", type=Path, help="weights for --model (safetensors, or weights-only .pt)")
    p.add_argument("--norms", default="l1,l2,linf", help="comma-separated, such as l1,l2,linf,lp:p=3")
    p.add_argument("--n0", type=positive_int, default=64, help="samples that choose the class (default 64)")
    p.add_argument("--n", type=positive_int, default=10_000, help="samples that bound its probability")
    p.add_argument(
        "--until",
        nargs="+",
        metavar="WHAT",
        help="as many samples as it takes, at most --n: radius=0.5[,1,...] norm=l1 (is the radius that large?) "
        "or width=0.01 (the vote share, to a width)",
    )
    p.add_argument("--alpha", type=probability, default=0.001, help="failure probability per image")
    p.add_argument("--randomized", action="store_true", help="a randomized bound, which fails with probability alpha "
                   "exactly; its uniform draw is kept in the row")  # fmt: skip
    p.add_argument("--runner-up", action="store_true", help="bound the other classes too, at the same alpha: radii "
                   "where no class has half of the votes, and larger ones near half")  # fmt: skip
    p.add_argument("--images", type=positive_int, help="how many test images (default: digits all, else 500)")
    p.add_argument("--stride", type=positive_int, default=1, help="take every K-th test image")
    p.add_argument("--skip", type=natural, default=0, help="leave out the first K test images")
    p.add_argument(
        "--batch",
        type=batch_size,
        metavar="N|auto",
        help="noisy copies per forward pass: auto takes the fastest after a short probe (default: a work unit); "
        "halved where memory runs out",
    )
    p.add_argument(
        "--workers",
        type=workers,
        metavar="N|ray://HOST:PORT",
        help="count on Ray: N processes here, of a core or a GPU each, or all of a cluster's (ray://auto: the one "
        "that this machine is part of); the rows are the same",
    )
    p.add_argument(
        "--run-dir", type=Path, help="the run folder (default: under runs/, named by the settings)"
    )
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    add_training_options(p)
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    from geometry.norms import parse_norm

    norms = [parse_norm(text) for text in args.norms.split(",")]
    present(certify(args, norms), norms, args)


def certify(args: Namespace, norms: list[Norm], *, progress: Progress = progress) -> Voted:
    """The run that the options describe, with all of its votes: the model brought or trained, the images voted on.

    ``progress(total, what, unit, done=…)`` shows what is done; another display may stand in for the bar.
    """
    from geometry.errors import InputError
    from geometry.files import check_writable
    from smoothing.bring import bring_model
    from smoothing.confidence import check_alpha
    from smoothing.runs import RunFolder, environment
    from smoothing.theorems import certify_radius

    # Everything that can be wrong is found before anything that takes time.
    check_alpha(args.alpha)
    if args.workers is not None:
        from smoothing.cluster import import_ray

        import_ray()
    test = load_split(args, "test")
    noise = make_noise(args, math.prod(test.shape))
    for norm in norms:
        certify_radius(noise, norm, 0.75)
    indices = chosen_images(args, test)
    stop = None
    if args.until is not None:
        if args.randomized:
            raise InputError("--randomized is for a fixed number of votes; --until has a bound of its own")
        from smoothing.sequential import Stopping, parse_until

        args.until = parse_until(args.until)
        stop = Stopping(args.until, noise, args.alpha)
    device = pick_device(args.device, elsewhere=isinstance(args.workers, str))
    known = vote_settings(args, test, noise, indices, device)
    if args.run_dir is not None:
        RunFolder.check(args.run_dir, {**known, "model": model_name(args, test)})
    else:
        check_writable(RUNS)
    model, provenance, origin = bring_model(args, test, noise, at_home(device), progress)
    facts = {**environment(), **origin, "dataset": args.dataset, "sigma": noise.sigma, "norms": args.norms}
    facts["runner_up"] = args.runner_up
    return vote(args, model, {**provenance, **known}, facts, test, noise, indices, device, stop, progress)


def batch_size(text: str) -> int | str:
    """An argparse type: ``auto`` or a whole number of at least 1."""
    return "auto" if text == "auto" else positive_int(text)


def workers(text: str) -> int | str:
    """An argparse type: a number of workers on this machine, or the address of a cluster."""
    return text if text.startswith("ray://") else positive_int(text)


def chosen_images(args: Namespace, test: Dataset) -> list[int]:
    """The indices of the test images to certify."""
    from geometry.errors import InputError

    default = len(test) if kind(test) == "digits" else 500
    indices = list(range(args.skip, len(test), args.stride))[: args.images or default]
    if not indices:
        raise InputError(f"--skip {args.skip} leaves none of the {len(test)} test images")
    return indices


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
    from contextlib import ExitStack

    import torch

    from geometry.errors import InputError
    from geometry.interrupts import gentle_stop
    from smoothing.batching import lay_out
    from smoothing.counting import Plan, count_here
    from smoothing.runs import RunFolder, make_row
    from smoothing.voting import Voter, reuse_memory

    reuse_memory()
    lay_out(model, test.shape)
    auto = args.batch == "auto"
    home = at_home(device)
    if auto and home != device:
        raise InputError("--batch auto probes the device, which only the cluster has: give a number")
    voter = Voter(model, noise, test.num_classes, batch=None if auto else args.batch, device=home)
    voter.check(test.shape)
    if auto:
        voter.tune(test.shape)
        print(f"batch: {voter.batch}", file=sys.stderr)
    name = torch.cuda.get_device_name(home) if home.type == "cuda" else device.type
    facts = {**facts, "batch": voter.batch, "device": name}
    label = file_label(kind(test), settings["model"], noise.spec, f"sigma{noise.sigma:.4g}")
    path = args.run_dir or RUNS / f"{label}_{short_hash(settings)}"
    folder = RunFolder.create(path, settings, facts)
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
            counted = count_here(voter, todo, load, plan)
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


def present(voted: Voted, norms: list[Norm], args: Namespace) -> None:
    """The table on stdout (or the JSON document) and the figure in the run folder."""
    run, seconds, samples = voted.run, voted.seconds, voted.samples
    from geometry.figures import save
    from smoothing.figures import draw_certified_accuracy
    from smoothing.report import accuracy_tables, invalid_line, radius_grid, summary

    figure = run.path / "certified_accuracy.png"
    save(lambda axes: draw_certified_accuracy(axes, run, norms), figure, panels=len(norms), size=(3.3, 3.0))
    note = invalid_line(run)
    if note:
        print(note, file=sys.stderr)
    if args.json:
        certified = {}
        for norm in norms:
            radii = radius_grid([run], norm)
            certified[norm.name] = list(
                zip(radii.tolist(), run.certified_accuracy(norm, radii).tolist(), strict=True)
            )
        emit_json(
            {
                "run_dir": str(run.path),
                "images": len(run.rows),
                "accuracy": float(run.correct().mean()),
                "certified": certified,
                "invalid_samples": sum(row.invalid for row in run.rows),
                "seconds": seconds,
                "samples_per_second": samples / seconds if samples else 0.0,
            }
        )
        return
    print(summary(run))
    print(accuracy_tables(run, norms))
    speed = f", {samples / seconds:,.0f} samples/s" if samples else " (all votes were there)"
    print(
        f"\n{len(run.rows)} images in {seconds:.1f} s{speed}\nvotes   {run.path / 'rows.jsonl'}\nfigure  {figure}"
    )


if __name__ == "__main__":
    run(main, "smoothing.certify")
