# Each target sets up what it needs by itself, on a Debian with Python 3.11 and make alone.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8000
PROMPT ?= three penguins in the snow at sunset

.PHONY: help setup torch try serve test test-core check format bench conformance fuzz docs clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: .venv/.core  ## make .venv with .venv/bin/safelight

torch: .venv/.torch  ## add what open weights on a GPU need

try: .venv/.core  ## develop one picture from a prompt: make try PROMPT="a rocket in space"
	@$(BIN)/safelight image "$(PROMPT)" --size 16:9 --show-curl

serve: .venv/.core  ## the server with its worker, at http://127.0.0.1:8000/, and a ready key
	@$(BIN)/safelight serve --port $(PORT) --demo-key

test: .venv/.torch test-core  ## everything the checks run, with open weights on torch

test-core: .venv/.dev  ## the same without what needs torch, for a machine without room for it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadgroup

check: test  ## the same as test

format: .venv/.dev  ## let ruff put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

conformance: .venv/.dev  ## every route of both documents driven by Schemathesis, for minutes
	CONFORMANCE_EXAMPLES=$${CONFORMANCE_EXAMPLES:-100} $(BIN)/pytest -n 2 tests/api/test_conformance.py

fuzz: .venv/.dev  ## hostile requests for every route, for minutes: make fuzz CASES=100000 SEED=7
	PYTHONPATH=tests $(BIN)/python -m fuzzing --cases $(or $(CASES),100000) $(if $(SEED),--seed $(SEED))

docs: .venv/.dev  ## write the generated pages: settings, models, the tree in the README
	$(BIN)/python docs/generate.py

bench: .venv/.dev  ## measure the promises, and print the table that the README quotes
	$(BIN)/python -m bench --json bench/results.json --markdown bench/results.md
	$(BIN)/python docs/generate.py

clean:  ## forget the environment and the caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist

# Debian keeps venv's other half in python3-venv; as root we fetch it, else we say so.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Safelight needs Python 3.11 or newer; set PYTHON=/path/to/it"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq \
		&& apt-get install -qq -y python3-venv; } || \
		{ echo "This Python cannot make environments: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/.core: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.dev: pyproject.toml .venv/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.venv/.torch: pyproject.toml .venv/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[torch]'
	@touch $@
