#!/usr/bin/env bash
# Runs the fuzz targets, each for FUZZ_SECONDS (60). FUZZ_TARGETS names some of them. On a stable toolchain the sanitizer's
# flags need RUSTC_BOOTSTRAP.
set -euo pipefail
cd "$(dirname "$0")/../../fuzz"
if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "cargo-fuzz is missing: cargo install cargo-fuzz --locked" >&2
  exit 1
fi
export RUSTC_BOOTSTRAP=1
seconds=${FUZZ_SECONDS:-60}
targets=${FUZZ_TARGETS:-$(cargo fuzz list)}
cargo run --quiet --example seeds
for target in $targets; do
  echo
  echo "== $target, $seconds s"
  mkdir -p "corpus/$target" "seeds/$target"
  cargo fuzz run --dev "$target" "corpus/$target" "seeds/$target" -- \
    -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
done
