"""``python -m smoothing.certify``: the main job. Train under a noise (or bring a model), vote, certify, report."""

from __future__ import annotations

import math
import re
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from geometry.cli import Parser, Progress, emit_json, natural, positive_int, probability, progress, run
from smoothing.ballot import RUNS, Voted, vote, vote_settings
from smoothing.settings import (
    add_problem_options,
    add_training_options,
    at_home,
    kind,
    load_split,
    make_noise,
    model_name,
    pick_device,
)

if TYPE_CHECKING:
    from argparse import Namespace

    from geometry.norms import Norm
    from smoothing.data import Dataset


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
    p.add_argument("--randomized", action="store_true", help="a randomized bound, which wastes none of alpha unless "
                   "nearly all votes agree; its uniform draw is kept in the row")  # fmt: skip
    p.add_argument("--runner-up", action="store_true", help="bound the other classes too, at the same alpha: radii "
                   "where no class has half of the votes, and larger ones near half")  # fmt: skip
    p.add_argument("--images", type=positive_int, help="how many test images (default: digits all, else 500)")
    p.add_argument("--stride", type=positive_int, default=1, help="take every K-th test image")
    p.add_argument("--skip", type=natural, default=0, help="leave out the first K test images")
    p.add_argument("--precision", choices=("float32", "bf16"), default="float32", help="of the network's arithmetic "
                   "while it votes; bf16 is faster on GPUs (default float32)")  # fmt: skip
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
        from smoothing.cluster import check_workers

        check_workers(args.workers)
    test = load_split(args, "test")
    noise = make_noise(args, math.prod(test.shape))
    for norm in norms:
        certify_radius(noise, norm, 0.75)
    indices = chosen_images(args, test)
    stop = None
    if args.until is not None:
        if args.randomized:
            raise InputError("--randomized is for a fixed number of votes; --until has a bound of its own")
        if args.runner_up:
            raise InputError(
                "--runner-up is for a fixed number of votes; --until stops by the top class alone"
            )
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
    return text if text == "auto" else _number_or("auto", text)


def workers(text: str) -> int | str:
    """An argparse type: a number of workers on this machine, or the address of a cluster."""
    if text == "ray://auto" or re.fullmatch(r"ray://[^/:]+:[0-9]{1,5}", text):
        return text
    return _number_or("ray://HOST:PORT, ray://auto", text)


def _number_or(other: str, text: str) -> int:
    try:
        return positive_int(text)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"must be {other} or a whole number of at least 1, got {text!r}") from None


def chosen_images(args: Namespace, test: Dataset) -> list[int]:
    """The indices of the test images to certify."""
    from geometry.errors import InputError

    default = len(test) if kind(test) == "digits" else 500
    indices = list(range(args.skip, len(test), args.stride))[: args.images or default]
    if not indices:
        raise InputError(f"--skip {args.skip} leaves none of the {len(test)} test images")
    return indices


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
