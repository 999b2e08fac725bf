"""From what users type, ``NAME[:key=value,…]``, to a noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geometry.errors import InputError
from smoothing.noise import Noise
from smoothing.noises.ball import Ball
from smoothing.noises.body import BODIES, Body
from smoothing.noises.cross_polytope import CrossPolytope
from smoothing.noises.cube import Cube
from smoothing.noises.exp_power import ExpPower
from smoothing.noises.gaussian import Gaussian
from smoothing.noises.laplace import Laplace
from smoothing.noises.pareto import Pareto
from smoothing.noises.shaped import Shaped
from smoothing.profiles import Exponential, Power, Profile, Uniform


@dataclass(frozen=True)
class Family:
    """One name that users type: its density, its parameters (required ones marked by no default), its maker."""

    density: str
    parameters: dict[str, float | None]
    make: Callable[..., Noise]


def _shaped(shape: type[Shaped], profile: type[Profile]) -> Callable[..., Noise]:
    def make(dim: int, **parameters: float) -> Noise:
        return shape(dim=dim, profile=profile(dim, **parameters))

    return make


def _families() -> dict[str, Family]:
    families = {
        "gaussian": Family("exp(-|x|_2^2 / 2 scale^2)", {}, Gaussian),
        "laplace": Family("exp(-|x|_1 / scale)", {}, Laplace),
        "uniform": Family("1[|x|_inf <= scale]", {}, _shaped(Cube, Uniform)),
        "exp-power": Family("prod exp(-|x_i/scale|^p)", {"p": None}, ExpPower),
        "pareto": Family("prod (1+|x_i|/scale)^-(a+1)", {"a": None}, Pareto),
    }
    families["body"] = Family("1[x/scale in the body], dim <= 6", {"name": None}, Body)
    for norm, shape in (("l1", CrossPolytope), ("l2", Ball), ("linf", Cube)):
        size = f"|x/scale|_{norm.removeprefix('l')}"
        families[f"uniform-{norm}"] = Family(f"1[{size} <= 1]", {}, _shaped(shape, Uniform))
        families[f"exp-{norm}"] = Family(
            f"{size}^-j exp(-{size}^k)", {"k": 1.0, "j": 0.0}, _shaped(shape, Exponential)
        )
        families[f"pow-{norm}"] = Family(f"(1+{size}^k)^-a", {"k": 1.0, "a": None}, _shaped(shape, Power))
    return families


FAMILIES: dict[str, Family] = _families()


def parse_noise(text: str, *, dim: int, sigma: float | None = None, scale: float | None = None) -> Noise:
    """The noise that ``NAME[:key=value,…]`` means in dimension ``dim``, with λ from exactly one of sigma and scale.

    >>> parse_noise("exp-linf:k=2,j=100", dim=3072, sigma=0.5).spec
    'exp-linf:k=2,j=100'

    InputError names the known families, the parameters a family takes, and the range that a value missed.
    """
    if (sigma is None) == (scale is None):
        raise InputError("the size of the noise comes from exactly one of sigma and scale")
    if dim < 1:
        raise InputError(f"dim must be at least 1, got {dim}")
    name, _, rest = text.partition(":")
    if name not in FAMILIES:
        raise InputError(f"unknown noise {name!r}; known: {', '.join(sorted(FAMILIES))}")
    family = FAMILIES[name]
    given = _parameters(name, family, rest)
    noise = family.make(dim=dim, **given)
    if sigma is not None:
        return noise.with_sigma(sigma)
    from dataclasses import replace

    assert scale is not None
    return replace(noise, scale=scale)


def _parameters(name: str, family: Family, text: str) -> dict[str, Any]:
    if family.make is Body:  # body:NAME, a word and no number
        if text not in BODIES:
            raise InputError(
                f"noise body needs a body, as in body:wulff-linf; known: {', '.join(sorted(BODIES))}"
            )
        return {"name": text}
    values: dict[str, Any] = {key: value for key, value in family.parameters.items() if value is not None}
    takes = ", ".join(family.parameters) or "no parameters"
    for item in filter(None, text.split(",")):
        key, equals, value = item.partition("=")
        if not equals or key not in family.parameters:
            raise InputError(f"noise {name} takes {takes}; got {item!r}")
        try:
            values[key] = float(value)
        except ValueError:
            raise InputError(f"noise {name}: {key} must be a number, got {value!r}") from None
    missing = [key for key in family.parameters if key not in values]
    if missing:
        raise InputError(f"noise {name} needs {missing[0]}: write {name}:{missing[0]}=VALUE")
    return values
