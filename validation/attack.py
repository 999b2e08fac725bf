"""``python -m validation.attack RUN``: attack the certified images of a run, at the certified radius and beyond."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geometry.cli import (
    Parser,
    emit_json,
    floor_significant,
    natural,
    positive_int,
    progress,
    run,
    table,
)

if TYPE_CHECKING:
    from argparse import Namespace

    import numpy as np
    from numpy.typing import NDArray

    from smoothing.data import Dataset
    from smoothing.runs import RunFolder
    from validation.attacks import Attacked

ATTACKS_FILE = "attacks.jsonl"

FALSE_ALARM = 1e-3
"""Probability that any of a run's correct certificates is reported as flipped."""


def parser() -> Parser:
    """The command's options."""
    p = Parser(
        prog="python -m validation.attack",
        description="Attack the certified images of a run by projected gradient descent through its soft votes "
        "(foolbox), at the certified radius, where nothing may flip, and up to 16 times beyond. Exit code 1 if "
        "more certificates fail than alpha allows. The same command resumes.",
    )
    p.add_argument("run", type=Path, metavar="RUN", help="a run folder of smoothing.certify")
    p.add_argument("--norms", default="l1,l2,linf", help="of l1, l2, linf (default all)")
    p.add_argument("--images", type=positive_int, default=30, help="the first so many certified images")
    p.add_argument("--steps", type=positive_int, default=40, help="of gradient descent (default 40)")
    p.add_argument("--copies", type=positive_int, default=64, help="noisy copies a step (default 64)")
    p.add_argument("--n", type=positive_int, default=1000, help="votes that decide (default 1000)")
    p.add_argument("--unbounded", action="store_true", help="let pixels leave [0, 1]")
    p.add_argument("--checkpoint", type=Path, help="the weights that voted, where the run brought its own")
    p.add_argument("--data-dir", type=Path, help="where the dataset's files are")
    p.add_argument("--figure", type=Path, help="default attack.png in the run folder")
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    p.add_argument("--seed", type=natural, default=0)
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    from geometry.errors import InputError
    from geometry.figures import checked_name, save
    from geometry.norms import parse_norm
    from smoothing.data import load_dataset
    from smoothing.runs import RunFolder
    from validation.attacks import ATTACKS

    norms = [parse_norm(text) for text in args.norms.split(",")]
    for norm in norms:
        if norm.name not in ATTACKS:
            raise InputError(f"no attack in {norm.name}; there are {', '.join(ATTACKS)}")
    figure = checked_name(args.figure or args.run / "attack.png")
    votes = RunFolder.read(args.run)
    if not votes.rows:
        raise InputError(f"{args.run} has no rows yet: run smoothing.certify on it first")
    test = load_dataset(votes.config["facts"]["dataset"], split="test", data_dir=args.data_dir)
    if test.fingerprint != votes.settings["data"]:
        raise InputError(f"the images of {test.name} are not those that {args.run} is about; give --data-dir")

    found = attacks(args, votes, test)
    save(lambda axes: draw_attacks(axes, votes, found), figure, panels=len(norms), size=(3.6, 3.2))
    summary = {norm.name: summary_of([a for a in found if a.norm == norm.name]) for norm in norms}
    alarm = too_many(found, votes.alpha)
    if args.json:
        emit_json(
            {"run_dir": str(args.run), "attacks": summary, "flips": flipped(found), "figure": str(figure)}
        )
    else:
        header = [
            "norm",
            "images",
            "flipped inside",
            "broken beyond",
            "broken at / certified: least",
            "median",
        ]
        print(table(header, [[name, *map(str, row.values())] for name, row in summary.items()]))
        print(f"\nattacks {args.run / ATTACKS_FILE}\nfigure  {figure}")
    if alarm:
        print(
            f"{flipped(found)} of {len(found)} certificates failed: more than alpha allows", file=sys.stderr
        )
        sys.exit(1)


def attacks(args: Namespace, votes: RunFolder, test: Dataset) -> list[Attacked]:
    """Every attack that is asked for: read where it was made before, made and written where not."""
    import torch

    from geometry.files import appending, locked
    from geometry.norms import parse_norm
    from smoothing.bring import model_of
    from smoothing.settings import pick_device, short_hash
    from smoothing.voting import Voter
    from validation.attacks import ATTACKS, Attacker, attack

    names = args.norms.split(",")
    how = {
        "steps": args.steps,
        "copies": args.copies,
        "n": args.n,
        "seed": args.seed,
        "box": not args.unbounded,
        "attacks": ATTACKS,
    }
    key = short_hash({**how, "weights": votes.settings["weights"], "scale": votes.settings["scale"]})
    radii = {name: votes.certificate(parse_norm(name)).radius for name in names}
    chosen = _certified(votes, radii)[: args.images]
    done = {(one.index, one.norm): one for one in read_attacks(args.run / ATTACKS_FILE, key)}
    tasks = [(i, name) for i in chosen for name in names if (votes.rows[i].index, name) not in done]
    if tasks:
        device = pick_device(args.device)
        model = model_of(votes, args.checkpoint, args.data_dir, device)
        model.requires_grad_(False)
        box = (-1e3, 1e3) if args.unbounded else (0.0, 1.0)
        voter = Voter(model, votes.noise, test.num_classes, device=device)
        attacker = Attacker(model, votes.noise, voter, args.steps, args.copies, args.n, args.seed, box)
        with (
            locked(args.run, wait=False),
            progress(
                len(chosen) * len(names), "attacking", "attack", done=len(chosen) * len(names) - len(tasks)
            ) as bar,
            appending(args.run / ATTACKS_FILE) as append,
        ):
            for i, name in tasks:
                row = votes.rows[i]
                x = torch.from_numpy(test.images([row.index])[0]).to(device)
                one = attack(attacker, x, row.chosen, parse_norm(name), float(radii[name][i]), row.index)
                append({"key": key, **asdict(one)})
                done[row.index, name] = one
                bar.update()
    return [done[votes.rows[i].index, name] for i in chosen for name in names]


def _certified(votes: RunFolder, radii: dict[str, NDArray[np.float64]]) -> list[int]:
    """The rows that are predicted correctly with a radius that is positive and finite in every norm."""
    import numpy as np

    good = votes.correct()
    for radius in radii.values():
        good &= (radius > 0) & np.isfinite(radius)
    return [int(i) for i in np.flatnonzero(good)]


def read_attacks(path: Path, key: str | None = None) -> list[Attacked]:
    """The attacks that were written down, with the settings that ``key`` stands for or with any."""
    from geometry.errors import InputError
    from geometry.files import whole_lines
    from validation.attacks import Attacked

    found = []
    for number, line in enumerate(whole_lines(path), start=1):
        try:
            record = json.loads(line)
            own = record.pop("key")
            one = Attacked(**record)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(
                f"{path}, line {number}: not an attack; remove the file to attack again"
            ) from None
        if key in (None, own):
            found.append(one)
    return found


def attacks_on(folder: Path) -> dict[str, tuple[RunFolder, list[Attacked]]]:
    """The runs in a folder that were attacked, by noise and σ."""
    from smoothing.runs import RunFolder

    found = {}
    for path in sorted(folder.glob(f"*/{ATTACKS_FILE}")):
        votes = RunFolder.read(path.parent)
        found[f"{votes.noise.spec}, σ = {votes.noise.sigma:.3g}"] = (votes, read_attacks(path))
    return found


def flipped(found: Sequence[Attacked]) -> int:
    """Certificates that an attack inside the radius refuted, at a false alarm of 1e-3 over all of them."""
    return sum(one.p_value < FALSE_ALARM / len(found) for one in found)


def too_many(found: Sequence[Attacked], alpha: float) -> bool:
    """Whether so many certificates failed that it contradicts their failure probability α, at level 1e-3."""
    from scipy.stats import binom

    return bool(found) and float(binom.sf(flipped(found) - 1, len(found), alpha)) < FALSE_ALARM


def summary_of(found: Sequence[Attacked]) -> dict[str, Any]:
    """How many, how many flipped inside their radius or broke beyond it, and at which multiples of it."""
    import numpy as np

    ratios = [one.broken / one.radius if one.broken is not None else np.inf for one in found]
    return {
        "images": len(found),
        "flipped": flipped(found),
        "broken": sum(one.broken is not None for one in found),
        "least": floor_significant(min(ratios, default=np.inf), 3),
        "median": floor_significant(float(np.median(ratios)), 3) if ratios else "inf",
    }


def draw_attacks(axes: Any, votes: RunFolder, found: Sequence[Attacked]) -> None:
    """Per norm: the share certified at each radius, and the share that no attack broke within it."""
    import numpy as np

    from geometry.figures import symbol
    from geometry.norms import parse_norm

    for ax, name in zip(np.atleast_1d(axes), dict.fromkeys(one.norm for one in found), strict=True):
        chosen = [one for one in found if one.norm == name]
        # 1 when nothing was broken; an attack's success is known from `broken` on, its absence up to `survived`.
        certified = np.sort([one.radius for one in chosen])
        broken = np.sort([one.broken if one.broken is not None else np.inf for one in chosen])
        known = min((one.survived for one in chosen if one.broken is None), default=np.inf)
        finite = broken[np.isfinite(broken)]
        top = 1.05 * min(float(finite.max(initial=certified.max())), known)
        grid = np.linspace(0, top, 600)
        lower = 100 * (certified[None] >= grid[:, None]).mean(axis=1)
        upper = 100 * (broken[None] > grid[:, None]).mean(axis=1)
        ax.plot(grid, lower, color="C0", label="certified")
        ax.plot(grid, upper, color="C1", label="not broken by PGD")
        ax.fill_between(grid, lower, upper, color="0.85", linewidth=0)
        ax.set_xlim(0, top)
        ax.set_ylim(0, 102)
        ax.set_xlabel(f"{symbol(parse_norm(name))} radius")
        ax.set_title(f"{symbol(parse_norm(name))}, {votes.noise.spec}, σ = {votes.noise.sigma:.3g}")
    first = np.atleast_1d(axes)[0]
    first.set_ylabel(f"of {len({one.index for one in found})} certified images (%)")
    first.legend()


if __name__ == "__main__":
    run(main, "validation.attack")
