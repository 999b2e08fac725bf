"""Certified accuracy of a noise at its best σ, and how sure a difference between two noises is.

An envelope takes, at every radius, the most accurate of the runs of one noise over σ. Its differences get paired
bootstrap intervals: whole images are resampled and the best σ chosen anew each time, so that the choice is part
of the uncertainty. What the intervals leave out is the training's own randomness: one model a noise and σ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geometry.errors import InputError
from geometry.norms import Norm
from smoothing.runs import CONFIG, RunFolder

Array = NDArray[np.float64]

RESAMPLES = 10_000


def read_runs(folder: Path) -> list[RunFolder]:
    """The finished runs in the folders of ``folder``, by name. InputError where none is, or of different images."""
    runs = [RunFolder.read(path.parent) for path in sorted(folder.glob(f"*/{CONFIG}"))]
    runs = [run for run in runs if run.rows]
    if not runs:
        raise InputError(f"{folder} holds no runs: python -m validation.experiments makes them")
    for run in runs:
        if any(run.settings[key] != runs[0].settings[key] for key in ("data", "indices")):
            raise InputError(f"{run.path} is about other images than {runs[0].path}")
    images = max(len(run.rows) for run in runs)
    return [run for run in runs if len(run.rows) == images]


def training(run: RunFolder) -> str:
    """``augment`` or ``stability``: how the run's model was trained, where the run was told."""
    return str(run.config["facts"].get("training", {}).get("loss", "augment"))


def thinned(run: RunFolder, n: int) -> RunFolder:
    """The run as if it had drawn ``n`` votes an image instead of more: in law exactly that.

    Votes are exchangeable, so that n of them without replacement (a multivariate hypergeometric draw, its seed the
    image's index) are n votes. A noise that was given more samples is thus compared at equal n.
    """
    if n >= run.settings["n"]:
        return run
    rows = []
    for row in run.rows:
        source = np.random.Generator(np.random.PCG64((row.seed, row.index, n)))
        unclassed = row.n - sum(row.votes)
        votes = source.multivariate_hypergeometric([*row.votes, unclassed], n).tolist()
        rows.append(replace(row, n=n, votes=votes[:-1], invalid=row.n0 - sum(row.votes0) + votes[-1]))
    config = {**run.config, "settings": {**run.settings, "n": n}}
    return RunFolder(run.path, config, rows, alpha=run.alpha, theorem=run.theorem)


@dataclass(frozen=True)
class Envelope:
    """The runs of one noise and training over σ, and the norm in question."""

    label: str
    runs: tuple[RunFolder, ...]
    norm: Norm

    @cached_property
    def held(self) -> Array:
        """The certified radius of every image per run, -1 where the prediction is wrong: shape (σ, images)."""
        return np.stack([np.where(r.correct(), r.certificate(self.norm).radius, -1.0) for r in self.runs])

    @property
    def sigmas(self) -> list[float]:
        """σ of the runs."""
        return [float(f"{run.noise.sigma:.6g}") for run in self.runs]

    def accuracy(self, radii: Array) -> Array:
        """Certified accuracy at every radius, at the best σ."""
        return self._shares(radii).max(axis=0)

    def best_sigma(self, radii: Array) -> list[float]:
        """The σ that attains it, the smallest of several."""
        return [self.sigmas[i] for i in self._shares(radii).argmax(axis=0)]

    def top(self) -> float:
        """The largest finite radius certified."""
        return float(self.held[np.isfinite(self.held)].max(initial=0.0))

    def resampled(self, radii: Array) -> Array:
        """Accuracies of the bootstrap samples of the images, the same for all envelopes: (resamples, radii)."""
        images = self.held.shape[1]
        weights = resampling(images)
        return np.stack(
            [(weights @ (self.held >= r).T.astype(float)).max(axis=1) / images for r in radii], axis=1
        )

    def _shares(self, radii: Array) -> Array:
        return (self.held[:, :, None] >= radii).mean(axis=1)


@cache
def resampling(images: int) -> Array:
    """How often each image stands in each bootstrap sample: shape (RESAMPLES, images), always the same."""
    source = np.random.Generator(np.random.PCG64(20200219))
    return source.multinomial(images, np.full(images, 1 / images), size=RESAMPLES).astype(float)


def difference(a: Envelope, b: Envelope, radii: Array, *, level: float = 0.95) -> tuple[Array, Array, Array]:
    """(a - b, lower, upper) at every radius; the intervals hold at all radii together (Bonferroni)."""
    tail = 100 * (1 - level) / 2 / len(radii)
    gap = a.resampled(radii) - b.resampled(radii)
    # Shares of images are a lattice: an end between two of its points would hang on the resamples.
    lower = np.percentile(gap, tail, axis=0, method="lower")
    upper = np.percentile(gap, 100 - tail, axis=0, method="higher")
    return a.accuracy(radii) - b.accuracy(radii), lower, upper


def envelope(
    runs: Sequence[RunFolder], noise: str, norm: Norm, *, loss: str = "augment", n: int | None = None
) -> Envelope | None:
    """The envelope of a noise, each run thinned to ``n`` votes if given; None where there are no such runs."""
    chosen = [run for run in runs if run.noise.spec == noise and training(run) == loss]
    chosen.sort(key=lambda run: run.noise.sigma)
    if not chosen:
        return None
    if n is not None:
        chosen = [thinned(run, n) for run in chosen]
    return Envelope(noise if loss == "augment" else f"{noise}, {loss} training", tuple(chosen), norm)
