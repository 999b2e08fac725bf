"""Models that this project does not define: timm's by name, and the user's own by import path."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from geometry.errors import InputError
from smoothing.models.normalize import NormalizedModel, normalize_for


def timm_model(name: str, shape: Sequence[int], num_classes: int, dataset: str) -> nn.Module:
    """timm's network `name`, untrained, behind our `Normalize`; raises `InputError` without timm."""
    try:
        import timm
    except ImportError as error:
        raise InputError(
            f"model 'timm:{name}' needs timm, which could not be imported ({error}); "
            "pip install 'smoothing-shapes[timm]'"
        ) from error
    if not name:
        raise InputError("model 'timm:' lacks a name; write for example timm:resnet18")
    try:
        network = timm.create_model(name, pretrained=False, in_chans=shape[0], num_classes=num_classes)
    except Exception as error:  # timm raises many kinds; the user sees which, and its words.
        raise InputError(f"timm cannot build {name!r}: {_told(error)}") from error
    return _probed(
        f"timm:{name}", NormalizedModel(normalize_for(dataset, shape), network), shape, num_classes
    )


def user_model(spec: str, shape: Sequence[int], num_classes: int) -> nn.Module:
    """FACTORY() of ``PACKAGE.MODULE:FACTORY``, checked to map one image to `num_classes` logits.

    A factory with parameters `num_classes` or `image_shape` is given them; one that takes ``**kwargs``
    is given `num_classes`, by the wide custom. FACTORY may also be an nn.Module that exists already.
    Everything the user's code raises comes back as `InputError` with the name of the exception.
    """
    module_name, _, factory_name = spec.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), *factory_name.split(".")]):
        raise InputError(f"model {spec!r} is not of the form PACKAGE.MODULE:FACTORY")
    factory: Any = _imported(spec, module_name)
    for part in factory_name.split("."):
        if not hasattr(factory, part):
            raise InputError(f"model {spec!r}: module {module_name!r} has no attribute {factory_name!r}")
        factory = getattr(factory, part)
    if isinstance(factory, nn.Module):
        return _probed(spec, factory, shape, num_classes)
    if not callable(factory):
        raise InputError(f"model {spec!r}: the factory must be callable, got {type(factory).__name__}")
    try:
        model = factory(**_welcome(factory, num_classes=num_classes, image_shape=tuple(shape)))
    except (Exception, SystemExit) as error:
        raise InputError(f"model {spec!r}: the factory raised {_told(error)}") from error
    if not isinstance(model, nn.Module):
        raise InputError(
            f"model {spec!r}: the factory must return a torch.nn.Module, got {type(model).__name__}"
        )
    return _probed(spec, model, shape, num_classes)


def _imported(spec: str, module_name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        # First and for good, as `python -m` has it: the user's module may import its neighbours later.
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{module_name}.".startswith(f"{missing}."):
            raise InputError(
                f"model {spec!r}: no module named {missing!r} in {here} or among the installed packages"
            ) from error
        raise InputError(f"model {spec!r}: importing {module_name!r} raised {_told(error)}") from error


def _welcome(factory: Any, *, num_classes: int, image_shape: tuple[int, ...]) -> dict[str, Any]:
    """Those of our keyword arguments that `factory` accepts."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # some builtins show no signature
        return {}
    by_name = {
        name
        for name, parameter in parameters.items()
        if parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    }
    # A module class without a constructor of its own shows nn.Module's **kwargs and takes none.
    own = getattr(factory, "__init__", None) is not nn.Module.__init__
    if own and any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        by_name.add("num_classes")
    offered = {"num_classes": num_classes, "image_shape": image_shape}
    return {name: value for name, value in offered.items() if name in by_name}


def _probed(spec: str, model: nn.Module, shape: Sequence[int], num_classes: int) -> nn.Module:
    """`model` itself, once one black image has gone through it and logits came out."""
    first = next(model.parameters(), None)
    image = torch.zeros(1, *shape, device=None if first is None else first.device)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()  # a batch norm cannot train on one image, and must not learn from this one
    try:
        with torch.no_grad():
            logits = model(image)
    except Exception as error:
        raise InputError(
            f"model {spec!r} fails on one image of shape {tuple(shape)}: {_told(error)}"
        ) from error
    finally:
        for module, training in modes:
            module.training = training
    came = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if came != (1, num_classes):
        raise InputError(
            f"model {spec!r} must map one image of shape {tuple(shape)} to logits of shape "
            f"(1, {num_classes}), got {came}"
        )
    return model


def _told(error: BaseException) -> str:
    """The exception on one line: its name and the first line of its words."""
    words = str(error).strip().splitlines()
    return f"{type(error).__name__}: {words[0]}" if words else type(error).__name__
