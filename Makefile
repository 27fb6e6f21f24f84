PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv: ## make the virtual environment with everything the tests need
	$(PYTHON) -m venv $(VENV) && $(BIN)/pip install -q -e '.[test]'

.PHONY: test
test: ## run all tests (unit, property, lit, docs)
	$(BIN)/pytest

.PHONY: lit
lit: ## run the FileCheck tests alone
	$(BIN)/lit -v tests/filecheck

.PHONY: lint
lint: ## ruff, import layers
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

.PHONY: types
types: ## pyright, strict
	$(BIN)/pyright

.PHONY: format
format: ## let ruff rewrite the sources
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

.PHONY: peers
peers: ## compare with transformers and llama.cpp (large downloads)
	$(BIN)/pip install -q -e '.[test,peers]' && $(BIN)/pytest tests/peers

.PHONY: smollm2
smollm2: ## fetch the real model the tests can use
	$(BIN)/python benchmarks/fetch_smollm2.py

.PHONY: docs
docs: ## rewrite the pages made from docstrings
	$(BIN)/python docs/generate_passes.py && $(BIN)/python docs/generate_dialect.py

.PHONY: site
site: ## build the documentation's pages in build/site
	$(BIN)/pip install -q -e '.[docs]' && $(BIN)/mkdocs build --strict

.PHONY: clean
clean: ## remove what builds and tests leave behind
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
