"""Pictures of single runs and laws. Each drawer is pure, ``draw(ax, data)``; one style sheet, colour-blind safe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from geometry.figures import symbol
from geometry.norms import Norm, parse_norm
from smoothing.noises import Noise
from smoothing.theorems import certify_radius

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from smoothing.runs import RunFolder


def draw_radius(ax: Axes, noise: Noise, norm: str | Norm, *, theorem: str | None = None) -> None:
    """Certified radius against ρ, from 1/2 to 0.9999, on a probit-like axis that shows both ends."""
    from scipy.special import ndtr

    norm = parse_norm(norm)
    score = np.linspace(0.01, 3.72, 200)
    rho = ndtr(score)
    radius = certify_radius(noise, norm, rho, theorem=theorem).radius
    ax.plot(score, radius)
    ticks = np.array([0.5, 0.7, 0.9, 0.99, 0.999, 0.9999])
    from scipy.special import ndtri

    ax.set_xticks(ndtri(ticks), [f"{t:g}" for t in ticks])
    ax.set_xlim(0, 3.75)
    ax.set_ylim(0, None)
    ax.set_xlabel("probability ρ of the top class under noise")
    ax.set_ylabel(f"certified {symbol(norm)} radius")
    ax.set_title(f"{noise.spec}, d = {noise.dim}, σ = {noise.sigma:.3g}")


def draw_certified_accuracy(axes: Sequence[Axes], run: RunFolder, norms: Sequence[Norm]) -> None:
    """Certified accuracy against the radius, one panel a norm: the whole curve, not a grid of it."""
    correct = run.correct()
    clean = correct.mean()
    for i, (ax, norm) in enumerate(zip(np.atleast_1d(np.asarray(axes)), norms, strict=True)):
        radius = np.sort(run.certificate(norm).radius[correct])
        # A step down at every image's own radius; finite even where a radius is not.
        top = radius[np.isfinite(radius)].max(initial=0.0) * 1.06 or 1.0
        steps = np.concatenate([[0.0], np.minimum(radius, top)])
        share = np.concatenate([[clean], (np.arange(len(radius))[::-1]) / max(len(correct), 1)])
        ax.step(steps, 100 * share, where="post", color=f"C{i}")
        ax.fill_between(steps, 100 * share, step="post", alpha=0.12, color=f"C{i}", linewidth=0)
        ax.set_xlim(0, top)
        ax.set_ylim(0, 100)
        ax.set_xlabel(f"{symbol(norm)} radius")
        ax.locator_params(axis="x", nbins=5)
        ax.set_title(f"{symbol(norm)} adversary")
        if i == 0:
            ax.set_ylabel("certified accuracy (%)")
    s = run.settings
    np.atleast_1d(np.asarray(axes))[0].figure.suptitle(
        f"{s['dataset']}, {s['model']}, {s['noise']} noise at σ = {run.noise.sigma:.3g}: "
        f"{len(run.rows)} images, n = {s['n']:,}, α = {run.alpha:g}",
        fontsize=11,
    )


def draw_envelope(ax: Axes, runs: Sequence[RunFolder], norm: Norm) -> None:
    """Certified accuracy of several runs, thin, and per noise their upper envelope, thick."""
    top = 1.06 * max(_finite_top(run.certificate(norm).radius) for run in runs) or 1.0
    radii = np.linspace(0, top, 400)
    families: dict[str, list[RunFolder]] = {}
    for run in runs:
        families.setdefault(run.noise.spec, []).append(run)
    for i, (spec, members) in enumerate(families.items()):
        shares = 100 * np.stack([run.certified_accuracy(norm, radii) for run in members])
        if len(members) > 1:
            ax.step(radii, shares.T, where="pre", color=f"C{i % 7}", alpha=0.35, linewidth=0.8)
        ax.step(radii, shares.max(axis=0), where="pre", color=f"C{i % 7}", label=spec)
    ax.set_xlim(0, top)
    ax.set_ylim(0, 100)
    ax.set_xlabel(f"{symbol(norm)} radius")
    ax.set_ylabel("certified accuracy (%)")
    ax.legend(title="noise (envelope over σ)" if len(runs) > len(families) else "noise")


def _finite_top(radius: np.ndarray) -> float:
    return float(radius[np.isfinite(radius)].max(initial=0.0))
