"""Options that several commands share, and what they mean: dataset, noise, model, device, caches."""

from __future__ import annotations

import hashlib
import json
import re
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geometry.cli import natural, nonnegative_float, positive_float, positive_int
from geometry.errors import InputError

if TYPE_CHECKING:
    import torch

    from smoothing.data import Dataset
    from smoothing.noises import Noise
    from smoothing.training import Recipe

DEFAULT_SIGMA = 0.5


def add_problem_options(p: ArgumentParser) -> None:
    """--dataset, --data-dir, --noise, --sigma | --scale, --model, --device, --seed."""
    p.add_argument(
        "--dataset",
        default="digits",
        help="digits (default), fashion-mnist, cifar10, folder:PATH[,size=224] or npz:PATH",
    )
    p.add_argument("--data-dir", type=Path, help="where the dataset's files are")
    p.add_argument("--noise", default="uniform", metavar="NAME[:key=value,...]", help="default uniform")
    size = p.add_mutually_exclusive_group()
    size.add_argument(
        "--sigma",
        type=positive_float,
        help=f"sqrt(E|noise|_2^2 / dim), in pixel units of [0, 1]; the default, at {DEFAULT_SIGMA}",
    )
    size.add_argument("--scale", type=positive_float, help="lambda of the density instead of sigma")
    p.add_argument(
        "--model",
        help="small-cnn, mlp, wide-resnet-40-2, resnet50, cifar-resnet110, timm:NAME, or your own "
        "PACKAGE.MODULE:FACTORY (default: by the size of the images)",
    )
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    p.add_argument("--seed", type=natural, default=0)


def add_training_options(p: ArgumentParser) -> None:
    """--loss, --epochs and the optimiser's."""
    p.add_argument("--loss", choices=("augment", "stability"), default="augment")
    p.add_argument(
        "--epochs", type=positive_int, help="default 60 on digits, 20 on fashion-mnist, 120 elsewhere"
    )
    p.add_argument("--train-batch", type=positive_int, default=128)
    p.add_argument("--lr", type=positive_float, default=0.1)
    p.add_argument("--weight-decay", type=nonnegative_float, default=1e-4)
    p.add_argument("--stability-weight", type=positive_float, default=6.0)


def load_split(args: Namespace, split: str) -> Dataset:
    """The dataset that the options name."""
    from smoothing.data import load_dataset

    return load_dataset(args.dataset, split=split, data_dir=args.data_dir)


def make_noise(args: Namespace, dim: int) -> Noise:
    """The noise that the options name, σ = 0.5 by default."""
    from smoothing.noises import parse_noise

    sigma = DEFAULT_SIGMA if args.sigma is None and args.scale is None else args.sigma
    return parse_noise(args.noise, dim=dim, sigma=sigma, scale=args.scale)


def model_name(args: Namespace, data: Dataset) -> str:
    """The model asked for, or the one that fits the images: small-cnn, WideResNet-40-2 or ResNet-50."""
    if args.model:
        return args.model
    _, height, width = data.shape
    if min(height, width) < 4:
        return "mlp"
    if max(height, width) <= 28:
        return "small-cnn"
    return "wide-resnet-40-2" if max(height, width) <= 64 else "resnet50"


def pick_device(name: str, *, elsewhere: bool = False) -> torch.device:
    """``auto`` is CUDA where there is one. InputError for cuda without one, unless it is meant ``elsewhere``."""
    import torch

    if name == "cuda" and elsewhere:
        return torch.device("cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device is available here; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def at_home(device: torch.device) -> torch.device:
    """The device, or this machine's CPU where only a cluster's machines have such a one."""
    import torch

    return device if device.type == "cpu" or torch.cuda.is_available() else torch.device("cpu")


def make_recipe(args: Namespace, data: Dataset) -> Recipe:
    """The training recipe that the options name."""
    from smoothing.training import Recipe

    default_epochs = {"digits": 60, "fashion-mnist": 20}.get(kind(data), 120)
    return Recipe(
        loss=args.loss,
        epochs=args.epochs or default_epochs,
        batch=args.train_batch,
        lr=args.lr,
        weight_decay=args.weight_decay,
        stability_weight=args.stability_weight,
        seed=args.seed,
    )


def kind(data: Dataset) -> str:
    """``digits``, ``folder``, …: the dataset without its path, which may change while the data does not."""
    return data.name.partition(":")[0]


def file_label(*parts: str) -> str:
    """A name for a folder: the parts, joined, with nothing in them that a file system could take amiss."""
    return "_".join(re.sub(r"[^A-Za-z0-9.=+-]+", "-", part) for part in parts)


def short_hash(document: dict[str, Any]) -> str:
    """Eight hex digits that name a set of settings."""
    text = json.dumps(document, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def file_hash(path: Path) -> str:
    """SHA-256 of a file, shortened."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
