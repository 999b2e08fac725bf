"""``python -m smoothing.train``: a classifier trained under noise, resumable."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geometry.cli import Parser, Progress, emit_json, progress, run
from smoothing.settings import (
    add_problem_options,
    add_training_options,
    file_label,
    kind,
    load_split,
    make_noise,
    make_recipe,
    model_name,
    pick_device,
    short_hash,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

    from smoothing.data import Dataset
    from smoothing.noises import Noise
    from smoothing.training import Recipe


def parser() -> Parser:
    """The command's options."""
    p = Parser(prog="python -m smoothing.train", description="Train a classifier under noise.")
    add_problem_options(p)
    add_training_options(p)
    p.add_argument(
        "--out", type=Path, help="folder for weights.safetensors and training.json (default: under runs/)"
    )
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    data = load_split(args, "train")
    noise = make_noise(args, math.prod(data.shape))
    name, recipe = model_name(args, data), make_recipe(args, data)
    device = pick_device(args.device)
    folder, _, log = train_cached(name, data, noise, recipe, device, folder=args.out)
    if args.json:
        emit_json({"folder": str(folder), "log": log})
    else:
        last = log[-1]
        print(
            f"{folder}: epoch {last['epoch']:.0f}, loss {last['loss']:.4f}, "
            f"accuracy on noisy training images {last['accuracy']:.1%}"
        )


def train_cached(
    name: str,
    data: Dataset,
    noise: Noise,
    recipe: Recipe,
    device: torch.device,
    *,
    folder: Path | None = None,
    cache: Path = Path("runs/models"),
    progress: Progress = progress,
) -> tuple[Path, nn.Module, list[dict[str, float]]]:
    """(folder, model in eval mode, log): trained now, or resumed, or read where it was trained before."""
    import torch

    from smoothing.models import build_model
    from smoothing.training import WEIGHTS, epochs_done, finished, train
    from smoothing.voting import reuse_memory

    reuse_memory()
    identity = training_identity(name, data, noise)
    if folder is None:
        label = file_label(kind(data), name, noise.spec, f"sigma{noise.sigma:.4g}", recipe.loss)
        folder = cache / f"{label}_{short_hash({**identity, **vars(recipe)})}"
    torch.manual_seed(recipe.seed)  # the initial weights
    model = build_model(name, image_shape=data.shape, num_classes=data.num_classes, dataset=kind(data))
    if finished(folder, recipe):
        log = train(model, data, noise, recipe, folder, device=device, identity=identity)
        print(f"model: {folder / WEIGHTS} (trained before)", file=sys.stderr)
        return folder, model.eval(), log
    steps = -(-len(data) // recipe.batch)
    with progress(recipe.epochs * steps, f"training {name}", "step") as bar:

        def on_step(epoch: int, step: int, loss: float) -> None:
            bar.update(epoch * steps + step + 1 - bar.n)
            bar.set_postfix_str(f"epoch {epoch + 1}/{recipe.epochs}, loss {loss:.3f}", refresh=False)

        try:
            log = train(model, data, noise, recipe, folder, device=device, identity=identity, on_step=on_step)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{epochs_done(folder)} of {recipe.epochs} epochs done") from None
    return folder, model.eval(), log


def training_identity(name: str, data: Dataset, noise: Noise) -> dict[str, Any]:
    """What a training is of: model, data and noise. A checkpoint of another identity is refused."""
    return {
        "model": name,
        "dataset": kind(data),
        "data": data.fingerprint,
        "noise": noise.spec,
        "scale": noise.scale,
        "dim": noise.dim,
    }


if __name__ == "__main__":
    run(main, "smoothing.train")
