"""The model of a certification: a checkpoint, a factory's, or one trained under the noise."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from geometry.cli import Progress
from smoothing.settings import file_hash, kind, load_split, make_recipe, model_name

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

    import torch
    from torch import nn

    from smoothing.data import Dataset
    from smoothing.noises import Noise
    from smoothing.runs import RunFolder


def bring_model(
    args: Namespace, test: Dataset, noise: Noise, device: torch.device, progress: Progress
) -> tuple[nn.Module, dict[str, Any], dict[str, Any]]:
    """(model on the device in eval mode, what determines it, how it came about): read, or trained under the noise."""
    from geometry.errors import InputError
    from smoothing.models import build_model, load_weights
    from smoothing.train import train_cached
    from smoothing.training import WEIGHTS

    name = model_name(args, test)
    if args.checkpoint is not None:
        model = build_model(name, image_shape=test.shape, num_classes=test.num_classes, dataset=kind(test))
        load_weights(model, args.checkpoint)
        return model.to(device).eval(), {"model": name, "weights": file_hash(args.checkpoint)}, {}
    if args.model and ":" in args.model and not args.model.startswith("timm:"):
        # A factory may bring its own weights; training it would overwrite them.
        model = build_model(name, image_shape=test.shape, num_classes=test.num_classes, dataset=kind(test))
        return model.to(device).eval(), {"model": name, "weights": state_hash(model)}, {}
    train = load_split(args, "train")
    if train.shape != test.shape or train.classes != test.classes:
        raise InputError(
            f"the splits of {args.dataset} differ: images {train.shape} and {test.shape}, "
            f"{train.num_classes} and {test.num_classes} classes"
        )
    if (
        len(train) == len(test)
        and (train.images([0, len(test) - 1]) == test.images([0, len(test) - 1])).all()
    ):
        print(
            f"warning: {args.dataset} has one split: training and certifying the same images", file=sys.stderr
        )
    recipe = make_recipe(args, train)
    folder, model, _ = train_cached(name, train, noise, recipe, device, progress=progress)
    weights = file_hash(folder / WEIGHTS)
    return model.to(device).eval(), {"model": name, "weights": weights}, {"training": asdict(recipe)}


def model_of(
    run: RunFolder, checkpoint: Path | None, data_dir: Path | None, device: torch.device
) -> nn.Module:
    """The model that a run's votes are of, on the device in eval mode: from ``checkpoint``, or trained as it was.

    InputError where its weights are not those that voted, or where the run has a factory's model.
    """
    from geometry.errors import InputError
    from smoothing.data import load_dataset
    from smoothing.models import build_model, load_weights
    from smoothing.models.precision import in_precision
    from smoothing.train import train_cached
    from smoothing.training import WEIGHTS, Recipe

    name, facts = run.settings["model"], run.config["facts"]
    train = load_dataset(facts["dataset"], split="train", data_dir=data_dir)
    if checkpoint is None:
        if "training" not in facts:
            raise InputError(f"{run.path} was made from weights of its own; give them as --checkpoint")
        folder, _, _ = train_cached(name, train, run.noise, Recipe(**facts["training"]), device)
        checkpoint = folder / WEIGHTS
    if file_hash(checkpoint) != run.settings["weights"]:
        raise InputError(
            f"the weights of {checkpoint} are not those that voted in {run.path}; give --checkpoint"
        )
    model = build_model(
        name, image_shape=train.shape, num_classes=train.num_classes, dataset=run.settings["dataset"]
    )
    load_weights(model, checkpoint)
    return in_precision(model.to(device).eval(), run.settings.get("precision", "float32"))


def state_hash(model: nn.Module) -> str:
    """SHA-256 over the parameters and buffers of a model that has no file, shortened."""
    import hashlib

    from safetensors.torch import save

    tensors = dict(model.named_buffers()) | model.state_dict()  # some buffers are in no state_dict
    state = {k: v.detach().cpu().contiguous().clone() for k, v in sorted(tensors.items())}
    return hashlib.sha256(save(state)).hexdigest()[:16]
