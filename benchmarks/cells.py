"""What is timed, a noise in our notation and the same noise in the peer's, and what is asked of the times."""

from __future__ import annotations

from dataclasses import dataclass, field

DIMS = (3072, 150_528)
RADII = {"level-set": 300, "differential": 3000, "single": 1}
# Targets. A single radius may take what the table behind it may.
SECONDS = {"level-set": 0.3, "differential": 0.03, "single": 0.03}
BYTES = 500_000_000
DIM_RATIO = 2.0  # of tables, the high dimension to the low one


@dataclass(frozen=True)
class Cell:
    """One noise against one norm in one dimension, at λ = 1."""

    noise: str
    norm: str
    dim: int
    peer: str = ""
    """The peer's class, empty where it tabulates nothing."""
    peer_arguments: dict[str, float] = field(default_factory=dict)
    tabulated: bool = False
    """Whether the level-set table is wanted although both sides have a formula for the cell."""

    @property
    def peer_call(self) -> str:
        """What the peer's users call; where a formula would answer, the table behind it."""
        return f"certify_{self.norm}" + ("_table" if self.tabulated else "")


def level_set_cells(dim: int) -> list[Cell]:
    """Spherical noise against ℓ2: by two known laws, with a pole at the origin, and with power-law tails."""
    light, heavy = (dim + 1000) // 2, dim + 10
    return [
        Cell("exp-l2:k=2", "l2", dim, "Exp2", {"k": 2}, tabulated=True),
        Cell("exp-l2:k=1", "l2", dim, "Exp2", {"k": 1}, tabulated=True),
        Cell("exp-l2:k=2,j=100", "l2", dim, "Exp2", {"k": 2, "j": 100}),
        Cell("exp-l2:k=1,j=1000", "l2", dim, "Exp2", {"k": 1, "j": 1000}),
        Cell(f"pow-l2:k=2,a={light}", "l2", dim, "Pow2", {"k": 2, "a": light}),
        Cell(f"pow-l2:k=1,a={heavy}", "l2", dim, "Pow2", {"k": 1, "a": heavy}),
    ]


def differential_cells(dim: int) -> list[Cell]:
    """Cubes against ℓ∞ and cross-polytopes against ℓ1."""
    heavy = dim + 10
    return [
        Cell("exp-linf:k=2", "linf", dim, "ExpInf", {"k": 2}),
        Cell("exp-linf:k=10", "linf", dim, "ExpInf", {"k": 10}),
        Cell(f"pow-linf:k=1,a={heavy}", "linf", dim, "PowInf", {"a": heavy}),
        Cell("exp-l1:k=2", "l1", dim, "Exp1", {"k": 2}),
        Cell("exp-l1:k=0.5", "l1", dim, "Exp1", {"k": 0.5}),
    ]


def single_cells(dim: int) -> list[Cell]:
    """One cell of each kind of theorem."""
    return [
        Cell("gaussian", "l2", dim),
        Cell("uniform", "l1", dim),
        Cell("laplace", "linf", dim),
        Cell("pareto:a=3", "l1", dim),
        Cell("exp-power:p=0.5", "l1", dim),
        Cell("exp-linf:k=2,j=100", "l1", dim),
        Cell("exp-linf:k=2", "linf", dim),
        Cell("exp-l2:k=1", "l2", dim),
        Cell("exp-l2:k=2,j=100", "l2", dim),
        Cell(f"pow-l2:k=1,a={dim + 10}", "l2", dim),
    ]
