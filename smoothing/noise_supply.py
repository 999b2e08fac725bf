"""Noise for the steps of training, drawn for several batches at a time.

A call that comes once a step finds no cache warm: its code, its tables and its buffer were displaced by the network.
On a small network's batch that costs as much as the numbers themselves, so it is paid once in several steps.
"""

from __future__ import annotations

import torch

from smoothing.noise import Noise

_BATCHES, _NUMBERS = 8, 1 << 20
"""Drawn at a time, at most: more of them would only leave the caches again."""


class NoiseSupply:
    """``supply(x)`` is a noisy copy of the batch ``x``, of any shape whose rows have ``noise.dim`` entries.

    Every copy has noise of its own. What is drawn depends on the generator's state, on ``noise`` and on the sizes of
    the batches so far, which are all of one dtype. Memory: 4 MiB of float32 at a time, or one batch where that is more.
    """

    def __init__(self, noise: Noise, generator: torch.Generator) -> None:
        """``generator``: of the device of the batches to come."""
        self._noise, self._generator = noise, generator
        self._left = torch.empty(0, noise.dim)  # rows not yet given out

    def ahead(self, n: int) -> int:
        """How many batches of ``n`` are drawn at a time."""
        return max(1, min(_BATCHES, _NUMBERS // max(1, n * self._noise.dim)))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x + δ, in the memory of what was drawn: a batch that is kept keeps those drawn with it."""
        n = len(x)
        if len(self._left) < n:
            self._left = self._noise.sample(
                self.ahead(n) * n, generator=self._generator, dtype=x.dtype, device=x.device
            )
        delta, self._left = self._left[:n], self._left[n:]
        # By ``data`` autograd takes the batches for tensors of their own: the next may come before this one's backward.
        return delta.data.view_as(x).add_(x)
