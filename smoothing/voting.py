"""The voting engine: how often each class wins under noise.

The work unit is (image, stage, block). Its random numbers are a pure function of (seed, image, stage, block),
so the noise does not depend on batch size, order, number of workers or a restart. Noise is drawn on the model's
device into one reused buffer, votes are counted there, and one synchronisation ends an image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from geometry.errors import InputError
from smoothing.noise import Noise

SELECTION, ESTIMATION, PREDICTION = 0, 1, 2
_BLOCKS = (1000, 500, 250, 200, 100, 50, 25, 20, 10, 5, 2, 1)
_BUFFER = 1 << 24  # floats of noise held at once: 64 MiB in float32


@dataclass(frozen=True)
class Votes:
    """``counts[c]`` of ``n`` noisy copies were classified as c; ``invalid`` of them had NaN logits.

    A NaN is a vote for no class: it counts in n and for nobody, which can only lower a certificate.
    """

    counts: np.ndarray
    invalid: int
    n: int


def reuse_memory() -> None:
    """Let the C library keep freed activations instead of handing them back and faulting them in at every batch.

    Worth a factor of up to 1.5 for small models on CPU. It is a setting of the whole process, so commands call it
    and the library does not; without glibc it does nothing.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(-3, 1 << 28)  # M_MMAP_THRESHOLD: below it, memory comes from the heap
    mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD: so much free heap is kept


def block_size(dim: int, stage: int) -> int:
    """Noise vectors per work unit: fixed by the dimension and the stage, never by the machine."""
    if stage == SELECTION:
        return min(64, block_size(dim, ESTIMATION))
    return next((b for b in _BLOCKS if b * dim <= _BUFFER), 1)


def unit_seed(seed: int, image: int, stage: int, block: int) -> int:
    """The 64-bit seed of a work unit.

    Torch's CPU generator uses the low 32 bits only: these are a hash of (seed, image, stage) plus the block, so
    that no two blocks of an image can ever share their noise.
    """
    if min(seed, image) < 0:
        raise InputError(f"seed and image number must be at least 0, got {seed} and {image}")
    high, low = np.random.SeedSequence((seed, image, stage)).generate_state(2, np.uint32)
    return (int(high) << 32) | ((int(low) + block) & 0xFFFFFFFF)


class Voter:
    """Counts votes of a model under a noise; holds the reused buffer and nothing else."""

    def __init__(
        self,
        model: nn.Module,
        noise: Noise,
        num_classes: int,
        *,
        batch: int | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        """``batch``: rows per forward pass, the whole block where None. ``device``: the model's where None."""
        if batch is not None and batch < 1:
            raise InputError(f"batch must be at least 1, got {batch}")
        parameter = next(model.parameters(), None)
        self.device = torch.device(device or (parameter.device if parameter is not None else "cpu"))
        self.dtype = parameter.dtype if parameter is not None else torch.float32
        self.model = model
        self.noise = noise
        self.num_classes = num_classes
        self.batch = batch
        self._buffer = torch.empty(0, noise.dim, device=self.device, dtype=self.dtype)

    def check(self, shape: tuple[int, ...]) -> None:
        """InputError unless the model maps images of this shape to ``num_classes`` logits."""
        if int(np.prod(shape)) != self.noise.dim:
            raise InputError(f"images of shape {shape} do not have the noise's dimension {self.noise.dim}")
        probe = torch.zeros((2, *shape), device=self.device, dtype=self.dtype)
        try:
            with torch.inference_mode():
                logits = self.model(probe)
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(f"the model does not accept images of shape {shape}: {reason}") from error
        if not torch.is_tensor(logits) or tuple(logits.shape) != (2, self.num_classes):
            got = tuple(logits.shape) if torch.is_tensor(logits) else type(logits).__name__
            raise InputError(
                f"the model must return logits of shape (n, {self.num_classes}), got {got} for n=2"
            )

    def count(
        self,
        x: torch.Tensor,
        n: int,
        *,
        seed: int,
        image: int,
        stage: int = ESTIMATION,
        progress: Callable[[int], object] | None = None,
    ) -> Votes:
        """The votes of ``n`` noisy copies of one image ``x``, in the model's layout without the batch axis.

        ``image`` names the image in the seeding; ``progress`` is told the rows done after each block.
        """
        size = block_size(self.noise.dim, stage)
        if len(self._buffer) < size:
            self._buffer = torch.empty(size, self.noise.dim, device=self.device, dtype=self.dtype)
        flat = x.to(device=self.device, dtype=self.dtype).reshape(-1)
        if not torch.isfinite(flat).all():
            raise InputError(f"image {image} contains NaN or infinite pixels")
        generator = torch.Generator(device=self.device)
        counts = torch.zeros(self.num_classes + 1, dtype=torch.int64, device=self.device)
        with torch.inference_mode():
            for block, start in enumerate(range(0, n, size)):
                generator.manual_seed(unit_seed(seed, image, stage, block))
                # A last, partial block is drawn whole, so that more samples extend a run of fewer.
                noisy = self.noise.sample(size, generator=generator, out=self._buffer[:size]).add_(flat)
                rows = min(size, n - start)
                for chunk in noisy[:rows].split(self.batch or size):
                    counts += self._tally(self._logits(chunk.view(-1, *x.shape)))
                if progress is not None:
                    progress(rows)
        total = counts.cpu().numpy()
        return Votes(total[:-1], int(total[-1]), n)

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        try:
            logits = self.model(x)
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(
                f"the model failed on {len(x)} images of shape {tuple(x.shape[1:])}: {reason} "
                "(a smaller batch needs less memory)"
            ) from error
        if tuple(logits.shape) != (len(x), self.num_classes):
            raise InputError(
                f"the model must return logits of shape ({len(x)}, {self.num_classes}), got {tuple(logits.shape)}"
            )
        return logits

    def _tally(self, logits: torch.Tensor) -> torch.Tensor:
        top, winner = logits.max(dim=1)
        winner = winner.masked_fill(top.isnan(), self.num_classes)  # max propagates NaN
        return torch.bincount(winner, minlength=self.num_classes + 1)
