#!/bin/sh
# Build the nano model from nothing: environment, speech, training, export, evaluation.
# Every stage keeps what it has made; run it again to go on where it was cut.
set -eu

usage() {
    cat <<'END'
usage: build.sh [--steps N] [--processes N] [--cache DIR] [--out DIR] [--clean] [--no-evaluate]

  --steps N       training steps (default 6000, about 0.2 s each on two cores)
  --processes N   processes that generate speech (default: one for each core)
  --cache DIR     environment, data (2 GB) and checkpoint
                  (default: ${XDG_CACHE_HOME:-~/.cache}/antiphon/nano-model)
  --out DIR       where the model goes (default: DIR of the cache, /out); give this script's own
                  folder to replace the model that is shipped
  --clean         forget data and checkpoint first
  --no-evaluate   stop after the export

Needs python3 (3.11 or newer), espeak-ng and libopus; evaluation uses ffmpeg's flite voices if there.
  Debian: apt-get install python3-venv espeak-ng libopus0 ffmpeg
END
}

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/antiphon/nano-model
steps=6000
processes=$(nproc 2>/dev/null || echo 2)
out=
clean=no
evaluate=yes
while [ $# -gt 0 ]; do
    case $1 in
        --steps) steps=$2; shift 2 ;;
        --processes) processes=$2; shift 2 ;;
        --cache) cache=$2; shift 2 ;;
        --out) out=$2; shift 2 ;;
        --clean) clean=yes; shift ;;
        --no-evaluate) evaluate=no; shift ;;
        -h | --help) usage; exit 0 ;;
        *) echo "build.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
done
out=${out:-$cache/out}

for tool in python3 espeak-ng; do
    command -v "$tool" >/dev/null || {
        echo "build.sh: $tool is missing; on Debian: apt-get install python3-venv espeak-ng libopus0 ffmpeg" >&2
        exit 1
    }
done
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "build.sh: python3 is older than 3.11" >&2
    exit 1
}
command -v ffmpeg >/dev/null || echo "build.sh: no ffmpeg; the evaluation will leave out the flite voices" >&2

mkdir -p "$cache"
if [ "$clean" = yes ]; then
    rm -rf "$cache/data" "$cache/checkpoint.npz" "$cache/checkpoint.partial.npz"
fi

venv=$cache/venv
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    echo "== environment"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/requirements.txt"
fi

export PYTHONDONTWRITEBYTECODE=1
python=$venv/bin/python
cd "$here"
echo "== speech"
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$python" generate.py "$cache/data" --processes "$processes"
echo "== training"
"$python" train.py "$cache/data" "$cache/checkpoint.npz" --steps "$steps"
echo "== export"
"$python" export.py "$cache/data" "$cache/checkpoint.npz" "$cache/export"
mkdir -p "$out"
cp "$cache/export/nano.bin.gz" "$cache/export/nano.sha256" "$out/"
echo "model: $out/nano.bin.gz"
if [ "$evaluate" = yes ]; then
    echo "== evaluation"
    "$python" evaluate.py "$cache/export/nano.bin" | tee "$cache/evaluation.md"
fi
