"""Lanes call models of their own: what a forward pass keeps on its module stays with its batch."""

import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from smoothing.lanes import models_of
from smoothing.models import build_model
from smoothing.noises import parse_noise
from smoothing.voting import Voter


class Skip(nn.Module):
    """Keeps a skip connection on itself while others may run, as many published networks do."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(2, 4))

    def keep(self, x):
        self.kept = x

    def recall(self):
        return self.kept

    def forward(self, x):
        self.keep(x)
        time.sleep(1e-3)
        return self.recall()[: len(x)] @ self.weight.T


class Scratch(Skip):
    """Keeps it in a buffer that is always the same."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scratch", torch.zeros(500, 4))

    def keep(self, x):
        self.scratch[: len(x)] = x

    def recall(self):
        return self.scratch


class Listed(Skip):
    """Keeps it in a list."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def keep(self, x):
        self.seen[:] = [x]

    def recall(self):
        return self.seen[0]


class Hooked(nn.Module):
    """Keeps it outside, by a hook."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(2, 4))
        self.inner = nn.Identity()
        kept = {}
        self.inner.register_forward_hook(lambda module, given, out: kept.update(x=out))
        self.recall = lambda: kept["x"]

    def forward(self, x):
        self.inner(x)
        time.sleep(1e-3)
        return self.recall() @ self.weight.T


class Patched(Skip):
    """Has a forward pass put in from outside, which keeps things there."""

    def __init__(self):
        super().__init__()
        kept = {}

        def forward(x):
            kept["x"] = x
            time.sleep(1e-3)
            return kept["x"] @ self.weight.T

        self.forward = forward


class Locked(Skip):
    """Cannot be copied."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def counts(model, lanes):
    """Votes of 20 blocks."""
    noise = parse_noise("gaussian", dim=4, sigma=1.0)
    return Voter(model, noise, 2, lanes=lanes).count(torch.zeros(4), 10_000, seed=1, image=0).counts


@pytest.mark.parametrize("kind", [Skip, Scratch, Listed, Hooked, Patched, Locked])
def test_what_a_model_keeps_stays_with_its_batch(kind):
    model = kind().eval()
    alone = counts(model, 1)  # which leaves something behind: a copy must bear it
    np.testing.assert_array_equal(counts(model, 2), alone)
    np.testing.assert_array_equal(counts(model, 3), alone)


@pytest.mark.parametrize("kind", [Skip, Listed, Scratch])
def test_copies_share_the_parameters_and_see_what_becomes_of_the_model(kind):
    model = kind().eval()
    models = models_of(model, 3)
    assert models[0] is model and len({id(m) for m in models}) == 3
    assert all(m.weight is model.weight for m in models)
    before = counts(model, 2)
    model.weight = nn.Parameter(-model.weight.detach())
    np.testing.assert_array_equal(counts(model, 2), before[::-1])


def test_models_that_keep_nothing_are_not_copied():
    model = build_model("small-cnn", (1, 28, 28), 10, dataset="fashion-mnist").eval()
    assert all(m is model for m in models_of(model, 3))
    assert len({id(m) for m in models_of(model.train(), 3)}) == 3


@pytest.mark.parametrize("kind", [Hooked, Patched, Locked])
def test_a_model_that_cannot_be_copied_goes_alone(kind):
    model = kind().eval()
    assert models_of(model, 4) == [model]
