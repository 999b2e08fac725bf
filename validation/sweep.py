"""What the experiments run: dataset × noise × σ × training, as data, in the order in which it is worth having.

The headline noises (uniform, Gaussian, Laplace: Table 1 and Figure 2 of [yang2020]) are certified with its
N = 100 000; the other families, which are there for being compared with them, with 10 000.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from smoothing.settings import file_label

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

    @property
    def name(self) -> str:
        """The run folder's name."""
        return file_label(self.noise, f"sigma{self.sigma:g}", self.loss, f"n{self.n}")

    def arguments(self) -> list[str]:
        """What ``smoothing.certify`` is given, besides the dataset and where things are."""
        pairs = {
            "--noise": self.noise,
            "--sigma": self.sigma,
            "--loss": self.loss,
            "--n": self.n,
            "--images": self.images,
            "--stride": self.stride,
            "--epochs": self.epochs,
        }
        return [str(item) for pair in pairs.items() for item in pair]


def trials(dataset: str) -> tuple[Trial, ...]:
    """The sweep of a dataset; any beginning of it is a sensible smaller sweep.

    >>> len(trials("fashion-mnist")), trials("digits")[0].name
    (65, 'uniform_sigma0.5_augment_n10000')
    """
    return tuple(_digits() if dataset == "digits" else _fashion_mnist())


DATASETS = ("fashion-mnist", "digits")


def _fashion_mnist() -> Iterator[Trial]:
    # Every twentieth of the 10 000 test images, so that all parts of the file are seen.
    images = {"images": 500, "stride": 20, "epochs": 12}
    main, more = (0.5, 1.0, 0.25, 2.0), (0.75, 1.5, 3.0)
    for sigmas, noises, loss, n in (
        (main, HEADLINE, "augment", 100_000),
        (main, OTHERS, "augment", 10_000),
        (main, ("uniform",), "stability", 100_000),
        (more, HEADLINE, "augment", 100_000),
    ):
        for sigma in sigmas:
            for noise in noises:
                yield Trial(noise, sigma, loss, n, **images)


def _digits() -> Iterator[Trial]:
    for sigma in (0.5, 0.25, 1.0):
        for noise in HEADLINE:
            yield Trial(noise, sigma, "augment", 10_000, images=450, stride=1, epochs=60)
