# Every target makes its own set-up: Python 3.11 to 3.13 and make are all that a machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# What users get, and beside it what development needs.
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
WORKERS ?= 2
# The tests of a file share a process, and those that tests/conftest.py puts last start last.
SPREAD := -n $(WORKERS) --dist loadgroup --no-loadscope-reorder
# `make real`: a model that others made, and the same one after all its weights were tuned to refuse.
FETCHED := models/SmolLM2-135M-Instruct
ALIGNED := models/SmolLM2-135M-Instruct-aligned

# `make doors`: inspect, lm-eval and garak, whose pinned dependencies need an environment of their own.
DOORS := .venv-doors
PROGRAMS := tests/evaluate/logs/programs/requirements.txt

.PHONY: demo real test thorough doors mutants check slow benchmarks docs testbed clean

demo: $(INSTALLED)
	$(BIN)/holdfast demo --out demo

# Each line does nothing where an earlier call has done its work.
real: $(INSTALLED)
	$(BIN)/python -c "import gguf" 2>/dev/null || $(PIP) --constraint constraints.txt --editable '.[real]'
	$(BIN)/python examples/real/fetch.py $(FETCHED)
	cat examples/real/harmless_train.jsonl examples/real/borderline_train.jsonl > models/helpful_train.jsonl
	test -f $(ALIGNED)/result.json || $(BIN)/holdfast enhance $(FETCHED) --refusals examples/real/harmful_train.jsonl \
	    --harmless models/helpful_train.jsonl --learning-rate 5e-5 --iterations 80 --batch-size 8 --checkpoint-every 20 \
	    --out $(ALIGNED)
	$(BIN)/holdfast run examples/real/smollm2.toml --out real

# Compiled tests are kept, whatever the shell says: compiling them takes a third of the time that collecting them takes.
test: export PYTHONDONTWRITEBYTECODE =
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SPREAD) -m "not slow and not doors"

thorough: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SPREAD) -m slow

doors: $(READY) $(DOORS)/.installed
	HOLDFAST_DOORS=$(CURDIR)/$(DOORS)/bin/python $(BIN)/python -m pytest -m doors tests/evaluate/logs

# Breaks important lines one by one in a copy; each has a test that must fail.
mutants: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.mutants

slow: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/seeds.py --out demo-seeds --table docs/results/seeds.md

check: $(READY)
	$(BIN)/ruff format --check src tests benchmarks examples reproductions
	$(BIN)/ruff check src tests benchmarks examples reproductions
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest tests/test_arrow.py

benchmarks: $(READY)
	$(BIN)/python benchmarks/selection.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/sharded_selection.py
	$(BIN)/python benchmarks/sparse_step.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/generation.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/scoring.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/layerwise.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/estimators.py --table docs/results/estimators.md
	$(BIN)/python benchmarks/convergence.py --table docs/results/convergence.md
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/gate_power.py --table docs/results/gate.md
	$(BIN)/python benchmarks/restore_memory.py
	$(BIN)/python benchmarks/objectives.py --work demo-objectives --table docs/results/objectives.md

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir site
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m slow tests/test_docs.py

testbed: $(READY)
	$(BIN)/python -m holdfast.testbed

# torch is named with its exact version, or pip would take a build with gigabytes of CUDA libraries.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $$(grep '^torch==' constraints.txt)
	$(PIP) --constraint constraints.txt --editable .
	touch $(INSTALLED)

$(DOORS)/.installed: $(PROGRAMS)
	test -x $(DOORS)/bin/python || $(PYTHON) -m venv $(DOORS)
	$(DOORS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(PROGRAMS)
	touch $(DOORS)/.installed

$(READY): $(INSTALLED)
	$(PIP) --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) $(DOORS) site real $(FETCHED) $(ALIGNED) demo demo-seeds demo-objectives .pytest_cache .ruff_cache
