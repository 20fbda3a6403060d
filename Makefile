# install · book · test · check · lab · bench · clean: each makes .venv from the lock when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SET ?= quick

.PHONY: install book test check lab bench clean lock

install: $(INSTALLED)

book: $(INSTALLED)
	$(BIN)/cxrstudy book --set $(SET)

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

lab: $(INSTALLED)
	$(BIN)/python scripts/write_lab_copies.py --set $(SET)
	$(BIN)/jupyter lab --ServerApp.preferred_dir=$(CURDIR)/_build/lab

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

clean:
	rm -rf _build book/studies book/_generated .snakemake

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Resolve the versions anew (needs uv), for Linux and macOS and every supported Python at once.
lock:
	uv pip compile --universal --python-version 3.11 --fork-strategy fewest --all-extras \
	  --constraint constraints.txt --no-annotate --no-header --quiet --upgrade \
	  --output-file requirements.lock pyproject.toml
	$(PYTHON) scripts/write_environment.py
