# The two commands to know: `make demo` and `make check`. Both set up whatever is missing first.

BUILD ?= build
JOBS ?= $(shell scripts/jobs.sh)
PYTHON := .venv/bin/python
# Every C and C++ source of ours; test inputs are left as they are.
SOURCES := $(shell git ls-files '*.h' '*.c' '*.cpp' 2>/dev/null)

.PHONY: help build check check-asan demo wheel format docs clean bootstrap
.DEFAULT_GOAL := help

help:
	@echo 'make demo        set up, build, compile two real models to int8 and run them'
	@echo 'make check       set up, build, run every test'
	@echo 'make check-asan  the same with address and undefined-behaviour sanitizers'
	@echo 'make build       set up, build the tools into $(BUILD)/bin'
	@echo 'make wheel       the Python package, into dist/'
	@echo 'make format      clang-format every source'
	@echo 'make docs        write docs/generated again from the dialect and pass definitions'
	@echo 'make clean       remove build folders and what the demo downloaded'

bootstrap:
	@scripts/bootstrap.sh

build: bootstrap
	@test -f $(BUILD)/build.ninja || cmake --preset default -B $(BUILD)
	@ninja -C $(BUILD) -j $(JOBS)

check: bootstrap
	@test -f $(BUILD)/build.ninja || cmake --preset default -B $(BUILD)
	@ninja -C $(BUILD) -j $(JOBS) all qcc-unit
	@$(PYTHON) scripts/run_tests.py --build $(BUILD)

# Leaks are not looked for: LLVM keeps its registries until the process ends. Nor is poison that
# allocators set by hand: the library of MLIR does not lift it where our headers have set it.
check-asan: bootstrap
	@test -f build-asan/build.ninja || cmake --preset asan
	@ninja -C build-asan -j $(JOBS) all qcc-unit
	@ASAN_OPTIONS=detect_leaks=0:allow_user_poisoning=0 $(PYTHON) scripts/run_tests.py --build build-asan

demo: build
	@PYTHONPATH=python QCC_BUILD=$(BUILD) $(PYTHON) -m qcc.demo --work demo-work

wheel: build
	@QCC_BUILD=$(abspath $(BUILD)) $(PYTHON) -m build --wheel --no-isolation --outdir dist python
	@rm -rf python/build python/qcc.egg-info

format:
	@clang-format-22 -i $(SOURCES)

docs: build
	@scripts/generate_docs.sh docs/generated

clean:
	@rm -rf build build-asan dist demo-work
