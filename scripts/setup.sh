#!/usr/bin/env bash
# Makes sure that what the build needs is there. Usage: setup.sh build | test | bench
# Installs through apt where it may (as root, or with a sudo that does not ask); otherwise says once
# what is missing. Can be repeated; never asks.
set -euo pipefail

missing=()
need_command() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need_libclang() {
  local found
  found=$(ls /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*-linux-gnu/libclang*.so* 2>/dev/null | head -n 1)
  [ -n "$found" ] || [ -n "${LIBCLANG_PATH:-}" ] || missing+=(libclang-dev)
}

if ! command -v cargo >/dev/null 2>&1; then
  echo "Rollcall needs a Rust toolchain (1.95 or newer): see https://rustup.rs" >&2
  exit 1
fi
need_command cc build-essential
need_command c++ build-essential
need_command make build-essential
need_command perl perl
need_libclang
need_command clang++ clang
if [ "${1:-build}" = test ] && [ -z "${KAFKA_BROKERS:-}" ]; then
  need_command java default-jre-headless
  need_command mvn maven
fi
if [ "${1:-build}" = bench ]; then
  need_command javac default-jdk-headless
  need_command mvn maven
fi
[ ${#missing[@]} -eq 0 ] && exit 0

mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
as_root=()
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then as_root=(sudo -n); else as_root=(false); fi
fi
if command -v apt-get >/dev/null 2>&1 && [ "${as_root[*]:-}" != false ]; then
  echo "Installing ${missing[*]} …"
  log=$(mktemp)
  if "${as_root[@]}" apt-get update -qq >"$log" 2>&1 \
    && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    rm -f "$log"
    exit 0
  fi
  tail -n 20 "$log" >&2
fi
echo "Rollcall needs these packages, and could not install them: ${missing[*]}" >&2
echo "On Debian or Ubuntu: sudo apt-get install ${missing[*]}" >&2
exit 1
