"""The tables of docs/results.md: written between its markers from stored runs, prose left alone.

A block stands between ``<!-- NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geometry.cli import percent
from geometry.errors import InputError
from geometry.norms import parse_norm
from smoothing.runs import RunFolder
from validation.attack import attacks_on, summary_of
from validation.bodies import Contest, contests
from validation.claims import (
    CLAIMS,
    GAUSSIAN,
    LAPLACE,
    RADII,
    STABILITY,
    UNIFORM,
    Claim,
    Group,
    Verdict,
    judge,
)
from validation.envelopes import Envelope, read_runs, training
from validation.sweep import BODIES, LOW

# Table 1 of the paper, percent at l1 radii 0.5, 1, …, 4 [yang2020].
PUBLISHED = {
    "Laplace, CIFAR-10 [teng2019]": (61, 39, 24, 16, 11, 7, 4, 3),
    "uniform, CIFAR-10": (70, 59, 51, 43, 33, 27, 22, 18),
    "uniform with stability training, CIFAR-10": (70, 60, 53, 47, 43, 39, 35, 28),
    "Laplace, ImageNet [teng2019]": (48, 40, 31, 26, 22, 19, 17, 14),
    "uniform, ImageNet": (55, 49, 46, 42, 37, 33, 28, 25),
    "uniform with stability training, ImageNet": (60, 55, 51, 48, 45, 43, 41, 39),
}


def blocks(folder: Path, dataset: str) -> dict[str, str]:
    """Name to markdown of every block: what the runs of a dataset in ``folder`` say, and those about bodies."""
    runs = read_runs(folder / dataset)
    makers: dict[str, Callable[[], str]] = {
        "verdicts": partial(verdicts, runs),
        "table1": partial(table1, runs),
        "confidence": partial(confidence, runs),
        "runs": partial(listing, runs),
        "attacks": partial(attacked, folder / dataset),
        "bodies": partial(bodies, contests(folder / LOW)),
    }
    for claim in CLAIMS:
        makers[claim.name] = partial(evidence, claim, runs)
    return {name: make() for name, make in makers.items()}


def rewrite(document: Path, found: dict[str, str]) -> None:
    """Put the blocks into the document. InputError for a marker without a block, or a block without a marker."""
    from geometry.files import write_atomic

    text = document.read_text()
    seen = set()

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name not in found:
            raise InputError(f"{document}: no table is named {name!r}; known: {', '.join(found)}")
        seen.add(name)
        return f"<!-- {name} -->\n{found[name]}\n<!-- end -->"

    text = re.sub(r"<!-- ([a-z0-9-]+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)
    missing = found.keys() - seen
    if missing:
        raise InputError(f"{document} has no marker <!-- {min(missing)} -->")
    write_atomic(document, text)


def verdicts(runs: Sequence[RunFolder]) -> str:
    """Every claim with its verdict."""
    rows = []
    for claim in CLAIMS:
        verdict = judge(claim, runs)
        rows.append([claim.text, verdict.word if verdict else "not run"])
    return markdown(["claim of the paper", "here"], rows)


def table1(runs: Sequence[RunFolder]) -> str:
    """Certified ℓ1 accuracy at the radii of the paper's Table 1: ours, and theirs."""
    radii = RADII["l1"]
    rows = []
    for group in (LAPLACE, GAUSSIAN, UNIFORM, STABILITY):
        chosen = tuple(run for run in runs if group.has(run))
        if chosen:
            one = Envelope(group.label, chosen, parse_norm("l1"))
            rows.append([f"**{group.label}**, Fashion-MNIST", *_percents(one, radii)])
    rows += [[name, *map(str, values)] for name, values in PUBLISHED.items()]
    return markdown(["ℓ1 radius", *(f"{r:g}" for r in radii)], rows)


def confidence(runs: Sequence[RunFolder]) -> str:
    """How many images are voted for so surely that Laplace noise of the same σ certifies more in ℓ1 than uniform."""
    crossing = _crossing()
    chosen = [run for run in runs if run.noise.spec in ("uniform", "laplace") and training(run) == "augment"]
    sigmas = sorted({float(f"{run.noise.sigma:.6g}") for run in chosen})
    rows = []
    for spec in ("uniform", "laplace"):
        shares = {}
        for run in chosen:
            if run.noise.spec == spec:
                sure = run.correct() & (run.rho() > crossing)
                shares[float(f"{run.noise.sigma:.6g}")] = percent(int(sure.sum()), len(sure))
        rows.append(
            [f"{spec}, % of images correct with ρ > {crossing:.3f}", *(shares.get(s, "") for s in sigmas)]
        )
    return markdown(["σ", *(f"{s:g}" for s in sigmas)], rows)


def _crossing() -> float:
    """The ρ at which uniform and Laplace noise of one σ certify the same ℓ1 radius: 2√3 (ρ-½) = -log(2-2ρ)/√2."""
    from scipy.optimize import brentq

    def gain(rho: float) -> float:
        return float(2 * np.sqrt(3) * (rho - 0.5) + np.log(2 * (1 - rho)) / np.sqrt(2))

    return float(brentq(gain, 0.7, 0.999))


def listing(runs: Sequence[RunFolder]) -> str:
    """What was run: noise, training, σ, votes and images."""
    groups: dict[tuple[str, str, int], list[RunFolder]] = {}
    for run in runs:
        groups.setdefault((run.noise.spec, training(run), run.settings["n"]), []).append(run)
    rows = []
    for (spec, loss, n), members in sorted(groups.items(), key=lambda item: (-item[0][2], item[0])):
        sigmas = ", ".join(f"{s:g}" for s in sorted(float(f"{r.noise.sigma:.6g}") for r in members))
        rows.append([f"`{spec}`", loss, sigmas, f"{n:,}", str(len(members[0].rows))])
    return markdown(["noise", "training", "σ", "n", "images"], rows)


def evidence(claim: Claim, runs: Sequence[RunFolder]) -> str:
    """Both sides of a claim at its radii, and the difference with its interval, in points."""
    verdict = judge(claim, runs)
    return "Not run." if verdict is None else _evidence(verdict)


def _evidence(v: Verdict) -> str:
    def side(group: Group, values: NDArray[np.float64], sigmas: list[float]) -> list[str]:
        cells = [f"{100 * a:.1f} ({s:g})" if a > 0 else "0" for a, s in zip(values, sigmas, strict=True)]
        return [f"{group.label}, % (best σ)", *cells]

    gaps = [
        f"{100 * (a - b):+.1f} [{100 * lo:+.1f}, {100 * hi:+.1f}]"
        for a, b, lo, hi in zip(v.left, v.right, v.lower, v.upper, strict=True)
    ]
    header = [f"{_SYMBOL[v.claim.norm]} radius", *(f"{r:g}" for r in v.radii)]
    rows = [
        side(v.claim.left, v.left, v.sigmas[0]),
        side(v.claim.right, v.right, v.sigmas[1]),
        ["difference", *gaps],
    ]
    return markdown(header, rows)


def bodies(found: Sequence[Contest]) -> str:
    """Every contest: Φ and the average certified radius of each body, and whether they agree."""
    if not found:
        return "Not run."
    rows = []
    for one in found:
        cells = [f"{one.rate[body]:.3f} → {one.average[body]:.4f}" for body in BODIES]
        rows.append(
            [f"{one.name}, d = {one.dim}", {"sigma": "σ"}.get(one.equal, one.equal), *cells, one.word]
        )
    return markdown(["data", "equal", *BODIES, "ordered as Φ?"], rows)


def attacked(folder: Path) -> str:
    """Every attacked run and norm: how many certificates flipped, and at which multiple of its radius a vote broke."""
    rows = []
    for name, (_, found) in attacks_on(folder).items():
        for norm in ("l1", "l2", "linf"):
            of = summary_of([one for one in found if one.norm == norm])
            rows.append([name, _SYMBOL[norm], *(str(v).replace("inf", "∞") for v in of.values())])
    header = [
        "noise",
        "norm",
        "images",
        "flipped inside",
        "broken beyond",
        "least broken / certified",
        "median",
    ]
    return markdown(header, rows) if rows else "Not run."


_SYMBOL = {"l1": "ℓ1", "l2": "ℓ2", "linf": "ℓ∞"}


def _percents(one: Envelope, radii: NDArray[np.float64]) -> list[str]:
    images = one.held.shape[1]
    return [percent(round(a * images), images) for a in one.accuracy(radii)]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in markdown, numbers to the right."""
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
