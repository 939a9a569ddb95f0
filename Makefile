.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SCALE ?= demo
CORES ?= 2
STAMP := $(VENV)/.installed
export OMP_NUM_THREADS ?= 1

.PHONY: help setup reproduce test lint docs bench lock plan status audit clean clean-room

help: ## list what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | column -t -s "$$(printf '\t')"

# python3.11 by that name, else python3 if it is one.
$(STAMP): requirements.lock pyproject.toml
	@python=$$(command -v $(PYTHON) || command -v python3) && \
	  $$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Python 3.11 is needed (apt-get install python3.11-venv, or PYTHON=/path/to/python3.11)"; exit 2; }; \
	  test -x $(BIN)/pip || $$python -m venv --clear $(VENV) || \
	  { echo "venv is missing: apt-get install python3.11-venv"; exit 2; }
	@echo "installing the locked environment into $(VENV) (a few minutes)"
	@$(BIN)/pip install --quiet --disable-pip-version-check "$$(grep '^torch==' requirements.lock)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(STAMP) ## install the locked environment into .venv

reproduce: setup ## the whole chain; SCALE=demo (default), laptop or paper
	@$(BIN)/snakemake --profile workflow/profiles/local --cores $(CORES) --config scale=$(SCALE)

test: setup ## all tests
	@$(BIN)/pytest

lint: setup ## format, lint and types, as CI checks them
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/snakefmt --check Snakefile workflow && $(BIN)/snakemake --lint

docs: setup ## build the documentation into site/
	@$(BIN)/fpc config reference && $(BIN)/mkdocs build --strict

bench: setup ## speed of the hot paths (a few minutes)
	@for name in sac_updates environment_stepping dag_build appo nethack_environment nethack_evaluation nethack_expert nethack_loader montezuma_environment rnd load; do \
	  $(BIN)/python benchmarks/$$name.py --output benchmarks/results/$$name.json || exit 1; done

plan: setup ## runs, steps and hours of SCALE
	@$(BIN)/fpc plan --scale=$(SCALE)

status: setup ## state of every run of SCALE
	@$(BIN)/fpc status --scale=$(SCALE)

audit: setup ## check every artifact against its manifest
	@$(BIN)/fpc audit verify

clean-room: ## fresh clone and environment, pull, audit, redraw a figure; REMOTE=folder or URL (default: own cache)
	@python=$$(command -v $(PYTHON) || command -v python3) && \
	  $$python workflow/scripts/clean_room.py $(if $(REMOTE),--remote=$(REMOTE))

lock: ## rewrite requirements.lock from pyproject.toml (needs uv)
	@uv pip compile pyproject.toml --all-extras --python-version 3.11 --no-emit-index-url \
	  --custom-compile-command "make lock" --quiet --output-file requirements.lock
	@sed -i -E '/^(triton|nvidia-|cuda-)/d; s/^(torch==[0-9.]+)\+.*/\1/' requirements.lock

clean: ## remove demo results and all logs (unfinished runs stay in results/.runs)
	@rm -rf results/demo* results/.logs results/.benchmarks results/.sections
