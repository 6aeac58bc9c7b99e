#!/usr/bin/env bash
# Licences, sources and duplicates by deny.toml. Advisories need the RustSec database, a git repository: checked when
# ANTIPHON_ADVISORIES=1 says that it can be reached.
set -euo pipefail
cd "$(dirname "$0")/../.."
checks=(bans licenses sources)
if [ "${ANTIPHON_ADVISORIES:-0}" = 1 ]; then checks+=(advisories); fi
cargo deny --log-level error --all-features check "${checks[@]}"
