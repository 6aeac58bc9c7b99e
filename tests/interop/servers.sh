# Read by the other scripts here: a real redis-server and an embedded one, on ports of their own, until the script ends.
# Sets root's `work` (a folder), `real` and `embedded` (ports).
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Arguments go to the real server.
start_servers() {
  (cd "$root" && cargo build --quiet -p antiphon-redis-embedded --example serve)
  local target=${CARGO_TARGET_DIR:-$root/target}
  real=$(free_port)
  redis-server --port "$real" --bind 127.0.0.1 --save '' --dir "$work" "$@" >"$work/real.log" &
  pids+=($!)
  embedded=$(free_port)
  "$target/debug/examples/serve" "$embedded" >"$work/embedded.log" 2>&1 &
  pids+=($!)
  for port in "$real" "$embedded"; do
    for _ in $(seq 100); do redis-cli -p "$port" ping >/dev/null 2>&1 && break; sleep 0.1; done
  done
}
