"""Whether the certified accuracy under uniform noise on a body is ordered as Φ orders the bodies.

A body at its size takes rate = Φ / Vol^(1/d) of its volume per unit of ℓ∞: a vote of ρ certifies (ρ - 1/2) / rate, and
a little more at large ρ. What is measured is the average certified radius, which is the certified accuracy summed
over all radii. Intervals are paired bootstrap intervals over the test images, of the mean over the trainings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geometry.isoperimetry import phi
from geometry.norms import Linf
from geometry.parsing import parse_body
from smoothing.runs import CONFIG, RunFolder
from validation.envelopes import resampling
from validation.low_dimensional import NAMES, UNIT, dimension
from validation.sweep import BODIES, LOW, log_volume_of, trials

Array = NDArray[np.float64]

_SHAPES = {"crystal": "wulff-linf"}  # as geometry calls it; the others by their own names


@dataclass(frozen=True)
class Contest:
    """Uniform noise on the four bodies at equal σ or equal volume, on one dataset; lengths in standard deviations."""

    name: str
    equal: str
    """``sigma`` or ``volume``."""
    runs: dict[str, tuple[RunFolder, ...]]
    """One run a training, for each body."""

    @property
    def dim(self) -> int:
        """The number of features."""
        return dimension(self.name)

    @cached_property
    def rate(self) -> dict[str, float]:
        """Share of the volume lost per ℓ∞ shift of one standard deviation of the features, at most."""
        found = {}
        for body, (run, *_) in self.runs.items():
            unit = float(
                phi(parse_body(_SHAPES.get(body, body), dim=self.dim, norm=Linf()), Linf()).value.value
            )
            volume = log_volume_of(run.noise.spec, self.dim, run.noise.sigma)
            found[body] = UNIT * unit * math.exp(-volume / self.dim)
        return found

    @cached_property
    def held(self) -> dict[str, Array]:
        """Certified ℓ∞ radii in standard deviations, -1 where the prediction is wrong: (trainings, images)."""
        return {
            body: np.stack([np.where(r.correct(), r.certificate(Linf()).radius / UNIT, -1.0) for r in runs])
            for body, runs in self.runs.items()
        }

    @property
    def average(self) -> dict[str, float]:
        """The average certified radius."""
        return {body: float(held.clip(min=0).mean()) for body, held in self.held.items()}

    def accuracy(self, body: str, radii: Array) -> Array:
        """Certified accuracy, the mean over the trainings."""
        return np.asarray((self.held[body][..., None] >= radii).mean(axis=(0, 1)))

    @property
    def ranking(self) -> list[str]:
        """The bodies by Φ at their sizes, the best first."""
        return sorted(self.runs, key=self.rate.__getitem__)

    @cached_property
    def steps(self) -> list[tuple[str, str, float, float, float]]:
        """(better, worse, difference of their averages, lower, upper) down the ranking; 95 % for all steps together."""
        found = []
        for better, worse in zip(self.ranking, self.ranking[1:], strict=False):
            gain = (self.held[better].clip(min=0) - self.held[worse].clip(min=0)).mean(axis=0)
            draws = resampling(len(gain)) @ gain / len(gain)
            tail = 2.5 / (len(self.runs) - 1)
            lower, upper = np.percentile(draws, [tail, 100 - tail])
            found.append((better, worse, float(gain.mean()), float(lower), float(upper)))
        return found

    @property
    def word(self) -> str:
        """Whether the order is that of Φ: yes; no, and where; or what these images cannot tell apart."""
        wrong = [f"{worse} > {better}" for better, worse, _, _, upper in self.steps if upper < 0]
        open_ = [
            f"{better} ≈ {worse}" for better, worse, _, lower, upper in self.steps if lower <= 0 <= upper
        ]
        if wrong:
            return "no: " + ", ".join(wrong)
        return "yes" if not open_ else f"undecided: {', '.join(open_)}; else yes"


def contests(folder: Path) -> list[Contest]:
    """Every dataset at equal σ, then every one at equal volume, as far as their runs are there."""
    by_name: dict[tuple[str, str], dict[str, list[RunFolder]]] = {
        (equal, name): {body: [] for body in BODIES} for equal in ("sigma", "volume") for name in NAMES
    }
    bodies = {spec: body for body, spec in BODIES.items()}
    for trial in trials(LOW):
        path = folder / trial.name
        if (path / CONFIG).exists():
            name, _, equal = trial.label.partition("_equal-")
            by_name[equal, name][bodies[trial.noise]].append(RunFolder.read(path))
    return [
        Contest(name, equal, {body: tuple(of) for body, of in runs.items()})
        for (equal, name), runs in by_name.items()
        if all(runs.values()) and len({len(r.rows) for of in runs.values() for r in of}) == 1
    ]
