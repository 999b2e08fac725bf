"""Radii from ρ alone by the methods of prior work, to be compared with those of the theorem table.

>>> from geometry.norms import L1
>>> from smoothing import parse_noise
>>> [b.name for b in baselines(parse_noise("uniform", dim=3, scale=1), L1())]
['total-variation', 'hockey-stick']

Every radius is a lower bound, so none exceeds a tight one. A method is left out where it says nothing (uniform noise
has infinite divergences but for total variation) and where the worst shift is unknown or not one-dimensional.
"""

from __future__ import annotations

from geometry.norms import Norm, parse_norm
from smoothing.noise import Noise
from validation.baselines.baseline import Baseline
from validation.baselines.chi_square import CHI_SQUARE
from validation.baselines.differential_privacy import DIFFERENTIAL_PRIVACY
from validation.baselines.hellinger import HELLINGER
from validation.baselines.hockey_stick import HOCKEY_STICK
from validation.baselines.kullback_leibler import KULLBACK_LEIBLER
from validation.baselines.renyi_best_order import RENYI
from validation.baselines.total_variation import TOTAL_VARIATION

__all__ = ["BASELINES", "Baseline", "baselines"]

BASELINES: tuple[Baseline, ...] = (
    DIFFERENTIAL_PRIVACY,
    TOTAL_VARIATION,
    HELLINGER,
    KULLBACK_LEIBLER,
    CHI_SQUARE,
    RENYI,
    HOCKEY_STICK,
)


def baselines(noise: Noise, norm: Norm | str) -> tuple[Baseline, ...]:
    """The methods of prior work that give a radius for this noise and norm."""
    norm = parse_norm(norm)
    return tuple(b for b in BASELINES if b.applies(noise, norm))
