#!/usr/bin/env bash
# Format, clippy with warnings denied, licences and sources, unused dependencies. That generated files
# are current is a test. The tools that cargo does not bring are installed below .tools.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh build
tool() { # tool NAME VERSION
  if [ "$(.tools/bin/"$1" --version 2>/dev/null | awk '{print $NF}')" != "$2" ]; then
    echo "Installing $1 $2 …"
    CARGO_TARGET_DIR=.tools/target cargo install --quiet --locked --debug --root .tools "$1" --version "$2"
    rm -rf .tools/target
  fi
}
cargo fmt --all --check
cargo clippy --locked --workspace --all-targets -- -D warnings
tool cargo-deny 0.20.2
.tools/bin/cargo-deny --all-features --log-level error check bans licenses sources
tool cargo-machete 0.9.2
.tools/bin/cargo-machete
