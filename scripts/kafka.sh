#!/usr/bin/env bash
# A real Apache Kafka on loopback for the tests: one broker, no containers, everything under .kafka/.
#
#   scripts/kafka.sh start [PORT]   start the broker unless it runs; print its address when it is ready
#   scripts/kafka.sh address        print the address of the broker that runs; exit 1 where none does
#   scripts/kafka.sh stop           stop it in order
#   scripts/kafka.sh kill           stop it as a power cut would (SIGKILL)
#   scripts/kafka.sh reset          stop it and delete its topics
#   scripts/kafka.sh lib            only fetch what it needs
#
# Without PORT the last one is taken again while it is free, else any free pair (PORT, and PORT+1 for
# the controller). KAFKA_HEAP sets the heap (512m). ROLLCALL_KAFKA_HOME names another folder for
# a further broker. Needs Java 17 and Maven; as root, where apt is there, it installs them.
set -euo pipefail

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lib=$tree/.kafka/lib
home=${ROLLCALL_KAFKA_HOME:-$tree/.kafka}
pom=$tree/scripts/kafka/pom.xml
cluster_id=cm9sbGNhbGwtdGVzdHMtMDE # any base64 uuid; fixed, so that no JVM is started to draw one

fail() { echo "kafka.sh: $*" >&2; exit 1; }

need_tools() {
  local missing=()
  command -v java >/dev/null || missing+=(default-jre-headless)
  if [ "${1:-}" = maven ]; then command -v mvn >/dev/null || missing+=(maven); fi
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "kafka.sh: installing ${missing[*]}" >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >&2 \
      || fail "could not install ${missing[*]}: install them (Java 17 or newer, Maven), then try again"
  else
    fail "the tests on Kafka need Java 17 or newer and Maven; missing here: ${missing[*]}. Install them, then try again"
  fi
}

# Jars go into .kafka/lib, whole or not at all; the pom beside them says of which versions they are.
fetch_lib() {
  cmp -s "$pom" "$lib/pom.xml" && return
  need_tools maven
  echo "kafka.sh: fetching Kafka into $lib" >&2
  rm -rf "$lib" "$lib.new"
  mkdir -p "$lib.new"
  mvn -B -q -ntp -f "$pom" -Dmaven.repo.local="$tree/.kafka/m2" -DoutputDirectory="$lib.new" \
    dependency:copy-dependencies >&2 || fail "Maven could not fetch Kafka: see its message above"
  cp "$pom" "$lib.new/pom.xml"
  mv "$lib.new" "$lib"
}

# Only a process that this script started, and that still is that broker, counts.
running_pid() {
  local pid
  pid=$(cat "$home/pid" 2>/dev/null) || return 1
  [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
  if [ -r "/proc/$pid/cmdline" ]; then
    tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "$home/server.properties" || return 1
  fi
  echo "$pid"
}

address() { sed -n 's/^advertised\.listeners=PLAINTEXT:\/\///p' "$home/server.properties"; }

is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

choose_port() {
  local wanted=${1:-} last candidate
  if [ -n "$wanted" ]; then
    is_free "$wanted" && is_free $((wanted + 1)) || fail "port $wanted or $((wanted + 1)) is in use: name another, or none"
    echo "$wanted"
    return
  fi
  last=$(address 2>/dev/null | sed 's/.*://')
  # Below the range from which the system gives clients their ports (32768 and up).
  for candidate in $last $(for _ in $(seq 50); do echo $((20000 + (RANDOM % 6000) * 2)); done); do
    if is_free "$candidate" && is_free $((candidate + 1)); then echo "$candidate"; return; fi
  done
  fail "no free pair of ports found"
}

# Small and quick values where the defaults are for large clusters: internal topics of 4 partitions
# instead of 50, and a session of 2 s, so that a broker that was killed is back in 4 s instead of 12.
write_configuration() {
  local port=$1
  cat >"$home/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$home/data
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=1000
log.initial.task.delay.ms=1000
log.retention.check.interval.ms=1000
PROPERTIES
  cat >"$home/log4j2.properties" <<PROPERTIES
rootLogger.level=WARN
rootLogger.appenderRef.file.ref=file
appender.file.type=File
appender.file.name=file
appender.file.fileName=$home/server.log
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %c{1} %m%n
logger.ready.name=kafka.server.KafkaRaftServer
logger.ready.level=INFO
PROPERTIES
}

wait_until_ready() {
  local pid=$1
  for _ in $(seq 1200); do
    # Logged once the broker is unfenced and serves; an open port comes before that.
    grep -qs 'Kafka Server started' "$home/server.log" && return
    kill -0 "$pid" 2>/dev/null || { tail -n 20 "$home/out.log" "$home/server.log" >&2; fail "the broker ended while starting: its last lines are above"; }
    sleep 0.05
  done
  fail "the broker was not ready within 60 s: see $home/server.log"
}

start() {
  local pid port
  if pid=$(running_pid); then
    wait_until_ready "$pid"
    address
    return
  fi
  need_tools
  fetch_lib
  port=$(choose_port "${1:-}")
  write_configuration "$port"
  rm -f "$home/server.log"
  if [ ! -f "$home/data/meta.properties" ]; then
    rm -rf "$home/data"
    java -Xmx64m -XX:TieredStopAtLevel=1 -cp "$lib/*" "-Dlog4j2.configurationFile=$home/log4j2.properties" \
      kafka.tools.StorageTool format --cluster-id "$cluster_id" --config "$home/server.properties" >"$home/format.log" 2>&1 \
      || { cat "$home/format.log" >&2; fail "the data folder could not be formatted"; }
  fi
  nohup java -Xms128m "-Xmx${KAFKA_HEAP:-512m}" -Djava.awt.headless=true -cp "$lib/*" \
    "-Dlog4j2.configurationFile=$home/log4j2.properties" kafka.Kafka "$home/server.properties" \
    >"$home/out.log" 2>&1 </dev/null 9>&- &
  pid=$!
  echo "$pid" >"$home/pid"
  wait_until_ready "$pid"
  address
}

stop() {
  local signal=$1 pid
  pid=$(running_pid) || { rm -f "$home/pid"; return 0; }
  kill "-$signal" "$pid"
  for _ in $(seq 600); do
    kill -0 "$pid" 2>/dev/null || { rm -f "$home/pid"; return 0; }
    sleep 0.05
  done
  echo "kafka.sh: the broker did not stop within 30 s: killing it" >&2
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$home/pid"
}

mkdir -p "$home"
home=$(cd "$home" && pwd)
# Two that start at once would make two brokers of one folder.
exec 9>"$home/lock"
if command -v flock >/dev/null; then flock 9; fi

case "${1:-}" in
  start) start "${2:-}" ;;
  address) running_pid >/dev/null && address ;;
  stop) stop TERM ;;
  kill) stop KILL ;;
  reset) stop KILL; rm -rf "$home/data" ;;
  lib) fetch_lib ;;
  *) sed -n '2,15p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2; exit 2 ;;
esac
