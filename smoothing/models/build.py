"""A model from its name: the one place that reads what the user wrote after ``--model``."""

from __future__ import annotations

import importlib
import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from geometry.errors import InputError
from smoothing.models.catalogue import ENTRIES, PATTERNS, Entry

if TYPE_CHECKING:
    from torch import nn


def build_model(
    name: str, image_shape: Sequence[int], num_classes: int, dataset: str = "", *, seed: int | None = 0
) -> nn.Module:
    """An untrained network on the CPU: (n, *image_shape) floats → (n, num_classes) logits.

    `name` is a key of `MODELS`, ``timm:NAME`` or ``PACKAGE.MODULE:FACTORY``. The input is images in
    [0, 1] *plus noise*, before any normalisation: a named or timm model begins with a `Normalize`
    layer holding the statistics of `dataset`; a model of your own has to bring its own.

    `seed` fixes the initial weights and leaves the global generator of torch as it was; ``None``
    draws them from that generator. Raises `InputError` for a name, shape or factory that cannot be used.
    """
    shape = _checked_shape(image_shape)
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 2:
        raise InputError(f"num_classes must be an integer of at least 2, got {num_classes!r}")
    make = _maker(name, shape, num_classes, dataset)

    import torch

    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        return make()


def _maker(name: str, shape: tuple[int, ...], num_classes: int, dataset: str) -> Callable[[], nn.Module]:
    """What builds `name`, once its name and the shape are known to fit together; imports no torch."""
    if name in ENTRIES:
        entry = ENTRIES[name]
        _require_side(name, entry, shape)
        return lambda: _named(entry, shape, num_classes, dataset)
    # Foreign models live in their own file: most runs never need it.
    if name.startswith("timm:"):
        from smoothing.models.foreign import timm_model

        return lambda: timm_model(name.removeprefix("timm:"), shape, num_classes, dataset)
    if ":" in name:
        from smoothing.models.foreign import user_model

        return lambda: user_model(name, shape, num_classes)
    known = ", ".join([*ENTRIES, *PATTERNS])
    raise InputError(f"unknown model {name!r}; use one of: {known}")


def _named(entry: Entry, shape: tuple[int, ...], num_classes: int, dataset: str) -> nn.Module:
    from smoothing.models.normalize import NormalizedModel, normalize_for

    module = importlib.import_module(f"smoothing.models.{entry.module}")
    factory: Callable[..., Any] = getattr(module, entry.factory)
    return NormalizedModel(normalize_for(dataset, shape), factory(shape, num_classes))


def _checked_shape(image_shape: Sequence[int]) -> tuple[int, ...]:
    try:
        shape = tuple(operator.index(side) for side in image_shape)
    except TypeError:
        shape = ()
    if not shape or min(shape) < 1:
        raise InputError(f"image_shape must be positive integers, such as (1, 28, 28); got {image_shape!r}")
    return shape


def _require_side(name: str, entry: Entry, shape: tuple[int, ...]) -> None:
    if entry.min_side and (len(shape) != 3 or min(shape[1:]) < entry.min_side):
        came = "×".join(map(str, shape))
        raise InputError(
            f"model {name!r} needs channel × height × width with sides of at least {entry.min_side}, "
            f"but the data are {came}; use the model 'mlp' for {math.prod(shape)} numbers without that shape"
        )
