"""``python -m validation.experiments``: the sweep behind the figures, resumable, within a budget if need be."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geometry.cli import Parser, emit_json, positive_float, run, table
from validation.sweep import DATASETS, LOW, Trial, trials

if TYPE_CHECKING:
    from argparse import Namespace


def parser() -> Parser:
    """The command's options."""
    p = Parser(
        prog="python -m validation.experiments",
        description="Train and certify under every noise and sigma of the paper's experiments, each into a run "
        "folder of its own. The same command resumes; what is finished is left alone.",
    )
    p.add_argument("--dataset", choices=DATASETS, default="fashion-mnist", help="default fashion-mnist; "
                   "digits is the quick one; low-dimensional: iris and PCA of digits, for bodies")  # fmt: skip
    p.add_argument("--data-dir", type=Path, help="where the dataset's files are")
    p.add_argument(
        "--budget", type=positive_float, metavar="MINUTES", help="run the most telling part that fits"
    )
    p.add_argument("--out", type=Path, default=Path("runs/experiments"), help="where the run folders go")
    p.add_argument("--store", type=Path, metavar="FOLDER", help="copy finished votes there, compressed, as the "
                   "figures read them")  # fmt: skip
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    p.add_argument(
        "--list", action="store_true", help="what there is to run, what it costs here, what is done"
    )
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    if args.store:
        from geometry.files import check_writable

        check_writable(args.store)
    if args.dataset == LOW:
        from validation.low_dimensional import NAMES, write

        args.data_dir = args.out / LOW / "data"
        for name in NAMES:
            write(name, args.data_dir)
    if args.list:
        chosen = [Work.of(trial, args) for trial in trials(args.dataset)]
    else:
        chosen = within([Work.of(trial, args) for trial in trials(args.dataset)], args)
        sweep(chosen, args)
        chosen = [Work.of(work.trial, args) for work in chosen]
    if args.store:
        from geometry.files import write_atomic
        from smoothing.runs import pack
        from validation.attack import ATTACKS_FILE

        for work in chosen:
            if work.done == work.trial.images:
                to = args.store / args.dataset / work.trial.name
                pack(work.folder, to)
                if (work.folder / ATTACKS_FILE).exists():
                    write_atomic(to / ATTACKS_FILE, (work.folder / ATTACKS_FILE).read_bytes())
    if args.json:
        emit_json(
            {
                "runs": [
                    {"run_dir": str(w.folder), "images": w.trial.images, "certified": w.done} for w in chosen
                ]
            }
        )
        return
    rows = [
        [
            w.trial.noise,
            f"{w.trial.sigma:g}",
            w.trial.loss,
            f"{w.trial.n}",
            f"{w.done}/{w.trial.images}",
            str(w.folder),
        ]
        for w in chosen
    ]
    print(table(["noise", "sigma", "training", "n", "images", "run"], rows))


@dataclass(frozen=True)
class Work:
    """A trial, where it stands, and how much of it is left."""

    trial: Trial
    folder: Path
    done: int
    """Images whose votes are there."""

    @classmethod
    def of(cls, trial: Trial, args: Namespace) -> Work:
        """The trial as its run folder has it."""
        from geometry.files import whole_lines
        from smoothing.runs import ROWS

        folder = args.out / args.dataset / trial.name
        return cls(trial, folder, len(whole_lines(folder / ROWS)))

    def cost(self, pace: Pace) -> float:
        """Expected seconds of what is left; a finished training is not known here and counts until votes are."""
        trained = 0 if self.done else self.trial.epochs * (2 if self.trial.loss == "stability" else 1)
        return trained * pace.epoch + (self.trial.images - self.done) * self.trial.n / pace.votes


@dataclass(frozen=True)
class Pace:
    """How fast this machine is, as a short probe finds it."""

    epoch: float
    """Seconds of a pass over the training images, with one noisy copy of each."""
    votes: float
    """Noisy copies a second."""


def probe(dataset: str, args: Namespace) -> Pace:
    """The pace of the default model under Gaussian noise: two seconds of training, two of voting."""
    import math

    import torch

    from smoothing.data import load_dataset
    from smoothing.models import build_model
    from smoothing.noise_supply import NoiseSupply
    from smoothing.noises import parse_noise
    from smoothing.settings import kind, model_name, pick_device
    from smoothing.training import Recipe, noise_loss
    from smoothing.voting import ESTIMATION, Voter

    data = load_dataset(dataset, split="train", data_dir=args.data_dir)
    args.model = None
    device = pick_device(args.device)
    noise = parse_noise("gaussian", dim=math.prod(data.shape), sigma=0.5)
    model = build_model(
        model_name(args, data), image_shape=data.shape, num_classes=data.num_classes, dataset=kind(data)
    ).to(device)
    recipe, noisy = Recipe(), NoiseSupply(noise, torch.Generator(device=device).manual_seed(0))
    x = torch.from_numpy(data.images(range(min(recipe.batch, len(data))))).to(device)
    y = torch.tensor(data.labels[: len(x)], device=device)

    def step() -> int:
        noise_loss(model, x, y, noisy, recipe)[0].backward()
        return len(x)

    trained = _rate(step)
    voter = Voter(model.eval(), noise, data.num_classes, device=device)
    n, image = 20_000, x[0].cpu()
    votes = _rate(lambda: voter.count(image, n, seed=0, image=0, stage=ESTIMATION).n)
    return Pace(len(data) / trained, votes)


def _rate(call: Any, seconds: float = 2.0) -> float:
    """Samples a second of a call that returns how many it dealt with, its first time left out."""
    call()
    begun, samples = time.perf_counter(), 0
    while (spent := time.perf_counter() - begun) < seconds:
        samples += call()
    return samples / spent


def within(works: list[Work], args: Namespace) -> list[Work]:
    """The beginning of the sweep that fits the budget, at least one trial; all of it without a budget."""
    if args.budget is None:
        return works
    pace, left, chosen = probe(works[0].trial.dataset, args), 60 * args.budget, list[Work]()
    for work in works:
        left -= work.cost(pace)
        if chosen and left < 0:
            break
        chosen.append(work)
    return chosen


def sweep(works: list[Work], args: Namespace) -> None:
    """Run what is left of the works; one display for all of it, what the single runs say goes into a log."""
    from geometry.norms import parse_norm
    from smoothing import certify

    todo = [work for work in works if work.done < work.trial.images]
    if not todo:
        return
    norms = [parse_norm(name) for name in ("l1", "l2", "linf")]
    args.out.mkdir(parents=True, exist_ok=True)
    pace = probe(todo[0].trial.dataset, args)
    with Display(todo, pace) as display, (args.out / "log.txt").open("a") as log:
        for work in todo:
            display.begin(work)
            more = ["--device", args.device, "--run-dir", str(work.folder)]
            if args.data_dir is not None:
                more += ["--data-dir", str(args.data_dir)]
            options = certify.parser().parse_args([*work.trial.arguments(), *more])
            with contextlib.redirect_stderr(log):
                certify.certify(options, norms, progress=display.part)


class Display:
    """One bar over the whole sweep, in expected seconds, so that its time left is that of the whole."""

    def __init__(self, works: list[Work], pace: Pace) -> None:
        from tqdm import tqdm

        self._pace, self._works = pace, works
        terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=sum(work.cost(pace) for work in works),
            file=sys.stderr,
            mininterval=0.5 if terminal else 30.0,
            bar_format="{desc}: {percentage:5.1f} %|{bar}| {elapsed} spent, {remaining} left{postfix}",
        )
        self._ends = 0.0

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def begin(self, work: Work) -> None:
        """The next trial; whatever the last one's cost was expected to be, it is paid."""
        self._bar.update(max(self._ends - self._bar.n, 0.0))
        self._ends = self._bar.n + work.cost(self._pace)
        self._work = work
        self._bar.set_description_str(f"{self._works.index(work) + 1}/{len(self._works)} {work.trial.name}")

    def part(self, total: int, what: str, unit: str, *, done: int = 0) -> Part:
        """What ``geometry.cli.progress`` is to a single run: a part of this bar."""
        voting = (self._work.trial.images - self._work.done) * self._work.trial.n / self._pace.votes
        weight = voting if unit == "image" else self._work.cost(self._pace) - voting
        self._bar.set_postfix_str(what, refresh=False)
        return Part(self._bar, weight / max(total - done, 1), done)


class Part:
    """The part of a bar that a training or a certification moves; the calls of tqdm that they make."""

    def __init__(self, bar: Any, seconds: float, done: int) -> None:
        self._bar, self._seconds, self.n = bar, seconds, done

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *error: object) -> None: ...

    def update(self, count: int = 1) -> None:
        """``count`` more steps or images are done."""
        self.n += count
        self._bar.update(min(self._seconds * count, self._bar.total - self._bar.n))

    def set_postfix_str(self, text: str, *, refresh: bool = True) -> None:
        """A training's loss: shown by the display of a single run only."""


if __name__ == "__main__":
    run(main, "validation.experiments")
