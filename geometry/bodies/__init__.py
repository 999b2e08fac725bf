"""Convex bodies, one file each, with the same verbs: gauge, support, log_volume, shadow, sample."""

from geometry.bodies.polytope import Polytope

__all__ = ["Polytope"]
