#!/usr/bin/env bash
# redis-py's own tests against the embedded Redis and against a real redis-server, and how many pass on each.
#
#   tests/interop/redis-py.sh [VERSION] [-- PYTEST ARGUMENTS]
#
# Needs python3 with venv, pip and a network, redis-server, and cargo.
# Takes ten minutes and more for each server: what waits in vain waits for its timeout. Left out are tests that never
# speak to one plain server (Sentinel, Cluster, TLS, modules, and those of the library's own parts).
set -euo pipefail
version=8.1.0
if [ $# -gt 0 ] && [ "$1" != -- ]; then
  version=$1
  shift
fi
[ "${1:-}" = -- ] && shift
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/interop/servers.sh"

python3 -m venv "$work/venv"
pip="$work/venv/bin/pip"
"$pip" install -q pytest pytest-asyncio pytest-timeout packaging cryptography numpy xxhash pybreaker PyJWT ujson \
  uvloop aiohttp redis-entraid opentelemetry-api opentelemetry-sdk hatchling
# The tests are in the source distribution only.
"$pip" download -q --no-deps --no-binary :all: --no-build-isolation -d "$work" "redis==$version"
"$pip" install -q "redis==$version"
tar -xf "$work/redis-$version.tar.gz" -C "$work"
cd "$work/redis-$version"

start_servers --enable-debug-command yes

files=()
for name in background cache client command_parser commands connect connection connection_pool credentials encoding \
  function hash keyspace_notifications lock max_connections_error monitor multiprocessing pipeline pubsub retry \
  scripting driver_info vsets legacy_responses_arg usage_counter cwe_404; do
  for file in "tests/test_$name.py" "tests/test_asyncio/test_$name.py"; do
    [ -f "$file" ] && files+=("$file")
  done
done

declare -A passed
for server in real embedded; do
  port=$real
  [ $server = embedded ] && port=$embedded
  "$work/venv/bin/python" -m pytest -q -p no:cacheprovider --redis-url="redis://127.0.0.1:$port/0" \
    -m "not redismod and not onlycluster and not ssl and not cp_integration" --timeout 12 --tb=line -rfE \
    "$@" "${files[@]}" >"$work/$server.txt" 2>&1 || true
  passed[$server]=$(grep -oE '[0-9]+ passed' "$work/$server.txt" | tail -1 | cut -d' ' -f1)
  echo "$server ($(redis-cli -p "$port" info server | grep -o 'redis_version:[0-9.]*')): $(tail -1 "$work/$server.txt")"
done
echo "redis-py $version: ${passed[embedded]:-0} pass on the embedded server, ${passed[real]:-0} on the real one"
