# Every target sets up .venv by itself. PYTHON is the interpreter it is made with (3.11 or later), GOLDEN the folder of `make parity`.
PYTHON ?= python3
GOLDEN ?= ../shared/golden
DEMO ?= demo

BIN := .venv/bin
READY := .venv/.ready

.PHONY: help demo test big lint bench parity fuzz clean

help:
	@echo "make demo     render a scene, separate and localise it; the files go to $(DEMO)/"
	@echo "make test     run the tests"
	@echo "make big      run the test that writes files of more than 4 GB (12 GB of disk)"
	@echo "make lint     run ruff and mypy"
	@echo "make bench    measure speed and memory"
	@echo "make parity   compare the networks with recordings of the original (GOLDEN=$(GOLDEN))"
	@echo "make fuzz     fuzz the readers of media files for an hour (needs Linux or macOS with a wheel of atheris)"
	@echo "make clean    remove .venv and what was built"

demo: $(READY)
	$(BIN)/avsep demo --output-dir $(DEMO)

test: $(READY)
	$(BIN)/python -m pytest

big: $(READY)
	$(BIN)/python -m pytest -m big

lint: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

bench: $(READY)
	$(BIN)/python -m benchmarks

parity: $(READY)
	$(BIN)/python -m benchmarks.parity $(GOLDEN)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo "avsep needs Python 3.11 or later, '$(PYTHON)' is not; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "setting up .venv; PyTorch is a large download, this takes some minutes the first time"
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

fuzz: $(READY)
	$(BIN)/python -m pip install --quiet atheris
	mkdir -p build/fuzz
	cd build/fuzz && ../../$(BIN)/python ../../tests/fuzz_readers.py corpus/ -max_total_time=3600 -timeout=30 -rss_limit_mb=4096 -max_len=100000

clean:
	rm -rf .venv .venv-wheel build dist avsep_plugin.egg-info .mypy_cache .pytest_cache .ruff_cache
