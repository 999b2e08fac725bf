"""SmoothedClassifier against analytic models, whose probability under noise and true radius are known exactly."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import binom, binomtest, norm
from torch import nn

from geometry.errors import InputError
from smoothing import ABSTAIN, SmoothedClassifier, parse_noise
from smoothing.batching import Probe
from smoothing.confidence import binomial_p_value, clopper_pearson_lower
from smoothing.theorems import certify_radius
from smoothing.voting import ESTIMATION, PREDICTION, SELECTION, Voter


class HalfSpace(nn.Module):
    """Class 1 where <w, x> > b, else class 0; on the flattened input."""

    def __init__(self, w: torch.Tensor, b: float) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(w), b

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = x.flatten(1) @ self.w - self.b
        return torch.stack([-score, score], dim=1)


class FirstPixels(nn.Module):
    """The class is the largest of the first ten entries: rows cannot touch each other, by any library."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :10].clone()


class Always(nn.Module):
    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(x), -1)


AXIS, DIAGONAL = torch.eye(16)[0], torch.full((16,), 0.25)
OBLIQUE = torch.linspace(-1, 2, 16) / torch.linspace(-1, 2, 16).norm()

# For each of these the half-space is the worst set of the theorem, so the true radius is the margin itself
# (times ‖w‖₂/‖w‖_dual) and ρ is the distribution of <w, noise> at the margin, with λ = 1.
WORST = {
    ("gaussian", "l2"): (OBLIQUE, norm.cdf, 1.0),
    ("gaussian", "l1"): (AXIS, norm.cdf, 1.0),
    ("gaussian", "linf"): (DIAGONAL, norm.cdf, 0.25),
    ("laplace", "l1"): (AXIS, lambda m: 1 - math.exp(-m) / 2, 1.0),
    ("uniform", "l1"): (AXIS, lambda m: (1 + m) / 2, 1.0),
}


# ---- coverage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "adversary"), WORST)
def test_tight_radius_at_the_true_probability_is_the_distance(kind: str, adversary: str) -> None:
    _, cdf, ratio = WORST[kind, adversary]
    for margin in (0.1, 0.5, 0.9):
        noise = parse_noise(kind, dim=16, scale=1)
        radius = float(certify_radius(noise, parse(adversary), cdf(margin)).radius)
        assert radius == pytest.approx(margin * ratio, rel=1e-9)


def parse(text: str):  # type: ignore[no-untyped-def]
    from geometry.norms import parse_norm

    return parse_norm(text)


@pytest.mark.parametrize(("kind", "adversary"), WORST)
def test_coverage(kind: str, adversary: str) -> None:
    """At α = 0.05 the certified radius exceeds the true distance in at most 5 % of runs, and not in far fewer.

    200 seeds. The number of overshoots is Binomial(200, p), p ≤ 0.05; computed, p is above 0.04 in each case
    (n = 1000 votes are a lattice). More than 23, or none at all, has a probability below 4e-4 if all is right.
    """
    w, _, ratio = WORST[kind, adversary]
    margin, repetitions = 0.8, 200
    assert binom.sf(23, repetitions, 0.05) < 1e-4 and binom.cdf(0, repetitions, 0.045) < 1.1e-4
    g = SmoothedClassifier(HalfSpace(w, 0.0), parse_noise(kind, dim=16, scale=1), 2)
    x = margin * w  # <w, x> = margin, since ‖w‖₂ = 1
    found = [g.certify(x, adversary, n0=20, n=1000, alpha=0.05, seed=s) for s in range(repetitions)]
    # 20 votes at ρ ≥ 0.77 choose the right class but for a rare seed, which then abstains.
    assert sum(int(c.prediction) == 0 for c in found) == 0
    over = sum(float(c.radius) > margin * ratio * (1 + 1e-6) for c in found)
    assert 1 <= over <= 23


@pytest.mark.parametrize(("kind", "adversary"), WORST)
def test_many_samples_get_close(kind: str, adversary: str) -> None:
    w, cdf, ratio = WORST[kind, adversary]
    margin = 0.8
    g = SmoothedClassifier(HalfSpace(w, 0.0), parse_noise(kind, dim=16, scale=1), 2)
    c = g.certify(margin * w, adversary, n=100_000, alpha=0.001, seed=1)
    assert c.prediction == 1
    assert 0.96 * margin * ratio < c.radius <= margin * ratio
    assert c.rho < cdf(margin) < c.rho + 0.01
    assert c.counts.sum() == 100_000 and c.counts.argmax() == 1
    # The certificate is derived from the counts and from nothing else.
    rho = clopper_pearson_lower(c.counts[1], 100_000, 0.001)
    assert float(rho) == float(c.rho) == float(c.certificate.rho)
    assert float(c.radius) == float(certify_radius(g.noise, parse(adversary), rho).radius)


def test_wrong_side_abstains_in_the_middle_and_answers_beyond() -> None:
    g = SmoothedClassifier(HalfSpace(AXIS, 0.0), parse_noise("gaussian", dim=16, sigma=1), 2)
    x = torch.stack([-2 * AXIS, 0 * AXIS, 2 * AXIS])
    c = g.certify(x, n=2000)
    assert c.prediction.tolist() == [0, ABSTAIN, 1] and ABSTAIN == -1
    assert c.radius[1] == 0 and min(c.radius[0], c.radius[2]) > 1.5
    assert g.predict(x).tolist() == [0, ABSTAIN, 1]


def test_predict_abstains_at_its_level() -> None:
    """On the boundary the answer is a coin: it is given with probability α = 0.05 at most.

    200 seeds: Binomial(200, ≤ 0.05) exceeds 23 with a probability below 1e-4.
    """
    g = SmoothedClassifier(HalfSpace(AXIS, 0.0), parse_noise("gaussian", dim=16, sigma=1), 2)
    answers = [int(g.predict(0 * AXIS, n=500, alpha=0.05, seed=s)) for s in range(200)]
    assert 1 <= sum(a != ABSTAIN for a in answers) <= 23
    near = 0.2 * AXIS  # ρ = 0.579: 1000 samples see it, 30 mostly do not
    assert g.predict(near, n=1000) == 1
    assert sum(int(g.predict(near, n=30, seed=s)) == ABSTAIN for s in range(20)) >= 15


# ---- the numbers of the field ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "adversary", "radius"),
    [("gaussian", "l2", "3.811"), ("laplace", "l1", "8.887"), ("uniform", "l1", "0.99986")],
)
def test_all_votes_of_a_hundred_thousand(kind: str, adversary: str, radius: str) -> None:
    """ρ = α^(1/n): the ceiling that n = 100 000 and α = 0.001 put on every published radius."""
    rho = clopper_pearson_lower(100_000, 100_000, 0.001)
    assert f"{float(rho):.8f}" == "0.99993092"
    assert float(rho) == pytest.approx(0.001 ** (1 / 100_000), rel=1e-14)
    c = certify_radius(parse_noise(kind, dim=3072, scale=1), parse(adversary), rho)
    assert f"{float(c.radius):.{len(radius) - 2}f}" == radius
    g = SmoothedClassifier(Always([0.0, 1.0]), parse_noise(kind, dim=4, scale=0.5), 2)
    got = g.certify(torch.zeros(4), adversary, n=100_000, alpha=0.001)
    assert got.prediction == 1 and got.counts.tolist() == [0, 100_000]
    assert float(got.radius) == pytest.approx(float(c.radius) / 2, rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 10, 1000, 100_000])
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.5])
def test_clopper_pearson_is_scipys(n: int, alpha: float) -> None:
    ks = np.unique(np.linspace(0, n, 9).astype(int))
    ours = clopper_pearson_lower(ks, n, alpha)
    exact = [
        binomtest(int(k), n, alternative="greater").proportion_ci(1 - alpha, method="exact").low for k in ks
    ]
    # scipy solves for the root to about 1e-12.
    np.testing.assert_allclose(ours, exact, rtol=1e-9, atol=1e-15)
    assert ours[0] == 0 and (np.diff(ours) > 0).all()


def test_clopper_pearson_covers_exactly() -> None:
    """Summed over all outcomes: P(bound > p) ≤ α for every p, and close to α somewhere."""
    n, alpha = 50, 0.05
    bound = clopper_pearson_lower(np.arange(n + 1), n, alpha)
    over = [binom.pmf(np.arange(n + 1), n, p)[bound > p].sum() for p in np.linspace(0.01, 0.99, 197)]
    assert max(over) <= alpha and max(over) > 0.9 * alpha


@pytest.mark.parametrize(
    ("k", "n", "alpha"), [(-1, 5, 0.1), (6, 5, 0.1), (0, 0, 0.1), (1, 2, 0.0), (1, 2, 1.0), (1, 2, math.nan)]
)
def test_clopper_pearson_refuses(k: int, n: int, alpha: float) -> None:
    with pytest.raises(InputError):
        clopper_pearson_lower(k, n, alpha)


def test_binomial_test_is_scipys() -> None:
    for a, b in [(0, 0), (1, 0), (5, 5), (9, 1), (600, 400), (5000, 4700)]:
        want = binomtest(a, a + b).pvalue if a + b else 1.0
        assert float(binomial_p_value(a, b)) == pytest.approx(want, rel=1e-9)


# ---- shapes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(16,), (1, 4, 4), (2, 2, 2, 2, 1)], ids=["features", "image", "five axes"])
def test_shapes(shape: tuple[int, ...]) -> None:
    seen: list[tuple[int, ...]] = []

    class Watching(HalfSpace):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(x.shape[1:]))
            return super().forward(x)

    g = SmoothedClassifier(Watching(AXIS, 0.0), parse_noise("uniform", dim=16, sigma=0.5), 2)
    x = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    one, batch = g.certify(x[0], "l1", n=200), g.certify(x, "l1", n=200)
    assert one.prediction.shape == one.radius.shape == one.rho.shape == () and one.counts.shape == (2,)
    assert batch.prediction.shape == batch.radius.shape == batch.rho.shape == (3,)
    assert batch.counts.shape == (3, 2) and batch.certificate.theorem.shape == (3,)
    assert batch.certificate.radius.shape == (3,)
    assert g.predict(x[0], n=200).shape == () and g.predict(x, n=200).shape == (3,)
    assert set(seen) == {shape}  # the model sees its own layout, never the flattened one
    # NumPy and double precision are taken too.
    np.testing.assert_array_equal(g.certify(x.numpy(), "l1", n=200).counts, batch.counts)
    np.testing.assert_array_equal(g.certify(x.double(), "l1", n=200).counts, batch.counts)
    np.testing.assert_array_equal(g.certify(x[:1], "l1", n=200).counts[0], one.counts)


def test_input_shape_settles_what_is_ambiguous() -> None:
    noise = parse_noise("gaussian", dim=16, sigma=0.1)
    with pytest.raises(InputError, match=r"shape"):
        SmoothedClassifier(HalfSpace(AXIS, 0.0), noise, 2).certify(torch.ones(4, 4))
    g = SmoothedClassifier(HalfSpace(AXIS, 0.0), noise, 2, input_shape=(4, 4))
    assert g.predict(torch.ones(4, 4)).shape == ()
    assert g.predict(torch.ones(5, 4, 4)).shape == (5,)
    with pytest.raises(InputError, match="shape"):
        g.predict(torch.ones(16))


@pytest.mark.parametrize(
    "x",
    [
        torch.ones(17),
        torch.ones(3, 17),
        torch.ones(1, 4, 5),
        torch.ones(()),
        torch.ones(16, dtype=torch.int64),
        torch.zeros(16, dtype=torch.uint8),
        torch.ones(16, dtype=torch.complex64),
        torch.full((16,), math.nan),
        torch.full((2, 16), math.inf),
    ],
    ids=lambda x: f"{tuple(x.shape)}-{x.dtype}".replace("torch.", ""),
)
def test_wrong_input(x: torch.Tensor) -> None:
    g = SmoothedClassifier(HalfSpace(AXIS, 0.0), parse_noise("gaussian", dim=16, sigma=1), 2)
    for ask in (g.predict, g.certify):
        with pytest.raises(InputError) as caught:
            ask(x)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{"n": 0}, {"n": -5}, {"alpha": 0}, {"alpha": 1}, {"alpha": math.nan}])
def test_wrong_options(options: dict[str, float]) -> None:
    g = SmoothedClassifier(HalfSpace(AXIS, 0.0), parse_noise("gaussian", dim=16, sigma=1), 2)
    for ask in (g.predict, g.certify):
        with pytest.raises(InputError, match=next(iter(options))):
            ask(torch.zeros(16), **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="n0"):
        g.certify(torch.zeros(16), n0=0)
    with pytest.raises(InputError, match="norm"):
        g.certify(torch.zeros(16), "l7")


def test_a_pair_without_a_theorem_fails_before_the_work() -> None:
    calls = []

    class Counting(HalfSpace):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            calls.append(len(x))
            return super().forward(x)

    noise = parse_noise("exp-l2:k=1,j=3", dim=16, sigma=1)
    g = SmoothedClassifier(Counting(AXIS, 0.0), noise, 2)
    try:
        g.certify(torch.zeros(16), "lp:p=3", n=10)
    except InputError as error:
        assert "theorem" in str(error)
        assert sum(calls) <= 2  # the probe of the shape, no votes
    else:  # a table that has grown is welcome; every pair is then certified
        assert sum(calls) > 2


@pytest.mark.parametrize("classes", [1, 3])
def test_wrong_number_of_classes(classes: int) -> None:
    g = SmoothedClassifier(HalfSpace(AXIS, 0.0), parse_noise("gaussian", dim=16, sigma=1), classes)
    with pytest.raises(InputError, match=rf"\(n, {classes}\)"):
        g.predict(torch.zeros(16))


def test_wrong_dimension_of_the_noise() -> None:
    g = SmoothedClassifier(HalfSpace(AXIS, 0.0), parse_noise("gaussian", dim=15, sigma=1), 2)
    with pytest.raises(InputError, match="15"):
        g.predict(torch.zeros(16))


def test_batch_must_be_positive() -> None:
    with pytest.raises(InputError, match="batch"):
        SmoothedClassifier(FirstPixels(), parse_noise("gaussian", dim=16, sigma=1), 10, batch=0)


def test_the_model_is_put_in_eval_mode() -> None:
    model = nn.Sequential(nn.Dropout(0.99), HalfSpace(AXIS, 0.0))
    g = SmoothedClassifier(model, parse_noise("gaussian", dim=16, sigma=0.01), 2)
    assert g.certify(5 * AXIS, n=500).counts.tolist() == [0, 500]
    assert not model.training


# ---- seeds -----------------------------------------------------------------------------------------------


def test_batch_equals_loop_by_the_image_index() -> None:
    """Row i of a batch draws the noise of image i: the voter, asked for image i, counts the same."""
    noise = parse_noise("exp-linf:k=2,j=5", dim=16, sigma=0.5)
    g = SmoothedClassifier(FirstPixels(), noise, 10)
    x = torch.rand(4, 16, generator=torch.Generator().manual_seed(1))
    c = g.certify(x, "linf", n0=30, n=1500, seed=7)
    voter = Voter(FirstPixels(), noise, 10)
    for i in range(4):
        np.testing.assert_array_equal(
            voter.count(x[i], 1500, seed=7, image=i, stage=ESTIMATION).counts, c.counts[i]
        )
        chosen = voter.count(x[i], 30, seed=7, image=i, stage=SELECTION).counts.argmax()
        assert c.prediction[i] in (chosen, ABSTAIN)
        np.testing.assert_array_equal(
            g.certify(x[: i + 1], "linf", n0=30, n=1500, seed=7).counts[i], c.counts[i]
        )
    # The same image at another place, or under another seed, has other noise.
    twice = g.certify(x[[0, 0]], "linf", n=1500, seed=7).counts
    assert twice[0].tolist() != twice[1].tolist()
    assert g.certify(x[0], "linf", n=1500, seed=8).counts.tolist() != c.counts[0].tolist()


@pytest.mark.parametrize("kind", ["gaussian", "laplace", "uniform", "exp-l1", "exp-l2:k=2", "pow-linf:a=40"])
def test_batch_size_does_not_change_the_noise(kind: str) -> None:
    noise = parse_noise(kind, dim=16, sigma=0.5)
    x = torch.rand(16, generator=torch.Generator().manual_seed(2))
    votes = [
        Voter(FirstPixels(), noise, 10, batch=b).count(x, 2500, seed=3, image=5).counts.tolist()
        for b in (None, 1, 7, 100, 1000, 10_000)
    ]
    assert all(v == votes[0] for v in votes) and sum(votes[0]) == 2500
    assert SmoothedClassifier(FirstPixels(), noise, 10, batch=7).certify(x, "l2", n=500).counts.sum() == 500


@pytest.mark.parametrize("stage", [SELECTION, ESTIMATION, PREDICTION])
def test_more_samples_extend_fewer(stage: int) -> None:
    """The votes of n are the first n votes of 2n, sample by sample."""

    class Recording(FirstPixels):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = super().forward(x)
            winners.extend(logits.argmax(1).tolist())
            return logits

    x, noise = torch.rand(16), parse_noise("laplace", dim=16, sigma=0.5)
    winners: list[int] = []
    voter = Voter(Recording(), noise, 10)
    voter.count(x, 2345, seed=0, image=3, stage=stage)
    longest = list(winners)
    assert len(longest) == 2345
    previous = np.zeros(10, dtype=int)
    for n in (1, 63, 64, 65, 999, 1000, 1001, 2000):
        votes = voter.count(x, n, seed=0, image=3, stage=stage)
        np.testing.assert_array_equal(votes.counts, np.bincount(longest[:n], minlength=10))
        assert votes.n == n == votes.counts.sum() and (votes.counts >= previous).all()
        previous = votes.counts


def test_selection_and_estimation_draw_other_noise() -> None:
    """Votes that chose the class must not be counted again: the bound would be wrong."""

    class Keeping(FirstPixels):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            kept.append(x.clone())
            return super().forward(x)

    kept: list[torch.Tensor] = []
    voter = Voter(Keeping(), parse_noise("gaussian", dim=16, sigma=1), 10)
    for seed in (0, 1):
        for image in (0, 1):
            for stage in (SELECTION, ESTIMATION, PREDICTION):
                voter.count(torch.zeros(16), 2000, seed=seed, image=image, stage=stage)
    rows = torch.cat(kept)
    assert len(rows) == 12 * 2000
    assert len(torch.unique(rows, dim=0)) == len(rows)


# ---- votes for no class ----------------------------------------------------------------------------------


class SometimesNaN(HalfSpace):
    """NaN where the second entry is above `level`; else the half-space."""

    level = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = super().forward(x)
        return torch.where(x.flatten(1)[:, 1:2] > self.level, torch.nan, logits)


def test_nan_logits_are_votes_for_no_class() -> None:
    noise = parse_noise("gaussian", dim=16, sigma=1)
    clean = SmoothedClassifier(HalfSpace(AXIS, 0.0), noise, 2)
    dirty = SmoothedClassifier(SometimesNaN(AXIS, 0.0), noise, 2)
    x = 2 * AXIS
    a, b = clean.certify(x, n=5000), dirty.certify(x, n=5000)
    lost = 5000 - int(b.counts.sum())
    assert abs(lost - 5000 * norm.sf(1)) < 5 * math.sqrt(5000 * 0.16 * 0.84)  # five standard deviations
    assert (b.counts <= a.counts).all() and b.rho < a.rho and 0 < b.radius < a.radius
    assert float(b.rho) == float(clopper_pearson_lower(b.counts[1], 5000, 0.001))  # n is all that was asked
    votes = Voter(SometimesNaN(AXIS, 0.0), noise, 2).count(x, 5000, seed=0, image=0)
    assert votes.invalid == lost and votes.n == 5000


def test_only_nan_abstains() -> None:
    class Never(HalfSpace):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * torch.nan

    g = SmoothedClassifier(Never(AXIS, 0.0), parse_noise("gaussian", dim=16, sigma=1), 2)
    c = g.certify(2 * AXIS, n=100)
    assert (c.prediction, c.radius, c.rho, c.counts.tolist()) == (ABSTAIN, 0, 0, [0, 0])
    assert g.predict(2 * AXIS) == ABSTAIN


def test_predict_counts_nan_against_the_leader() -> None:
    """45 % for class 1, 55 % for none, is no majority."""

    class Mostly(SometimesNaN):
        level = -0.126

    g = SmoothedClassifier(Mostly(AXIS, 0.0), parse_noise("gaussian", dim=16, sigma=1), 2)
    assert g.predict(9 * AXIS, n=2000) == ABSTAIN


def test_radius_grows_with_votes() -> None:
    rhos = clopper_pearson_lower(np.arange(501, 1001), 1000, 0.001)
    for kind, adversary in WORST:
        radius = certify_radius(parse_noise(kind, dim=16, scale=1), parse(adversary), rhos).radius
        assert all(a <= b for a, b in pairwise(radius.tolist()))


# -- lanes --------------------------------------------------------------------------------------------------


def test_votes_do_not_depend_on_lanes_and_threads_are_left_as_they_were():
    noise = parse_noise("gaussian", dim=16, sigma=1)
    x = torch.linspace(-0.5, 0.5, 16)
    threads = torch.get_num_threads()
    seen = [[] for _ in range(3)]
    votes = [
        Voter(FirstPixels(), noise, 10, lanes=lanes).count(x, 5100, seed=3, image=5, progress=done.append)
        for lanes, done in zip((1, 2, 7), seen, strict=True)
    ]
    assert all((v.counts == votes[0].counts).all() and v.counts.sum() == 5100 for v in votes)
    assert all(sum(done) == 5100 for done in seen)
    assert torch.get_num_threads() == threads


def test_a_failing_lane_stops_the_others():
    class Breaking(FirstPixels):
        calls = 0

        def forward(self, x):
            Breaking.calls += 1
            if Breaking.calls == 5:
                raise RuntimeError("out of luck")
            return super().forward(x)

    voter = Voter(Breaking(), parse_noise("uniform", dim=16, sigma=1), 10, lanes=2)
    with pytest.raises(InputError, match="out of luck"):
        voter.count(torch.zeros(16), 10**6, seed=0, image=0)
    assert Breaking.calls < 20


# -- batches that fit ---------------------------------------------------------------------------------------


class Tight(FirstPixels):
    """A model with memory for ``most`` images at once."""

    def __init__(self, most, error):
        super().__init__()
        self.most, self.error, self.sizes = most, error, []

    def forward(self, x):
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise self.error
        return super().forward(x)


NO_MEMORY = [
    torch.cuda.OutOfMemoryError("CUDA out of memory"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to"
    ),
]


@pytest.mark.parametrize("error", NO_MEMORY)
def test_batches_are_halved_where_memory_runs_out(error):
    noise = parse_noise("gaussian", dim=16, sigma=1)
    roomy, tight = Tight(10**6, error), Tight(70, error)
    x = torch.zeros(16)
    votes = [Voter(model, noise, 10, lanes=1).count(x, 2000, seed=3, image=5) for model in (roomy, tight)]
    assert (votes[0].counts == votes[1].counts).all()
    assert sum(size > 70 for size in tight.sizes) == 3  # 500, 250, 125: found once, kept
    assert max(roomy.sizes) == 500


def test_memory_that_holds_no_image_is_an_error():
    voter = Voter(Tight(0, NO_MEMORY[1]), parse_noise("gaussian", dim=16, sigma=1), 10, lanes=1)
    with pytest.raises(InputError, match="failed on 1 images"):
        voter.count(torch.zeros(16), 10, seed=0, image=0)


@pytest.mark.parametrize("most", [1, 40, 10**6])
def test_the_probe_takes_a_batch_that_fits(most):
    voter = Voter(Tight(most, NO_MEMORY[0]), parse_noise("gaussian", dim=16, sigma=1), 10)
    voter.tune((16,))
    assert 1 <= voter.batch <= min(most, 500)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        Voter(Tight(0, NO_MEMORY[0]), parse_noise("gaussian", dim=16, sigma=1), 10).tune((16,))


def lane_numbers(monkeypatch, side_by_side):
    """Two cores on which all threads together make 100 images a second at batches of 10, and two lanes as given.

    The list names every rate that was asked for: lanes, batch, threads.
    """
    asked, turns = [], iter(side_by_side or ())

    def rate(_, way):
        asked.append((len(way.models), way.batch, way.threads))
        if way.threads is None:
            return 100.0 if way.batch == 10 else 60.0
        if side_by_side is None:
            raise NO_MEMORY[1]
        return next(turns) if way.batch == 5 else 0.0

    monkeypatch.setattr(Probe, "rate", rate)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    return asked


@pytest.mark.parametrize(
    ("side_by_side", "lanes"),
    [
        ((70.0,), 1),  # hopeless: asked for once
        ((130.0,), 2),
        ((119.0, 101.0, 101.0, 99.0), 1),  # the clock's noise
        ((90.0, 150.0, 103.0, 103.0), 2),  # the first answer was a bad minute's
        ((120.0, 70.0, 101.0, 130.0), 1),
        (None, 1),
    ],
)
def test_large_images_go_side_by_side_where_that_is_faster(monkeypatch, side_by_side, lanes):
    """At least by more than the clock's noise, with as many images in flight, and for the same votes."""
    asked = lane_numbers(monkeypatch, side_by_side)
    dim = 1 << 15
    model = nn.Sequential(nn.Flatten(), nn.Linear(dim, 3)).eval()
    nn.init.constant_(model[1].weight, 0)
    with torch.no_grad():
        # Sums that hang on few pixels: no number of threads rounds them across a tie.
        model[1].weight[0, :50] = 1
        model[1].weight[1, 50:99] = 1
    noise = parse_noise("uniform", dim=dim, sigma=1)
    plain, tuned = Voter(model, noise, 3), Voter(model, noise, 3)
    tuned.tune((dim,))
    assert asked[:2] == [(1, 10, None), (1, 5, None)]  # which is hopeless
    assert (tuned.lanes, tuned.batch) == (lanes, 10 // lanes)
    assert asked.count((2, 5, 1)) == len(side_by_side or "1")
    x = torch.zeros(dim)
    votes = [voter.count(x, 75, seed=1, image=0).counts.tolist() for voter in (plain, tuned)]
    assert votes[0] == votes[1] and sum(votes[0]) == 75


def test_models_in_channels_last_get_such_images_and_the_same_pixels():
    class Seeing(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
            self.seen = []

        def forward(self, x):
            self.seen.append((x.is_contiguous(memory_format=torch.channels_last), x.mean(0)))
            return self.conv(x).mean((2, 3))

    model = Seeing()
    x = torch.arange(3 * 4 * 5.0).view(3, 4, 5)
    Voter(model, parse_noise("gaussian", dim=60, sigma=1e-3), 4, lanes=1).count(x, 100, seed=0, image=0)
    last, mean = model.seen[-1]
    assert last and torch.allclose(mean, x, atol=1e-2)
