# The same verbs here and in CI. Everything happens in .venv, with the pinned constraints.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready

.PHONY: certify test test-slow check compare figures bench clean

certify: $(READY)  ## set up and run the main job
	$(BIN)/python -m smoothing.certify --noise uniform

test: $(READY)  ## set up and run the tests (minutes on two cores)
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(READY)  ## the tests that take longer
	$(BIN)/python -m pytest -n 2 -m slow

compare: $(READY)  ## every radius by every method
	$(BIN)/python -m validation.compare_methods

figures: $(READY)  ## the paper's figures and docs/results.md, from the stored votes
	$(BIN)/python -m validation.figures

bench: $(READY)  ## time the radii (RS4A=FOLDER adds the peer), the geometry, the votes and how many, the training and the workers
	$(BIN)/python -m benchmarks.radii $(if $(RS4A),--rs4a $(RS4A))
	$(BIN)/python -m benchmarks.geometry
	$(BIN)/python -m benchmarks.voting $(if $(RS4A),--rs4a $(RS4A))
	$(BIN)/python -m benchmarks.stopping
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.scaling

check: $(READY)  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

clean:
	rm -rf $(VENV) build dist *.egg-info
