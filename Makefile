# `make demo` and `make test` do all set-up themselves: a virtual environment in .venv, then pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PACKAGES := .[worker,dev] providers/nls-sdk-local providers/nls-sdk-modal providers/nls-sdk-openai tests/plugin_package
CHROMIUM ?= $(firstword $(shell for name in chromium chromium-browser google-chrome; do command -v $$name || true; done))
PYTEST := hypothesis pytest pytest-timeout sybil
PROJECTS := pyproject.toml $(wildcard providers/*/pyproject.toml) tests/plugin_package/pyproject.toml
CONTRACTS := providers/nls-sdk-local/tests/test_contract.py providers/nls-sdk-modal/tests/test_contract.py
# Bytecode is made of what is imported, once, so nothing may forbid it; pip would make it of all, mostly for nothing.
PIP_INSTALL := $(BIN)/pip install --quiet --no-compile --constraint constraints.txt
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test slow browser inspect check mypy pyright fuzz format clean

demo: $(READY)  ## the whole job on this machine; its last table has the time of each stage
	$(BIN)/nls-finetune demo --provider local

test: $(READY)  ## all tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -q --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

slow: $(READY)  ## the providers' contract suites, with the real worker
	NLS_REAL_WORKER=1 OMP_NUM_THREADS=1 $(BIN)/pytest -q $(CONTRACTS)

browser:  ## the HTML report in a headless Chromium, in an environment of its own
	@test -n "$(CHROMIUM)" || { echo "no Chromium here; install one, or: make browser CHROMIUM=PATH"; exit 2; }
	$(PYTHON) -m venv $(VENV)-browser
	$(VENV)-browser/bin/pip install --quiet --constraint constraints.txt $(PYTEST) -e .[browser]
	CHROMIUM="$(CHROMIUM)" $(VENV)-browser/bin/pytest -q -rs tests/browser

inspect:  ## the exporter with the real inspect_ai, in an environment of its own
	$(PYTHON) -m venv $(VENV)-inspect
	$(VENV)-inspect/bin/pip install --quiet $(PYTEST) inspect-ai pandas -e .
	$(VENV)-inspect/bin/pytest -q -rs tests/evaluation/test_exporting.py

check: $(READY)  ## format, lint, layers, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory --jobs 2 --output-sync mypy pyright

mypy: $(READY)
	$(BIN)/mypy

pyright: $(READY)
	$(BIN)/pyright --pythonpath $(BIN)/python

fuzz: $(READY)  ## ten minutes of a coverage-guided fuzzer on the query language
	$(BIN)/pip install --quiet atheris
	$(BIN)/python benchmarks/language_fuzz.py -max_total_time=600 -timeout=20 -max_len=400

format: $(READY)  ## what `check` would complain of and ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(READY): constraints.txt $(PROJECTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "nls_sdk needs Python 3.11 or later; try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(PIP_INSTALL) torch hatchling editables
	$(PIP_INSTALL) --no-build-isolation $(PACKAGES:%=-e %)
	@touch $@

clean:  ## forget the virtual environment and every cache
	rm -rf $(VENV) $(VENV)-browser $(VENV)-inspect .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
