# Everything here works in a fresh clone with Python 3.11+, git and make. `make help` explains.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
DISTRIBUTIONS := core $(patsubst %/setup.cfg,%,$(wildcard plugins/*/setup.cfg))
PACKAGES := core/ringstead $(filter-out %.egg-info,$(wildcard plugins/*/ringstead_*))
MANIFESTS := setup.cfg requirements-dev.txt $(addsuffix /setup.cfg,$(DISTRIBUTIONS))
# Every checker under tools/ is part of `make check` by its name alone.
CHECKERS := $(sort $(wildcard tools/lint_*.py tools/check_*.py))

.PHONY: help run test quick check format bench bench-large clean

help: ## Show this list
	@echo "make TARGET, where TARGET is one of:"
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 15
	@echo
	@echo "Files it makes: $(VENV)/ (libraries), var/ (database, mail, secrets). 'make clean' removes the first."

run: $(VENV)/.run-stamp ## Start the demo portal (PORT=8080 by default); Ctrl-C stops it
	@RINGSTEAD_PORT=$(PORT) $(BIN)/ringstead demo

test: $(VENV)/.dev-stamp ## Run every test; brings Chromium and Redis when they are missing
	@$(PY) tools/ensure_chromium.py
	@$(PY) tools/ensure_redis.py
	$(BIN)/pytest -n 2 $(ARGS)

quick: $(VENV)/.dev-stamp ## Run the quick tests only (under a minute)
	$(BIN)/pytest -n 2 -m "not browser and not wheels and not faults and not fuzz and not slow" $(ARGS)

check: $(VENV)/.dev-stamp ## Style, types, import rules, templates, docs links, licences
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(PACKAGES)
	$(BIN)/lint-imports
	@set -e; for checker in $(CHECKERS); do echo "$(PY) $$checker"; $(PY) $$checker; done

format: $(VENV)/.dev-stamp ## Put the code into its one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev-stamp ## Measure the ratios and write docs/benchmarks.md
	$(PY) tools/bench.py $(ARGS)

bench-large: $(VENV)/.dev-stamp ## Measure twenty million calls (26 GB in var/, a quarter of an hour to fill)
	$(PY) tools/bench_large.py $(ARGS)

clean: ## Remove the virtual environment and caches (keeps var/)
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# A stamp older than a manifest means that its libraries may have changed: install again.
$(VENV)/.run-stamp: $(MANIFESTS) | $(PY)
	@echo "Installing Ringstead and its libraries into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check $(addprefix -e ./,$(DISTRIBUTIONS))
	@touch $@

$(VENV)/.dev-stamp: $(MANIFESTS) | $(PY)
	@echo "Installing Ringstead, its libraries and the tools into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $(VENV)/.run-stamp $@

$(PY):
	@set -e; \
	for candidate in $${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do \
	    if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	    echo "Python 3.11 or newer is needed and none was found."; \
	    echo "Mend: install one (Debian: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; \
	    exit 1; \
	fi; \
	$$found -m venv --clear $(VENV) || { \
	    echo "$$found cannot make a virtual environment."; \
	    echo "Mend: install its venv module (Debian: apt install python3-venv)."; \
	    rm -rf $(VENV); exit 1; \
	}
