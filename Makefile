# make demo    the whole line against a sandbox, and a table: truth beside Brevo
# make test    every test, with a real Apache Kafka
# make lint    format, clippy, licences and sources, unused dependencies, generated files
# Each does its own set-up and can be repeated.

.PHONY: demo test lint build clean-kafka
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

lint:
	@scripts/lint.sh

clean-kafka:
	@scripts/kafka.sh stop
	rm -rf .kafka
