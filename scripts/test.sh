#!/usr/bin/env bash
# Runs every test. Starts Apache Kafka for those that need it, unless KAFKA_BROKERS names one.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh test
log=$(mktemp)
started=
finish() {
  [ -z "$started" ] || scripts/kafka.sh stop >/dev/null 2>&1 || true
  rm -f "$log"
}
trap finish EXIT

if [ -z "${KAFKA_BROKERS:-}" ]; then
  echo "Starting Apache Kafka …"
  started=yes
  KAFKA_BROKERS=$(scripts/kafka.sh start)
  export KAFKA_BROKERS
fi
echo "Apache Kafka at $KAFKA_BROKERS"

# The end-to-end tests run the binary as a user would.
cargo build --locked --bin rollcall
status=0
cargo test --locked --workspace --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?

read -r passed failed < <(awk '/^test result:/ { passed += $4; failed += $6 } END { print passed + 0, failed + 0 }' "$log")
echo "$passed passed, $failed failed"
exit "$status"
