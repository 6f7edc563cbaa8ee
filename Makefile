# make demo    the whole line against a sandbox, and a table: truth beside Brevo
# make test    every test, with a real Apache Kafka
# make torture RUNS=100000    seeded runs with failures at every step of a commit; SEED=n is one of them
# make lint    format, clippy, licences and sources, unused dependencies, generated files
# make bench   every benchmark, beside its peers (bench/README.md); make bench-NAME one of them
# Each does its own set-up and can be repeated.

.PHONY: demo test torture lint build clean-kafka
.DEFAULT_GOAL := build

# ARGS="--keep DIR", ARGS="--kafka BROKERS", …
ARGS ?=

build:
	@scripts/setup.sh build
	cargo build --locked --bin rollcall

demo: build
	@target/debug/rollcall demo $(ARGS)

test:
	@scripts/test.sh $(ARGS)

RUNS ?= 1000

torture:
	@scripts/setup.sh build
	ROLLCALL_RUNS=$(RUNS) $(if $(SEED),ROLLCALL_SEED=$(SEED)) cargo test --locked -p rollcall-torture chance -- --nocapture

lint:
	@scripts/lint.sh

clean-kafka:
	@scripts/kafka.sh stop
	rm -rf .kafka

BENCHMARKS := stages pipeline embedded recovery growth ingress latency

bench-build:
	@scripts/setup.sh bench
	cargo build --locked --release --bin rollcall --bin rollcall-bench

# RUNS=3, SMALL=1, … : see bench/README.md
$(addprefix bench-,$(BENCHMARKS)): bench-%: bench-build
	@target/release/rollcall-bench $* $(if $(filter pipeline,$*),--replay) $(ARGS)

# One that fails does not keep the others from being taken, nor the table from being shown.
bench: bench-build
	@failed=; for name in $(BENCHMARKS); do \
	  target/release/rollcall-bench $$name $$([ $$name = pipeline ] && echo --replay) || failed="$$failed $$name"; \
	done; \
	target/release/rollcall-bench summary && [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

.PHONY: bench bench-build $(addprefix bench-,$(BENCHMARKS))
