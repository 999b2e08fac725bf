"""Radial profiles of shaped noise: q(x) ∝ f(g(x)/λ) with f uniform, exponential or a power law.

A profile is the law of the gauge r = g(X)/λ in dimension ``dim``; shapes add only the law on their boundary.
"""

from smoothing.profiles.base import Profile
from smoothing.profiles.exponential import Exponential
from smoothing.profiles.levels import ProfileScore, cosine_mixture, signs_mixture
from smoothing.profiles.power import Power
from smoothing.profiles.uniform import Uniform

__all__ = [
    "Exponential",
    "Power",
    "Profile",
    "ProfileScore",
    "Uniform",
    "cosine_mixture",
    "signs_mixture",
]
