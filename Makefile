# make demo    load, dump and compare real data on SQLite
# make test    run the tests on every engine that can be reached
# make test-quick   the claims of every package in less than a minute, on SQLite
# make coverage     which part of each package the tests run, on SQLite
# make lint    ruff and mypy
# make bench   dumpy beside Django's own formats
# make django-suite   Django's own tests of fixtures and serializers, with the format py
# make applications   real applications from PyPI, through a fresh database and back
# make faults  dumps and restores that are killed, and dumps beside a writer, by the hundred
# make property  random rows beside json, ten thousand times
# make golden  the dumps of five releases of an application anew, in tests/migrating/golden
# make docs    the documentation as HTML, in docs/_build/html
# make clean   remove what make made

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install

.DELETE_ON_ERROR:
.PHONY: demo test test-quick coverage lint bench docs clean

demo: $(VENV)/.package
	$(BIN)/python testproject/demo.py

# A worker for each core; one that has nothing left to do takes tests of another.
PYTEST_ARGS ?= -n auto --dist worksteal

test: $(VENV)/.test drivers
	$(BIN)/python testproject/run_tests.py $(PYTEST_ARGS)

test-quick: export DUMPY_TEST_ENGINE = sqlite
test-quick: $(VENV)/.test
	$(BIN)/python testproject/run_tests.py $(PYTEST_ARGS) -q -m quick

# The data files of all processes are combined; floors are in tests/coverage_by_package.py.
# Tests of moves from engine to engine reach servers on SQLite, too, if they can.
coverage: export DUMPY_TEST_ENGINE = sqlite
coverage: $(VENV)/.test drivers
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q $(PYTEST_ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage json --quiet -o .coverage.json
	$(BIN)/python tests/coverage_by_package.py .coverage.json

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict dumpy

bench: $(VENV)/.test drivers
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

# Slow, and in need of a package index: no part of `make test`.
.PHONY: django-suite applications
django-suite: $(VENV)/.test
	$(BIN)/python tests/django_suite/run.py $(SUITE_ARGS)

applications: $(VENV)/.package
	$(BIN)/python tests/applications/run.py $(APPLICATIONS)

.PHONY: golden
golden: $(VENV)/.test
	$(BIN)/python tests/migrating/make_golden.py

# By chance, and so no part of `make test`: half an hour for an engine.
.PHONY: faults
faults: export DUMPY_FAULT_RUNS ?= 100
faults: $(VENV)/.test drivers
	$(BIN)/python testproject/run_tests.py -s tests/faults/by_chance.py $(FAULT_ARGS)

# The test of every day with other rows each time, and many of them.
.PHONY: property
property: export DUMPY_PROPERTY_EXAMPLES ?= 10000
property:
	$(MAKE) --no-print-directory test PYTEST_ARGS="$(PYTEST_ARGS) tests/roundtrip/test_beside_json.py"

docs: $(VENV)/.docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going -b html docs docs/_build/html

clean:
	rm -rf $(VENV) build dist *.egg-info docs/_build testproject/var
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.package: setup.cfg setup.py | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.test $(VENV)/.lint $(VENV)/.docs: $(VENV)/.%: $(VENV)/.package
	$(PIP) --editable '.[$*]'
	@touch $@

# a driver that cannot be installed is tried again the next time: its engine is skipped until then
.PHONY: drivers
drivers: $(VENV)/.test
	@for driver in postgresql mysql; do \
	    test $(VENV)/.$$driver -nt setup.cfg && continue; \
	    echo "installing the driver for $$driver"; \
	    if $(PIP) --editable ".[$$driver]" >$(VENV)/$$driver.log 2>&1; \
	    then touch $(VENV)/.$$driver; \
	    else echo "the driver for $$driver cannot be installed, see $(VENV)/$$driver.log"; fi; \
	done
