#!/usr/bin/env bash
# Measures BullMQ on a Redis, for the queue bench. Installs it from npm into a cache folder, not into the tree. The last
# line is JSON with the rates, or says plainly why there is none.
#
# usage: bullmq.sh SOCKET TURNS FILLED PRODUCERS CONCURRENCY
set -euo pipefail
version=6.7.0
ioredis=5
for tool in npm node; do
  if ! command -v "$tool" >/dev/null; then
    echo "$tool is missing (apt-get install nodejs npm)"
    exit 0
  fi
done
cache=${XDG_CACHE_HOME:-$HOME/.cache}/antiphon/peers/bullmq-$version
if [ ! -d "$cache/node_modules/ioredis" ]; then
  mkdir -p "$cache"
  # Nothing that comes along is run while installing.
  if ! npm install --prefix "$cache" --ignore-scripts --no-audit --no-fund --loglevel=error "bullmq@$version" "ioredis@$ioredis" >&2; then
    rm -rf "$cache"
    echo "bullmq@$version could not be installed from npm"
    exit 0
  fi
fi
here=$(cd "$(dirname "$0")" && pwd)
# Modules are looked for next to the program.
cp "$here/bullmq.mjs" "$cache/bullmq.mjs"
exec node "$cache/bullmq.mjs" "$@"
