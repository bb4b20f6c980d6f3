# `make demo` and `make test` do all the set-up themselves, in .venv; PYTHON says which Python makes it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ENV := HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1

.PHONY: demo test lint bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(ENV) $(BIN)/bioclip-search demo --out demo

test: $(VENV)/.dev
	$(ENV) $(BIN)/python -m pytest $(ARGS)

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
