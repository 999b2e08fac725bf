"""The numbers under every noise: their laws against SciPy's, their tails, pieces and pairs."""

import math

import mpmath as mp
import numpy as np
import pytest
import torch
from marks import slow
from scipy import stats

from smoothing.draws import Source
from smoothing.kernels import CHUNK
from smoothing.noises import parse_noise
from smoothing.noises.exp_power import _quantiles

CPU = torch.device("cpu")
LAWS = {
    "uniform_": stats.uniform(-1, 2),
    "exponential_": stats.expon(),
    "laplace_": stats.laplace(),
    "normal_": stats.norm(),
}
N = 1_000_001  # odd, and several pieces


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", LAWS)
def test_laws(name, dtype):
    """Kolmogorov's distance at a false-alarm rate of 1e-9; bfloat16 has 8 bits, so its steps are allowed for."""
    out = torch.full((N,), math.nan, dtype=dtype)
    assert getattr(Source(CPU, 5), name)(out) is out
    numbers = out.double().numpy()
    if dtype == torch.bfloat16:
        numbers += np.random.default_rng(0).uniform(-(2**-9), 2**-9, N) * np.exp2(
            np.ceil(np.log2(np.abs(numbers) + 1e-30))
        )
    allowed = math.sqrt(math.log(2e9) / (2 * N)) + (0.001 if dtype == torch.bfloat16 else 0)
    ordered = LAWS[name].cdf(np.sort(numbers))
    grid = np.arange(N + 1) / N
    assert max((ordered - grid[:-1]).max(), (grid[1:] - ordered).max()) < allowed


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("sigma", [1e-30, 1e-16, 0.37, 1e16, 1e30])
def test_normals_of_every_size(dtype, sigma):
    """Also where σ² is no float32."""
    plain, scaled = (Source(CPU, 5).normal_(torch.empty(1001, dtype=dtype), s) for s in (1.0, sigma))
    assert torch.allclose(
        scaled.double() / sigma, plain.double(), rtol=0.02 if dtype == torch.bfloat16 else 1e-6
    )


@pytest.mark.parametrize("shape", [1.05, 3.0, 11.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gamma(shape, dtype):
    numbers = Source(CPU, 6).gamma_(torch.empty(N, dtype=dtype), shape).double().numpy()
    assert stats.kstest(numbers, stats.gamma(shape).cdf).pvalue > 1e-9


def test_normals_in_all_their_tail():
    """Of 20 million: as many beyond 4, 4.5 and 5 as there should be, and none beyond where the words end."""
    out = torch.empty(1_000_000)
    beyond = np.zeros(3)
    for seed in range(20):
        size = Source(CPU, seed).normal_(out).abs()
        assert size.max() < 6.67
        beyond += [(size > t).sum().item() for t in (4, 4.5, 5)]
    mean = 20e6 * 2 * stats.norm.sf([4, 4.5, 5])
    assert (stats.poisson.sf(beyond - 1, mean) > 1e-7).all() and (
        stats.poisson.cdf(beyond, mean) > 1e-7
    ).all()


def test_normal_pairs_do_not_know_each_other():
    """The two halves of a chunk share radii: their product, squares and signs must be uncorrelated all the same."""
    chunks = Source(CPU, 7).normal_(torch.empty(256 * CHUNK)).double().numpy().reshape(-1, 2, CHUNK // 2)
    first, second = chunks[:, 0].ravel(), chunks[:, 1].ravel()
    for f in (lambda t: t, lambda t: t**2 - 1, np.sign, lambda t: (np.abs(t) > 1.5) - 2 * stats.norm.sf(1.5)):
        correlation = np.mean(f(first) * f(second)) / math.sqrt(
            np.mean(f(first) ** 2) * np.mean(f(second) ** 2)
        )
        assert abs(correlation) < 6 / math.sqrt(len(first))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("name", LAWS)
def test_small_and_odd_sizes(name, size):
    out = getattr(Source(CPU, 1), name)(torch.full((size,), math.nan))
    assert torch.isfinite(out).all() and len(out.unique()) == size


def test_pieces_are_drawn_one_after_the_other():
    size = 70 * CHUNK + 3
    whole = Source(CPU, 3).normal_(torch.empty(size))
    source = Source(CPU, 3)
    pieces = [source.normal_(torch.empty(n)) for n in (CHUNK, 69 * CHUNK, 3)]
    assert torch.equal(whole, torch.cat(pieces))
    assert len(whole.unique()) > 0.98 * size  # no piece repeats another


def test_seeds_of_64_bits_are_seeds_of_64_bits():
    low, high = (Source(CPU, seed).uniform_(torch.empty(64)) for seed in (5, 5 + 2**32))
    assert not torch.equal(low, high)
    for seed in (-1, 1 << 64):
        with pytest.raises(ValueError, match="64 bits"):
            Source(CPU, seed)


@pytest.mark.parametrize("p", [1 / 3, 0.5, 0.9, 1.5, 3, 8, 64, slow(1000)])
def test_quantile_tables_against_forty_digits(p):
    """t(e) of exponential-power noise: the tail mass beyond it is e^-e, by mpmath's incomplete gamma function."""
    exponents = 2.0 ** np.random.default_rng(7).uniform(-31, 4.4, 25)
    e = exponents.astype(np.float32)
    t = e.copy()
    _quantiles(p).apply(t)
    with mp.workdps(40):
        for e_i, t_i in zip(e, t, strict=True):
            y = mp.mpf(float(t_i)) ** p
            excess = mp.gammainc(mp.mpf(1) / p, y, mp.inf, regularized=True) - mp.exp(-mp.mpf(float(e_i)))
            density = mp.exp(-y) / mp.gamma(1 + mp.mpf(1) / p)
            assert abs(excess / density / float(t_i)) < 2.5e-7


def test_exponential_power_draws_of_either_path_have_one_law():
    """By a table (float32) and by gamma numbers (float64): two samples, Kolmogorov-Smirnov at 1e-6."""
    for p in (0.34, 0.5, 1.5, 8):
        noise = parse_noise(f"exp-power:p={p}", dim=10, scale=0.3)
        single = noise.sample(20_000, generator=1).numpy().ravel()
        double = noise.sample(20_000, generator=2, dtype=torch.float64).numpy().ravel()
        assert stats.ks_2samp(single, double).pvalue > 1e-6
