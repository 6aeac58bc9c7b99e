#!/bin/sh
# Runs client libraries through scenarios in the simulated Discord and writes docs/discord-interop.md; --help says more.
# What is installed, and the results, go into a cache folder (ANTIPHON_INTEROP_CACHE, else ~/.cache/antiphon-interop).
# Needs cargo, npm, python3 with venv, and libopus.
set -eu
exec python3 -B "$(dirname "$0")/host/main.py" "$@"
