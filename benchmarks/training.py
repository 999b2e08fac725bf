"""``python -m benchmarks.training``: what noise costs in a step of training, over the same step on clean images.

Found twice: by the clock around the noise inside a step, and as what it adds to the whole step, which has all effects
on the caches in it but also every whim of the machine. Noise is drawn for several batches at a time. A turn is as many
steps, so that it pays for the noise that it uses.
"""

from __future__ import annotations

import math
import time
from typing import Any

from geometry import cli

CASES = (
    ("small-cnn", "fashion-mnist", (1, 28, 28), 128),
    ("wide-resnet-40-2", "cifar10", (3, 32, 32), 64),
)
NOISES = (
    "uniform",
    "gaussian",
    "laplace",
    "exp-power:p=3",
    "pareto:a=3",
    "uniform-l2",
    "exp-linf:k=2",
    "exp-l1:k=2",
)
TARGET = 0.05
"""Of what the clock around the noise shows."""
_IMAGES = 10_000
Estimate = tuple[float, float]
"""The median of a share of a clean step, or of milliseconds, and its standard error."""


def parser() -> cli.Parser:
    """The command's options."""
    p = cli.Parser(
        prog="python -m benchmarks.training",
        description="Time steps of training with every noise and without any, in turns; medians of rounds.",
    )
    p.add_argument(
        "--seconds", type=cli.positive_float, default=7.0, help="of clean steps, and five rounds at least (7)"
    )
    p.add_argument("--only", default="", metavar="TEXT", help="the models whose name contains TEXT")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--write", action="store_true", help="put the table into benchmarks/RESULTS.md")
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    from benchmarks.results import describe_machine, write_section
    from geometry.errors import InputError
    from smoothing.settings import pick_device

    cases = [case for case in CASES if args.only in case[0]]
    if not cases:
        raise InputError(
            f"no model's name contains {args.only!r}; there are {', '.join(c[0] for c in CASES)}"
        )
    if args.device == "cuda":
        pick_device(args.device)
    machine = describe_machine(("numpy", "torch"))
    found = {case[0]: shares(*case, args) for case in cases}
    if args.json:
        cli.emit_json({"machine": machine, "costs": found})
        return
    rows = [[noise, *(_share(cost) for of in found.values() for cost in of[noise])] for noise in NOISES]
    clean = ["clean, ms", *(text for of in found.values() for text in ("", _value(*of["clean, ms"][0])))]
    header = [
        "cost of the noise, %",
        *(text for case in cases for text in (f"{case[0]}, batch {case[3]}: noise", "added")),
    ]
    width = max(map(len, machine))
    facts = "\n".join(f"{key:{width}}  {value}" for key, value in machine.items())
    missed = [f"{name} {noise}" for name, of in found.items() for noise in NOISES if of[noise][0][0] > TARGET]
    verdict = f"Target of the noise: {100 * TARGET:g} %. " + (
        f"Missed: {', '.join(missed)}." if missed else "All met."
    )
    text = f"{facts}\n\n{cli.table(header, [clean, *rows])}\n\n{verdict}"
    print(text)
    if args.write:
        write_section("Training", f"`python -m benchmarks.training --write`\n\n```\n{text}\n```")


def _share(cost: Estimate) -> str:
    return _value(100 * cost[0], 100 * cost[1])


def _value(value: float, error: float) -> str:
    return f"{value:.2f} ± {error:.2f}"


def shares(
    name: str, dataset: str, shape: tuple[int, ...], batch: int, args: Any
) -> dict[str, tuple[Estimate, ...]]:
    """For every noise, over a clean step: the time of the noise, and what is added. The clean one's milliseconds."""
    import numpy as np
    import torch

    from smoothing.data.arrays import ArraySource
    from smoothing.models import build_model
    from smoothing.noise_supply import NoiseSupply
    from smoothing.noises import parse_noise
    from smoothing.training import Recipe, noise_loss
    from smoothing.voting import reuse_memory

    reuse_memory()  # as training does
    torch.manual_seed(0)
    device = torch.device(args.device)
    model = build_model(name, image_shape=shape, num_classes=10, dataset=dataset).to(device).train()
    rng = np.random.default_rng(0)
    # A step begins with images that no cache holds, as in training.
    images = ArraySource(rng.integers(0, 256, (_IMAGES, *shape), dtype=np.uint8))
    labels = torch.from_numpy(rng.integers(0, 10, _IMAGES)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    generator, recipe = torch.Generator(device=device).manual_seed(0), Recipe()
    supplies = {
        spec: NoiseSupply(parse_noise(spec, dim=math.prod(shape), sigma=0.5), generator) for spec in NOISES
    }

    def step(noisy: Any) -> None:
        indices = rng.integers(0, _IMAGES, batch)
        x = torch.from_numpy(images.read(indices)).to(device)
        y = labels[torch.from_numpy(indices).to(device)]
        if noisy is None:
            loss = torch.nn.functional.cross_entropy(model(x), y)
        else:
            loss, _ = noise_loss(model, x, y, noisy, recipe)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    turn = max(supply.ahead(batch) for supply in supplies.values())

    def timed(supply: Any) -> tuple[float, float]:
        """Of the noise in a step, and of the step."""
        inside = 0.0

        def noisy(x: torch.Tensor) -> torch.Tensor:
            nonlocal inside
            begun = now()
            found = supply(x)
            inside += now() - begun
            return found

        begun = now()
        for _ in range(turn):
            step(None if supply is None else noisy)
        return inside / turn, (now() - begun) / turn

    pace = min(timed(None)[1] for _ in range(3))
    rounds = max(5, round(args.seconds / pace / turn))
    seconds: dict[str, list[tuple[float, float]]] = {spec: [] for spec in ("clean", *NOISES)}
    order = ["clean", *seconds]  # twice: all ratios hang on it
    with cli.progress(rounds, name, "round") as bar:
        for _ in range(rounds):
            # Ratios are taken within a round: a neighbour's busy seconds hit all of it alike.
            for spec in rng.permutation(order):
                seconds[spec].append(timed(supplies.get(spec)))
            bar.update()
    clean = np.array(seconds.pop("clean")).reshape(rounds, 2, 2)[:, :, 1].mean(axis=1)
    costs = {spec: np.array(times).T / clean for spec, times in seconds.items()}
    found = {spec: (estimate(inside), estimate(whole - 1)) for spec, (inside, whole) in costs.items()}
    return {"clean, ms": (estimate(1e3 * clean),), **found}


def estimate(samples: Any) -> Estimate:
    """The median, and its standard error by the quartiles, as if the samples were normal."""
    import numpy as np

    low, middle, high = np.quantile(samples, (0.25, 0.5, 0.75))
    return float(middle), float(1.2533 * (high - low) / 1.349 / math.sqrt(len(samples)))


if __name__ == "__main__":
    cli.run(main, "benchmarks.training")
