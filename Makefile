# Two commands do everything on a machine with only Python and make: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint bench clean

demo: $(INSTALLED)  ## open napari on sample data and segment it (without a display: a screenshot)
	$(BIN)/napari-nucseg demo

test: $(INSTALLED)  ## run all tests, on up to four processes
	QT_QPA_PLATFORM=offscreen NAPARI_ASYNC=0 $(BIN)/python -m pytest -q \
		--numprocesses auto --maxprocesses 4 --dist worksteal

lint: $(INSTALLED)  ## style and types
	$(BIN)/python -m pip install -q --group dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(INSTALLED)  ## measure speed, start-up and accuracy; prints the tables of docs/benchmarks.md
	$(BIN)/python benchmarks/bench.py

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q --editable ".[all]" --group test
	touch $@

clean:
	rm -rf $(VENV)
