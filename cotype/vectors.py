"""The no-go theorem for vectors and norms of any kind: the signs of their sums are enumerated.

Any vectors give a ceiling that holds. Where none are given, the frames here are a guess at good ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cotype.ceiling import Ceiling, HasValue, Terms
from cotype.spectrum import least_defect
from geometry.errors import InputError

Array = NDArray[np.float64]

MOST_VECTORS = 18  # whose signs are enumerated
_MOST_AXES = 4096
_TURNED = 8  # frames turned at random, up to this dimension


def by_rows(norm: HasValue, dim: int, vectors: ArrayLike, terms: Terms) -> list[Ceiling]:
    """Vectors as the user gives them."""
    rows = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    if rows.ndim != 2 or rows.shape[1] != dim or not (np.isfinite(rows).all() and rows.any(axis=1).all()):
        raise InputError(f"vectors must be non-zero rows of {dim} finite numbers, got shape {rows.shape}")
    if len(rows) > MOST_VECTORS:
        raise InputError(
            f"the signs of at most {MOST_VECTORS} vectors are enumerated, got {len(rows)}; give fewer"
        )
    return list(_prefixes(norm, rows, "as given", terms))


def by_frames(norm: HasValue, dim: int, terms: Terms) -> list[Ceiling]:
    """The axes, the axes twice, and orthonormal frames turned at random, all at norm 1."""
    if dim > MOST_VECTORS:
        raise InputError(
            f"against a norm that is no lp norm the vectors must be given beyond dim {MOST_VECTORS}, got {dim}; "
            "or say that it is unconditional"
        )
    axes, generator = np.eye(dim), np.random.default_rng(0)
    frames = {"axes": axes}
    if 2 * dim <= MOST_VECTORS:
        frames["axes, then again"] = np.concatenate([axes, axes])
    for i in range(_TURNED if dim <= _TURNED else 0):
        frames[f"orthonormal frame {i}"] = np.linalg.qr(generator.standard_normal((dim, dim)))[0]
    return [
        found
        for name, rows in frames.items()
        for found in _prefixes(norm, rows / np.asarray(norm.value(rows))[:, None], name, terms)
    ]


def by_unconditional_axes(norm: HasValue, dim: int, terms: Terms) -> list[Ceiling]:
    """e_j / ‖e_j‖, as many of the first as is best; 64 numbers of them are tried."""
    if dim > _MOST_AXES:
        raise InputError(f"norms other than lp are taken up to dim {_MOST_AXES}, got {dim}; give vectors")
    weights = 1 / np.asarray([float(norm.value(row)) for row in np.eye(dim)])
    found = []
    for n in np.unique(np.geomspace(1, dim, 64).round().astype(int)):
        total = np.where(np.arange(dim) < n, weights, 0.0)
        found += _scaled(
            np.ones(n), np.atleast_1d(np.asarray(norm.value(total))), f"e_1..e_{n} at length 1", terms
        )
    return found


def _prefixes(norm: HasValue, rows: Array, name: str, terms: Terms) -> Iterator[Ceiling]:
    """The theorem for the first n of the rows, every n."""
    lengths = np.asarray(norm.value(rows), dtype=np.float64)
    sums = rows[:1]  # -S is as long as S, so the first sign may be +
    for n in range(1, len(rows) + 1):
        if n > 1:
            sums = np.concatenate([sums + rows[n - 1], sums - rows[n - 1]])
        values = np.sort(np.asarray(norm.value(sums)))[::-1]
        yield from _scaled(lengths[:n], values, f"{n} vectors: {name}", terms)


def _scaled(lengths: Array, sums: Array, name: str, terms: Terms) -> list[Ceiling]:
    """The best over m and scales t for vectors of these lengths; ``sums``: the values of ‖S‖, all as likely, falling.

    Only scales at which a 1/(2t‖x_j‖) is whole matter: between them the load stays and ‖S‖ grows.
    """
    steps = terms.steps
    if not len(steps):
        return []
    whole = np.arange(1, 2 * math.isqrt(len(lengths)) + 3)
    scales = np.unique(1 / (2 * np.outer(whole, np.unique(lengths)))) * (1 + 1e-15)
    ks = np.ceil(1 / (2 * scales[:, None] * lengths) * (1 - 1e-14))  # a scale that is 1e-14 larger has these
    forced = terms.separation * least_defect((1 / ks**2).sum(axis=1), plain=terms.plain)
    # δ < forced as long as π = P(‖S‖ ≥ mε) is below this share: so many of the sums may be longer, and no more
    share = 1 - (1 - forced[:, None]) / (1 - steps * terms.variation)
    longer = np.ceil(share * len(sums) * (1 - 1e-12)).astype(np.int64) - 1
    reach = np.where(longer >= 0, sums[np.clip(longer, 0, len(sums) - 1)], np.inf)
    epsilon = scales[:, None] * reach / steps
    row, column = divmod(int(epsilon.argmin()), epsilon.shape[1])
    if math.isinf(epsilon[row, column]):
        return []
    k, m, scale = int(ks[row].max()), int(steps[column]), float(scales[row])
    return [terms.ceiling(float(epsilon[row, column]), m, len(lengths), k, f"{name}, times {scale:.6g}")]
