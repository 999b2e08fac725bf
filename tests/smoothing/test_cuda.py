"""The CUDA path: the same code on the device. Skipped where there is none."""

import numpy as np
import pytest
import torch
from scipy import stats

from smoothing import SmoothedClassifier
from smoothing.models import build_model
from smoothing.noises import parse_noise
from smoothing.voting import Voter

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

SPECS = [
    "gaussian",
    "laplace",
    "uniform",
    "exp-power:p=0.5",
    "pareto:a=3",
    "uniform-l1",
    "uniform-l2",
    "exp-linf:k=2,j=1",
    "exp-l1:k=2",
    "exp-l2:k=1,j=3",
    "pow-linf:k=2,a=60",
]


@pytest.mark.parametrize("spec", SPECS)
def test_samples_have_the_law_of_the_cpu(spec):
    """Two-sample Kolmogorov-Smirnov on one coordinate and on the gauge's power mean; 1e-6 each."""
    noise = parse_noise(spec, dim=50, scale=1.0)
    here, there = (
        noise.sample(20_000, generator=1, device=d).double().cpu().numpy() for d in ("cpu", "cuda")
    )
    assert stats.ks_2samp(here[:, 0], there[:, 0]).pvalue > 1e-6
    sizes = [np.log(np.abs(x) + 1e-30).mean(axis=1) for x in (here, there)]
    assert stats.ks_2samp(*sizes).pvalue > 1e-6


def test_votes_are_counted_on_the_device_and_repeat():
    model = build_model("small-cnn", image_shape=(1, 8, 8), num_classes=10, dataset="digits").cuda().eval()
    noise = parse_noise("uniform", dim=64, sigma=0.5)
    x = torch.rand(1, 8, 8)
    counts = [Voter(model, noise, 10).count(x, 3000, seed=0, image=0).counts for _ in range(2)]
    assert (counts[0] == counts[1]).all() and counts[0].sum() == 3000
    certified = SmoothedClassifier(model, noise, 10).certify(x.cuda(), norm="l1", n=1000)
    assert np.isfinite(certified.radius)
