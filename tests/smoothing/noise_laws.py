"""The laws of every noise family, written again from the mathematics with SciPy only: what samples are held to.

Nothing here imports the library. A law knows a one-dimensional statistic of the whole vector (the gauge of a
shaped noise), one coordinate, the variance, and the density, each at scale 1; callers divide by the scale.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special as sp
from scipy import stats

NODES, WEIGHTS = np.polynomial.legendre.leggauss(48)
NODES, WEIGHTS = 0.5 * (1 + NODES), 0.5 * WEIGHTS


def skewness(m1, m2, m3):
    """Of a variable with these raw moments; inf where the third one is."""
    return (m3 - 3 * m1 * m2 + 2 * m1**3) / (m2 - m1 * m1) ** 1.5 if math.isfinite(m3) else math.inf


@dataclass(frozen=True)
class Radial:
    """The gauge r of shaped noise.

    ``uniform``: r^d ~ U(0, 1); ``exp``: r^k ~ Gamma((d-j)/k); ``pow``: r^k ~ BetaPrime(d/k, a-d/k), that is
    1/(1+r^k) ~ Beta(a-d/k, d/k).
    """

    dim: int
    kind: str
    k: float = 1.0
    j: float = 0.0
    a: float = math.nan

    @property
    def shape(self):
        return (self.dim - self.j) / self.k

    @property
    def tail(self):
        return self.a - self.dim / self.k

    def cdf(self, r):
        return self.masses(r)[0]

    def sf(self, r):
        return self.masses(r)[1]

    def masses(self, r):
        """(inside, outside), the smaller one exact."""
        r = np.asarray(r, dtype=float)
        if self.kind == "uniform":
            inside = np.clip(r, 0, 1) ** self.dim
            return inside, 1 - inside
        near, far = np.minimum(r, 1) ** self.k, np.maximum(r, 1) ** self.k
        if self.kind == "pow":  # by r^k / (1 + r^k) or by 1 / (1 + r^k), whichever is small
            inside = sp.betainc(self.shape, self.tail, near / (1 + near))
            outside = sp.betainc(self.tail, self.shape, 1 / (1 + far))
            return np.where(r < 1, inside, 1 - outside), np.where(r < 1, 1 - inside, outside)
        # F(u) = u^a / Γ(a+1) near 0, where u = r^k may underflow and r not
        origin = np.minimum(r, 1) ** (self.dim - self.j) / sp.gamma(self.shape + 1)
        inside = np.where(near < 1e-30, origin, stats.gamma.cdf(r**self.k, self.shape))
        return inside, np.where(near < 1e-30, 1 - origin, stats.gamma.sf(r**self.k, self.shape))

    def isf(self, q):
        if self.kind == "uniform":
            return (1 - q) ** (1 / self.dim)
        if self.kind == "exp":
            return stats.gamma.isf(q, self.shape) ** (1 / self.k)
        z = sp.betaincinv(self.tail, self.shape, q)
        return ((1 - z) / z) ** (1 / self.k)

    def ppf(self, p):
        if self.kind == "uniform":
            return p ** (1 / self.dim)
        if self.kind == "exp":
            u = stats.gamma.ppf(p, self.shape)
            origin = (p * sp.gamma(self.shape + 1)) ** (1 / (self.dim - self.j))
            return np.where(u < 1e-30, origin, u ** (1 / self.k))
        y = sp.betaincinv(self.shape, self.tail, p)
        return (y / np.maximum(1 - y, 1e-17)) ** (1 / self.k)

    def score(self, r):
        """ψ'(r) of f = e^-ψ."""
        if self.kind == "exp":
            return (self.j / r if self.j else 0.0) + self.k * r ** (self.k - 1)
        return self.a * self.k * r ** (self.k - 1) / (1 + r**self.k)

    def moment(self, s):
        """E r^s; inf where it diverges."""
        if self.kind == "uniform":
            return self.dim / (self.dim + s) if s > -self.dim else math.inf
        t = s / self.k
        if self.shape + t <= 0:
            return math.inf
        rise = sp.gammaln(self.shape + t) - sp.gammaln(self.shape)
        if self.kind == "pow":
            if self.tail <= t:
                return math.inf
            rise += sp.gammaln(self.tail - t) - sp.gammaln(self.tail)
        return math.exp(rise) if rise < 700 else math.inf

    def potential(self, r):
        if self.kind == "uniform":
            return np.where(r <= 1, 0.0, np.inf)
        if self.kind == "exp":
            return r**self.k + (self.j * np.log(r) if self.j else 0.0)
        return self.a * np.log1p(r**self.k)

    @property
    def log_mass(self):
        """log ∫ r^(d-1) f(r) dr."""
        if self.kind == "uniform":
            return -math.log(self.dim)
        if self.kind == "exp":
            return sp.gammaln(self.shape) - math.log(self.k)
        return sp.betaln(self.shape, self.tail) - math.log(self.k)


@dataclass(frozen=True)
class ShapedLaw:
    """X = r θ, r ~ ``radial`` and θ on the boundary of the cube, the ball or the cross-polytope, independent."""

    body: str
    radial: Radial

    @property
    def dim(self):
        return self.radial.dim

    def statistic(self, x):
        return np.linalg.norm(x, ord={"l1": 1, "l2": 2, "linf": np.inf}[self.body], axis=-1)

    def statistic_cdf(self, r):
        return self.radial.cdf(r)

    def boundary_sf(self, t):
        """P(θ₁ > t) for 0 ≤ t < 1."""
        d = self.dim
        if self.body == "linf":  # the facet of coordinate 1 with chance 1/d, else uniform
            return 0.5 / d + (d - 1) / d * (1 - t) / 2
        if self.body == "l1":
            return 0.5 * (1 - t) ** (d - 1)
        half = 0.5 * (d - 1)
        return stats.beta.sf(0.5 * (1 + t), half, half) if d > 1 else np.full_like(t, 0.5)

    def coordinate_cdf(self, x):
        """P(r θ₁ > x) = S(x) E[P(θ₁ > x/r) | r > x] for x > 0, the mean over r by Gauss in its upper mass."""
        size = abs(x)
        mass = self.radial.sf(size)
        with np.errstate(invalid="ignore", divide="ignore"):
            r = self.radial.isf(np.multiply.outer(mass, NODES))
            t = np.minimum(np.nan_to_num(size[..., None] / r, nan=0.0), 1.0)
        upper = mass * (self.boundary_sf(t) @ WEIGHTS)
        return np.where(x > 0, 1 - upper, upper)

    @property
    def variance(self):
        """σ² = E‖X‖₂² / d."""
        d = self.dim
        square = {"linf": 1 + (d - 1) / 3, "l2": 1.0, "l1": 2 / (d + 1)}[self.body]
        return self.radial.moment(2) * square / d

    @property
    def square_skewness(self):
        """Of r², which is what is heavy about ‖X‖₂²."""
        return skewness(*(self.radial.moment(s) for s in (2, 4, 6)))

    def log_density(self, x):
        d = self.dim
        log_volume = {
            "linf": d * math.log(2),
            "l2": 0.5 * d * math.log(math.pi) - sp.gammaln(0.5 * d + 1),
            "l1": d * math.log(2) - sp.gammaln(d + 1),
        }[self.body]
        return -self.radial.potential(self.statistic(x)) - math.log(d) - log_volume - self.radial.log_mass


@dataclass(frozen=True)
class ProductLaw:
    """d independent coordinates ``marginal``; a sum over them, ``statistic``, follows ``total``."""

    dim: int
    marginal: object
    statistic: object
    total: object

    def statistic_cdf(self, value):
        return self.total.cdf(value)

    def coordinate_cdf(self, x):
        return self.marginal.cdf(x)

    @property
    def variance(self):
        return self.marginal.even_moment(2)

    @property
    def square_skewness(self):
        return skewness(*(self.marginal.even_moment(s) for s in (2, 4, 6))) / math.sqrt(self.dim)

    def log_density(self, x):
        return self.marginal.logpdf(x).sum(-1)


@dataclass(frozen=True)
class Marginal:
    """A symmetric law of SciPy with its even moments in closed form (SciPy integrates some, slowly)."""

    law: object
    even_moment: object

    def cdf(self, x):
        return self.law.cdf(x)

    def logpdf(self, x):
        return self.law.logpdf(x)


class TwoSidedPareto:
    """Density (a/2) (1+|x|)^-(a+1)."""

    def __init__(self, a):
        self.a = a

    def cdf(self, x):
        tail = 0.5 * (1 + abs(x)) ** -self.a
        return np.where(x > 0, 1 - tail, tail)

    def logpdf(self, x):
        return math.log(self.a / 2) - (self.a + 1) * np.log1p(abs(x))

    def moment(self, s):
        """E|x|^s = a B(s+1, a-s)."""
        return self.a * sp.beta(s + 1, self.a - s) if s < self.a else math.inf


def exp_power_moment(p, s):
    rise = sp.gammaln((s + 1) / p) - sp.gammaln(1 / p)
    return math.exp(rise) if rise < 700 else math.inf


def law(name, dim, p=math.nan, a=math.nan, k=1.0, j=0.0):
    """The law of the family that users call ``name``, at scale 1."""
    if name == "gaussian":
        marginal = Marginal(stats.norm, lambda s: {2: 1.0, 4: 3.0, 6: 15.0}[s])
        return ProductLaw(dim, marginal, lambda x: np.linalg.norm(x, axis=-1), stats.chi(dim))
    if name == "laplace":
        marginal = Marginal(stats.laplace, math.factorial)
        return ProductLaw(dim, marginal, lambda x: abs(x).sum(-1), stats.gamma(dim))
    if name == "uniform":
        marginal = Marginal(stats.uniform(-1, 2), lambda s: 1 / (s + 1))
        return ProductLaw(dim, marginal, lambda x: abs(x).max(-1), stats.beta(dim, 1))
    if name == "exp-power":  # |x|^p ~ Gamma(1/p)
        marginal = Marginal(stats.gennorm(p), lambda s: exp_power_moment(p, s))
        return ProductLaw(dim, marginal, lambda x: (abs(x) ** p).sum(-1), stats.gamma(dim / p))
    if name == "pareto":  # log(1+|x|) is exponential with rate a
        pareto = TwoSidedPareto(a)
        marginal = Marginal(pareto, pareto.moment)
        return ProductLaw(dim, marginal, lambda x: np.log1p(abs(x)).sum(-1), stats.gamma(dim, scale=1 / a))
    kind, body = name.split("-")
    return ShapedLaw(body, Radial(dim, kind, k=k, j=j, a=a))


def spec(name, parameters):
    """What users type for ``law(name, dim, **parameters)``."""
    pairs = ",".join(f"{key}={float(value)!r}" for key, value in parameters.items())
    return f"{name}:{pairs}" if pairs else name


def kolmogorov_excess(sample, cdf, level, points=129):
    """Kolmogorov-Smirnov distance over its critical value at ``level``: rejected above 1.

    The critical value sqrt(log(2/level) / 2n) is Massart's, valid at every n. The distance is taken at
    ``points`` order statistics; a maximum over fewer points is smaller, so the level still holds.
    """
    x = np.sort(sample)
    n = len(x)
    i = np.linspace(0, n - 1, points).astype(int)
    below = cdf(x[i])
    assert np.isfinite(below).all()
    return max(((i + 1) / n - below).max(), (below - i / n).max()) / math.sqrt(math.log(2 / level) / (2 * n))
