"""Training under noise: Gaussian-style augmentation and stability training, resumable to the last bit.

Every random number is a function of (seed, epoch): the shuffle and the noise need no saved generator state, so a
run that was killed and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from geometry.errors import InputError
from geometry.files import check_writable, locked, write_atomic, write_json
from smoothing.noise_supply import NoiseSupply
from smoothing.noises import Noise

if TYPE_CHECKING:
    from smoothing.data import Dataset

LOSSES = ("augment", "stability")
WEIGHTS, MOMENTUM, STATE, LOG = "weights.safetensors", "momentum.safetensors", "training.json", "loss.jsonl"


@dataclass(frozen=True)
class Recipe:
    """How to train: everything that determines the weights besides model, data and noise."""

    loss: str = "augment"
    epochs: int = 40
    batch: int = 128
    lr: float = 0.1
    weight_decay: float = 1e-4
    momentum: float = 0.9
    stability_weight: float = 6.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise InputError(f"unknown loss {self.loss!r}; known: {', '.join(LOSSES)}")


def noise_loss(
    model: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    noisy: Callable[[torch.Tensor], torch.Tensor],
    recipe: Recipe,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(mean loss, logits of the noisy batch); ``noisy`` makes noisy copies, as a ``NoiseSupply`` does.

    ``augment``: the cross-entropy of one noisy copy (Lecuyer et al. 2018, Cohen et al. 2019). ``stability``: plus
    ``stability_weight`` times KL(f(x+δ) ‖ f(x+δ')) between two noisy copies (Li et al. 2019, in the form that the
    paper's experiments use).
    """
    if recipe.loss == "augment":
        logits = model(noisy(x))
        return F.cross_entropy(logits, y), logits
    # One forward pass over both copies: batch normalisation then sees one law.
    logits, other = model(torch.cat([noisy(x), noisy(x)])).chunk(2)
    divergence = F.kl_div(
        F.log_softmax(other, dim=1), F.log_softmax(logits, dim=1), log_target=True, reduction="batchmean"
    )
    return F.cross_entropy(logits, y) + recipe.stability_weight * divergence, logits


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Cosine schedule: lr (1 + cos(π t)) / 2 for t from 0 to 1."""
    return 0.5 * recipe.lr * (1 + math.cos(math.pi * progress))


def train(
    model: nn.Module,
    data: Dataset,
    noise: Noise,
    recipe: Recipe,
    folder: Path,
    *,
    device: torch.device,
    identity: dict[str, Any],
    on_step: Callable[[int, int, float], object] | None = None,
    keep_every: int = 1,
) -> list[dict[str, float]]:
    """Train ``model`` in place; leaves ``weights.safetensors`` and ``training.json`` in ``folder``.

    ``folder`` may hold an interrupted or finished training of the same ``identity`` (model, data, noise, recipe),
    which is taken up at its last whole epoch; another identity is an InputError. Returns the log: epoch, loss,
    accuracy on noisy training images, lr. ``on_step(epoch, step, loss)`` reports progress.
    """
    identity = json.loads(json.dumps({**identity, "recipe": asdict(recipe)}))
    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, wait=True):  # another process may be training the same; then its result is ours
        return _train(model, data, noise, recipe, folder, device, identity, on_step, keep_every)


def _train(
    model: nn.Module,
    data: Dataset,
    noise: Noise,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    identity: dict[str, Any],
    on_step: Callable[[int, int, float], object] | None,
    keep_every: int,
) -> list[dict[str, float]]:
    model.to(device)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
    )
    log = _resume(model, optimizer, folder, identity)
    steps = -(-len(data) // recipe.batch)
    labels = torch.tensor(data.labels, device=device)
    for epoch in range(len(log), recipe.epochs):
        model.train()
        order = np.random.Generator(np.random.PCG64((recipe.seed, epoch))).permutation(len(data))
        seed = np.random.SeedSequence((recipe.seed, epoch, 1)).generate_state(1, np.uint64)[0]
        noisy = NoiseSupply(noise, torch.Generator(device=device).manual_seed(int(seed)))
        total_loss = total_right = 0.0
        for step, indices in enumerate(np.array_split(order, steps)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, (epoch + step / steps) / recipe.epochs)
            x = torch.from_numpy(data.images(indices)).to(device)
            y = labels[torch.from_numpy(indices).to(device)]
            loss, logits = noise_loss(model, x, y, noisy, recipe)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            value = float(loss.detach())
            if not math.isfinite(value):
                raise InputError(
                    f"training diverged in epoch {epoch + 1} (loss {value}): take a smaller --lr (now {recipe.lr:g})"
                )
            total_loss += value * len(indices)
            total_right += int((logits.argmax(dim=1) == y).sum())
            if on_step is not None:
                on_step(epoch, step, value)
        log.append(
            {
                "epoch": epoch + 1,
                "loss": total_loss / len(data),
                "accuracy": total_right / len(data),
                "lr": learning_rate(recipe, epoch / recipe.epochs),
            }
        )
        if (epoch + 1) % keep_every == 0 or epoch + 1 == recipe.epochs:
            _save(model, optimizer, folder, identity, log)
    model.eval()
    return log


def finished(folder: Path, recipe: Recipe) -> bool:
    """Whether the folder holds a training that ran to its last epoch."""
    return epochs_done(folder) >= recipe.epochs


def epochs_done(folder: Path) -> int:
    """Whole epochs that the folder's training has behind it, 0 where there is none: there it would be taken up."""
    return len(_read_state(folder)["log"]) if (folder / STATE).exists() else 0


def _save(
    model: nn.Module,
    optimizer: torch.optim.SGD,
    folder: Path,
    identity: dict[str, Any],
    log: list[dict[str, float]],
) -> None:
    """The files of this epoch under names of their own, the log, and last the JSON that puts them in force.

    The JSON is what counts: a crash before it leaves the last epoch's files in force, and the epoch is repeated
    to the same bytes.
    """
    last = len(log) >= identity["recipe"]["epochs"]
    weights, momentum = (WEIGHTS, "") if last else _names(len(log))
    _write_tensors(model.state_dict(), folder / weights)
    if not last:
        buffers = {n: optimizer.state[p].get("momentum_buffer") for n, p in model.named_parameters()}
        _write_tensors({n: b for n, b in buffers.items() if b is not None}, folder / momentum)
    write_atomic(folder / LOG, "".join(json.dumps(entry) + "\n" for entry in log))
    write_json(folder / STATE, {"identity": identity, "epoch": len(log), "log": log})
    _sweep(folder, weights, momentum)


def _sweep(folder: Path, *keep: str) -> None:
    """Remove the files of other epochs, and what a crash left half written."""
    for old in [*folder.glob("epoch-*.safetensors"), *folder.glob("*.part")]:
        if old.name not in keep:
            old.unlink()


def _names(epoch: int) -> tuple[str, str]:
    return f"epoch-{epoch}.weights.safetensors", f"epoch-{epoch}.momentum.safetensors"


def _write_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    from safetensors.torch import save

    write_atomic(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def _resume(
    model: nn.Module, optimizer: torch.optim.SGD, folder: Path, identity: dict[str, Any]
) -> list[dict[str, float]]:
    """The log of the epochs done, with model and optimizer as they stood after them."""
    from safetensors.torch import load_file

    if not (folder / STATE).exists():
        _sweep(folder)
        return []
    state = _read_state(folder)
    old, log = state["identity"], state["log"]
    if old != identity:
        pairs = [(k, old.get(k), identity.get(k)) for k in sorted(old.keys() | identity.keys())]
        listed = ", ".join(f"{k} was {was!r} and is {now!r}" for k, was, now in pairs if was != now)
        raise InputError(f"{folder} holds a training with other settings ({listed}); give another folder")
    weights, momentum = _names(len(log))
    done = len(log) >= identity["recipe"]["epochs"]
    path = folder / (WEIGHTS if done else weights)
    try:
        model.load_state_dict(load_file(path))
        buffers = {} if done else load_file(folder / momentum)
    except Exception as error:
        raise InputError(
            f"checkpoint {path} cannot be read ({error}); remove the folder to train again"
        ) from None
    for name, parameter in model.named_parameters():
        if name in buffers:
            optimizer.state[parameter]["momentum_buffer"] = buffers[name].to(parameter.device)
    _sweep(folder, *(() if done else (weights, momentum)))
    return log


def _read_state(folder: Path) -> dict[str, Any]:
    try:
        state = json.loads((folder / STATE).read_bytes())
        if isinstance(state["identity"], dict) and isinstance(state["log"], list):
            return state
    except (ValueError, KeyError, TypeError):
        pass
    raise InputError(f"{folder / STATE} is damaged; remove the folder to train again")
