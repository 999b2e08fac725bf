"""``python -m benchmarks.stopping``: votes until "is the radius at least r?" is answered, beside other rules.

The vote shares of a finished run stand in for the probabilities of its images, and every rule sees votes drawn with
them until it knows, or has had as many as the fixed plan. Each may be wrong with probability α about either answer.

Beside ``--until``: what the field calls adaptive sampling, Clopper–Pearson bounds at 100, 1000, … votes that share α
(Horváth et al. 2022), and bets that are looked at after every vote (Voráček 2024; his thresholds, from a copy of
vvoracek/RS_conf_seq). The floor is what any rule that may ask for ever needs on average, log(1/α) over the divergence
(Kullback–Leibler) of the votes from those of radius r (Wald 1945), cut at the plan's votes too.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from benchmarks.voting_peers import on_path
from geometry import cli
from geometry.errors import InputError
from geometry.norms import Norm, number, parse_norm
from smoothing.confidence import check_alpha, clopper_pearson_lower
from smoothing.runs import RunFolder
from smoothing.sequential import Stopping, Until, looks
from smoothing.voting import ESTIMATION, SEQUENTIAL, block_size

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Known = Callable[[Counts, int], NDArray[np.bool_]]
"""After so many votes for the class of each image, of n: is the answer known?"""

RUNS = Path(__file__).parents[1] / "docs" / "runs" / "fashion-mnist"
CASES = (
    ("gaussian_sigma0.5_augment_n100000", "l2", (0.25, 0.5, 1.0)),
    ("gaussian_sigma1_augment_n100000", "l2", (0.5, 1.0, 2.0)),
    ("uniform_sigma0.5_augment_n100000", "l1", (0.25, 0.5, 0.75)),
    ("uniform_sigma2_augment_n100000", "l1", (0.5, 1.0, 2.0)),
)
_FIRST_RUNG = 100


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    check_alpha(args.alpha)
    peer = import_thresholds(args.peer) if args.peer else None
    runs = [RunFolder.read(args.runs / name) for name, _, _ in CASES]
    for run in runs:
        if not run.rows:
            raise InputError(f"{run.path} has no rows yet")
    found = []
    with cli.progress(sum(len(radii) for _, _, radii in CASES), "streams", "radius") as bar:
        for run, (name, norm, radii) in zip(runs, CASES, strict=True):
            for radius in radii:
                found.append({"run": name, **measure(run, parse_norm(norm), radius, peer, args)})
                bar.update()
    text = render(found, args)
    if args.write:
        from benchmarks.results import write_section

        command = "`python -m benchmarks.stopping --write`, with the peer's folder"
        write_section("Stopping", f"{command}\n\n```\n{text}\n```")
    if args.json:
        cli.emit_json(
            {"alpha": args.alpha, "repetitions": args.repetitions, "seed": args.seed, "cases": found}
        )
    else:
        print(text)


def parser() -> cli.Parser:
    p = cli.Parser(
        prog="python -m benchmarks.stopping",
        description="Count the votes until a radius is decided, by --until and by other rules.",
    )
    p.add_argument(
        "--runs", type=Path, default=RUNS, metavar="FOLDER", help="of the runs (docs/runs/fashion-mnist)"
    )
    p.add_argument(
        "--peer", type=Path, metavar="FOLDER", help="a copy of vvoracek/RS_conf_seq: adds its column"
    )
    p.add_argument(
        "--alpha", type=cli.probability, default=0.001, help="how often each answer may be wrong (0.001)"
    )
    p.add_argument(
        "--repetitions", type=cli.positive_int, default=10, metavar="N", help="streams of every image (10)"
    )
    p.add_argument("--seed", type=cli.natural, default=0, help="of the streams (0)")
    p.add_argument("--write", action="store_true", help="put the table into benchmarks/RESULTS.md")
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def measure(run: RunFolder, norm: Norm, radius: float, peer: Any, args: Any) -> dict[str, Any]:
    """The mean votes of every rule, and more about ours."""
    rng = np.random.default_rng(args.seed)
    most = int(run.settings["n"])
    shares = np.array([row.votes[row.chosen] / row.n for row in run.rows])
    p = np.repeat(shares, args.repetitions)
    stopping = Stopping(Until((radius,), norm), run.noise, args.alpha)
    level = float(stopping.levels[0])
    small, large = (block_size(run.noise.dim, stage) for stage in (SEQUENTIAL, ESTIMATION))
    ours, decided = votes_until(
        lambda k, n: np.array([stopping(int(one), n) for one in k]),
        np.cumsum([n for _, _, n in looks(most, small, large)]),
        p,
        rng,
    )
    rungs = ladder(most)
    found = {
        "norm": str(norm),
        "radius": radius,
        "rho": level,
        "decided": float(decided.mean()),
        "median": float(np.median(ours)),
        "floor": float(np.minimum(wald(p, level, args.alpha), most).mean()),
        "ours": float(ours.mean()),
        "ladder": float(votes_until(share_alpha(level, args.alpha, len(rungs)), rungs, p, rng)[0].mean()),
        "fixed": float(most),
    }
    if peer is not None:
        known = peers_thresholds(peer, level, args.alpha, most)
        found["every vote"] = float(votes_until(known, np.arange(1, most + 1), p, rng)[0].mean())
    return found


def votes_until(
    known: Known, numbers: NDArray[np.int64], p: Floats, rng: np.random.Generator
) -> tuple[Counts, NDArray[np.bool_]]:
    """How many votes each stream takes, looked at after each of ``numbers``, and whether it had its answer by then."""
    alive, k, before = np.arange(len(p)), np.zeros(len(p), np.int64), 0
    taken, decided = np.full(len(p), numbers[-1]), np.zeros(len(p), bool)
    for n in numbers:
        k += rng.binomial(n - before, p[alive])
        before = n
        done = known(k, int(n))
        taken[alive[done]], decided[alive[done]] = n, True
        alive, k = alive[~done], k[~done]
        if not len(alive):
            break
    return taken, decided


def ladder(most: int) -> NDArray[np.int64]:
    """100, 1000, … and at last ``most``."""
    rungs = [_FIRST_RUNG]
    while rungs[-1] * 10 < most:
        rungs.append(rungs[-1] * 10)
    return np.array([*rungs, most] if rungs[-1] < most else [most])


def share_alpha(level: float, alpha: float, rungs: int) -> Known:
    """Clopper–Pearson bounds on either side, with α's share of so many looks."""

    def known(k: Counts, n: int) -> NDArray[np.bool_]:
        reached = clopper_pearson_lower(k, n, alpha / rungs) >= level
        return reached | (clopper_pearson_lower(n - k, n, alpha / rungs) > 1 - level)

    return known


def import_thresholds(folder: Path) -> Any:
    """The module of vvoracek/RS_conf_seq; its packages are its to bring."""
    try:
        with on_path(folder):
            return importlib.import_module("thresholds")
    except ImportError as error:
        raise InputError(f"--peer {folder}: {error}") from None


def peers_thresholds(peer: Any, level: float, alpha: float, most: int) -> Known:
    """The votes of n that decide, each way. The peer's bets end at a capital of 1/(2α): with half of α, at ours."""
    low, high = (np.array(votes) for votes in peer.get_thresholds(p=level, alpha=alpha / 2, n=most + 1))
    return lambda k, n: (k <= low[n]) | (k >= high[n])


def wald(p: Floats, level: float, alpha: float) -> Floats:
    """log(1/α) / KL(p, level)."""
    divergence = rel_entr(p, level) + rel_entr(1 - p, 1 - level)
    return np.log(1 / alpha) / np.maximum(divergence, 1e-300)


def render(found: list[dict[str, Any]], args: Any) -> str:
    """A table of mean votes."""
    rules = ["floor", "ours", *(["every vote"] if args.peer else []), "ladder", "fixed"]
    lines = [
        [
            case["run"].split("_augment")[0],
            f"{case['norm']} {number(case['radius'])}",
            f"{case['rho']:.4f}",
            *(f"{case[rule]:,.0f}" for rule in rules),
            f"{case['median']:,.0f}",
            f"{case['decided']:.1%}",
        ]
        for case in found
    ]
    means = [float(np.mean([case[rule] for case in found])) for rule in rules]
    lines.append(["mean", "", "", *(f"{mean:,.0f}" for mean in means), "", ""])
    over = [
        f"{rule} {mean / means[1]:.2f}" for rule, mean in zip(rules, means, strict=True) if rule != "ours"
    ]
    header = ["run", "radius", "ρ", *rules, "our median", "decided by us"]
    return (
        cli.table(header, lines, left=2)
        + f"\n\nMean votes of a decision, {args.repetitions} streams of each image, α = {number(args.alpha)} on either "
        + f"side; in units of ours: {', '.join(over)}."
    )


if __name__ == "__main__":
    cli.run(main, "benchmarks.stopping")
