#!/usr/bin/env bash
# Redis' own tests (Tcl) against the embedded Redis and against a real redis-server, and how many pass on each.
#
#   tests/interop/redis-suite.sh PATH-TO-THE-SOURCE-OF-REDIS-7.0 [UNIT…]
#
# Needs tclsh, redis-server, redis-cli and redis-benchmark, and cargo.
# The source is Redis' own (`apt-get source redis` on Debian 12, or the tag 7.0.15). Tests that start servers of their
# own, or need DEBUG, are left out by the suite itself when it is pointed at a server.
set -euo pipefail
source=${1:?the folder with the source of Redis 7.0}
shift
units=("$@")
if [ ${#units[@]} -eq 0 ]; then
  # Scripts come last: those that never end keep the embedded server busy until their steps are used up.
  units=(unit/type/string unit/type/incr unit/keyspace unit/scan unit/type/list unit/type/set unit/type/zset
    unit/type/hash unit/type/stream unit/type/stream-cgroups unit/expire unit/pubsub unit/protocol unit/quit
    unit/bitops unit/bitfield unit/sort unit/tracking unit/slowlog unit/functions unit/multi
    unit/geo unit/hyperloglog unit/dump unit/acl unit/pause unit/wait unit/scripting)
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/interop/servers.sh"
cp -r "$source" "$work/redis"
for tool in redis-server redis-cli redis-benchmark; do ln -sf "$(command -v $tool)" "$work/redis/src/$tool"; done
start_servers
cd "$work/redis"
all_real=0
all_embedded=0
run() {
  # --durable: an error ends a test, not the unit.
  timeout 300 ./runtest --host 127.0.0.1 --port "$1" --tags "-slow -needs:debug" --durable --dont-clean --timeout 60 \
    --single "$2" 2>&1 | sed 's/\x1b\[[0-9;]*m//g' | grep -ac '^\[ok\]' || true
}
for unit in "${units[@]}"; do
  on_real=$(run "$real" "$unit")
  on_embedded=$(run "$embedded" "$unit")
  echo "$unit: $on_embedded of $on_real"
  all_real=$((all_real + on_real))
  all_embedded=$((all_embedded + on_embedded))
done
echo "Redis' own suite: $all_embedded pass on the embedded server, $all_real on the real one"
