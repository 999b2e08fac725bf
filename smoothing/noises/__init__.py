"""The noises of the paper, one family a file: its law, then its theorems.

Importing this package imports every family, which fills the theorem table.
"""

from smoothing.noise import Noise
from smoothing.noises.ball import Ball
from smoothing.noises.body import Body
from smoothing.noises.cross_polytope import CrossPolytope
from smoothing.noises.cube import Cube
from smoothing.noises.exp_power import ExpPower
from smoothing.noises.gaussian import Gaussian
from smoothing.noises.laplace import Laplace
from smoothing.noises.pareto import Pareto
from smoothing.noises.parsing import FAMILIES, parse_noise

__all__ = [
    "FAMILIES",
    "Ball",
    "Body",
    "CrossPolytope",
    "Cube",
    "ExpPower",
    "Gaussian",
    "Laplace",
    "Noise",
    "Pareto",
    "parse_noise",
]
