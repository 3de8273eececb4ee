# Two commands for users: `make demo` and `make test`. Both work in .venv, made on first use.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
EMBEDDED = evalsuite/embedded/requirements.txt
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet
# Settings of a shared machine: two spinning thread pools slow each other down.
export OMP_WAIT_POLICY ?= PASSIVE
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test check clean

# The first real row: 20 prompts x 16 answers of a real 135M model, on a laptop CPU.
demo: $(VENV)/.demo
	$(BIN)/evalsuite run rlhf_diversity --model embedded:smollm2-135m --limit 20 --out demo
	@echo
	$(BIN)/evalsuite leaderboard show rlhf_diversity --out demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -q $(PYTEST_ARGS)

# Style and types alone; the tests hold them too.
check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The versions in constraints.txt are known to work together; pyproject.toml has the floors.
$(VENV)/.demo: pyproject.toml constraints.txt $(EMBEDDED) | $(BIN)/python
	$(PIP) --constraint constraints.txt --editable '.[text]'
	$(PIP) --no-deps --requirement $(EMBEDDED)
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt $(EMBEDDED) | $(BIN)/python
	$(PIP) --constraint constraints.txt --editable '.[test]'
	$(PIP) --no-deps --requirement $(EMBEDDED)
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) demo build *.egg-info
