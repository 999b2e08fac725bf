"""What the experiments run: dataset × noise × σ × training, as data, in the order in which it is worth having.

The headline noises (uniform, Gaussian, Laplace: Table 1 and Figure 2 of [yang2020]) are certified with its
N = 100 000; the other families, which are there for being compared with them, with 10 000. The low-dimensional sets
are for bodies that can be sampled there only: three trainings each, as their test sets are small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothing.settings import file_label
from validation.low_dimensional import NAMES, UNIT, dimension

HEADLINE = ("uniform", "gaussian", "laplace")

OTHERS = (
    "exp-linf:k=1",
    "exp-linf:k=10",
    "pow-linf:k=2,a=800",
    "exp-l2:k=1",
    "exp-l2:k=2,j=700",
    "pow-l2:k=2,a=500",
    "uniform-l2",
    "exp-l1:k=2",
    "uniform-l1",
    "pareto:a=3",
)
"""Cubical, spherical and cross-polytope level sets, at parameters for 784 dimensions: near the uniform or the Gaussian
law and away from it. Powers a in proportion to the dimension keep the tails as light as σ needs them."""


@dataclass(frozen=True)
class Trial:
    """One training and its certification."""

    noise: str
    sigma: float
    loss: str
    n: int
    images: int
    stride: int
    epochs: int
    dataset: str
    """As ``load_dataset`` takes it."""
    seed: int = 0
    label: str = ""
    """Begins the run folder's name where noise and σ do not tell the trial."""

    @property
    def name(self) -> str:
        """The run folder's name."""
        if self.label:
            return file_label(self.label, self.noise, f"seed{self.seed}")
        return file_label(self.noise, f"sigma{self.sigma:g}", self.loss, f"n{self.n}")

    def arguments(self) -> list[str]:
        """What ``smoothing.certify`` is given, besides where things are."""
        pairs = {
            "--dataset": self.dataset,
            "--noise": self.noise,
            "--sigma": self.sigma,
            "--loss": self.loss,
            "--n": self.n,
            "--images": self.images,
            "--stride": self.stride,
            "--epochs": self.epochs,
            "--seed": self.seed,
        }
        return [str(item) for pair in pairs.items() for item in pair]


def trials(dataset: str) -> tuple[Trial, ...]:
    """The sweep of a dataset; any beginning of it is a sensible smaller sweep.

    >>> len(trials("fashion-mnist")), trials("digits")[0].name
    (65, 'uniform_sigma0.5_augment_n10000')
    """
    return tuple({"digits": _digits, LOW: _low_dimensional}.get(dataset, _fashion_mnist)())


LOW = "low-dimensional"
DATASETS = ("fashion-mnist", "digits", LOW)


def _fashion_mnist() -> Iterator[Trial]:
    # Every twentieth of the 10 000 test images, so that all parts of the file are seen.
    common: Any = {"images": 500, "stride": 20, "epochs": 12, "dataset": "fashion-mnist"}
    main, more = (0.5, 1.0, 0.25, 2.0), (0.75, 1.5, 3.0)
    for sigmas, noises, loss, n in (
        (main, HEADLINE, "augment", 100_000),
        (main, OTHERS, "augment", 10_000),
        (main, ("uniform",), "stability", 100_000),
        (more, HEADLINE, "augment", 100_000),
    ):
        for sigma in sigmas:
            for noise in noises:
                yield Trial(noise, sigma, loss, n, **common)


def _digits() -> Iterator[Trial]:
    for sigma in (0.5, 0.25, 1.0):
        for noise in HEADLINE:
            yield Trial(noise, sigma, "augment", 10_000, images=450, stride=1, epochs=60, dataset="digits")


BODIES = {
    "crystal": "body:wulff-linf",
    "ball": "uniform-l2",
    "cross-polytope": "body:cross-polytope",
    "cube": "body:cube",
}
"""What an exhibit calls them, and the uniform noise on them whose ℓ∞ radius is exact."""


def _low_dimensional() -> Iterator[Trial]:
    for seed in range(3):
        for name in NAMES:
            images, epochs = (75, 400) if name == "iris" else (450, 60)
            for size, sigmas in (("sigma", _same_sigma), ("volume", _same_volume)):
                for noise, sigma in sigmas(dimension(name)).items():
                    yield Trial(
                        noise, sigma, "augment", 10_000, images=images, stride=1, epochs=epochs,
                        dataset=f"npz:{name}.npz", seed=seed, label=f"{name}_equal-{size}",
                    )  # fmt: skip


SIGMA = 0.6 * UNIT
"""Of a feature's standard deviation."""


def _same_sigma(_: int) -> dict[str, float]:
    return dict.fromkeys(BODIES.values(), SIGMA)


def _same_volume(dim: int) -> dict[str, float]:
    """σ of the bodies that have the volume of the cube at ``SIGMA``."""
    log_volume = {spec: log_volume_of(spec, dim, SIGMA) for spec in BODIES.values()}
    cube = log_volume[BODIES["cube"]]
    return {spec: SIGMA * math.exp((cube - own) / dim) for spec, own in log_volume.items()}


def log_volume_of(spec: str, dim: int, sigma: float) -> float:
    """Of the body that a uniform noise is on: -log of its density."""
    from smoothing.noises import parse_noise

    return -float(parse_noise(spec, dim=dim, sigma=sigma).log_prob(np.zeros(dim)))
