"""Noise for the steps of training, drawn for several batches at a time.

A call that comes once a step finds no cache warm: its code, its tables and its buffer were displaced by the network.
On a small network's batch that costs as much as the numbers themselves, so it is paid once in several steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from smoothing.noise import Noise

_BATCHES, _NUMBERS = 8, 1 << 20
"""Drawn at a time, at most: more of them would only leave the caches again."""


class NoiseSupply:
    """``supply(x)`` is a noisy copy of the batch ``x``, of any shape whose rows have ``noise.dim`` entries.

    Every copy has noise of its own. What is drawn depends on the generator's state, on ``noise`` and on the sizes of
    the batches so far. Memory: 4 MiB of float32, or one batch where that is more.
    """

    def __init__(self, noise: Noise, generator: torch.Generator) -> None:
        """``generator``: of the device of the batches to come."""
        self._noise, self._generator = noise, generator
        self._drawn: torch.Tensor | None = None
        self._left = 0  # rows at the end of it, not yet given out

    def ahead(self, n: int) -> int:
        """How many batches of ``n`` are drawn at a time."""
        return max(1, min(_BATCHES, _NUMBERS // max(1, n * self._noise.dim)))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x + δ, a new tensor."""
        import torch

        n, dim = len(x), self._noise.dim
        batches = self.ahead(n)
        if batches == 1:
            own = torch.empty(n, dim, device=x.device, dtype=x.dtype)
            return self._noise.sample(out=own, generator=self._generator).view_as(x).add_(x)
        if self._drawn is None or self._left < n:
            if self._drawn is None or len(self._drawn) < batches * n:
                self._drawn = torch.empty(batches * n, dim, device=x.device, dtype=x.dtype)
            self._noise.sample(out=self._drawn, generator=self._generator)
            self._left = len(self._drawn)
        start = len(self._drawn) - self._left
        self._left -= n
        return x + self._drawn[start : start + n].view_as(x)
