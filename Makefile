# The verbs of this project. `make run` and `make test` need Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Hundreds of daemons are started: where Python is told to keep no compiled files, each would compile the package.
export PYTHONDONTWRITEBYTECODE :=
READY  := $(VENV)/.ready

.PHONY: run test bench micro check torture fleet fuzz hostile mutants format clean

run: $(READY)        ## start on the example configuration
	$(BIN)/visual-router --config config.example.yaml run

# Twice as many workers as cores have: much of the suite is waiting for a daemon, a crash or a disk.
test: $(READY)       ## the suite in random order, with the short level of every trial
	$(BIN)/python -m pytest -n 4 --dist worksteal -rs --cov --cov-report=
	$(BIN)/python -m tests.coverage_bounds

torture: $(READY)    ## crashes, restarts, faults, as long as you like: make torture ARGS="--crashes 10000"
	$(BIN)/python -m tests.torture $(ARGS)

fleet: $(READY)      ## crashes of routers, PostgreSQL and links: make fleet ARGS="--crashes 500"
	$(BIN)/python -m tests.fleet $(ARGS)

bench: $(READY)      ## against a bare handler and a naive forwarder; ARGS="mixes", "costs", "growth", "--help"
	$(BIN)/python -m tests.bench --json $(VENV)/bench.json $(ARGS)

micro: $(READY)      ## time single steps: decode, match, record, claim, render
	$(BIN)/python -m pytest -n 0 -p no:randomly --benchmark-enable \
		--benchmark-columns=min,median,iqr,rounds --benchmark-sort=fullname tests/bench/test_steps.py $(ARGS)

check: $(READY)      ## format, lint, types, layers, dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry router

fuzz: $(READY)       ## attack the daemon a million times; ARGS="--count 100000 --seed 2"
	$(BIN)/python -m tests.hostile.fuzzing $(ARGS)

hostile: $(READY)    ## the slow, greedy and lying in full numbers: minutes
	HOSTILE=long $(BIN)/python -m pytest tests/hostile -s

mutants: $(READY)    ## break the package on purpose, fault by fault: each must turn a test red; ARGS=NAME
	$(BIN)/python -m tests.mutants $(ARGS)

format: $(READY)     ## put the sources into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:               ## remove what the other verbs made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

$(READY): pyproject.toml
	@echo "setting up $(VENV), once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $(VENV)/beside --group beside
	@touch $@
