#!/usr/bin/env bash
# Runs every benchmark and prints its ratios. Benchmarks never fail by a time.
set -euo pipefail
cd "$(dirname "$0")/../.."
filter=${1:-}
run() {
  local package=$1 bench=$2
  if [ -n "$filter" ] && [ "$filter" != "$bench" ]; then return; fi
  echo
  echo "== $package: $bench"
  # The whole workspace is named so that dependencies are built once: features differ from package to package.
  cargo bench --quiet --workspace --bench "$bench"
}
for manifest in ledger/* bot/capture bot/discord-sim orchestrator/mind orchestrator/broker orchestrator bot tests; do
  package=$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest/Cargo.toml" | head -1)
  for bench in $(awk '/^\[\[bench\]\]/{b=1} b && /^name/{gsub(/"/,"",$3); print $3; b=0}' "$manifest/Cargo.toml"); do
    run "$package" "$bench"
  done
done
