"""Zonotopes: sums of segments, exactly for integer generators. Determinants, faces, uniform samples.

The generators are the rows of an array (count, d), and the zonotope is Σ [-g, g] over them.
"""

from geometry.zonotopes.determinants import (
    crystal_determinants,
    crystal_log_determinant,
    log_sum_abs_det,
    sum_abs_det,
    sum_abs_det_monte_carlo,
)
from geometry.zonotopes.faces import edges, f_vector, facets, vertices
from geometry.zonotopes.tiling import sample_zonotope

__all__ = [
    "crystal_determinants",
    "crystal_log_determinant",
    "edges",
    "f_vector",
    "facets",
    "log_sum_abs_det",
    "sample_zonotope",
    "sum_abs_det",
    "sum_abs_det_monte_carlo",
    "vertices",
]
