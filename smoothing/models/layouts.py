"""How published checkpoints name their tensors, as data: prefixes and what we call them.

A layout is a list of (their prefix, our prefix); the first that fits a key renames it. Layouts are
tried in order and the one that leaves the fewest keys missing or unexpected is taken: a new one is
one line. ``network.`` and ``normalize.`` are where `NormalizedModel` keeps its parts; for a model
without these parts ``network.`` stands for the model itself. ``normalize.log_std`` is the logarithm
of ``normalize.std``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

Rules = tuple[tuple[str, str], ...]

LAYOUTS: tuple[Rules, ...] = (
    # Our own, and any model read back by the code that wrote it.
    (),
    # A bare network, as torchvision and timm save it; the same from nn.DataParallel.
    (("", "network."),),
    (("module.", "network."),),
    # Sequential(normalise, network); the statistics are constants and not in the file.
    (("1.module.", "network."),),
    (("1.", "network."),),
    (("module.1.", "network."),),
    # The same with the statistics as buffers or parameters.
    (("0.means", "normalize.mean"), ("0.sds", "normalize.std"), ("1.module.", "network.")),
    (("0.means", "normalize.mean"), ("0.sds", "normalize.std"), ("1.", "network.")),
    # A module with .norm and .model, each in nn.DataParallel or bare; the file has mean and log std.
    (
        ("norm.module.mu", "normalize.mean"),
        ("norm.module.log_sig", "normalize.log_std"),
        ("model.module.linear.", "network.fc."),
        ("model.module.", "network."),
    ),
    (("norm.mu", "normalize.mean"), ("norm.log_sig", "normalize.log_std"), ("model.", "network.")),
    # The CIFAR ResNets that call their last layer `linear`, and whole models in nn.DataParallel.
    (("linear.", "network.fc."), ("", "network.")),
    (("module.linear.", "network.fc."), ("module.", "network.")),
    (("module.", ""),),
)


@dataclass(frozen=True)
class Fit:
    """Tensors under our names, and how far they are from the model's: both tuples empty is a fit."""

    tensors: dict[str, Tensor]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    @property
    def misses(self) -> int:
        return len(self.missing) + len(self.unexpected)


def best_fit(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Fit:
    """`tensors` renamed by the first layout that fits the keys `wanted`, else by the closest one."""
    has_parts = any(key.startswith("network.") for key in wanted)
    fits = (_fit(_renamed(tensors, rules, has_parts), wanted) for rules in LAYOUTS)
    return min(fits, key=lambda fit: fit.misses)


def _renamed(tensors: Mapping[str, Tensor], rules: Rules, has_parts: bool) -> dict[str, Tensor]:
    renamed = {}
    for key, tensor in tensors.items():
        theirs, ours = next((rule for rule in rules if key.startswith(rule[0])), ("", ""))
        name = ours + key.removeprefix(theirs)
        renamed[name if has_parts else name.removeprefix("network.")] = tensor
    log_std = renamed.pop("normalize.log_std", None)
    if log_std is not None:
        renamed["normalize.std"] = log_std.exp()
    return renamed


def _fit(renamed: dict[str, Tensor], wanted: Mapping[str, Tensor]) -> Fit:
    # Statistics of the data are often constants of the code that wrote the file, and old files do
    # not count batches: the model keeps its own where the file is silent.
    missing = tuple(
        key
        for key in wanted
        if key not in renamed and not key.startswith("normalize.") and not key.endswith("num_batches_tracked")
    )
    return Fit(renamed, missing, tuple(key for key in renamed if key not in wanted))
