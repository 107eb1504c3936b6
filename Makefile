# Two commands do everything from a bare clone with Python 3.11 or newer, pip and make:
#   make demo    the main job on real input
#   make test    all checks and tests (make test-long: those that take minutes)

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements-dev.lock
CHECKED := $(wildcard amorsize tests examples benchmarks docs)
TYPED := amorsize $(wildcard examples benchmarks)

# Only what is installed here counts: no user site, no foreign paths.
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH
unexport PYTHONHOME

.PHONY: help demo test test-long compiled lint audit bench report api docs package everywhere newer wine lock clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo    run the main job on real input, each part twice'
	@echo 'make test    ruff, mypy, bandit and all tests but the long ones'
	@echo 'make test-long   the long tests: faults in all combinations, large histories'
	@echo 'make lint    ruff, mypy and bandit only'
	@echo 'make audit   known weaknesses of all dependencies (needs the network)'
	@echo 'make bench   benchmarks against peers, long; QUICK=1 for under 5 minutes'
	@echo 'make report  the validation of pruning as build/report.html and .json (several minutes)'
	@echo 'make api     write tests/public_api.txt anew: the public names and signatures'
	@echo 'make docs    build the documentation as build/docs/index.html'
	@echo 'make package build sdist and wheel, and install them into empty environments'
	@echo 'make everywhere   the tests on every Python that is found, in hours; ALL=1 for more of them'
	@echo 'make newer   what depends on the interpreter, on Python 3.13 and 3.14, in some minutes'
	@echo 'make wine    a part of the tests with CPython for Windows under Wine, in some minutes; ALL=1 for all'
	@echo 'make lock    make $(LOCK) anew'
	@echo 'make clean   remove what was built'
	@echo 'PYTHON=/path/to/python chooses the interpreter (3.11 or newer)'

demo: $(VENV)/.installed
	$(BIN)/python examples/demo.py

# With PYTEST_ARGS one process of pytest runs what they choose.
test: lint compiled
	$(BIN)/python $(if $(PYTEST_ARGS),-m pytest -m 'not long' $(PYTEST_ARGS),tests/support/lanes.py quick)

test-long: $(VENV)/.dev compiled
	$(BIN)/python $(if $(PYTEST_ARGS),-m pytest -m long $(PYTEST_ARGS),tests/support/lanes.py long)

lint: $(VENV)/.dev
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy $(TYPED)
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml amorsize
	$(BIN)/zizmor --offline --quiet --persona pedantic .github
	$(BIN)/sp-repo-review --show err .

# Tests start more than a thousand interpreters; where PYTHONDONTWRITEBYTECODE is set, each would compile
# the package anew, which takes longer than all else that it does.
compiled: $(VENV)/.dev
	$(BIN)/python -m compileall -q amorsize tests/support

# Needs the network: known weaknesses of the versions that requirements-dev.lock names.
audit: $(VENV)/.dev
	$(BIN)/pip-audit --requirement $(LOCK) --require-hashes --disable-pip

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(BENCH_ARGS)

# An example of what `amorsize validate` writes. Exit code 1 only says that a promise was not kept.
report: $(VENV)/.installed
	mkdir -p build
	$(BIN)/amorsize validate --json build/report.json --html build/report.html || test $$? -eq 1

# What of the public API has changed is the difference of this file.
api: $(VENV)/.dev
	$(BIN)/python tests/support/public_api.py --write

# Without network; every warning is an error. The pages of the names are made of docstrings, the gallery is run.
docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/docs
	$(BIN)/python tests/support/site.py build/docs

# sdist and wheel, twice and compared, into empty environments of every Python found (PYTHONS), with the
# newest and the lowest dependencies. Needs a package index.
package: $(VENV)/.dev
	$(BIN)/python tests/support/packages.py $(PYTHONS)

# On every Python found (PYTHONS), each in an environment with the newest packages that it can have. Needs a
# package index, and hours; the table is docs/reference/everywhere.md.
everywhere: $(VENV)/.dev
	$(BIN)/python tests/support/everywhere.py $(if $(ALL),--all) $(PYTHONS)

# A small part of it on 3.13 and 3.14, in some minutes; LOG=1 keeps a row of the table.
newer: $(VENV)/.dev
	$(BIN)/python tests/support/everywhere.py --quick $(if $(LOG),--log) $(PYTHONS)

# Under Wine, with the official CPython for Windows that `.ci/wine` gets: a part of the tests that covers every
# package, in some minutes; all of them with ALL=1, in hours, or in parts: ONLY='tests/api tests/cli'.
# WINDOWS=3.12 (or 3.13) takes another Python than 3.11.
wine: $(VENV)/.dev
	program=$$(.ci/wine $(WINDOWS)) && $(BIN)/python tests/support/everywhere.py --wine "$$program" $(if $(ALL),--all) $(if $(ONLY),--all --only $(ONLY)) $(if $(LOG),--log)

# In an environment of its own; no index, host or path gets into the file.
lock:
	rm -rf .lock-venv
	$(find_python); "$$python" -m venv .lock-venv
	.lock-venv/bin/python -m pip install --quiet pip-tools
	.lock-venv/bin/python tests/support/packages.py --dev > .lock-venv/dev.in
	.lock-venv/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --upgrade \
	    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
	    --no-header --no-annotate --output-file $(LOCK) pyproject.toml .lock-venv/dev.in
	sed -i '1i # Made by `make lock` for Linux and Python 3.11 or newer; do not edit.' $(LOCK)
	rm -rf .lock-venv

clean:
	rm -rf docs/gallery docs/reference/names docs/sg_execution_times.rst $(VENV) .lock-venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- the environment: each stamp is newer than what it was made from ----------------------------------

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

define find_python
python=; for name in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	if "$$name" -c '$(NEW_ENOUGH)' 2>/dev/null; then python=$$name; break; fi; \
done; \
if [ -z "$$python" ]; then \
	echo 'amorsize needs Python 3.11 or newer, and none was found: make PYTHON=/path/to/python3' >&2; \
	exit 1; \
fi
endef

# Where the system splits ensurepip off (Debian without python3-venv), pip fills the environment.
$(VENV)/.made:
	@$(find_python); echo "environment: $(VENV) with $$("$$python" --version)"; \
	if "$$python" -c 'import ensurepip' 2>/dev/null; then "$$python" -m venv --clear $(VENV); \
	else "$$python" -m venv --clear --without-pip $(VENV) \
	    && "$$python" -m pip --python $(BIN)/python install --quiet pip; fi
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@ $(VENV)/.installed
