# make test, make fast, make demo: each does all its own set-up on a fresh machine.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The CPU build of torch is pinned: the default wheel brings gigabytes of CUDA. To train on a GPU: make TORCH=torch setup
TORCH ?= torch==2.13.0

.PHONY: demo test fast docs lint types contracts unit setup clean

demo: setup
	$(BIN)/grace-rtc demo

test: setup lint types contracts unit

# Units and laws: no live call, no training, no closed-loop scenario.
fast: setup
	$(BIN)/pytest -q -n 2 -m "not live and not slow"

docs: setup
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml $(wildcard codec/grace_codec/native/*.[ch])
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[codec,rtc,show,lab,torch,dev]'
	touch $@

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

contracts:
	$(BIN)/lint-imports

unit:
	$(BIN)/pytest -q -n 2

clean:
	rm -rf $(VENV) dist build runs
