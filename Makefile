# `make` lists the targets. GNU make and bash.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo demo-stop test bench soak storm lint deny mutants mutants-controller crd static image sbom clean

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
IMAGE ?= paperspace-operator:$(VERSION)
ROUNDS ?= 10

# Tests that wait more than they work are run beside the others.
BESIDE := image readme
OTHERS := $(filter-out $(BESIDE),$(notdir $(patsubst %/main.rs,%,$(wildcard tests/*/main.rs))))

# Keys and addresses of the real Paperspace, and of collectors of traces, stay outside: everything here talks to loopback.
unexport $(filter-out PAPERSPACE_OPERATOR_CACHE PAPERSPACE_OPERATOR_ENVTEST,$(filter PAPERSPACE_% OTEL_%,$(.VARIABLES)))

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: ## watch a machine come up, stop, start, be mended and go, on this machine alone (KEEP=1: leave it running)
	@tests/demo/demo $(if $(filter-out 0 no,$(KEEP)),--keep)

demo-stop: ## stop what `make demo KEEP=1` left running
	@tests/demo/stop

test: ## every test, end to end included; the first time it fetches or builds Kubernetes servers (7 to 13 minutes)
	@tests/need cc=gcc curl=curl openssl=openssl promtool=prometheus podman=podman buildah=buildah runc=runc
	@tests/control-plane/servers >/dev/null
	@tests/helm/library >/dev/null
	@mkdir -p target
	cargo test --locked --workspace --no-run
	@run() { echo "cargo test --locked --no-fail-fast $$*"; cargo test --locked --no-fail-fast "$$@" 2>&1; }; \
	trap 'kill 0' INT; \
	run $(BESIDE:%=--test %) >target/test-beside.log & \
	failed=0; \
	run --lib --bins $(OTHERS:%=--test %) | tee target/test.log || failed=1; \
	wait $$! || failed=1; \
	cat target/test-beside.log; \
	awk '/^test result:/ {passed += $$4; failed += $$6; ignored += $$8} \
	  END {printf "make test: %d tests passed, %d failed, %d ignored\n", passed, failed, ignored}' target/test.log target/test-beside.log; \
	exit $$failed

bench: ## what 100, 1,000 and 10,000 resources cost, checked and beside polling one by one (BENCH_SIZES=100 BENCH_IDLE=60s: a part of the hours it takes)
	@tests/need cc=gcc curl=curl openssl=openssl
	@tests/control-plane/servers >/dev/null
	cargo bench --locked --bench scale

storm: ## kill, freeze and double everything under load (SEED=n repeats one, ROUNDS=10: about a minute each); no part of `make test`
	@tests/need cc=gcc curl=curl openssl=openssl
	@tests/control-plane/servers >/dev/null
	E2E_SEED=$(SEED) E2E_ROUNDS=$(ROUNDS) cargo test --locked --test e2e a_long_storm -- --ignored --nocapture

soak: ## random lives under every fault, in virtual time (SEEDS=2000; a failure is shortened and names its seed: SOAK_SEED=17 runs it alone)
	@tests/need cc=gcc
	SOAK_SEEDS=$(or $(SEEDS),2000) cargo test --locked --test simulation soak::after -- --nocapture

lint: ## formatting, clippy, documentation and shellcheck, with warnings denied
	@tests/need cc=gcc shellcheck=shellcheck
	@{ cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 || rustup component add rustfmt clippy
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	shellcheck -x $$(grep -lE '^#!.*bash|^# shellcheck shell=bash' -r tests deploy .ci)

deny: ## licences, advisories, second versions and sources of the crates, as deny.toml has them (the advisories are fetched)
	@cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked
	cargo deny --locked check $(DENY)

mutants: ## break lifecycle/ in every small way, one at a time: which tests notice (hours; target/mutants.out says what was missed)
	@tests/need cc=gcc
	@cargo mutants --version >/dev/null 2>&1 || cargo install cargo-mutants --locked
	PROPTEST_CASES=$${PROPTEST_CASES:-100} PROPTEST_MAX_SHRINK_ITERS=0 cargo mutants $(MUTANTS)

mutants-controller: ## the same for a hundred places of controller/ at most, evenly spread
	@tests/need cc=gcc
	@cargo mutants --version >/dev/null 2>&1 || cargo install cargo-mutants --locked
	@all=$$(cargo mutants --config .cargo/mutants-controller.toml --list | wc -l); set -x; \
	SOAK_SEEDS=20 cargo mutants --config .cargo/mutants-controller.toml --sharding round-robin --shard 0/$$(( (all + 99) / 100 )) $(MUTANTS)

crd: ## write crds/ anew from the types, and the chart's copy: the definition and the reference of its fields
	cargo run --locked --quiet -- crd > target/crd.yaml
	cp target/crd.yaml deploy/charts/paperspace-operator-crds/templates/paperspacemachines.yaml
	mv target/crd.yaml crds/paperspacemachines.yaml
	cargo run --locked --quiet -- crd --reference > target/crd.md
	mv target/crd.md crds/README.md

static: ## build the program as one static file, and print where it is (TARGET=triple: for another machine)
	@deploy/image/static

image: ## build the container image with docker, podman or buildah (IMAGE=name:tag; BINARY=file: around a static program; docs/image.md)
	@deploy/image/build $(IMAGE)

sbom: ## list what is in the program, as CycloneDX: target/sbom.cdx.json (TARGET=triple)
	@mkdir -p target
	@deploy/image/sbom >target/sbom.part
	@mv target/sbom.part target/sbom.cdx.json
	@echo target/sbom.cdx.json

clean: ## remove what was built; the Kubernetes servers stay in their cache
	cargo clean
