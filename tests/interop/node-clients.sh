#!/usr/bin/env bash
# What programs do with ioredis and node-redis, against the embedded Redis and against a real redis-server, and how many
# steps answer the same. (Neither package carries its own tests.)
#
#   tests/interop/node-clients.sh
#
# Needs node, npm and a network, redis-server, and cargo.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/interop/servers.sh"
cp -r "$root/tests/interop/node" "$work/node"
(cd "$work/node" && npm init -y >/dev/null && npm install --silent --no-fund --no-audit ioredis@6.0.0 redis@6.3.1)
start_servers
failed=0
for library in ioredis node-redis; do
  for server in real embedded; do
    port=$real
    [ $server = embedded ] && port=$embedded
    timeout 60 node "$work/node/$library.mjs" "$port" >"$work/$library-$server.txt" || true
  done
  steps=$(wc -l <"$work/$library-real.txt")
  same=$(comm -12 <(sort "$work/$library-real.txt") <(sort "$work/$library-embedded.txt") | wc -l)
  echo "$library: $same of $steps steps answer the same on both servers"
  diff "$work/$library-real.txt" "$work/$library-embedded.txt" || failed=1
done
exit $failed
