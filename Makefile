# Everything is kept in this folder: Python packages in .venv, the client's in client/node_modules.
# Needs Python 3.11+ (with venv), make, git and bash. `make` lists the targets.
SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

STATIC := voicebot/server/static/index.html
CLIENT_SOURCES := $(shell find client/src client/public client/index.html client/vite.config.ts client/tsconfig.json \
	-not -name '*.test.*' 2>/dev/null)
# npm and its scripts look for node on the PATH
NPM := PATH="$(abspath $(BIN)):$$PATH" $(abspath $(BIN))/npm

.PHONY: help
help: ## list the targets
	@echo "AI Voicebot: make <target> [HOST=0.0.0.0] [PORT=8000] [PYTHON=python3.12]"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1@\2/' | while IFS=@ read -r name what; do printf '  %-15s %s\n' "$$name" "$$what"; done

# ---------------------------------------------------------------- use

.PHONY: run lab doctor
run: setup client ## install what is missing, then start the server with a demo lobby
	@echo "==> Starting the server"
	@exec $(BIN)/voicebot serve $(ARGS)

lab: setup client ## install what is missing, then open the quickstart notebook in JupyterLab
	@echo "==> Starting JupyterLab on notebooks/01_quickstart.ipynb"
	@exec $(BIN)/jupyter lab $$([ "$$(id -u)" != 0 ] || echo --allow-root) \
		--LabApp.default_url=/lab/tree/notebooks/01_quickstart.ipynb $(ARGS)

doctor: setup ## check models, TURN, ports and browser, and say how to fix each problem
	@$(BIN)/voicebot doctor $(ARGS)

# ---------------------------------------------------------------- install

.PHONY: setup client
setup: $(VENV)/.installed
client: $(STATIC) ## build the web client into voicebot/server/static

define CHECK_PYTHON
import sys
if sys.version_info < (3, 11):
    sys.exit("Python 3.11 or newer is needed, but $(PYTHON) is %d.%d. Use another one: make PYTHON=python3.12 ..." % sys.version_info[:2])
try:
    import ensurepip, venv
except ImportError:
    sys.exit("$(PYTHON) cannot make virtual environments. On Debian or Ubuntu, as root:\n    apt-get install python%d.%d-venv" % sys.version_info[:2])
endef
export CHECK_PYTHON

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found. Install Python 3.11 or newer, or say where it is: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -c "$$CHECK_PYTHON"
	@echo "==> Creating $(VENV) ($$($(PYTHON) --version))"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# --no-deps: the lock is the whole answer; pip only checks each file against its hash.
$(VENV)/.locked: requirements.lock $(VENV)/.made
	@echo "==> Installing the pinned packages of requirements.lock (once, a minute or two)"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r requirements.lock 2>&1 \
		| tee $(VENV)/pip.log | grep --line-buffered -oE '^(Collecting [^ ]+|Installing collected packages)'; \
		[ $${PIPESTATUS[0]} = 0 ] || { tail -n 15 $(VENV)/pip.log; echo "pip failed. Its full output is in $(VENV)/pip.log."; exit 1; }
	@touch $@

$(VENV)/.installed: pyproject.toml client/hatch_build.py $(VENV)/.locked
	@echo "==> Installing voicebot"
	@VOICEBOT_SKIP_CLIENT=1 $(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

client/node_modules/.installed: client/package.json client/package-lock.json $(VENV)/.locked
	@echo "==> Installing the client's packages (Node $$($(BIN)/node --version))"
	@cd client && $(NPM) ci --no-audit --no-fund --loglevel=error
	@touch $@

$(STATIC): client/node_modules/.installed $(CLIENT_SOURCES)
	@echo "==> Building the client"
	@cd client && $(NPM) run --silent build
	@touch $@

# ---------------------------------------------------------------- check

.PHONY: test checks provision lint format types imports pytest vitest
test: setup client checks provision pytest ## run every check: linters, types, import contracts, client and Python tests
	@echo "==> All checks passed"

CHECKS := lint imports types vitest

checks: setup client/node_modules/.installed ## run linters, types, import contracts and client tests at the same time
	@echo "==> $(CHECKS), at the same time"
	@logs=$$(mktemp -d); trap 'rm -rf "$$logs"' EXIT; pids=(); failed=; \
	for check in $(CHECKS); do \
		$(MAKE) --no-print-directory $$check >"$$logs/$$check" 2>&1 & pids+=($$!); done; \
	for check in $(CHECKS); do \
		wait $${pids[0]} || failed+=" $$check"; pids=("$${pids[@]:1}"); cat "$$logs/$$check"; done; \
	[ -z "$$failed" ] || { echo "Failed:$$failed"; exit 1; }

provision: ## install the programs that the tests use (as root on Debian), or list them
	@echo "==> Checking for the programs that the tests use"
	@.ci/provision

lint: setup client/node_modules/.installed ## check the style with ruff and Biome
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "==> Biome"
	@cd client && $(NPM) run --silent lint

types: setup client/node_modules/.installed ## check the types with mypy (strict) and tsc
	@echo "==> mypy"
	@$(BIN)/mypy
	@echo "==> tsc"
	@cd client && $(NPM) run --silent typecheck

imports: setup ## check the import contracts between the layers
	@echo "==> import contracts"
	@$(BIN)/lint-imports

# Tests in real time (the marker `live`: browsers, notebooks, media) get a core each: speech breaks up without one.
# They often wait, so the other tests run beside them, at a low priority. Many of those wait for processes that they have
# started, so one more of them runs at a time than there are cores.
CORES := $(shell getconf _NPROCESSORS_ONLN)
JOBS ?= $(shell echo $$(($(CORES) + 1)))
LIVE_JOBS ?= $(CORES)
ALL_LIVE = tests/bench tests/e2e tests/media tests/notebooks
LIVE = $(ALL_LIVE) $(shell grep -rl --include='test_*.py' 'mark\.live' tests)

pytest: setup client ## run the Python tests (ARGS="tests/turn -k floor" runs some of them)
ifneq ($(strip $(ARGS)),)
	@echo "==> pytest"
	@$(BIN)/python -m pytest $(ARGS)
else
	@echo "==> pytest: $(LIVE_JOBS) tests at a time in real time (live), and $(JOBS) others beside them"
	@failed=0; set -o pipefail; \
	each() { while IFS= read -r line; do printf '%s | %s\n' "$$1" "$$line"; done; }; \
	{ nice -n 10 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not live" $(ALL_LIVE:%=--ignore=%) 2>&1 \
		| each beside; } & \
	$(BIN)/python -m pytest -n $(LIVE_JOBS) --dist worksteal -m live $(LIVE) 2>&1 | each "live  " || failed=1; \
	wait $$! || failed=1; \
	exit $$failed
endif

vitest: client/node_modules/.installed ## run the client tests
	@echo "==> vitest"
	@cd client && $(NPM) run --silent test

format: setup client/node_modules/.installed ## format the sources
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format .
	@cd client && $(NPM) run --silent format

# ---------------------------------------------------------------- measure

.PHONY: bench bench-voice bench-media bench-notebook bench-signaling bench-reading bench-churn
bench: setup client ## run all benchmarks, and save a table in .bench/ (VOICEBOT_PEERS=folder adds other frameworks)
	@$(BIN)/python -m tests.bench $(ARGS)

bench-voice: setup client ## measure voice-to-voice latency and its parts
	@$(BIN)/python -m tests.bench voice $(ARGS)

bench-media: setup client ## measure the CPU of the media plane per session
	@$(BIN)/python -m tests.bench media $(ARGS)

bench-notebook: setup ## measure the longest gap in an agent's speech while a notebook cell blocks
	@$(BIN)/python -m tests.bench notebook $(ARGS)

bench-signaling: setup ## measure sockets, messages, joins and random cuts, and compare a bare relay and PeerJS
	@$(BIN)/python -m tests.bench signaling $(ARGS)

bench-reading: setup ## measure how long it takes to read the hardest texts and many events
	@$(BIN)/python -m tests.bench reading $(ARGS)

bench-churn: setup ## let people come and go for half an hour, and see what grows (ARGS="--seconds 120" is shorter)
	@$(BIN)/python -m tests.bench churn $(ARGS)

# ---------------------------------------------------------------- release

.PHONY: lock build hooks clean distclean
# The platforms that get ready wheels for everything, nothing to compile.
WHEELS_FOR := x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu aarch64-apple-darwin
WHEELS_PYTHON := 3.11 3.12 3.13 3.14

lock: $(VENV)/.locked ## update requirements.lock and environment.yml from pyproject.toml (UPGRADE=1 takes the newest versions)
	@$(BIN)/uv pip compile -q pyproject.toml --group dev $(if $(UPGRADE),--upgrade) -o requirements.lock
	@for platform in $(WHEELS_FOR); do for python in $(WHEELS_PYTHON); do \
		MACOSX_DEPLOYMENT_TARGET=14.0 $(BIN)/uv pip compile -q --no-config --no-deps --only-binary :all: requirements.lock \
			--python-platform $$platform --python-version $$python -o $(VENV)/lock-check.txt \
			|| { echo "No wheels for Python $$python on $$platform."; exit 1; }; done; done
	@$(BIN)/python .ci/environment > environment.yml
	@echo "requirements.lock: $$(grep -c '^[a-z].*==' requirements.lock) packages, with wheels for Python $(WHEELS_PYTHON)"

build: setup client ## build an sdist and a wheel, with the web client, in dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation

hooks: setup ## run the style checks before each commit
	@$(BIN)/pre-commit install

clean: ## remove everything that was built (keeps .venv, node_modules and data)
	@rm -rf dist build voicebot/server/static .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache client/coverage
	@find . -name __pycache__ -not -path './$(VENV)/*' -not -path './client/node_modules/*' -prune -exec rm -rf {} +

distclean: clean ## also remove the installed packages
	@rm -rf $(VENV) client/node_modules
