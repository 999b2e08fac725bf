"""Noise drawn for several batches at a time: what is given out is what one long sample has, in order, once."""

import pytest
import torch

from smoothing.noise_supply import NoiseSupply
from smoothing.noises import parse_noise


def supply(spec="uniform", dim=12, seed=0):
    return NoiseSupply(parse_noise(spec, dim=dim, scale=1.0), torch.Generator().manual_seed(seed))


def test_batches_are_rows_of_one_sample_after_the_other():
    """Eight full batches, then the next eight; the images' shape and values are kept."""
    noisy, x = supply(), torch.full((5, 3, 2, 2), 10.0)
    copies = [noisy(x) for _ in range(16)]
    generator = torch.Generator().manual_seed(0)
    noise = parse_noise("uniform", dim=12, scale=1.0)
    expected = torch.cat([noise.sample(40, generator=generator) for _ in range(2)]) + 10
    assert all(copy.shape == x.shape for copy in copies) and (x == 10).all()
    assert torch.equal(torch.cat(copies).view(80, 12), expected)


@pytest.mark.parametrize("sizes", [(5, 4, 4, 5, 1, 5, 5, 5, 5, 5, 5), (1, 9, 2, 30, 1, 1), (0, 3, 0, 3)])
def test_no_two_rows_share_noise(sizes):
    """Whatever the sizes of the batches."""
    noisy = supply(dim=3)
    rows = torch.cat([noisy(torch.zeros(n, 3)) for n in sizes])
    assert len(rows) == sum(sizes) == len(torch.unique(rows, dim=0))


def test_large_batches_are_drawn_one_by_one():
    """As ``sample`` draws them, without a second copy in memory."""
    noisy, dim = supply("uniform-l2", dim=150_528), 150_528
    assert noisy.ahead(4) == 1 and noisy.ahead(2) == 3 and supply().ahead(1000) == 8
    copy = noisy(torch.zeros(4, dim))
    expected = parse_noise("uniform-l2", dim=dim, scale=1.0).sample(
        4, generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(copy, expected) and copy.untyped_storage().nbytes() == 4 * 4 * dim


def test_types_of_batches():
    """float64 and bfloat16 get noise of their own type."""
    for dtype in (torch.float64, torch.bfloat16):
        copy = supply("gaussian")(torch.ones(3, 12, dtype=dtype))
        assert copy.dtype == dtype and (copy != 1).any()


def test_batches_are_tensors_of_their_own_to_autograd():
    """Two forward passes, then the backward pass of the first."""
    supply = NoiseSupply(parse_noise("gaussian", dim=6, sigma=1.0), torch.Generator().manual_seed(0))
    weight = torch.ones(6, requires_grad=True)
    first, second = (supply(torch.zeros(4, 6)) for _ in range(2))
    (first * weight).sum().backward()
    third = supply(torch.zeros(4, 6))
    loss = (second * weight).square().sum()
    supply(torch.zeros(4, 6))
    loss.backward()
    assert not torch.equal(first, second) and not torch.equal(second, third)
