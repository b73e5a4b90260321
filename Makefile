# SPDX-License-Identifier: BSD-3-Clause
# A thin front of CMake: `make help` lists what there is.

PORT   ?= 6379
ARGS   ?=
TIME   ?= 600
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)
BUILD   = build

SEED    ?= 1
MINUTES ?= 60

.PHONY: help build run test bench sim model prove fuzz format analyze install uninstall clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo
	@echo "Variables: PORT=$(PORT) ARGS=\"--maxmemory 512mb\" TIME=$(TIME) PREFIX=$(PREFIX) DESTDIR= JOBS=$(JOBS)"

build: ## the release, in build/bin and build/lib
	@tools/bootstrap build
	@cmake --preset release --log-level=WARNING
	@cmake --build $(BUILD) --parallel $(JOBS) -- --quiet

run: build ## build and start a server in the foreground (PORT, ARGS)
	@exec $(BUILD)/bin/larder-server --port $(PORT) $(ARGS)

test: ## everything that CI runs; ends with "N passed, N failed"
	@tools/bootstrap test
	@tools/run_tests

bench: ## benchmarks beside other servers (ARGS for bench/run.py)
	@tools/bootstrap bench
	@cmake --preset release -DLARDER_BENCH=ON --log-level=WARNING
	@cmake --build $(BUILD) --parallel $(JOBS) -- --quiet
	@python3 bench/run.py $(ARGS)

sim: ## simulate a cluster under faults (SEED, SCENARIO, STORY=1, VERBOSE=1, MINUTES, ARGS)
	@tools/bootstrap build
	@cmake --preset release -DLARDER_SIM=ON --log-level=WARNING
	@cmake --build $(BUILD) --parallel $(JOBS) --target larder-sim -- --quiet
	@$(BUILD)/bin/larder-sim --seed $(SEED) --minutes $(MINUTES) $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(VERBOSE),--verbose) $(if $(STORY),--story) $(ARGS)

model: ## explore the protocol's Promela models (ARGS=--rules removes their rules one by one)
	@tools/bootstrap model
	@docs/model/verify $(ARGS)

prove: ## which tests notice known mistakes, and figures of the simulation, into docs/consistency.md
	@tools/bootstrap test
	@python3 tests/mutants/run.py $(ARGS)

fuzz: ## every fuzzer for TIME seconds; new inputs join the corpora
	@tools/bootstrap test
	@tools/run_fuzzers $(TIME)

format: ## clang-format all sources
	@tools/bootstrap test
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i

analyze: ## clang's static analyzer over the sources
	@tools/bootstrap test
	@tools/run_tidy --analyze

install: build ## into DESTDIR and PREFIX; with COMPAT=1 the client is also known as valkey
	@DESTDIR="$(DESTDIR)" cmake --install $(BUILD) --prefix "$(PREFIX)"
	@test -z "$(COMPAT)" || DESTDIR="$(DESTDIR)" cmake --install $(BUILD) --prefix "$(PREFIX)" --component compat

uninstall: ## remove what the last install put there
	@test -f $(BUILD)/install_manifest.txt || { echo "nothing was installed from this folder"; exit 1; }
	@cat $(BUILD)/install_manifest*.txt | sed "s|^|$(DESTDIR)|" | xargs rm -fv

clean: ## remove the build folder
	@rm -rf $(BUILD)
