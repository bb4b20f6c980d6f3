# `make demo` and `make test` do all the set-up themselves, in .venv; PYTHON says which Python makes it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ENV := HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1

.PHONY: demo test lint bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(ENV) $(BIN)/bioclip-search demo --out demo

# A process a core, each with one thread: threads that wait for one another are slow wherever cores are shared.
test: $(VENV)/.dev
	$(ENV) OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal --durations 20 $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(VENV)/.dev
	$(ENV) $(BIN)/python -m tests.benchmarks $(ARGS)

clean:
	rm -rf $(VENV) demo dist build .pytest_cache .ruff_cache

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

# The stamps say which extras are installed; they are made again when the requirements change.
$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.demo
