#!/bin/sh
# Compares what the simulated Discord sends with the types of discord-api-types, field by field: a required field that is
# missing, or a field of another type, fails. Fields that the types do not know are listed. Needs cargo, npm and Node 20.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${ANTIPHON_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/antiphon-interop}/payloads
mkdir -p "$cache"
cp "$here/package.json" "$here/collect.mjs" "$here/check.mjs" "$cache/"
[ -d "$cache/node_modules/typescript" ] || (cd "$cache" && npm install --silent --no-fund --ignore-scripts)
serve=${SIM_SERVE:-}
if [ -z "$serve" ]; then
    cd "$here/../.."
    cargo build --quiet -p antiphon-discord-sim --example sim_server
    serve=${CARGO_TARGET_DIR:-$here/../../../../target}/debug/examples/sim_server
fi
cd "$cache"
node collect.mjs "$serve" payloads.ts
node check.mjs payloads.ts
