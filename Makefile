.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SCALE ?= demo
CORES ?= 2
SERVICE ?= pypi
TORCH ?= auto
STAMP := $(VENV)/.installed
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps
LOCKED := $(INSTALL) --require-hashes --no-build-isolation --use-pep517
# Run these by hand: pipeline_overhead measures a scale that was made here (hours at `laptop`), sac_learning takes 80 min,
# shifted_heads needs weights (dvc pull).
BENCHMARKS := $(filter-out pipeline_overhead sac_learning shifted_heads,$(basename $(notdir $(sort $(wildcard benchmarks/*.py)))))
export OMP_NUM_THREADS ?= 1
TORCH_METADATA = $(VENV)/lib/python3.11/site-packages/torch-*.dist-info/METADATA
IS_CUDA = grep -qs '^Requires-Dist: nvidia' $(TORCH_METADATA)

# A misspelt variable would be ignored, and another scale made.
VARIABLES := SCALE VARIANT CORES TORCH PYTHON SERVICE UPGRADE REMOTE ENDPOINT OMP_NUM_THREADS
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
ifneq ($(filter-out $(VARIABLES),$(GIVEN)),)
$(error unknown variable $(filter-out $(VARIABLES),$(GIVEN)); allowed are $(VARIABLES))
endif
ifneq ($(words $(SCALE)),1)
$(error SCALE is '$(SCALE)'; give the name of one scale: SCALE=demo, laptop, workstation or paper)
endif
ifneq ($(words $(CORES)),1)
$(error CORES is '$(CORES)'; give one number: CORES=2)
endif
# Recipes read these from the environment, in quotes, so that no shell takes them apart.
export SCALE VARIANT CORES
ifeq ($(filter $(TORCH),auto cpu cuda),)
$(error TORCH is '$(TORCH)'; allowed are auto, cpu and cuda)
endif
# The stamp says which build is installed; another one that is asked for replaces it.
ifneq ($(filter-out auto $(shell cat $(STAMP) 2>/dev/null),$(TORCH)),)
.PHONY: $(STAMP)
endif

.PHONY: help setup reproduce test lint docs bench lock plan status audit sbom scan clean clean-room

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | column -t -s "$$(printf '\t')"

# Uses python3.11, or python3 if it is version 3.11. setuptools comes first: two packages are built from source.
# TORCH=auto takes torch's CPU build if the registry has it. The CUDA build needs more libraries. To pip the two builds
# are one version, so the other one is removed first.
$(STAMP): requirements.lock requirements-cpu.lock requirements-cuda.lock pyproject.toml
	@here=$$(pwd -P); case "$$here" in *[:\"\$$\`\\{}]*) bad=1;; *[!A-Za-z0-9_./+-]*) test $${#here} -gt 90 && bad=1;; esac; \
	  test -z "$$bad" || { printf '%s\n' "$$here: commands cannot be installed in a folder with : \" \$$ \` \\ { or }" \
	  "in its path, nor with other special characters in a long one; clone into another folder"; exit 2; }
	@python=$$(command -v $(PYTHON) || command -v python3) && \
	  $$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Python 3.11 is needed (apt-get install python3.11-venv, or PYTHON=/path/to/python3.11)"; exit 2; }; \
	  test -x $(BIN)/pip || $$python -m venv --clear $(VENV) || \
	  { echo "venv is missing: apt-get install python3.11-venv"; exit 2; }
	@echo "installing the locked environment into $(VENV) (a few minutes)"
	@sed -n '/^setuptools==/,/[^\]$$/p' requirements.lock | $(INSTALL) --require-hashes -r /dev/stdin
	@case $(TORCH) in cpu) $(IS_CUDA);; cuda) test -e $$(echo $(TORCH_METADATA)) && ! $(IS_CUDA);; *) false;; esac || exit 0; \
	  $(BIN)/pip uninstall --quiet --yes torch
	@test $(TORCH) = cuda || $(LOCKED) -r requirements-cpu.lock 2> $(VENV)/cpu.log || { test $(TORCH) = auto && \
	  grep -q 'No matching distribution' $(VENV)/cpu.log && echo "the registry has torch's CUDA build only: 3 GB"; } || \
	  { cat $(VENV)/cpu.log >&2; exit 1; }
	@$(LOCKED) -r requirements.lock
	@! $(IS_CUDA) || $(LOCKED) -r requirements-cuda.lock
	@test $(TORCH) != cuda || $(IS_CUDA) || { echo "the registry gave torch's CPU build; PyPI has the CUDA build"; exit 1; }
	@$(INSTALL) --no-build-isolation -e .
	@{ $(IS_CUDA) && echo cuda || echo cpu; } > $@
	@echo "installed: torch $$(sed -n 's/^Version: //p' $(TORCH_METADATA)), the $$(cat $@) build"

setup: $(STAMP) ## install the locked environment into .venv; TORCH=auto (default), cpu or cuda

reproduce: setup ## the whole chain; SCALE=demo (default), laptop, workstation or paper, and VARIANT=...
	@$(BIN)/snakemake --profile workflow/profiles/local --cores "$$CORES" \
	  --config scale="$$SCALE" $(if $(VARIANT),variant="$$VARIANT")

test: setup ## all tests
	@$(BIN)/pytest

lint: setup ## check format, lint, types and the order of imports, as CI does
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports && \
	  $(BIN)/snakefmt --check Snakefile workflow && $(BIN)/snakemake --lint

docs: setup ## build the documentation into site/
	@$(BIN)/fpc config reference && $(BIN)/python docs/packages.py && $(BIN)/mkdocs build --strict

bench: setup ## speed of the hot paths (a few minutes)
	@for name in $(BENCHMARKS); do \
	  $(BIN)/python benchmarks/$$name.py --output benchmarks/results/$$name.json || exit 1; done

plan: setup ## runs, steps and hours of SCALE
	@$(BIN)/fpc plan --scale="$$SCALE" $(if $(VARIANT),--variant="$$VARIANT")

status: setup ## state of every run of SCALE
	@$(BIN)/fpc status --scale="$$SCALE" $(if $(VARIANT),--variant="$$VARIANT")

audit: setup ## check every artifact against its manifest
	@$(BIN)/fpc audit verify

lock: ## rewrite the lock files from pyproject.toml, pins kept; UPGRADE=1: newest releases
	@test -x $(BIN)/uv || $(MAKE) setup
	@$(BIN)/python tools/lock.py $(if $(UPGRADE),--upgrade)

sbom: setup ## write the software bill of materials to build/sbom.cdx.json
	@$(BIN)/python tools/sbom.py

scan: setup ## check the lock files for known vulnerabilities; SERVICE=pypi (default) or osv
	@$(BIN)/python tools/scan.py --service $(SERVICE)

clean-room: ## fresh clone and environment, pull, audit, redraw a figure; REMOTE=folder or URL (default: in the clone)
	@python=$$(command -v $(PYTHON) || command -v python3) && \
	  $$python workflow/scripts/clean_room.py $(if $(REMOTE),"--remote=$(REMOTE)") $(if $(ENDPOINT),"--endpoint=$(ENDPOINT)")

clean: ## remove demo results and all logs (unfinished runs stay in results/.runs)
	@rm -rf results/demo* results/.logs results/.benchmarks results/.sections
