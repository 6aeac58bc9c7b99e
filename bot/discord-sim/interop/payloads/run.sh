#!/bin/sh
# Compares what the simulated Discord sends with the types of discord-api-types, field by field: a required field that is
# missing, or a field of another type, fails. Fields that the types do not know are listed. Needs cargo, npm and Node 20.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${ANTIPHON_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/antiphon-interop}/payloads
mkdir -p "$cache"
cp "$here/package.json" "$here/collect.mjs" "$cache/"
[ -d "$cache/node_modules/typescript" ] || (cd "$cache" && npm install --silent --no-fund --ignore-scripts)
serve=${SIM_SERVE:-}
if [ -z "$serve" ]; then
    cd "$here/../.."
    cargo build --quiet -p antiphon-discord-sim --example serve
    serve=${CARGO_TARGET_DIR:-$here/../../../../target}/debug/examples/serve
fi
cd "$cache"
node collect.mjs "$serve" payloads.ts
npx tsc --noEmit --strict --skipLibCheck --module nodenext --moduleResolution nodenext payloads.ts >types.log || true
echo "fields that discord-api-types does not know:"
sed -n "s/.*TS2353.*and '\"\([a-z_]*\)\"' does not exist in type '\([A-Za-z]*\).*/  \2 \1/p" types.log | sort | uniq -c
if grep 'error TS' types.log | grep -v TS2353; then
    exit 1
fi
echo "every required field is there, of the right type: $(grep -c '^export' payloads.ts) payloads"
