"""The house keeps its arrows, every family has its theorems, and every citation exists."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import smoothing.noises
from geometry.norms import L1, L2, Linf
from smoothing.noises import FAMILIES
from smoothing.theorems import EVERY_NOISE, Method, theorem, theorems

ROOT = Path(__file__).parents[1]
ROOMS = (
    "geometry",
    "cotype",
    "smoothing",
    "validation",
)  # each may import those before it, never one after it
COMMANDS = (
    "cotype.constant",
    "cotype.nogo",
    "smoothing.certify",
    "smoothing.train",
    "smoothing.radius",
    "smoothing.report",
    "validation.compare_methods",
    "validation.usefulness",
    "validation.experiments",
    "validation.figures",
    "validation.attack",
    "geometry.phi",
    "geometry.crystal",
    "geometry.shapes",
)
MODULES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path):
    """The modules that a file imports anywhere, functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the arrows"
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_one_way(path):
    room = path.relative_to(ROOT).parts[0]
    later = ROOMS[ROOMS.index(room) + 1 :]
    for name in imported(path):
        top = name.split(".")[0]
        assert top not in later, f"{path} imports {name}"
        assert not (top == "torch" and room in ("geometry", "cotype")), f"{path} imports torch"
        if room == "validation" and "oracle" in path.parts:
            assert top != "smoothing", f"{path}: the oracle shares no code with smoothing"


@pytest.mark.parametrize("module", ["smoothing", "smoothing.theorems", "smoothing.noises", "geometry.norms"])
def test_theory_imports_no_torch(module):
    code = f"import {module}, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_neither_torch_nor_scipy(command):
    code = (
        f"import sys, importlib; parser = importlib.import_module('{command}').parser()\n"
        "assert '--json' in parser.format_help()\n"
        "assert not {'torch', 'scipy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_noise_file_is_imported_and_makes_a_family():
    modules = {m.name for m in pkgutil.iter_modules(smoothing.noises.__path__)} - {"parsing", "shaped"}
    makers = {type(noise).__module__.rsplit(".", 1)[1] for noise in example_noises().values()}
    assert modules == makers


def example_noises():
    """One noise of every family in dimension 3."""
    required = {"p": 1.5, "a": 7.0, "name": "wulff-linf"}
    return {
        name: family.make(dim=3, **{k: required[k] if v is None else v for k, v in family.parameters.items()})
        for name, family in FAMILIES.items()
    }


def test_every_noise_file_has_a_theorem():
    files = {inspect.getmodule(t.formula).__name__ for t in theorems()}
    for noise in example_noises().values():
        assert type(noise).__module__ in files, f"{type(noise).__module__} has no theorem"


@pytest.mark.parametrize("row", theorems(), ids=lambda t: t.name)
def test_rows_are_complete(row):
    keys = set(re.findall(r"@\w+\{(\w+),", (ROOT / "docs" / "references.bib").read_text()))
    assert row.citation in keys, f"{row.citation} is not in docs/references.bib"
    assert row.formula.__doc__ and "R" in row.formula.__doc__, "the docstring states the formula"
    assert 0 < row.accuracy < 1e-11
    assert set(row.noises) <= set(FAMILIES) | {EVERY_NOISE}
    assert row.sound or row.tight, "a row is a lower bound, an upper bound, or both"


def test_citations_in_docstrings_exist():
    entries = (ROOT / "docs" / "references.bib").read_text()
    authors = {
        (match.group(1).split(",")[0].strip("{} "), year)
        for match in re.finditer(r"author\s*=\s*\{([^}]*)\}(?:[^@]*?)year\s*=\s*\{(\d+)\}", entries)
        for year in [match.group(2)]
    }
    pattern = re.compile(r"\b([A-Z][\w-]+)(?: et al\.| and [A-Z]\w+)? (\d{4})\b")
    # Lecuyer is cited by its preprint's year; the pattern sees the last part of a name
    aliases = {("Lecuyer", "2018"): ("Lecuyer", "2019"), ("Loera", "2010"): ("De Loera", "2010")}
    for path in MODULES:
        for author, year in pattern.findall(path.read_text()):
            if not 1900 < int(year) < 2100 or author in {"Theorem", "Table", "Figure"}:
                continue
            assert aliases.get((author, year), (author, year)) in authors, (
                f"{path}: {author} {year} is not in the bib"
            )


def test_a_name_used_twice_is_an_error():
    with pytest.raises(ValueError, match="stands in the table"):
        theorem("gaussian", noises="gaussian", norms=(L1,), method=Method.CLOSED_FORM, citation="cohen2019")(
            len
        )


def test_the_headline_cells_have_theorems_of_their_own():
    for family, norm in [
        ("uniform", L1),
        ("gaussian", L2),
        ("laplace", L1),
        ("uniform-l2", L2),
        ("exp-linf", Linf),
    ]:
        assert any(t.covers(family, norm) and t.method is not Method.INCLUSION for t in theorems())


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__main__.py"], ids=str)
def test_modules_import_alone(path):
    importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
