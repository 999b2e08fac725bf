"""How much of the boundary of a ball or a cube lies within reach of a shifted copy's centre."""

from typing import Any, Literal

from flint import arb, ctx

Shape = Literal["ball", "axis", "diagonal"]


def central(dim: int, c: Any) -> Any:
    """P(0 < C < |c|) of a coordinate C of a uniform direction, C² ~ Beta(1/2, (d-1)/2)."""
    a, b = arb(1) / 2, arb(dim - 1) / 2
    if c * c < 0.75:
        return (c * c).beta_lower(a, b, regularized=1) / 2
    return (1 - (1 - c * c).beta_lower(b, a, regularized=1)) / 2


def share_within(shape: Shape, dim: int, r: Any, s: Any, e: Any, *, falls: bool) -> Any:
    """P(g(rθ - v) ≤ s) for g(v) = e, θ by the cone measure, |r-e| < s < r+e; `falls` says that s < r.

    The sphere is reached where the cosine c of θ and v has 2rec ≥ r² + e² - s². A face of the cube is chosen first,
    each with probability 1/(2d), and the other d - 1 coordinates are uniform in [-r, r].
    """
    if shape == "ball":
        c = ((r * r + e * e - s * s) / (2 * r * e)).mid()
        rest = 1 - c * c
        if not rest > 0 or rest.log() * (dim - 1) < -2 * int(ctx.prec):  # P(C > |c|) ≤ (1-c²)^((d-1)/2) / 2
            return arb(1 if c < 0 else 0)
        return arb(1) / 2 - (central(dim, c) if c > 0 else -central(dim, c))
    share = ((r + s - e) / (2 * r)).mid()  # of [-r, r] by [e-s, e+s], where e+s > r
    if not 0 < share < 1:
        return arb(0 if share < 1 else 1)
    if shape == "diagonal":  # a face at r; one at -r is too far
        return share ** (dim - 1) / 2
    if falls:  # the face x₁ = r, and the other coordinates within s
        return (s / r) ** (dim - 1) / (2 * dim)
    return (1 + 2 * (dim - 1) * share) / (2 * dim)
