"""Runs as the experiments leave them, of votes that a test chooses: no model, no sampling."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from smoothing.noises import parse_noise
from smoothing.runs import Row, RunFolder, make_row
from smoothing.voting import Votes

CLASSES = ["no", "yes"]


def made_run(
    folder: Path,
    correct: list[int],
    *,
    noise: str = "gaussian",
    sigma: float = 1.0,
    n: int = 1000,
    loss: str = "augment",
    dim: int = 4,
) -> RunFolder:
    """A run of two classes whose image i, of class 1, got ``correct[i]`` of ``n`` votes for it."""
    scale = parse_noise(noise, dim=dim, sigma=sigma).scale
    settings = {
        "model": "none", "dataset": "made", "data": "0" * 16, "classes": CLASSES, "indices": f"0:{len(correct)}:1",
        "noise": noise, "dim": dim, "scale": scale, "n0": 10, "n": n, "alpha": 0.001, "seed": 0,
    }  # fmt: skip
    path = folder / f"{noise.replace(':', '_')}_{sigma}_{loss}"
    run = RunFolder.create(path, settings, {"training": {"loss": loss}})
    with run.writing() as writer:
        for index, count in enumerate(correct):
            writer.append(made_row(index, count, n), 0.0)
    return run


def made_row(index: int, count: int, n: int) -> Row:
    """The row of an image of class 1 with ``count`` of ``n`` votes right."""
    votes0, votes = Votes(np.array([0, 10]), 0, 10), Votes(np.array([n - count, count]), 0, n)
    return make_row(index, 1, votes0=votes0, votes=votes, alpha=0.001, seed=0)
