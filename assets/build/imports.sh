#!/usr/bin/env bash
# The direction of imports, and where each large dependency may be named (docs/architecture.md). Prints every breach.
set -uo pipefail
cd "$(dirname "$0")/../.."
breaches=0
breach() {
  echo "import direction: $1" >&2
  breaches=$((breaches + 1))
}

# Which of our crates a crate may stand on.
allowed() {
  case $1 in
    ledger | bot/discord-sim) echo "" ;;
    bot/capture) echo "ledger" ;;
    orchestrator) echo "capture ledger" ;;
    bot) echo "capture discord-sim ledger orchestrator" ;;
    tests) echo "capture discord-sim ledger orchestrator" ;;
  esac
}
for crate in ledger bot/capture bot/discord-sim orchestrator bot tests; do
  for ours in ledger capture discord-sim orchestrator antiphon; do
    if grep -qE "^$ours(\.workspace)? *=" "$crate/Cargo.toml" && ! grep -qw -- "$ours" <<<"$(allowed "$crate")"; then
      breach "$crate/Cargo.toml stands on $ours"
    fi
  done
done

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
    done < <(grep -lE "(^|[^a-zA-Z0-9_:])$name::" -r --include='*.rs' ledger/src orchestrator/src bot/src bot/capture/src 2>/dev/null)
  done
}
only bot/src/discord/ serenity songbird poise
only ledger/src/store/ sqlx
only orchestrator/src/redis/ redis
only orchestrator/src/speech/ whisper_rs piper_rs espeak_rs_sys

# The pure core reads no clock, draws nothing at random and awaits nothing.
# Left out: tests of their own, and the one file that loads runs from stores.
pure=$(find orchestrator/src/machine orchestrator/src/policy ledger/src/event ledger/src/diff -name '*.rs' \
  ! -name 'testing.rs' ! -name 'properties.rs' ! -name 'stories.rs' ! -path ledger/src/diff/load.rs)
for file in $pure; do
  if sed '/#\[cfg(test)\]/,$d' "$file" | grep -nE 'SystemTime|Instant::now|rand::|\.await\b|tokio::|WallClock' >&2; then
    breach "$file belongs to the pure core"
  fi
done

if [ "$breaches" -gt 0 ]; then
  echo "$breaches breach(es); docs/architecture.md says which way imports run" >&2
  exit 1
fi
echo "imports run one way"
