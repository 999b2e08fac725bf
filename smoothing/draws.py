"""Uniform, normal, exponential and Laplace numbers into a buffer: on CPU in about a nanosecond each.

A small network classifies an image in the time that torch takes to draw 784 normals, so on CPU random bits are
the price of a vote. Here they come from ChaCha8 and go through inverse transforms in one compiled loop a buffer, in
which a thread leaves the interpreter to the others (``kernels``, ``filling``). On other devices torch's own generator
is used, which is fast there.

The laws, of float32 buffers on CPU. Uniforms are 32-bit integers, scaled: a lattice of step 2^-31 of the half
width. Exponentials are -log of an odd multiple of 2^-32, so that they end at 22.2, and the 32nd bit of their word is
the sign of a Laplace number; normals are Box–Muller pairs of such a radius and a 32-bit angle, so that they end at
6.66 standard deviations, beyond which the normal law has 3e-11 of its mass (torch's float32 normals end at 5.77, with
8e-9 beyond). What float32 rounds is on top of it. Laws with a quantile table are such exponentials sent through it, to
2e-7 of each number; Pareto numbers are e^(E/a) - 1 of such an exponential E. Equal seeds give equal bits on every
machine.
Float64 buffers get the 53-bit uniforms and the ziggurats of NumPy's SFC64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoothing import kernels
from smoothing.filling import fill, resize
from smoothing.kernels import NO_TABLE, Floats, Law
from smoothing.quantile_table import QuantileTable

Doubles = NDArray[np.float64]

_PIECE = 1 << 18  # numbers at a time that are rounded to shorter types: whole chunks of words


class Source:
    """The stream of random numbers of one call of ``Noise.sample``."""

    def __init__(self, device: torch.device, generator: torch.Generator | int | None) -> None:
        """``generator``: a seed; or one of the device, which is advanced; or None for torch's default one."""
        self._on_cpu = device.type == "cpu"
        self._generator: torch.Generator | None
        if isinstance(generator, (int, np.integer)):
            seed = int(generator)
            self._generator = None if self._on_cpu else torch.Generator(device=device).manual_seed(seed)
        else:
            seed = int(torch.empty((), dtype=torch.int64).random_(generator=generator)) if self._on_cpu else 0
            self._generator = generator
        self._seed = seed
        if self._on_cpu:
            if not 0 <= seed < 1 << 64:
                raise ValueError(f"a seed has 64 bits, got {seed}")
            self._block = 0  # where in the seed's stream of words

    @cached_property
    def _rng(self) -> np.random.Generator:
        """For float64, and for gamma numbers."""
        return np.random.Generator(np.random.SFC64(self._seed))

    @cached_property
    def generator(self) -> torch.Generator | None:
        """For torch's own draws: few numbers, or laws that this file does not have."""
        if not self._on_cpu:
            return self._generator
        # The seed itself: torch keeps its low 32 bits, in which the blocks of an image differ (``voting.unit_seed``).
        return torch.Generator().manual_seed(self._seed)

    def uniform_(self, out: Tensor, half: float = 1.0) -> Tensor:
        """Uniform numbers between ``-half`` and ``half``."""
        if not self._on_cpu:
            return out.uniform_(-half, half, generator=self._generator)

        def draw_double(flat: Doubles) -> None:
            self._rng.random(out=flat)
            flat *= 2 * half
            flat -= half

        return self._fill(out, draw_double, kernels.uniform, half * 2.0**-31)

    def exponential_(self, out: Tensor) -> Tensor:
        """Exponential numbers of mean 1."""
        if not self._on_cpu:
            return out.exponential_(generator=self._generator)
        return self._fill(out, lambda flat: self._rng.standard_exponential(out=flat), kernels.exponential)

    def laplace_(self, out: Tensor, scale: float = 1.0) -> Tensor:
        """Exponential numbers of mean ``scale`` with fair signs: one word gives both."""
        if not self._on_cpu:
            return self.random_signs_(out.exponential_(generator=self._generator)).mul_(scale)

        def draw_double(flat: Doubles) -> None:
            self._rng.standard_exponential(out=flat)
            self.random_signs_(torch.from_numpy(flat)).mul_(scale)

        return self._fill(out, draw_double, kernels.laplace, scale)

    def symmetric_(self, out: Tensor, table: QuantileTable, scale: float = 1.0) -> Tensor:
        """``scale`` times numbers of the symmetric law whose size has the tail mass e^-e at ``table``'s t(e).

        On CPU, not in float64.
        """
        return self._fill(out, None, kernels.laplace, scale, table)

    def pareto_(self, out: Tensor, a: float, scale: float = 1.0) -> Tensor:
        """Of size ``scale`` (U^(-1/a) - 1), with fair signs. On CPU, of float32."""
        self._block = fill(
            kernels.pareto, self._seed, self._block, out.view(-1).numpy(), scale, rate=min(1 / a, 1e38)
        )
        return out

    def normal_(self, out: Tensor, sigma: float = 1.0) -> Tensor:
        """Normal numbers of mean 0."""
        if not self._on_cpu:
            return out.normal_(0, sigma, generator=self._generator)

        def draw_double(flat: Doubles) -> None:
            self._rng.standard_normal(out=flat)
            flat *= sigma

        return self._fill(out, draw_double, kernels.normal, sigma)

    def gamma_(self, out: Tensor, shape: float) -> Tensor:
        """Gamma numbers of that shape and mean."""
        if not self._on_cpu:
            return out.copy_(torch._standard_gamma(torch.full_like(out, shape), generator=self._generator))

        for piece in out.view(-1).split(_PIECE):
            exact = out.dtype in (torch.float32, torch.float64)
            full = piece.numpy() if exact else np.empty(len(piece), np.float32)
            self._rng.standard_gamma(shape, dtype=full.dtype, out=full)
            if not exact:
                piece.copy_(torch.from_numpy(full))
        return out

    def resize_(self, out: Tensor, lengths: Tensor, factor: float, exponent: float) -> Tensor:
        """Scale rows to ``factor`` times their lengths, float64, in ℓ1, ℓ2 or ℓ∞. On CPU, of float32."""
        resize(out.numpy(), lengths.numpy(), factor, exponent)
        return out

    def random_signs_(self, out: Tensor) -> Tensor:
        """Multiply every entry by an independent fair sign."""
        signs = torch.empty(out.shape, dtype=torch.int8, device=out.device)
        signs.random_(0, 2, generator=self.generator).mul_(2).sub_(1)
        return out.mul_(signs)

    def _fill(
        self,
        out: Tensor,
        draw_double: Callable[[Doubles], object] | None,
        law: Law,
        scale: float = 1.0,
        table: QuantileTable | None = None,
    ) -> Tensor:
        """float32 by ``law``; float64 by ``draw_double``; other types are rounded from float32."""

        def draw(flat: Floats) -> None:
            lines = NO_TABLE if table is None else table.lines
            self._block = fill(law, self._seed, self._block, flat, scale, lines)

        flat = out.view(-1)
        if out.dtype == torch.float64:
            assert draw_double is not None
            draw_double(flat.numpy())
        elif out.dtype == torch.float32:
            draw(flat.numpy())
        else:
            for piece in flat.split(_PIECE):
                full = np.empty(len(piece), np.float32)
                draw(full)
                piece.copy_(torch.from_numpy(full))
        return out
