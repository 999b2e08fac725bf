"""The smoothed classifier g(x) = the class that the base classifier returns most often under noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from geometry.errors import InputError
from geometry.norms import Norm, parse_norm
from smoothing.certificate import Certificate
from smoothing.confidence import ABSTAIN, binomial_p_value, check_alpha, clopper_pearson_lower
from smoothing.noise import Noise
from smoothing.runner_up import certify_runner_up, two_bounds
from smoothing.theorems import certify_radius
from smoothing.voting import ESTIMATION, PREDICTION, SELECTION, Voter


@dataclass(frozen=True)
class Certified:
    """What ``SmoothedClassifier.certify`` returns: arrays over the batch, scalars (0-d) for one image."""

    prediction: np.ndarray
    """The class, or ABSTAIN (-1)."""
    radius: np.ndarray
    """No shift of smaller norm changes the prediction, with probability 1 - α per image; 0 where abstained."""
    rho: np.ndarray
    """The lower confidence bound on the class's probability."""
    counts: np.ndarray
    """The votes of the n estimation samples, shape (..., num_classes)."""
    certificate: Certificate
    """Theorem, tightness and numerical error of each radius."""


class SmoothedClassifier:
    """Majority vote of ``model`` under ``noise``, with certified radii.

    ``model`` maps (n, …) to (n, num_classes) logits and must be in eval mode for its votes to be reproducible;
    it is put there. The noise acts on the flattened input *before* any normalisation: normalise inside the
    model, never in the data loader, or the radius is in the wrong units (the commonest mistake).

    One image has an odd number of axes, (channels, height, width) or (features,), a batch one more; for other
    layouts give ``input_shape``, the shape of one image.

    The noise of an image depends on (seed, its number) alone. Images are numbered from ``first`` on in the order
    of the batch: give the batches of a test set their own numbers, so that they do not share their noise.
    """

    def __init__(
        self,
        model: nn.Module,
        noise: Noise,
        num_classes: int,
        *,
        input_shape: tuple[int, ...] | None = None,
        batch: int | None = None,
    ) -> None:
        self.model = model.eval()
        self.noise = noise
        self.num_classes = num_classes
        self.input_shape = input_shape
        self.voter = Voter(model, noise, num_classes, batch=batch)

    def predict(
        self,
        x: torch.Tensor | np.ndarray,
        n: int = 1000,
        alpha: float = 0.001,
        seed: int = 0,
        *,
        first: int = 0,
    ) -> np.ndarray:
        """The top class of g, or ABSTAIN (-1), wrong with probability at most α per image.

        Abstains unless the two leading classes differ by a two-sided binomial test at level α
        (Cohen et al. 2019, Predict). ``x``: one image or a batch; returns an array over the batch, 0-d for one.
        """
        check_alpha(alpha)
        images, single = self._images(x)
        classes = np.full(len(images), ABSTAIN, dtype=np.int64)
        for i, image in enumerate(images):
            votes = self.voter.count(image, _positive("n", n), seed=seed, image=first + i, stage=PREDICTION)
            order = np.argsort(-votes.counts, kind="stable")
            rival = (
                votes.counts[order[1:2]].sum() + votes.invalid
            )  # votes for no class stand against the leader
            if binomial_p_value(votes.counts[order[0]], rival) <= alpha and votes.counts[order[0]] > rival:
                classes[i] = order[0]
        return classes[0] if single else classes

    def certify(
        self,
        x: torch.Tensor | np.ndarray,
        norm: str | Norm = "l2",
        n0: int = 64,
        n: int = 100_000,
        alpha: float = 0.001,
        seed: int = 0,
        *,
        first: int = 0,
        runner_up: bool = False,
    ) -> Certified:
        """Prediction and certified radius, valid with probability 1 - α per image (Cohen et al. 2019, Certify).

        The class is chosen on ``n0`` samples, its probability bounded on ``n`` others. With ``runner_up`` the other
        classes' probabilities are bounded as well, at the same α: a radius then needs no majority, only a lead
        (``smoothing.runner_up``). Errors: InputError for a
        wrong shape, NaN pixels, n < 1, or a (noise, norm) pair without a theorem.
        """
        norm = parse_norm(norm)
        check_alpha(alpha)
        images, single = self._images(x)
        classes = np.empty(len(images), dtype=np.int64)
        counts = np.empty((len(images), self.num_classes), dtype=np.int64)
        certify_radius(self.noise, norm, 0.75)  # a pair without a theorem fails before the work, not after
        for i, image in enumerate(images):
            selection = self.voter.count(
                image, _positive("n0", n0), seed=seed, image=first + i, stage=SELECTION
            )
            votes = self.voter.count(image, _positive("n", n), seed=seed, image=first + i, stage=ESTIMATION)
            classes[i], counts[i] = selection.counts.argmax(), votes.counts
        if runner_up:
            rho, second = two_bounds(counts, classes, n, alpha)
        else:
            rho = clopper_pearson_lower(counts[np.arange(len(images)), classes], n, alpha)
            second = np.full(len(images), 0.5)
        if single:
            classes, counts, rho, second = classes[0], counts[0], rho[0], second[0]
        if runner_up:
            certificate = certify_runner_up(self.noise, norm, rho, second)
        else:
            certificate = certify_radius(self.noise, norm, rho)
        prediction = np.where(rho > second, classes, ABSTAIN)
        return Certified(prediction, certificate.radius, certificate.rho, counts, certificate)

    def _images(self, x: torch.Tensor | np.ndarray) -> tuple[torch.Tensor, bool]:
        """The input as a batch, and whether it was a single image."""
        x = torch.as_tensor(x)
        if self.input_shape is not None:
            single = tuple(x.shape) == self.input_shape
            fits = single or tuple(x.shape[1:]) == self.input_shape
        else:
            single = x.ndim % 2 == 1
            shape = x.shape if single else x.shape[1:]
            fits = x.ndim > 0 and shape.numel() == self.noise.dim
        if not fits or not x.is_floating_point():
            expected = self.input_shape or f"(channels, height, width) with {self.noise.dim} entries"
            raise InputError(
                f"x must be one float image of shape {expected} or a batch of them, "
                f"got {tuple(x.shape)} of {x.dtype}"
            )
        batch = x.unsqueeze(0) if single else x
        self.voter.check(tuple(batch.shape[1:]))
        return batch, single


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise InputError(f"{name} must be at least 1, got {value}")
    return value
