#!/usr/bin/env bash
# What Cargo cannot forbid of docs/architecture.md: where each large dependency may be named, that the pure core stays
# pure, and that no files import each other in a circle. Which crate may depend on which is in the Cargo.toml files.
set -uo pipefail
cd "$(dirname "$0")/../.."
breaches=0
breach() {
  echo "import direction: $1" >&2
  breaches=$((breaches + 1))
}

# only WHERE NAME...: these crates are named in sources under WHERE alone (tests and benches of any crate may).
only() {
  local where=$1
  shift
  local name
  for name in "$@"; do
    while IFS= read -r file; do
      case $file in
        "$where"*) ;;
        *) breach "$file names $name, which belongs under $where" ;;
      esac
    done < <(grep -lE "(^|[^a-zA-Z0-9_:])$name::" -r --include='*.rs' ledger/*/src orchestrator/src orchestrator/*/src bot/src bot/capture/src 2>/dev/null)
  done
}
only bot/src/discord/ serenity songbird poise
only ledger/store/src/ sqlx
only orchestrator/broker/src/ redis
only orchestrator/speech/src/ whisper_rs piper_rs espeak_rs_sys ort

# Crates without a runtime: their Cargo.toml names none.
for crate in ledger/core orchestrator/mind; do
  if sed '/^\[dev-dependencies\]/,$d' "$crate/Cargo.toml" | grep -qE '^(tokio|futures-util|async-trait|reqwest|redis|sqlx)'; then
    breach "$crate/Cargo.toml names a runtime; $crate is pure"
  fi
done

# The pure core reads no clock, draws nothing at random and awaits nothing.
# Left out: tests of their own, and the one file that loads runs from stores.
pure=$(find orchestrator/mind/src ledger/core/src/event ledger/core/src/text ledger/parity/src/diff -name '*.rs' \
  ! -name 'testing.rs' ! -name 'properties.rs' ! -name 'scenarios.rs' ! -path ledger/parity/src/diff/load.rs)
for file in $pure; do
  if sed '/#\[cfg(test)\]/,$d' "$file" | grep -nE 'SystemTime|Instant::now|rand::|\.await\b|tokio::|WallClock' >&2; then
    breach "$file belongs to the pure core"
  fi
done

python3 assets/build/circles.py || breaches=$((breaches + 1))

if [ "$breaches" -gt 0 ]; then
  echo "$breaches breach(es); docs/architecture.md says which way imports run" >&2
  exit 1
fi
echo "imports run one way"
