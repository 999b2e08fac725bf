"""``python -m benchmarks.voting``: samples a second of the voting engine, over the model's own forward passes.

The floor is the model over ready batches at its best: the fastest of several batch sizes, memory formats and ways
to share the cores, inference mode, no noise, no counting. Everything of one model is timed in turns, the floors that a
probe found fastest too, so that a busy minute hits all alike.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from geometry import cli
from geometry.errors import InputError

Loop = Callable[[int], object]

NOISES = (
    "uniform",
    "gaussian",
    "laplace",
    "exp-power:p=3",
    "pareto:a=3",
    "uniform-l2",
    "uniform-l1",
    "exp-linf:k=2",
    "exp-l2:k=1",
    "exp-l1:k=2",
    "pow-linf:a=2d",
    "pow-l2:a=2d",
    "pow-l1:a=2d",
)
SIGMA = 0.5
FINALISTS = 3
"""Floors that are timed among the contestants: on a busy machine the probe alone mistakes a slow one for the best."""


@dataclass(frozen=True)
class Case:
    """A model, its input, the batches to try for the floor, and the ratios to reach."""

    model: str
    dataset: str
    shape: tuple[int, int, int]
    classes: int
    batches: tuple[int, ...]
    step: int
    """The number of samples is a multiple of it: whole blocks for two lanes, as in any run that takes long."""
    target: float
    others: float
    """The target of noises other than uniform and Gaussian."""


CASES = (
    Case("small-cnn", "fashion-mnist", (1, 28, 28), 10, (100, 167, 250, 500, 1000), 1000, 0.75, 0.5),
    Case("wide-resnet-40-2", "cifar10", (3, 32, 32), 10, (5, 10, 25, 50, 100), 100, 0.95, 0.95),
    Case("resnet50", "imagenet", (3, 224, 224), 1000, (1, 2, 5, 10), 20, 0.95, 0.95),
)


def main() -> None:
    from benchmarks.results import describe_machine, write_section

    args = parser().parse_args()
    if args.write and args.only:
        raise InputError("--write is for whole runs: leave out --only")
    if args.device == "cuda":
        from smoothing.settings import pick_device

        pick_device(args.device)
    machine = describe_machine(("numpy", "torch"))
    if args.device == "cuda":
        import torch

        machine["device"] = torch.cuda.get_device_name(args.device)
    cases = [measure(case, args) for case in CASES if args.only in case.model]
    if not cases:
        raise InputError(f"no model's name contains {args.only!r}")
    document = {"machine": machine, "repetitions": args.repetitions, "cases": cases}
    text = render(document)
    if args.write:
        title = "Voting" if args.device == "cpu" else "Voting on CUDA"
        write_section(
            title, f"`python -m benchmarks.voting --write`, with the folders of peers\n\n```\n{text}\n```"
        )
    if args.json:
        cli.emit_json(document)
    else:
        print(text)


def parser() -> cli.Parser:
    p = cli.Parser(
        prog="python -m benchmarks.voting", description="Time the votes beside the model alone, and peers."
    )
    for name, what in (
        ("rs4a", "tonyduan/rs4a"),
        ("cohen", "locuslab/smoothing"),
        ("art", "the toolbox's package"),
    ):
        p.add_argument(f"--{name}", type=Path, metavar="FOLDER", help=f"a copy of {what}: adds its column")
    p.add_argument(
        "--seconds", type=cli.positive_float, default=2.0, help="of the floor in one repetition (2)"
    )
    p.add_argument(
        "--repetitions", type=cli.positive_int, default=5, metavar="N", help="of which medians are shown (5)"
    )
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--only", default="", metavar="TEXT", help="the models whose name contains TEXT")
    p.add_argument("--write", action="store_true", help="put the table into benchmarks/RESULTS.md")
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def measure(case: Case, args: Any) -> dict[str, Any]:
    """Samples a second of every contestant: the median over turns."""
    import torch

    from smoothing.batching import lay_out
    from smoothing.models.build import build_model
    from smoothing.noises import parse_noise
    from smoothing.voting import Voter, reuse_memory

    reuse_memory()
    torch.manual_seed(0)
    model = build_model(case.model, case.shape, case.classes, dataset=case.dataset).to(args.device).eval()
    x = torch.rand(case.shape, device=args.device)
    finalists = floors(model, case, args)
    n = case.step * max(1, round(finalists[0][0] * args.seconds / case.step))
    loops: dict[str, Loop] = {text: loop for _, text, loop in finalists}
    fast = copy.deepcopy(model)
    lay_out(fast, case.shape)  # as the command does
    tuned = Voter(fast, parse_noise("gaussian", dim=x.numel(), sigma=SIGMA), case.classes)
    # As the command does with --batch auto: the floor has the best of several batches too.
    tuned.tune(case.shape)
    lanes = tuned.lanes if tuned.lanes > 1 else None
    for spec in NOISES:
        noise = parse_noise(spec.replace("2d", str(2 * x.numel())), dim=x.numel(), sigma=SIGMA)
        voter = Voter(fast, noise, case.classes, batch=tuned.batch, lanes=lanes)
        loops[spec] = lambda n, voter=voter: voter.count(x, n, seed=0, image=0)  # type: ignore[misc]
    missing = add_peers(loops, model, x, case, args)
    draw_until_compiled(x.numel())
    for loop in loops.values():
        loop(min(n, case.batches[-1]))
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    with cli.progress(args.repetitions * len(loops), case.model, "loop") as bar:
        for _ in range(args.repetitions):
            for name, loop in loops.items():
                seconds[name].append(timed(loop, n, args.device))
                bar.update()
    rates = {name: n / median(values) for name, values in seconds.items()}
    measured = {text: rates.pop(text) for _, text, _ in finalists}
    setup = max(measured, key=lambda text: measured[text])
    return {
        "model": case.model,
        "shape": case.shape,
        "n": n,
        "floor": setup,
        "floors": measured,
        "batch": tuned.batch,
        "rates": {"floor": measured[setup], **rates},
        "missing": missing,
    }


def floors(model: Any, case: Case, args: Any) -> list[tuple[float, str, Loop]]:
    """The fastest ways to run the model over ready batches by a short probe: samples a second, what it is, its loop."""
    import torch

    threads = torch.get_num_threads()
    found: list[tuple[float, str, Loop]] = []
    formats = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
    for name, memory in formats.items():
        # The weights in the same format: converting them at every pass would burden the floor.
        laid_out = copy.deepcopy(model).to(memory_format=memory)
        for lanes in sorted({1, threads if args.device == "cpu" else 1}):
            shares = f", {lanes} lanes" if lanes > 1 else f", {threads} threads"
            for batch in case.batches:
                ready = torch.rand(batch, *case.shape, device=args.device).to(memory_format=memory)
                loop = _forward(laid_out, ready, lanes, threads // lanes)
                loop(lanes * batch)
                once = timed(loop, lanes * batch, args.device)
                trial = lanes * batch * max(1, round(0.1 * args.seconds / once))
                rate = trial / min(timed(loop, trial, args.device) for _ in range(3))
                text = f"batches of {batch}, {name}" + (shares if args.device == "cpu" else "")
                found.append((rate, text, loop))
    return sorted(found, key=lambda candidate: candidate[0], reverse=True)[:FINALISTS]


def _forward(model: Any, ready: Any, lanes: int, threads: int) -> Loop:
    import torch

    def passes(n: int) -> None:
        with torch.inference_mode():
            for start in range(0, n, len(ready)):
                model(ready[: min(len(ready), n - start)])

    def loop(n: int) -> None:
        if lanes == 1:
            return passes(n)
        before = torch.get_num_threads()
        with ThreadPoolExecutor(lanes, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
            list(pool.map(passes, [n // lanes + (i < n % lanes) for i in range(lanes)]))
        torch.set_num_threads(before)

    return loop


def add_peers(loops: dict[str, Loop], model: Any, x: Any, case: Case, args: Any) -> dict[str, str]:
    """Put the peers' loops beside ours, each at the batch of the floor's order; return why one is missing."""
    from benchmarks import voting_peers as peers

    batch, missing = max(b for b in case.batches if b <= 500), {}
    wanted: dict[str, Callable[[], Loop]] = {}
    if args.rs4a:
        for family in peers.RS4A_NOISES:
            wanted[f"rs4a {family}"] = lambda f=family: peers.rs4a(args.rs4a, model, x, f, SIGMA, batch)  # type: ignore[misc]
    if args.cohen:
        wanted["cohen gaussian"] = lambda: peers.cohen(args.cohen, model, x, case.classes, SIGMA, batch)
    if args.art:
        wanted["art gaussian"] = lambda: peers.art(args.art, model, x, case.classes, SIGMA, batch)
    for name, make in wanted.items():
        try:
            loops[name] = make()
        except Exception as error:
            missing[name] = f"{type(error).__name__}: {error}"
    return missing


def draw_until_compiled(dim: int) -> None:
    """Noise, until its compiled loops are called in: of a law that is drawn later, at its first number.

    That takes some hundred milliseconds, once in a process: in the second of a turn they would be a third of it.
    """
    import torch

    from smoothing.noises import parse_noise

    noise, buffer = parse_noise("uniform", dim=dim, sigma=SIGMA), torch.empty(10, dim)
    end = time.perf_counter() + 3
    while time.perf_counter() < end:
        noise.sample(out=buffer, generator=0)


def timed(loop: Loop, n: int, device: str) -> float:
    import torch

    start = time.perf_counter()
    loop(n)
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def render(document: dict[str, Any]) -> str:
    """A table per model: samples a second, over the floor, and each peer below our rate for its noise."""
    parts = ["\n".join(f"{name:18}{value}" for name, value in document["machine"].items())]
    for case, found in ((c, f) for f in document["cases"] for c in CASES if c.model == f["model"]):
        rates, floor = found["rates"], found["rates"]["floor"]
        lines, missed = [["floor", f"{floor:,.0f}", "1", ""]], []
        for spec in NOISES:
            family = spec.partition(":")[0]
            ratio = rates[spec] / floor
            target = case.target if spec in ("uniform", "gaussian") else case.others
            if ratio < target:
                missed.append(f"{spec} {ratio:.2f} of {target:g}")
            beside = [f"{name} {rates[name] / floor:.2f}" for name in rates if name.endswith(f" {family}")]
            missed += [
                f"{name} is faster"
                for name in rates
                if name.endswith(f" {family}") and rates[name] > rates[spec]
            ]
            lines.append([spec, f"{rates[spec]:,.0f}", f"{ratio:.2f}", ", ".join(beside)])
        shape = "×".join(map(str, found["shape"]))
        parts.append(
            f"{case.model}, {shape}, {found['n']:,} samples, floor: {found['floor']}\n\n"
            + cli.table(["", "samples/s", "of the floor", "peers, of the floor"], lines, left=1)
            + f"\n\nTargets: {case.target:g} with uniform and Gaussian noise, {case.others:g} with others, "
            + "ahead of every peer. "
            + (f"Missed: {'; '.join(missed)}." if missed else "All met.")
        )
        parts += [f"{name}: {why}" for name, why in found["missing"].items()]
    return "\n\n".join(parts)


if __name__ == "__main__":
    cli.run(main, "benchmarks.voting")
