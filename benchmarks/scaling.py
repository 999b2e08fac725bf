"""``python -m benchmarks.scaling``: what workers cost and gain here, and what that makes of 1 to 1024 GPUs.

Samples a second without workers and with one and two of Ray's, in turns; what a unit costs that computes nothing; and
with that a simulation of ImageNet on GPUs, which names what is waited for (``scaling_simulation``).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.scaling_costs import CASES, imagenet_load, overheads, row_seconds, throughput
from benchmarks.scaling_simulation import CAUSES, Costs, Work, bottleneck, simulate
from geometry import cli
from geometry.errors import InputError

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
GPUS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
IMAGENET = Work(images=500, n=100_000, n0=100, block=100)


def main() -> None:
    from benchmarks.results import describe_machine, write_section

    args = parser().parse_args()
    if not any(args.only in case.model for case in CASES):
        raise InputError(f"no model's name contains {args.only!r}")
    if args.write and args.only:
        raise InputError("--write is for whole runs: leave out --only")
    document: dict[str, Any] = {"machine": describe_machine(("numpy", "torch", "ray"))}
    document["throughput"] = [throughput(case, args) for case in CASES if args.only in case.model]
    found = overheads(args.units)
    spread = min(case["spread"] for case in document["throughput"])  # more is the machine's other guests
    costs = Costs(
        rate=args.rate,
        spread=spread,
        driver=found["driver"],
        trip=found["trip"],
        load=imagenet_load(),
        row=row_seconds(),
        start=found["start"],
        image_bytes=4 * 3 * 224 * 224,
        model_bytes=102e6,
        link=args.gigabits * 1e9 / 8,
    )
    document |= {"overheads": found, "costs": asdict(costs)}
    document["simulation"] = [
        simulate(gpus, IMAGENET, costs)
        | {"whole_images": simulate(gpus, IMAGENET, costs, whole_images=True)["efficiency"]}
        for gpus in GPUS
    ]
    # A long run, or workers that are up already, shows what comes next.
    document["no_start"] = simulate(GPUS[-1], IMAGENET, replace(costs, start=0.0, model_bytes=0.0))
    text = render(document)
    if args.write:
        write_section("The numbers", f"`python -m benchmarks.scaling --write`\n\n```\n{text}\n```", PAGE)
    if args.json:
        cli.emit_json(document)
    else:
        print(text)


def parser() -> cli.Parser:
    p = cli.Parser(
        prog="python -m benchmarks.scaling", description="Time the workers, and simulate many GPUs."
    )
    p.add_argument("--seconds", type=cli.positive_float, default=4.0, help="of a measurement (4)")
    p.add_argument(
        "--repetitions", type=cli.positive_int, default=3, metavar="N", help="of which the best is shown (3)"
    )
    p.add_argument(
        "--units", type=cli.positive_int, default=2000, metavar="N", help="that compute nothing (2000)"
    )
    p.add_argument("--only", default="", metavar="TEXT", help="the models whose name contains TEXT")
    p.add_argument(
        "--rate",
        type=cli.positive_float,
        default=2000.0,
        help="assumed: ResNet-50's samples a second on a GPU",
    )
    p.add_argument(
        "--gigabits", type=cli.positive_float, default=10.0, help="assumed: the driver's network (10)"
    )
    p.add_argument("--write", action="store_true", help="put the tables into docs/scaling.md")
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def render(document: dict[str, Any]) -> str:
    """The measured rates, the costs, the simulated runs and what limits them."""
    parts = ["\n".join(f"{name:18}{value}" for name, value in document["machine"].items())]
    for case in document["throughput"]:
        base = case["rates"]["here, 1 thread"]
        cpu = case["cpu"]
        rows = [
            [name, f"{rate:,.0f}", f"{rate / base:.2f}", f"{cpu[name] / cpu['here, 1 thread']:.2f}"]
            for name, rate in case["rates"].items()
        ]
        title = f"{case['model']}, images of {case['n']:,} samples, {case['seconds']:g} s"
        title += f"; an image's time on a worker varies by {100 * case['spread']:.1f} %"
        parts.append(f"{title}\n\n" + cli.table(["", "samples/s", "×", "CPU time a sample, ×"], rows))
    found, costs = document["overheads"], document["costs"]
    parts.append(
        f"a unit that computes nothing takes {1e3 * found['unit']:.2f} ms, of which {1e3 * found['driver']:.2f} ms "
        f"are the driver's; the first answer comes after {found['start']:.1f} s\n"
        f"an ImageNet photograph takes the driver {1e3 * costs['load']:.1f} ms, a row {1e3 * costs['row']:.2f} ms"
    )
    parts.append(
        f"Simulated: {IMAGENET.images} images, n = {IMAGENET.n:,}, {costs['rate']:,.0f} samples/s a GPU, unit times "
        f"varying by {100 * costs['spread']:.1f} %,\n{costs['link'] * 8 / 1e9:g} Gbit/s out of the driver's machine"
    )
    rows = [
        [
            f"{r['gpus']}",
            _duration(r["seconds"]),
            f"{100 * r['efficiency']:.1f}",
            *(f"{100 * r['lost'][cause]:.1f}" for cause in CAUSES),
            f"{100 * r['driver_busy']:.0f}",
            bottleneck(r),
            f"{100 * r['whole_images']:.1f}",
        ]
        for r in document["simulation"]
    ]
    header = ["GPUs", "time", "efficiency %", *(f"{cause} %" for cause in CAUSES)]
    parts.append(cli.table([*header, "driver busy %", "most lost to", "image units %"], rows, left=0))
    last, most = document["no_start"], document["simulation"][-1]
    parts.append(
        f"The bottleneck at {most['gpus']} GPUs: {bottleneck(most)}. Were the workers up already, efficiency would be "
        f"{100 * last['efficiency']:.1f} %, and most lost to: {bottleneck(last)}."
    )
    return "\n\n".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.2f} h"


if __name__ == "__main__":
    cli.run(main, "benchmarks.scaling")
