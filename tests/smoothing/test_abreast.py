"""Images side by side: the votes, and their order, of one after another; ends that leave no thread at work."""

import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from geometry.errors import InputError
from smoothing import parse_noise
from smoothing.abreast import count_abreast
from smoothing.counting import Plan, count_here
from smoothing.sequential import Stopping, Until
from smoothing.voting import Voter

NOISE = parse_noise("gaussian", dim=16, sigma=1)
PLAN = Plan(70, 3000, seed=4, stop=Stopping(Until(width=0.05), NOISE, 0.01))
IMAGES = [5, 2, 9, 11, 3, 7, 4]


class Sums(nn.Module):
    """Three classes by two sums of the pixels; it keeps one on itself while it computes the other, as some do."""

    def forward(self, x):
        x = x.flatten(1)
        self.kept = x[:, :8].sum(1)
        other = x[:, 8:].sum(1)
        return torch.stack([self.kept, other, 0 * other], 1)


def load(i):
    return np.full(16, 0.02 * i, np.float32)


def same(a, b):
    return (a.image, a.votes0.counts.tolist(), a.votes.counts.tolist(), a.votes.n) == (
        b.image,
        b.votes0.counts.tolist(),
        b.votes.counts.tolist(),
        b.votes.n,
    )


@pytest.mark.parametrize("lanes", [2, 3, 20])
def test_the_votes_of_one_after_another_in_the_same_order(lanes):
    one_by_one = list(count_here(Voter(Sums(), NOISE, 3, lanes=1), IMAGES, load, PLAN))
    assert [c.image for c in one_by_one] == IMAGES and len({c.votes.n for c in one_by_one}) > 2
    abreast = list(count_abreast(Voter(Sums(), NOISE, 3, lanes=lanes), IMAGES, load, PLAN))
    assert all(same(a, b) for a, b in zip(one_by_one, abreast, strict=True))


def test_no_image_is_no_row():
    assert list(count_abreast(Voter(Sums(), NOISE, 3, lanes=2), [], load, PLAN)) == []


def test_a_model_that_no_two_lanes_can_call_has_all_threads():
    threads, model = set(), Sums()
    model.register_forward_hook(lambda *_: threads.add(torch.get_num_threads()))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        rows = list(count_abreast(Voter(model, NOISE, 3, lanes=3), IMAGES, load, PLAN))
    finally:
        torch.set_num_threads(before)
    assert [row.image for row in rows] == IMAGES and max(threads) == 3  # where there are several blocks


def test_torch_has_its_threads_back():
    before = torch.get_num_threads()
    rows = count_abreast(Voter(Sums(), NOISE, 3, lanes=2), IMAGES, load, PLAN)
    next(rows)
    rows.close()
    assert torch.get_num_threads() == before


def test_an_image_that_cannot_be_read_comes_after_the_rows_before_it():
    def torn(i):
        if i == 11:
            raise InputError("image 11 is torn")
        return load(i)

    rows, seen = count_abreast(Voter(Sums(), NOISE, 3, lanes=3), IMAGES, torn, PLAN), []
    with pytest.raises(InputError, match="image 11 is torn"):
        for row in rows:
            seen.append(row.image)
    assert seen == [5, 2, 9]


def test_a_model_that_fails_comes_after_the_rows_before_it():
    class Failing(Sums):
        def forward(self, x):
            if (x.mean(0) > 0.9).any() and len(x) > 50:
                raise RuntimeError("too bright")
            return super().forward(x)

    rows = count_abreast(
        Voter(Failing(), NOISE, 3, lanes=2), IMAGES, lambda i: load(i) + (5 if i == 9 else 0), PLAN
    )
    seen = []
    with pytest.raises(InputError, match="too bright"):
        for row in rows:
            seen.append(row.image)
    assert seen == [5, 2]


def unanimous(k, n):
    return k == n


def slow():
    """A model whose calls take two milliseconds at least, and the threads that called it or a copy of it."""
    called = []

    class Slow(Sums):
        def forward(self, x):
            time.sleep(0.002)
            called.append(threading.get_ident())
            return super().forward(x)

    return Slow(), called


def clear_or_tied(i):
    """Image 0 is answered by the first block; the others take all their samples."""
    return np.repeat([9.0, -9.0], 8).astype(np.float32) * (i == 0)


def test_closing_ends_what_is_in_hand_after_a_block():
    """The tie would take 20 000 calls: 40 seconds."""
    model, called = slow()
    plan = Plan(64, 10**7, seed=1, stop=unanimous)
    rows = count_abreast(Voter(model, NOISE, 3, lanes=2), [0, 1], clear_or_tied, plan)
    assert next(rows).image == 0
    begun = time.perf_counter()
    rows.close()
    assert time.perf_counter() - begun < 10
    calls = len(called)
    time.sleep(0.05)
    assert len(called) == calls


def test_the_last_image_gets_all_lanes():
    model, called = slow()
    plan = Plan(64, 20_000, seed=1, stop=unanimous)
    voter = Voter(model, NOISE, 3, lanes=3)
    assert [row.votes.n for row in count_abreast(voter, [0, 1], clear_or_tied, plan)] == [64, 20_000]
    assert len(called) < 200 and len(set(called)) > 3  # threads live as long as a count
