# make demo   sets itself up, then compares the decoders on a real language model
# make test   sets itself up, then runs all checks and tests
# make test-llamacpp   compiles llama.cpp in, then runs what is tested over it, SmolLM2 too
# make docs   builds the pages into site/
# make clean  removes what the others made (not the weights in your cache folder)
#
# Another Python: make demo PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# In a terminal pip shows what it downloads; in a log it speaks up only if something fails.
PIP := $(BIN)/python -m pip --disable-pip-version-check $(if $(MAKE_TERMOUT),,-qq)
SLOW := this takes a few minutes, once

.PHONY: demo test test-llamacpp docs clean
.NOTPARALLEL:

demo: $(VENV)/installed
	$(BIN)/anyorder compare --model smollm2 --prompts examples/prompts.jsonl

test: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Without the package these tests would be skipped: so it is imported first.
test-llamacpp: $(VENV)/installed-llamacpp
	$(BIN)/python -c "import llama_cpp"
	$(BIN)/python -m pytest -m "" tests/models/test_llamacpp.py tests/models/test_llamacpp_laws.py \
	  tests/measure/verify/test_llamacpp.py

docs: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site .pytest_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what it was made of, so the second run installs nothing and needs no network.

$(VENV)/installed: $(VENV)/made pyproject.toml constraints.txt
	@echo "Installing anyorder and what it needs ($(SLOW)) ..."
	@$(PIP) install -c constraints.txt -e '.[serve]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/made pyproject.toml constraints.txt
	@echo "Installing anyorder and the tools for its tests ($(SLOW)) ..."
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $(VENV)/installed $@

$(VENV)/installed-llamacpp: $(VENV)/installed-dev
	@echo "Installing llama-cpp-python, which compiles llama.cpp ($(SLOW)) ..."
	@$(PIP) install -c constraints.txt -e '.[dev,llamacpp]'
	@touch $@

$(VENV)/made:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON) here. anyorder needs Python 3.11 or later."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "anyorder needs Python 3.11 or later; this is $$($(PYTHON) --version)."; \
	  echo "If you have another: make $(or $(MAKECMDGOALS),demo) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: its venv module is missing."; \
	  echo "On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@
