# Five verbs, the same here and in CI. Everything happens in .venv, with the pinned constraints.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready

.PHONY: certify test test-all check figures bench clean

certify: $(READY)  ## set up and run the main job
	$(BIN)/python -m smoothing.certify --noise uniform

test: $(READY)  ## set up and run the tests (minutes on two cores)
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(READY)  ## the slow tests too
	$(BIN)/python -m pytest -n 2

check: $(READY)  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)  ## time us beside peers and floors; prints ratios
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

clean:
	rm -rf $(VENV) build dist *.egg-info
