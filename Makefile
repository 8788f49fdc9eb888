# The everyday commands. `make help` lists them; each is one plain command that can be typed without make.
# Paths are relative, so that a folder with spaces in its name is no trouble.

SHELL := /bin/sh
PYTHON := .venv/bin/python
.DEFAULT_GOAL := help

.PHONY: help venv demo up test faults lint bench bench-pages week package clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

venv: .venv/.ready  ## make or refresh .venv; quick when the requirements have not changed

demo: venv  ## two months of real data through three models, on this machine, in under four minutes
	$(PYTHON) -m demo

up: venv  ## keep the local Azure and the app running, to play with; stop with Ctrl-C
	$(PYTHON) -m localcloud up --app . --state .localcloud

test: venv  ## the tests, two files of them side by side
	$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

faults: venv  ## all injected faults: kills, limits, outages; several minutes
	$(PYTHON) -m pytest -n 2 --dist loadfile tests/faults

lint: venv  ## ruff everywhere, mypy --strict on the app
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

bench: venv  ## what a pass of the reconciler costs over 200 models and two years, beside its requests
	$(PYTHON) -m bench.reconcile

bench-pages: venv  ## how long people wait for pages and lists of 200 models and two years; some minutes
	$(PYTHON) -m bench.estate

week: venv  ## a week on call over 200 models and two years: faults, remedies, each outcome checked; half an hour
	$(PYTHON) -m bench.week

package: venv  ## the deployment package, dist/slipway.zip (downloads what it vendors)
	$(PYTHON) pipelines/package.py --vendor dist/slipway

clean:  ## remove the environment, the local clouds' state and what tools left behind
	rm -rf .venv .localcloud .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A python3.12 on the PATH need not run (pyenv's shims fail for versions that are not selected), so each is tried.
# pip is upgraded first: the one that Python 3.11 brings (23.2) crashes while it resolves these requirements.
.venv/.ready: requirements.txt requirements-dev.txt pyproject.toml
	@if ! $(PYTHON) -c "import pip" 2>/dev/null; then \
	  for python in python3.12 python3.11 python3 python; do \
	    if "$$python" -c "import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))" 2>/dev/null; then \
	      echo "making .venv with $$("$$python" --version)"; \
	      rm -rf .venv && "$$python" -m venv .venv && break; \
	    fi; \
	  done; \
	fi
	@$(PYTHON) -c "" 2>/dev/null || { echo "Slipway needs Python 3.11 or 3.12 with venv; none was found on the PATH." >&2; exit 1; }
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(PYTHON) -m pip install --quiet --quiet --disable-pip-version-check --no-deps --editable .
	@touch .venv/.ready
