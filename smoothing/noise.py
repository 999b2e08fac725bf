"""The contract of a noise: a law on R^d with a scale, that can be sampled and has a density.

A noise never knows a theorem. The files beside this one hold one family each: its law first, then the
theorems that turn (noise, norm, ρ) into a radius, entered into the table of ``smoothing.theorems``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from geometry.errors import InputError
from geometry.norms import number

if TYPE_CHECKING:
    import torch

    from geometry.norms import Norm
    from smoothing.draws import Source
    from smoothing.methods.score_laws import ScoreLaw

ArrayOrTensor = TypeVar("ArrayOrTensor", "np.ndarray", "torch.Tensor")


@dataclass(frozen=True, kw_only=True)
class Noise(ABC):
    """Symmetric noise on R^dim with density λ^-dim q₁(x/λ).

    Contract of a final class: ``family`` (the name users type), ``log_unit_sigma``,
    ``_log_density`` and ``_fill``.
    """

    dim: int
    scale: float = 1.0
    """λ, in the units of the input."""

    def __post_init__(self) -> None:
        if not isinstance(self.dim, (int, np.integer)) or self.dim < 1:
            raise InputError(f"dim must be a whole number of at least 1, got {self.dim!r}")
        if not (math.isfinite(self.scale) and self.scale >= np.finfo(float).tiny):
            raise InputError(f"scale (λ) must be a positive, finite number, got {self.scale!r}")
        object.__setattr__(self, "dim", int(self.dim))
        object.__setattr__(self, "scale", float(self.scale))

    @property
    @abstractmethod
    def family(self) -> str:
        """The name that users type for this family."""

    @property
    @abstractmethod
    def log_unit_sigma(self) -> float:
        """log(σ/λ), where σ = sqrt(E‖δ‖₂² / dim); inf where the variance is infinite."""

    def score(self, norm: Norm) -> tuple[ScoreLaw, float] | None:
        """(law, c): the score along the worst direction against ``norm`` is ``law`` in units of 1/(c λ).

        None where no single direction is worst, or the score is not integrable: then the differential method is mute.
        """
        return None

    @property
    def sigma(self) -> float:
        """σ = sqrt(E‖δ‖₂² / dim): the yardstick that compares families. inf where the variance is infinite."""
        log_sigma = math.log(self.scale) + self.log_unit_sigma
        return math.exp(log_sigma) if log_sigma < 709 else math.inf

    def with_sigma(self, sigma: float) -> Self:
        """The same family with λ chosen so that its σ is ``sigma``. InputError where σ is infinite."""
        if not (math.isfinite(sigma) and sigma > 0):
            raise InputError(f"sigma must be a positive, finite number, got {sigma!r}")
        if math.isinf(self.log_unit_sigma):
            raise InputError(f"{self.spec} has infinite variance, so no sigma: give --scale instead")
        log_scale = math.log(sigma) - self.log_unit_sigma
        if not -708 < log_scale < 709:
            raise InputError(
                f"{self.spec} at sigma={sigma:g} and dim={self.dim} has log λ = {log_scale:.1f}, beyond float64; "
                "give a size nearer to one, or milder parameters"
            )
        return replace(self, scale=math.exp(log_scale))

    @property
    def parameters(self) -> dict[str, float]:
        """The family's own parameters, as in ``NAME:key=value``."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("dim", "scale")}

    @property
    def spec(self) -> str:
        """``NAME:key=value,…``: what ``parse_noise`` reads back."""
        pairs = ",".join(f"{key}={number(value)}" for key, value in self.parameters.items())
        return f"{self.family}:{pairs}" if pairs else self.family

    def __str__(self) -> str:
        return self.spec

    def sample(
        self,
        n: int | None = None,
        *,
        generator: torch.Generator | int | None = None,
        out: torch.Tensor | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> torch.Tensor:
        """``n`` independent draws as rows, shape (n, dim); or fill ``out``, contiguous floats of that shape.

        ``generator`` is a torch generator of the buffer's device, or an integer seed; the laws of floats, and what
        they leave of the tails, are stated in ``smoothing.draws``. Radii of shaped noise are
        drawn in float64 whatever the dtype, so that a float32 buffer at dim = 150 528 keeps the radial law.
        """
        import torch

        from smoothing.draws import Source

        if out is None:
            if n is None or n < 0:
                raise InputError(
                    f"sample needs n >= 0, the number of draws, or out, the buffer to fill; got n={n}"
                )
            out = torch.empty(n, self.dim, dtype=dtype, device=device)
        elif (
            out.ndim != 2 or out.shape[1] != self.dim or not out.is_contiguous() or n not in (None, len(out))
        ):
            raise InputError(
                f"out must be contiguous floats with shape (n, {self.dim}), "
                f"got {tuple(out.shape)} of {out.dtype}, n={n}"
            )
        with torch.no_grad():
            self._fill(out, Source(out.device, generator))
        return out

    @abstractmethod
    def _fill(self, out: torch.Tensor, source: Source) -> None:
        """Overwrite ``out``, shape (n, dim), with draws."""

    def log_prob(self, x: ArrayOrTensor) -> ArrayOrTensor:
        """log density, shape (..., dim) to (...), for NumPy arrays and torch tensors; -inf off the support.

        +inf at the origin where the density has a pole. InputError for another last axis than ``dim``.
        """
        if x.ndim == 0 or x.shape[-1] != self.dim:
            raise InputError(f"log_prob takes points of shape (..., {self.dim}), got {tuple(x.shape)}")
        with np.errstate(divide="ignore", over="ignore"):  # log 0 and far tails are what they are
            return self._log_density(x)

    @abstractmethod
    def _log_density(self, x: ArrayOrTensor) -> ArrayOrTensor:
        """log density of points whose last axis is known to be ``dim``."""


def check_range(name: str, value: float, low: float, high: float = math.inf, *, closed: bool = False) -> None:
    """InputError unless low < value < high (low ≤ value where ``closed``): names the parameter and its range."""
    inside = (low <= value if closed else low < value) and value < high
    if not inside:  # NaN is inside no range
        bounds = f"{low:g} {'<=' if closed else '<'} {name}" + (
            f" < {high:g}" if math.isfinite(high) else " < inf"
        )
        raise InputError(f"{name} is out of range: {bounds} is required, got {value:g}")


def namespace(x: Any) -> Any:
    """The array namespace of ``x`` (numpy or torch), without importing torch for NumPy's sake."""
    from array_api_compat import array_namespace

    return array_namespace(x)
