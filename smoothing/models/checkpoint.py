"""Weights from a file into a model: read as data only, renamed, checked, then copied all at once."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from geometry.errors import InputError
from smoothing.models.layouts import best_fit

TORCH_SUFFIXES = (".pt", ".pth", ".tar", ".torch", ".ckpt")

# Where training scripts put the state dict inside a larger dictionary, most specific name first.
_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "weights")


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Every tensor of `model` gets its value from the checkpoint at `path`, or none does.

    The file is ``.safetensors``, or a torch file of tensors and plain containers (``.pt .pth .tar
    .torch .ckpt``, read with ``weights_only=True``: nothing in it is executed). Names are matched by
    `layouts.LAYOUTS`. Raises `InputError` for a file that cannot be read, for missing or unexpected
    names, for another shape, and for values that are not finite; `model` is then as it was.
    """
    path = Path(path)
    tensors, arch = read_tensors(path)
    own = model.state_dict()
    fit = best_fit(tensors, own)
    written_for = f" (the file says arch {arch!r})" if arch else ""
    if fit.misses:
        raise InputError(
            f"checkpoint {path} is of another architecture than the model{written_for}: "
            f"{_some('missing', fit.missing)}, {_some('unexpected', fit.unexpected)}"
        )
    for key, tensor in fit.tensors.items():
        target = own[key]
        # A mean of shape (3,) and one of (3, 1, 1) are the same mean.
        if key.startswith("normalize.") and tensor.numel() == target.numel():
            tensor = tensor.reshape(target.shape)
        if tensor.shape != target.shape:
            raise InputError(
                f"checkpoint {path} does not fit the model{written_for}: {key} is "
                f"{_shape(tensor)} in the file and {_shape(target)} in the model"
            )
        if not torch.isfinite(tensor).all():
            raise InputError(f"checkpoint {path}: {key} has values that are not finite (NaN or infinite)")
        fit.tensors[key] = tensor
    model.load_state_dict(fit.tensors, strict=False)  # strictness has been checked above, with better words


def read_tensors(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """The state dict in the file, on the CPU, and the architecture's name if the file gives one."""
    if not path.is_file():
        raise InputError(f"checkpoint {path}: there is no such file")
    if path.suffix not in (".safetensors", *TORCH_SUFFIXES):
        known = " ".join((".safetensors", *TORCH_SUFFIXES))
        raise InputError(f"checkpoint {path}: the name must end in one of {known}")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    arch = content.get("arch") if isinstance(content, Mapping) else None
    tensors = _unwrapped(content)
    if tensors is None:
        raise InputError(
            f"checkpoint {path} holds no state dict (names to tensors), neither at the top nor under one of "
            f"{', '.join(_WRAPPERS)}; save model.state_dict()"
        )
    return tensors, arch if isinstance(arch, str) else None


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"checkpoint {path} cannot be read as safetensors: {_first_line(error)}") from error


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch raise nearly anything
        words = str(error)
        if isinstance(error, pickle.UnpicklingError) and ("GLOBAL" in words or "Unsupported" in words):
            raise InputError(
                f"checkpoint {path} holds Python objects besides tensors and is not read, since they could "
                "run code; where you trust it, save its state_dict alone with torch.save"
            ) from error
        raise InputError(
            f"checkpoint {path} cannot be read, it is damaged or no torch file: "
            f"{type(error).__name__}: {_first_line(error)}"
        ) from error


def _unwrapped(content: Any) -> dict[str, Tensor] | None:
    """The mapping of names to tensors in `content`, looked for one level deep."""
    if not isinstance(content, Mapping):
        return None
    for candidate in (content, *(content[name] for name in _WRAPPERS if name in content)):
        if isinstance(candidate, Mapping) and candidate:
            pairs = candidate.items()
            if all(isinstance(key, str) and isinstance(value, Tensor) for key, value in pairs):
                return dict(pairs)
    return None


def _some(what: str, keys: tuple[str, ...]) -> str:
    """``37 missing (a, b, c, …)``: counts, and enough names to recognise the architecture."""
    if not keys:
        return f"0 {what}"
    return f"{len(keys)} {what} ({', '.join(keys[:3])}{', …' if len(keys) > 3 else ''})"


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a scalar"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no reason given"
