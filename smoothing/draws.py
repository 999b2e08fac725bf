"""Uniform, normal and exponential numbers into a buffer, for a nanosecond or two each.

A small network classifies an image in the time that torch takes to draw 784 normals, so on CPU random bits are
the price of a vote. Here they come from NumPy's SFC64, four bytes a number, and go through NumPy's vectorised
inverse transforms while they are in cache. On other devices torch's own generator is used, which is fast there.

The laws, of float32 buffers on CPU. Uniforms are 32-bit integers, scaled: a lattice of step 2^-31 of the half
width. Exponentials are -log of an odd multiple of 2^-31, so that they end at 21.5; normals are Box–Muller pairs of
such a radius and a 32-bit angle, so that they end at 6.55 standard deviations, beyond which the normal law has
6e-11 of its mass (torch's float32 normals end at 5.77, with 8e-9 beyond). What float32 rounds is on top of it.
Laws with a quantile table are such exponentials sent through it, to 2e-7 of each number.
Float64 buffers get NumPy's 53-bit uniforms and its ziggurats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoothing.quantile_table import QuantileTable

Floats = NDArray[np.float32]
Words = NDArray[np.int32]

# Numbers at a time, even: more leave a core's cache; fewer have lanes queue for the interpreter, which a waiting thread
# gets in the time of some 50 000 numbers. So the block of a small network is one piece (``voting.block_size``).
_PIECE = 1 << 18


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
            self._rng = np.random.Generator(np.random.SFC64(seed))

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

        def draw(piece: Floats) -> None:
            _scaled(self._words(len(piece)), half, piece)

        def draw_double(flat: NDArray[np.float64]) -> None:
            self._rng.random(out=flat)
            flat *= 2 * half
            flat -= half

        return self._fill(out, draw, draw_double)

    def exponential_(self, out: Tensor) -> Tensor:
        """Exponential numbers of mean 1."""
        if not self._on_cpu:
            return out.exponential_(generator=self._generator)

        def draw(piece: Floats) -> None:
            _exponentials(self._words(len(piece)), piece)

        return self._fill(out, draw, lambda flat: self._rng.standard_exponential(out=flat))

    def laplace_(self, out: Tensor) -> Tensor:
        """Exponential numbers of mean 1 with fair signs: one word gives both."""
        if not self._on_cpu:
            return self.random_signs_(out.exponential_(generator=self._generator))

        def draw(piece: Floats) -> None:
            words = self._words(len(piece))
            _exponentials(words, piece)
            _copy_signs(words, piece)

        def draw_double(flat: NDArray[np.float64]) -> None:
            self._rng.standard_exponential(out=flat)
            self.random_signs_(torch.from_numpy(flat))

        return self._fill(out, draw, draw_double)

    def symmetric_(self, out: Tensor, table: QuantileTable) -> Tensor:
        """Numbers of the symmetric law whose size has the tail mass e^-e at ``table``'s t(e); CPU, not in float64."""

        def draw(piece: Floats) -> None:
            words = self._words(len(piece))
            _exponentials(words, piece)
            table.apply(piece)
            _copy_signs(words, piece)

        return self._fill(out, draw, None)

    def normal_(self, out: Tensor, sigma: float = 1.0) -> Tensor:
        """Normal numbers of mean 0."""
        if not self._on_cpu:
            return out.normal_(0, sigma, generator=self._generator)

        inside = min(max(sigma, 1e-15), 1e15)  # may be squared in float32

        def draw(piece: Floats) -> None:
            half = (len(piece) + 1) // 2
            words = self._words(2 * half)
            length, angle = np.empty((2, half), np.float32)
            _logarithms(words[:half], length)
            length *= np.float32(-2 * inside**2)
            np.sqrt(length, out=length)
            if inside != sigma:
                length *= np.float32(sigma / inside)
            _scaled(words[half:], math.pi, angle)
            rest = len(piece) - half
            np.cos(angle, out=piece[:half])
            np.sin(angle[:rest], out=piece[half:])
            piece[:half] *= length
            piece[half:] *= length[:rest]

        def draw_double(flat: NDArray[np.float64]) -> None:
            self._rng.standard_normal(out=flat)
            flat *= sigma

        return self._fill(out, draw, draw_double)

    def gamma_(self, out: Tensor, shape: float) -> Tensor:
        """Gamma numbers of that shape and mean."""
        if not self._on_cpu:
            return out.copy_(torch._standard_gamma(torch.full_like(out, shape), generator=self._generator))

        def draw(piece: NDArray[np.floating]) -> None:
            self._rng.standard_gamma(shape, dtype=piece.dtype, out=piece)

        return self._fill(out, draw, draw)

    def random_signs_(self, out: Tensor) -> Tensor:
        """Multiply every entry by an independent fair sign."""
        signs = torch.empty(out.shape, dtype=torch.int8, device=out.device)
        signs.random_(0, 2, generator=self.generator).mul_(2).sub_(1)
        return out.mul_(signs)

    def _words(self, n: int) -> Words:
        """32 random bits each, as int32."""
        return self._rng.bit_generator.random_raw((n + 1) // 2).view(np.int32)[:n]

    def _fill(
        self,
        out: Tensor,
        draw: Callable[[Floats], None],
        draw_double: Callable[[NDArray[np.float64]], object] | None,
    ) -> Tensor:
        """float32 by ``draw``, piece by piece; float64 by ``draw_double``; other types are rounded from float32."""
        flat = out.view(-1)
        if out.dtype == torch.float64:
            assert draw_double is not None
            draw_double(flat.numpy())
        elif out.dtype == torch.float32:
            array = flat.numpy()
            for start in range(0, len(array), _PIECE):
                draw(array[start : start + _PIECE])
        else:
            for piece in flat.split(_PIECE):
                full = np.empty(len(piece), np.float32)
                draw(full)
                piece.copy_(torch.from_numpy(full))
        return out


def _scaled(words: Words, half: float, out: Floats) -> None:
    """Words to floats between -half and half."""
    np.copyto(out, words, casting="unsafe")  # and not one product of both, which would go through doubles
    out *= np.float32(half * 2.0**-31)


def _logarithms(words: Words, out: Floats) -> None:
    """log |odd integer / 2^31|; the words keep their signs."""
    np.bitwise_or(words, 1, out=words)
    _scaled(words, 1.0, out)
    np.abs(out, out=out)
    np.log(out, out=out)


def _exponentials(words: Words, out: Floats) -> None:
    """Minus these."""
    _logarithms(words, out)
    np.negative(out, out=out)


def _copy_signs(words: Words, out: Floats) -> None:
    """The sign bit of each word onto a positive number."""
    bits = out.view(np.int32)
    np.bitwise_or(bits, np.bitwise_and(words, np.int32(-(2**31)), out=words), out=bits)
