"""Shaped noise: the unit ball of a norm gives the level sets, a profile gives their weights."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from geometry.norms import Norm
from smoothing.noise import ArrayOrTensor, Noise, namespace
from smoothing.profiles import Profile

if TYPE_CHECKING:
    import torch

    from smoothing.draws import Source


@dataclass(frozen=True, kw_only=True)
class Shaped(Noise):
    """q(x) ∝ f(g(x)/λ), g the gauge of the shape and f the profile: X = λ r θ, r and θ independent.

    Contract of a final class: ``shape`` (the norm that is the gauge), ``log_boundary_square``,
    ``_fill_directions``, ``_fill_boundary``.
    """

    profile: Profile

    shape: ClassVar[Norm]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.profile.dim != self.dim:
            raise ValueError(f"the profile has dim={self.profile.dim}, the noise dim={self.dim}")

    @property
    def family(self) -> str:
        name = f"{self.profile.prefix}-{self.shape.name}"
        return "uniform" if name == "uniform-linf" else name

    @property
    def parameters(self) -> dict[str, float]:
        return self.profile.parameters

    @property
    @abstractmethod
    def log_boundary_square(self) -> float:
        """log E‖θ‖₂² under the cone measure on the boundary of the unit body."""

    @abstractmethod
    def _fill_boundary(self, out: torch.Tensor, source: Source) -> torch.Tensor | None:
        """Overwrite ``out`` with draws c θ of the cone measure; return log c per row, float64, or None for c = 1."""

    @abstractmethod
    def _fill_directions(self, out: torch.Tensor, source: Source) -> torch.Tensor:
        """Overwrite ``out`` with draws that have the cone measure once divided by their gauge."""

    @property
    def log_unit_sigma(self) -> float:
        return 0.5 * (self.profile.log_moment(2) + self.log_boundary_square - math.log(self.dim))

    def _log_density(self, x: ArrayOrTensor) -> ArrayOrTensor:
        xp = namespace(x)
        # q(x) = f(g(x)/λ) / (λ^d · d Vol(S) · ∫ r^(d-1) f(r) dr)
        log_mass = math.log(self.dim) + self.shape.log_volume(self.dim) + self.profile.log_mass
        log_mass += self.dim * math.log(self.scale)
        return -self.profile.potential(self._gauge(x, xp) / self.scale, xp) - log_mass

    @abstractmethod
    def _gauge(self, x: ArrayOrTensor, xp: object) -> ArrayOrTensor:
        """g(x) over the last axis."""

    def _fill(self, out: torch.Tensor, source: Source) -> None:
        import torch

        if out.device.type == "cpu" and out.dtype == torch.float32:
            # By few operations: in training each finds the caches cold, and costs more than its numbers.
            lengths, factor = self.profile.sample_lengths(len(out), self.scale, source.generator)
            source.resize_(self._fill_directions(out, source), lengths, factor, self.shape.exponent)
            return
        log_length = self.profile.sample_log(len(out), source.generator, out.device) + math.log(self.scale)
        log_excess = self._fill_boundary(out, source)
        if log_excess is not None:
            log_length = log_length - log_excess
        log_length = log_length.clamp(max=math.log(torch.finfo(out.dtype).max) - 5)
        out.mul_(log_length.exp_().to(out.dtype).unsqueeze(1))
