"""Bodies, one file each, with the same verbs (``geometry.body``): gauge, support, log_volume, sample, shadow."""

from geometry.bodies.affine import Affine, ellipsoid
from geometry.bodies.ball import Ball
from geometry.bodies.box import Box, cube
from geometry.bodies.cross_polytope import CrossPolytope
from geometry.bodies.linf_crystal import LinfCrystal
from geometry.bodies.lp_ball import LpBall
from geometry.bodies.polar import Polar, polar
from geometry.bodies.polytope import Polytope
from geometry.bodies.star import StarBody
from geometry.bodies.voxels import Voxels
from geometry.bodies.zonotope import Zonotope

__all__ = [
    "Affine",
    "Ball",
    "Box",
    "CrossPolytope",
    "LinfCrystal",
    "LpBall",
    "Polar",
    "Polytope",
    "StarBody",
    "Voxels",
    "Zonotope",
    "cube",
    "ellipsoid",
    "polar",
]
