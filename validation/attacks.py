"""Projected gradient descent through the soft votes of a smoothed classifier, and what an attack shows.

The attacks are foolbox's [rauber2020], in ℓ1, ℓ2 and ℓ∞; what they follow is the gradient of the mean softmax over
fresh noise at every step (the expectation over transformations of [athalye2018], as in [salman2019]). Whether an
attack succeeded is decided by hard votes on noise of its own.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from scipy.stats import binom
from torch import Tensor, nn

from geometry.errors import InputError
from geometry.norms import Norm
from smoothing.noise import Noise
from smoothing.voting import PREDICTION, Voter

ATTACKS = {
    "l1": ("SparseL1DescentAttack", {"random_start": True}),
    "l2": ("L2PGD", {}),
    "linf": ("LinfPGD", {}),
}
"""Foolbox's, by norm. In ℓ1 that is steepest descent in the few pixels of largest gradient [tramer2019]; L1PGD, which
moves all pixels along the gradient, gives up where that one has long succeeded."""

REACH = 16.0
"""Attacks go up to so many times the certified radius."""
HALVINGS = 4
"""Bisections of log ε between the largest ε survived and the smallest that broke: the last ratio is 16^(1/16)."""


class SoftVote(nn.Module):
    """log E softmax(model(x + δ)) over ``copies`` draws of δ, fresh at every call."""

    def __init__(self, model: nn.Module, noise: Noise, copies: int, seed: int) -> None:
        super().__init__()
        self.model, self.noise, self.copies = model, noise, copies
        device = next(model.parameters()).device
        self.generator = torch.Generator(device=device).manual_seed(seed)

    def forward(self, x: Tensor) -> Tensor:
        """(images, classes) of logits whose softmax is the soft vote."""
        buffer = torch.empty(self.copies * len(x), self.noise.dim, device=x.device, dtype=x.dtype)
        delta = self.noise.sample(out=buffer, generator=self.generator).view(self.copies, *x.shape)
        logits = self.model((x + delta).flatten(0, 1)).view(self.copies, len(x), -1)
        return logits.log_softmax(dim=2).logsumexp(dim=0)


@dataclass(frozen=True)
class Attacker:
    """Who attacks, and how hard."""

    model: nn.Module
    noise: Noise
    voter: Voter
    steps: int
    copies: int
    n: int
    seed: int
    bounds: tuple[float, float]
    """The box that attacked images stay in."""

    def perturb(self, x: Tensor, label: int, norm: Norm, epsilon: float, image: int) -> Tensor:
        """An image within ``epsilon`` of ``x`` that the soft vote finds hard, by PGD from a random start."""
        foolbox = _foolbox()
        if norm.name not in ATTACKS:
            raise InputError(f"no attack in {norm.name}; there are {', '.join(ATTACKS)}")
        torch.manual_seed(
            (self.seed + 1000003 * image) % 2**63
        )  # foolbox draws its start from torch's generator
        soft = SoftVote(self.model, self.noise, self.copies, self.seed + image)
        wrapped = foolbox.PyTorchModel(soft.eval(), bounds=self.bounds, device=x.device)
        name, options = ATTACKS[norm.name]
        attack = getattr(foolbox.attacks, name)(rel_stepsize=2.5 / self.steps, steps=self.steps, **options)
        found = attack.run(wrapped, x[None], torch.tensor([label], device=x.device), epsilon=epsilon)[0]
        return within(x, found, norm, epsilon)

    def votes(self, x: Tensor, image: int) -> Any:
        """Hard votes at an attacked image, on noise that the attack has not seen."""
        return self.voter.count(x.cpu(), self.n, seed=self.seed + 1, image=image, stage=PREDICTION)


@dataclass(frozen=True)
class Attacked:
    """What was found out about one image in one norm."""

    index: int
    norm: str
    radius: float
    """Certified."""
    votes: int
    """For the certified class, of ``n``, at the worst image found within the radius."""
    n: int
    survived: float
    """The largest ε up to which no attack succeeded."""
    broken: float | None
    """The smallest ε at which one did; None where none did."""

    @property
    def p_value(self) -> float:
        """P(so few votes or fewer) were the class still at 1/2: small where the certificate failed."""
        return float(binom.cdf(self.votes, self.n, 0.5))


def attack(attacker: Attacker, x: Tensor, label: int, norm: Norm, radius: float, index: int) -> Attacked:
    """Attack at the radius itself; then, by bisection, find how far beyond it the prediction holds out."""
    inside = attacker.votes(attacker.perturb(x, label, norm, radius, index), index)
    survived, broken = radius, None

    def breaks(epsilon: float) -> bool:
        votes = attacker.votes(attacker.perturb(x, label, norm, epsilon, index), index)
        return int(votes.counts.argmax()) != label

    if breaks(REACH * radius):
        broken = REACH * radius
        for _ in range(HALVINGS):
            middle = (survived * broken) ** 0.5
            if breaks(middle):
                broken = middle
            else:
                survived = middle
    else:
        survived = REACH * radius
    return Attacked(index, norm.name, radius, int(inside.counts[label]), inside.n, survived, broken)


def within(x: Tensor, y: Tensor, norm: Norm, epsilon: float) -> Tensor:
    """``y``, drawn towards ``x`` where rounding left it outside of the ball."""
    size = float(norm.value((y - x).double().flatten().cpu().numpy()))
    return y if size <= epsilon else x + (y - x) * (epsilon / size * (1 - 1e-6))


def _foolbox() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # its imports from scipy.ndimage.filters
            import foolbox
    except ImportError:
        raise InputError("attacks need foolbox: pip install 'smoothing-shapes[attack]'") from None
    return foolbox
