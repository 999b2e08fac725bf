"""Attacks, against a linear classifier: its smoothed boundary is the base classifier's, at a distance that is known."""

import contextlib
import io
import json

import numpy as np
import pytest
import torch

from geometry.norms import parse_norm
from smoothing import certify_radius, parse_noise
from smoothing.voting import Voter
from validation import attack as command
from validation.attacks import Attacked, Attacker, SoftVote, attack, within

pytest.importorskip("foolbox", reason="attacks need foolbox: pip install 'smoothing-shapes[attack]'")

DIM, N = 12, 4000


@pytest.fixture(scope="module")
def setting():
    """(attacker, x, w·x / |w|_2): two classes, on the two sides of a hyperplane through 0."""
    w = torch.tensor(np.random.Generator(np.random.PCG64(5)).normal(size=DIM), dtype=torch.float32)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(DIM, 2, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(torch.stack([-3 * w, 3 * w]))
    noise = parse_noise("gaussian", dim=DIM, sigma=0.5)
    attacker = Attacker(
        model, noise, Voter(model, noise, 2), steps=30, copies=64, n=N, seed=1, bounds=(-1e3, 1e3)
    )
    x = (0.4 * w / w.norm()).reshape(1, 1, DIM)
    return attacker, x, w.double().numpy()


@pytest.mark.parametrize("name", ["l1", "l2", "linf"])
def test_the_boundary_is_found_where_it_is(setting, name):
    """No hyperplane at distance r (|w·x| over the dual norm of w) is crossed within r; PGD crosses soon beyond it."""
    attacker, x, w = setting
    norm = parse_norm(name)
    dual = {"l1": np.abs(w).max(), "l2": np.linalg.norm(w), "linf": np.abs(w).sum()}[name]
    distance = float(w @ x.double().numpy().ravel() / dual)
    inner = attacker.votes(attacker.perturb(x, 1, norm, 0.85 * distance, 0), 0)
    outer = attacker.votes(attacker.perturb(x, 1, norm, 1.3 * distance, 0), 0)
    # At 0.85 of the way the margin is 0.06, 0.12 σ: 55 % of the votes, 6 standard deviations above half.
    assert inner.counts.argmax() == 1
    assert outer.counts.argmax() == 0


def test_a_sound_radius_holds_and_a_false_one_flips(setting):
    """The true radius in ℓ2 is 0.4; one that is claimed to be twice that is refuted beyond doubt."""
    attacker, x, _ = setting
    norm = parse_norm("l2")
    true = float(certify_radius(attacker.noise, norm, 0.78).radius)  # Φ(0.4 / 0.5) = 0.788
    held = attack(attacker, x, 1, norm, true, index=3)
    assert held.p_value > 0.01
    assert held.broken is not None and held.survived < 0.41 and held.broken > 0.39
    false = attack(attacker, x, 1, norm, 0.8, index=3)
    assert false.p_value < 1e-12
    assert command.flipped([false, held]) == 1
    assert command.too_many([false] * 3 + [held] * 87, alpha=0.001)
    assert not command.too_many([held] * 90, alpha=0.001)


def test_one_failure_in_many_is_what_alpha_allows():
    """1 of 90 at α = 0.001 has probability 0.086: no alarm. 4 of 90 have 2e-6."""
    bad, good = (Attacked(0, "l2", 1.0, votes, 1000, 1.0, None) for votes in (100, 900))
    assert not command.too_many([bad] + [good] * 89, alpha=0.001)
    assert command.too_many([bad] * 4 + [good] * 86, alpha=0.001)


def test_the_soft_vote_is_the_mean_softmax(setting):
    """Against 200 000 draws by NumPy."""
    attacker, x, w = setting
    soft = SoftVote(attacker.model, attacker.noise, 50_000, seed=2)
    with torch.no_grad():
        ours = float(soft(x[None]).softmax(dim=1)[0, 1])
    delta = 0.5 * np.random.Generator(np.random.PCG64(9)).normal(size=(200_000, DIM))
    logit = 6 * ((x.double().numpy().ravel() + delta) @ w)
    theirs = float((1 / (1 + np.exp(-logit))).mean())
    assert abs(ours - theirs) < 5 * 0.5 / np.sqrt(50_000)


@pytest.mark.parametrize("name", ["l1", "l2", "linf"])
def test_within_is_within(name):
    norm = parse_norm(name)
    x = torch.rand(1, 4, 4)
    y = within(x, x + torch.randn(1, 4, 4), norm, 0.37)
    assert float(norm.value((y - x).double().flatten().numpy())) <= 0.37
    near = x + 1e-3
    assert within(x, near, norm, 0.37) is near


def test_the_command_attacks_resumes_and_draws(tmp_path, monkeypatch):
    from smoothing import certify

    monkeypatch.chdir(tmp_path)
    argv = [
        "--noise",
        "gaussian",
        "--sigma",
        "0.25",
        "--images",
        "6",
        "--n",
        "500",
        "--epochs",
        "2",
        "--run-dir",
        "r",
    ]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        certify.main(argv)
    quick = [
        "r",
        "--images",
        "3",
        "--steps",
        "5",
        "--copies",
        "8",
        "--n",
        "200",
        "--norms",
        "l2,linf",
        "--json",
    ]
    documents = []
    for _ in range(2):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            command.main(quick)
        documents.append((json.loads(out.getvalue()), (tmp_path / "r/attacks.jsonl").read_bytes()))
    assert documents[0] == documents[1]  # the second read what the first wrote
    assert documents[0][0]["flips"] == 0
    assert documents[0][0]["attacks"]["l2"]["images"] == documents[0][1].count(b'"norm":"l2"') > 0
    assert (tmp_path / "r/attack.png").stat().st_size > 1000


def test_bad_input_is_one_line(tmp_path, monkeypatch):
    from geometry.errors import InputError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no run folder"):
        command.main(["nowhere"])
    with pytest.raises(InputError, match="no attack in lp:p=3; there are l1, l2, linf"):
        command.main(["nowhere", "--norms", "lp:p=3"])
