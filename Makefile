# The two commands: `make demo` and `make test`.  Everything else serves them.
# Needs Debian 12 with python3, pip and make; `make test` also needs root.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

# Hundreds of processes start: none may have to compile the tree again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test unit functional scenario cloud bench mutants system lint docs clean

demo: $(VENV)/.demo
	$(BIN)/escalator-standalone --demo etc/escalator/campaigns/rolling-packages.yaml $(ARGS)

test: system $(VENV)/.test
	tests/run all

unit: $(VENV)/.test
	tests/run unit

functional: system $(VENV)/.test
	tests/run functional

scenario: system $(VENV)/.test
	tests/run scenario

# Against the cloud that OS_CLOUD names; skipped, saying so, without one.
cloud: system $(VENV)/.test
	tests/run cloud

bench: system $(VENV)/.test
	tests/run bench

# Plants bugs in copies of the tree; the tests have to see each of them.
mutants: $(VENV)/.test
	$(BIN)/python -W ignore -m tests.planted $(ARGS)

# What bindep.txt names, without starting any service of the system's own.
system: $(VENV)/.test
	tests/install-system-packages $(BIN)/bindep

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config setup.cfg

docs: $(VENV)/.docs
	@command -v dot >/dev/null || { \
	  echo "the pictures need dot: apt-get install graphviz" >&2; exit 1; }
	$(BIN)/sphinx-build -W -b html doc/source doc/build/html

# Debian splits ensurepip off: where it is missing, virtualenv from pip serves.
$(BIN)/pip:
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  rm -rf $(VENV); \
	  $(PYTHON) -m pip install --quiet --target $(VENV)-bootstrap virtualenv && \
	  PYTHONPATH=$(VENV)-bootstrap $(PYTHON) -m virtualenv --quiet $(VENV); }
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.demo: $(BIN)/pip setup.cfg requirements.txt
	$(BIN)/pip install --quiet -c constraints.txt -e .
	$(BIN)/python -m compileall -q -j 0 escalator
	touch $@

$(VENV)/.test: $(BIN)/pip setup.cfg requirements.txt client-requirements.txt test-requirements.txt playbook-requirements.txt doc/requirements.txt
	$(BIN)/pip install --quiet -c constraints.txt -e '.[client,docs,playbook,test]'
	$(BIN)/python -m compileall -q -j 0 escalator tests
	touch $@

$(VENV)/.docs: $(BIN)/pip setup.cfg doc/requirements.txt
	$(BIN)/pip install --quiet -c constraints.txt -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-bootstrap doc/build .stestr .mypy_cache .ruff_cache
