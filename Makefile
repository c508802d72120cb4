# One word for everything that is done here. `make help` lists the words.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

VENV ?= .venv
JOBS ?= 2
export VENV
BIN := $(VENV)/bin

PACKAGES := apdu applets provisioning reader_bridge simulators
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	$(if $(UPGRADE),--upgrade)

.PHONY: help demo dev test lint type floors docs unit foreign bench campaign test-gpp build lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## roster to badges to a signed PDF, on simulated cards (no root, no daemon)
	@.ci/venv runtime
	@$(BIN)/tegata demo

dev: ## the environment with everything in it, in .venv
	@.ci/packages build
	@.ci/venv dev

test: ## everything that must be green: lint, type, floors, docs, unit, foreign
	@.ci/packages test
	@$(MAKE) lint
	@$(MAKE) type
	@$(MAKE) floors
	@$(MAKE) docs
	@$(MAKE) unit
	@$(MAKE) foreign

lint: dev ## style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

type: dev build/typing/tegata ## mypy --strict, for Linux, Windows and macOS
	@for platform in linux win32 darwin; do \
		echo "mypy --strict --platform $$platform"; \
		MYPYPATH=build/typing $(BIN)/mypy --platform $$platform --cache-dir .mypy_cache/$$platform \
			--namespace-packages --explicit-package-bases \
			$(PACKAGES:%=-p tegata.%) -m tegata.cli; \
	done

# Type checkers see the folders as the package that they are through this link.
build/typing/tegata:
	@mkdir -p build/typing
	@ln -sfn ../.. build/typing/tegata

floors: dev ## who may import whom
	$(BIN)/lint-imports --cache-dir .import_linter_cache

docs: dev ## the documentation, strictly, into build/docs
	$(BIN)/sphinx-build --quiet -W --keep-going -n -b html -d build/doctrees docs build/docs

unit: dev ## our own tests
	$(BIN)/pytest -q -n $(JOBS) -m "not foreign and not bench and not campaign and not gpp"

foreign: dev ## the tests that drive programs written by others, one after the other
	@.ci/packages test
	@.ci/foreign osdp
	$(BIN)/pytest -q -m "foreign and not campaign"

bench: dev ## measure, and compare with the bounds
	@.ci/packages test
	$(BIN)/pytest -q -s -m bench

campaign: dev ## the long runs: every tear point, deep fuzzing
	$(BIN)/pytest -q -n $(JOBS) -m campaign

test-gpp: dev ## a released GlobalPlatformPro with our cards (needs Java and Maven)
	@.ci/gpp
	$(BIN)/pytest -q -m gpp

build: dev ## the wheel, into dist/
	@rm -rf build/lib build/bdist.*
	$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist

lock: ## pin the requirements anew (UPGRADE=1 takes the newest)
	@.ci/venv bootstrap
	$(BIN)/$(COMPILE) --group pyproject.toml:bootstrap -o requirements/bootstrap.txt
	$(BIN)/$(COMPILE) pyproject.toml --group build --group bootstrap --all-extras --group dev -o requirements/dev.txt
	$(BIN)/$(COMPILE) pyproject.toml --group build -c requirements/dev.txt -o requirements/runtime.txt
	$(BIN)/$(COMPILE) pyproject.toml --group build --extra pcsc -c requirements/dev.txt -o requirements/pcsc.txt
	$(BIN)/$(COMPILE) --group pyproject.toml:foreign-osdp -o requirements/foreign-osdp.txt

clean: ## remove what was made here, the environment excepted
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
