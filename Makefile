# make demo    the whole story on a stand-in for both services; no account needed
# make test    every check: style, types, tests
# make check   style and types alone
# make torture the whole campaign of faults, kills, races and random histories; takes its time
# make bench   how fast it is, as a table; takes 25 minutes; some rows alone: make bench ROWS="idle full"
# make limits  reckon the tables of docs/limits.md anew
# make processes the decision tables once more, with a process of its own for each run
# make golden  write the list of every request that the sync sends anew, tests/golden/requests.txt
# make clean   remove what the others made
#
# Needs make and Python 3.10 or newer; the rest is installed into .venv. Another Python: make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check torture bench limits processes golden clean
.DEFAULT_GOAL := test

demo: $(VENV)/run.stamp
	@$(BIN)/python -m main --demo

test: check
	$(BIN)/python -m pytest -q -n 2

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict

torture: $(VENV)/dev.stamp
	$(BIN)/python -m tests.campaign

bench: $(VENV)/run.stamp
	@$(BIN)/python -m benchmarks $(ROWS)

limits: $(VENV)/run.stamp
	$(BIN)/python -m limits

processes: $(VENV)/dev.stamp
	RUNS_AS_PROCESSES=1 $(BIN)/python -m pytest -q -n 2 tests/test_status_table.py tests/test_link_table.py tests/test_content.py

golden: $(VENV)/dev.stamp
	WRITE_GOLDEN=1 $(BIN)/python -m pytest -q tests/test_contract.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo 'Python 3.10 or newer is needed. If you have one under another name: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) \
		|| { echo 'The environment could not be made. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@touch $@

$(VENV)/run.stamp: requirements.txt $(VENV)/python.stamp
	@echo 'Installing what the program needs into $(VENV) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements.txt requirements-dev.txt $(VENV)/python.stamp
	@echo 'Installing what the program and its checks need into $(VENV) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/run.stamp
