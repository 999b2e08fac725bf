"""The tutorial is executed as it stands, and what is committed is the result of that."""

from __future__ import annotations

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorial.ipynb"

nbformat = pytest.importorskip("nbformat", reason="needs nbclient: pip install 'smoothing-shapes[tutorial]'")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient: pip install 'smoothing-shapes[tutorial]'")


def printed(notebook):
    """What each code cell printed."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return ["".join(o.text for o in cell.outputs if o.output_type == "stream") for cell in cells]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_tutorial_runs(tmp_path):
    """Every cell, its own assertions included; theory prints what the committed notebook shows, to the last digit."""
    committed = nbformat.read(NOTEBOOK, as_version=4)
    fresh = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(fresh, timeout=300, kernel_name="python3", resources=resources).execute()
    shown, now = printed(committed), printed(fresh)
    assert [bool(text) for text in shown] == [bool(text) for text in now]
    exact = [
        i for i, text in enumerate(shown) if any(s in text for s in ("ceiling", "Φ =", "sech-l1", "refuted"))
    ]
    assert len(exact) == 4
    for i in exact:
        assert now[i] == shown[i]
    outputs = [output for cell in committed.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not any(output.output_type == "error" for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5
