# Everything runs in .venv, made on first use.
#
# TORCH is what pip is asked for. Where pip's index or find-links offers a CPU wheel it is taken;
# otherwise Linux gets the CUDA build (over 500 MB). To name the CPU build yourself:
#   make demo TORCH="torch==2.13.0 --index-url URL_OF_A_CPU_WHEEL_INDEX"
PYTHON ?= python3
TORCH ?= torch==2.13.0
PORT ?= 8000
DATA ?= out/data

BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lint serve bench clean install
.DELETE_ON_ERROR:

install: $(READY)

# The pinned set is complete, so it is installed without resolving: this also keeps out
# opencv-python, which onedl-mmcv asks for, which needs libGL and which would overwrite the
# headless build in the same folder.
$(READY): .constraints.txt pyproject.toml Makefile
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, not {v.major}.{v.minor}: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH) -c .constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r .constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

demo: $(READY)
	$(BIN)/python -m service.cli.demo --out out/demo

serve: $(READY)
	$(BIN)/cytolibra serve --host 127.0.0.1 --port $(PORT) --data $(DATA)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest -n 2

bench: $(READY)
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv out .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
