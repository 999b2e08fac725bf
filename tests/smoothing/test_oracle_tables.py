"""Level sets, and the scores of balls, cross-polytopes and products, against high-precision references.

The tables come from validation.oracle, which shares no code with smoothing. Of the differential ones 14 digits are
vouched for, so "never above" is asked up to 1e-13.
"""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from marks import is_kept

from smoothing.noises import parse_noise
from smoothing.theorems import certify_radius

DATA = Path(__file__).parents[1] / "data"
LEVEL_SETS = json.loads((DATA / "oracle_level_sets.json").read_text())
SCORES = json.loads((DATA / "oracle_scores.json").read_text())
# By noise, what names the method that the reference is for: the best one, or the one of that name.
NAMED = {
    ("exp-linf", "l1"): "cube-level-set-l1",
    ("pow-linf", "l1"): "cube-level-set-l1",
    ("exp-linf", "linf"): "cube-level-set-linf",
    ("pow-linf", "linf"): "cube-level-set-linf",
    ("pareto", "l1"): "pareto-level-set-l1",
}


def spec(case):
    pairs = ",".join(f"{key}={float(value)!r}" for key, value in case["params"].items())
    return f"{case['noise']}:{pairs}"


def name(case):
    return f"{spec(case)}-d{case['dim']}-{case['norm']}"


def excesses(case, rho, theorem):
    noise = parse_noise(spec(case), dim=case["dim"], scale=1.0)
    found = certify_radius(noise, case["norm"], rho, theorem=theorem)
    exact = [Fraction(text) for text in case["radius"]]
    return np.array(
        [float((Fraction(float(r)) - x) / x) for r, x in zip(found.radius, exact, strict=True)]
    ), found.error / found.radius


def rhos(table):
    return np.array([float.fromhex(text) for text in table["rho"]])


def fast(cases, is_slow):
    """All cases, half of them for the slow tests alone, and those that take long."""
    return [
        pytest.param(
            case, id=name(case), marks=[pytest.mark.slow] if is_slow(case) or not is_kept(index, 0.5) else []
        )
        for index, case in enumerate(cases)
    ]


@pytest.mark.parametrize("case", fast(LEVEL_SETS["cases"], lambda case: case["dim"] < 64))
def test_level_sets(case):
    """Never above, and within 1e-9, the stated error included: also at walls of the density, k = 300 at d = 2."""
    theorem = NAMED.get((case["noise"], case["norm"]))
    if case["noise"] == "exp-power":
        theorem = "exp-power-level-set-l1" if case["params"]["p"] < 1 else "exp-power-l1"
    excess, error = excesses(case, rhos(LEVEL_SETS), theorem or "ball-level-set")
    # a named row may be an upper bound, which may be off to either side by its rounding
    assert (excess <= (1e-20 if theorem is None else 1e-11)).all(), excess.max()
    assert (excess >= -1e-9).all(), excess.min()
    assert (error < 1e-9).all(), error.max()


def is_slow(case):
    """What is tabulated level by level, with incomplete betas or over hundreds of lattice points."""
    by_signs = abs(case["params"].get("p", 0) - 1) < 0.08 and case["dim"] >= 10
    return not by_signs and (case["noise"] in ("pow-l2", "exp-power", "pareto") or case["dim"] > 64)


@pytest.mark.parametrize("case", fast(SCORES["cases"], is_slow))
def test_scores(case):
    """Never above, and within 1e-9, the stated error included: also where T has corners, at the values of a lattice."""
    theorem = None
    if case["noise"] == "exp-l1" and case["params"]["k"] == 1 and case["params"]["j"] == 0:
        theorem = "cross-polytope-linf-exp"
    excess, _ = excesses(case, rhos(SCORES), theorem or "differential")
    assert (excess <= 1e-13).all(), excess.max()
    assert (excess >= -1e-9).all(), excess.min()
