# Each target sets up all it needs by itself; the second time is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# so many test files side by side
PROCESSES ?= 2
PYTEST = $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile

.PHONY: demo test test-all test-hosts check format docs accuracy speed clean

# without the tests marked `long`: kills of processes and nodes, jobs on a cluster, whole trainings on Ray
test: $(VENV)/installed-test
	$(PYTEST) -m "not long" $(PYTEST_ARGS)

test-all: $(VENV)/installed-test
	$(PYTEST) -m long $(PYTEST_ARGS)
	$(PYTEST) -m "not long" $(PYTEST_ARGS)

# Linux and root: hosts as namespaces of this machine, and one fault after another, for half an hour; see CONTRIBUTING.md
test-hosts: $(VENV)/installed-test
	$(BIN)/python -m tests.hosts $(HOSTS_ARGS)

demo: $(VENV)/installed-demo
	$(BIN)/python jobs/demo.py

check: $(VENV)/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# the pages of docs/ as a site in build/site; broken links are errors
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

# make accuracy DATA=folder: the table of docs/accuracy.md
accuracy: $(VENV)/installed-peers
	$(BIN)/python jobs/accuracy/make_table.py --data $(DATA)

# make speed CORPUS=reviews.parquet: ten minutes, a table, and what fell since the last time (see docs/performance.md)
speed: $(VENV)/installed-bench
	$(BIN)/python jobs/benchmark/speed.py $(if $(CORPUS),--corpus $(CORPUS))

$(VENV)/installed-%: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("w2vray needs Python 3.11 or newer: make PYTHON=python3.11 $@" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@

clean:
	rm -rf $(VENV) accuracy-output demo-output build *.egg-info
