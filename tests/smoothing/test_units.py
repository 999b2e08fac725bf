"""Images are cut into units that cover each copy once, and rows come in order, whatever the workers do."""

import random

import numpy as np
import pytest

from geometry.errors import InputError
from smoothing.units import Answer, Deal, Unit
from smoothing.voting import Votes

N0, N, BLOCK = 3, 1050, 100


def answer(unit, pace=1e-3):
    """Votes that tell which copies were counted: their number, and the sum of their positions."""
    first = Votes(np.array([N0, unit.image]), 0, N0) if unit.first == 0 else None
    positions = sum(range(unit.first, unit.first + unit.n))
    return Answer(first, Votes(np.array([unit.n, positions]), 1, unit.n), pace * unit.n)


def drive(deal, workers, dice, die=0.0):
    """Workers that end in random order and die with probability ``die``: rows, units."""
    rows, units, busy = [], [], []
    while not deal.complete:
        while len(busy) < workers and (unit := deal.take()):
            busy.append(unit)
            units.append(unit)
        unit = busy.pop(dice.randrange(len(busy)))
        if dice.random() < die:
            deal.lost(unit)
        else:
            deal.done(unit, answer(unit, 10 ** dice.uniform(-6, -2)))
        rows += deal.in_turn()
    return rows, units


@pytest.mark.parametrize("seed", range(20))
def test_every_copy_is_counted_once_and_rows_come_in_order(seed):
    dice = random.Random(seed)
    images = dice.sample(range(1000), 30)
    deal = Deal(images, n0=N0, n=N, block=BLOCK, workers=4)
    rows, units = drive(deal, 4, dice, die=0.1)
    assert [row.image for row in rows] == images
    assert all(unit.first % BLOCK == 0 for unit in units)
    for row in rows:
        assert row.votes0.counts.tolist() == [N0, row.image] and row.votes.n == N
        assert row.votes.counts.tolist() == [N, sum(range(N))] and row.seconds > 0


def test_units_take_a_second_and_less_towards_the_end():
    deal = Deal(range(3), n0=64, n=100_000, block=100, workers=4)
    assert deal.take().n == 100  # nothing is known about the pace
    deal.done(Unit(0, 0, 100), Answer(Votes(np.zeros(2, int), 0, 64), Votes(np.zeros(2, int), 0, 100), 0.164))
    sizes = [unit.n for unit in iter(deal.take, None)]  # at 1 ms a sample
    assert max(sizes) <= 1100 and sizes[0] >= 900
    assert sizes[-1] == 100 and sum(sizes) == 299_900
    assert all(size % 100 == 0 for size in sizes)


def test_an_image_is_one_unit_where_the_votes_decide_their_number():
    deal = Deal([7, 3], n0=64, n=5000, block=5000, workers=4)
    assert [deal.take(), deal.take(), deal.take()] == [Unit(7, 0, 5000), Unit(3, 0, 5000), None]
    for image in (3, 7):
        assert deal.in_turn() == []
        deal.done(Unit(image, 0, 5000), Answer(Votes(np.ones(1), 0, 64), Votes(np.ones(1), 0, 128), 9.0))
    assert [(row.image, row.votes.n) for row in deal.in_turn()] == [(7, 128), (3, 128)]


def test_what_is_held_is_bounded():
    deal = Deal(range(10**6), n0=1, n=10, block=10, workers=2)
    first = deal.take()
    while unit := deal.take():
        deal.done(unit, answer(unit, 1.0))
    assert unit is None and deal.in_turn() == [] and len(deal._finished) == 999
    deal.done(first, answer(first, 1.0))
    assert len(deal.in_turn()) == 1000 and deal.take() is not None


def test_a_unit_that_ends_its_workers_is_given_up_after_the_rows_before_it():
    deal = Deal(range(5), n0=N0, n=10, block=10, workers=3)
    units = [deal.take() for _ in range(3)]
    deal.lost(units[1])
    deal.lost(deal.take())  # the same unit again: what was lost goes first
    again = deal.take()
    assert again == units[1]
    deal.lost(again)
    deal.done(units[2], answer(units[2]))
    assert deal.in_turn() == [] and deal.take() is None  # nothing new is begun
    deal.done(units[0], answer(units[0]))
    assert [row.image for row in deal.in_turn()] == [0]
    with pytest.raises(InputError, match="image 1: 3 workers in a row ended"):
        deal.in_turn()
