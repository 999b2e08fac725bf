"""The voting loops of other programs, run on our models: each as a function of the number of samples.

Their folders are arguments and their packages are theirs to bring; a peer that cannot be imported says why.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Loop = Callable[[int], object]

RS4A_NOISES = {
    "gaussian": ("Gaussian", {}),
    "laplace": ("Laplace", {}),
    "uniform": ("Uniform", {}),
    "pareto": ("Pareto", {"a": 3}),
    "uniform-l2": ("UniformBall", {}),
}


def rs4a(folder: Path, model: Any, x: Any, family: str, sigma: float, batch: int) -> Loop:
    """``smooth_predict_hard`` of tonyduan/rs4a under its own noise."""
    with on_path(folder):
        smooth = importlib.import_module("src.smooth")
        noises = importlib.import_module("src.noises")
    name, parameters = RS4A_NOISES[family]
    noise = getattr(noises, name)(dim=x.numel(), sigma=sigma, **parameters)
    one = x.unsqueeze(0)
    return lambda n: smooth.smooth_predict_hard(
        model, one, noise, sample_size=n, noise_batch_size=min(batch, n)
    )


def cohen(folder: Path, model: Any, x: Any, num_classes: int, sigma: float, batch: int) -> Loop:
    """``Smooth._sample_noise`` of locuslab/smoothing; it names the device 'cuda', which is read as the model's."""
    import scipy.stats
    import torch

    if not hasattr(scipy.stats, "binom_test"):  # gone since SciPy 1.12; not used by what is timed
        scipy.stats.binom_test = None
    with on_path(folder / "code"):
        core = importlib.import_module("core")
    local = types.SimpleNamespace(**vars(torch) | {"randn_like": lambda t, device: torch.randn_like(t)})
    vars(core)["torch"] = local
    smooth = core.Smooth(model, num_classes, sigma)

    def loop(n: int) -> object:
        with torch.no_grad():
            return smooth._sample_noise(x, n, batch)

    return loop


def art(folder: Path, model: Any, x: Any, num_classes: int, sigma: float, batch: int) -> Loop:
    """``_prediction_counts`` of the adversarial-robustness-toolbox; it holds all samples at once, so in thousands."""
    import torch

    with on_path(folder):
        module = importlib.import_module("art.estimators.certification.randomized_smoothing")
    smooth = module.PyTorchRandomizedSmoothing(
        model=model,
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=tuple(x.shape),
        nb_classes=num_classes,
        scale=sigma,
        device_type="gpu" if x.is_cuda else "cpu",
    )
    image = x.cpu().numpy()

    def loop(n: int) -> None:
        for start in range(0, n, 1000):
            smooth._prediction_counts(image, n=min(1000, n - start), batch_size=batch)

    return loop


@contextmanager
def on_path(folder: Path) -> Any:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
