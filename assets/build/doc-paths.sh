#!/usr/bin/env bash
# Every path that README.md and docs/ name in backquotes exists in the tree.
set -uo pipefail
cd "$(dirname "$0")/../.."
missing=0
for doc in README.md docs/*.md; do
  while IFS= read -r path; do
    if [ ! -e "$path" ]; then
      echo "$doc names $path, which is not in the tree" >&2
      missing=$((missing + 1))
    fi
  done < <(grep -oE '`(bot|orchestrator|ledger|assets|compose|migrations|docs|tests)/[A-Za-z0-9_./-]+`' "$doc" | tr -d '`' | sort -u)
done
[ "$missing" -eq 0 ] || exit 1
echo "paths in the docs exist"
