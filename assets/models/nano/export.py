"""Write a checkpoint as a whisper.cpp model: nano-f16.bin, nano-q8_0.bin, and the latter packed as nano.bin.gz.

What whisper.cpp wants, all of it found in its loader: token numbers fixed by the size of the vocabulary
(51864: end of text 50256, start 50257, no timestamps 50362), so our few hundred tokens sit at the
bottom of a mostly empty table; convolution kernels in f16 whatever the type of the rest; biases,
norms and positions in f32; the convolutions' biases as a column.
"""

import argparse
import gzip
import hashlib
import json
import struct
from pathlib import Path

import numpy as np

import data
import features
import model
import train

VOCABULARY = 51864
EOT, SOT, NO_TIMESTAMPS = 50256, 50257, 50362
# Logit of a token that was never trained: far below all others, and q8_0 holds it exactly.
UNUSED = -60.0
F32, F16, Q8_0 = 0, 1, 8  # ggml tensor types
FILE_TYPE = {F16: 1, Q8_0: 7}  # ggml file types that hold them


def tensors(params, used):
    """whisper.cpp's tensors from the trained ones; `used` is the number of real tokens."""
    cfg = model.CONFIG
    out = {k: np.asarray(v, np.float32) for k, v in model.reserve_last(params).items() if not k.startswith("ctc")}
    # The reserved dimension is 1 for every output of the decoder, 0 in the row of a real token
    # and UNUSED in all other rows: a bias against the empty part of the table.
    out["decoder.ln.bias"] = out["decoder.ln.bias"].copy()
    out["decoder.ln.bias"][-1] = 1.0
    trained = out["decoder.token_embedding.weight"]
    table = np.zeros((VOCABULARY, cfg.width), np.float32)
    table[:, -1] = UNUSED
    table[:used] = trained[:used]
    table[EOT], table[SOT], table[NO_TIMESTAMPS] = trained[used : used + 3]
    out["decoder.token_embedding.weight"] = table
    out["encoder.positional_embedding"] = model.sinusoids(cfg.audio_ctx, cfg.width)
    for name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        out[name] = out[name][:, None]
    return out


def tensor_type(name, array, wanted):
    """The type a tensor is stored in."""
    if array.ndim < 2 or name.endswith(("positional_embedding", ".bias")):
        return F32
    return F16 if "conv" in name else wanted


def q8_0(array):
    """ggml's q8_0: blocks of 32 int8 behind one f16 scale."""
    blocks = array.reshape(-1, 32)
    peak = np.abs(blocks).max(1)
    scale = (peak / 127).astype(np.float16)
    inverse = np.where(peak > 0, 127 / np.maximum(peak, 1e-9), 0)
    packed = np.zeros((len(blocks), 34), np.uint8)
    packed[:, :2] = scale.view(np.uint8).reshape(-1, 2)
    packed[:, 2:] = np.round(blocks * inverse[:, None]).astype(np.int8).view(np.uint8)
    return packed.tobytes()


def serialise(all_tensors, tokens, wanted):
    """The whole file as bytes."""
    cfg = model.CONFIG
    out = bytearray(struct.pack("<i", 0x67676D6C))
    encoder = (cfg.audio_ctx, cfg.width, cfg.heads, cfg.layers)
    decoder = (cfg.text_ctx, cfg.width, cfg.heads, cfg.layers)
    out += struct.pack("<11i", VOCABULARY, *encoder, *decoder, cfg.mels, FILE_TYPE[wanted])
    out += struct.pack("<2i", *features.FILTERS.shape) + features.FILTERS.astype("<f4").tobytes()
    out += struct.pack("<i", len(tokens))
    for token in tokens:
        raw = token.encode()
        out += struct.pack("<i", len(raw)) + raw
    for name in sorted(all_tensors):
        array = all_tensors[name]
        kind = tensor_type(name, array, wanted)
        out += struct.pack("<3i", array.ndim, len(name), kind)
        out += struct.pack(f"<{array.ndim}i", *array.shape[::-1]) + name.encode()
        out += q8_0(array) if kind == Q8_0 else array.astype("<f2" if kind == F16 else "<f4").tobytes()
    return bytes(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    vocabulary = data.Vocabulary(json.loads((args.data / "lexicon.json").read_text()))
    params, step = train.load_params(args.checkpoint)
    all_tensors = tensors(params, len(vocabulary.tokens))
    args.out.mkdir(parents=True, exist_ok=True)
    quantised = serialise(all_tensors, vocabulary.tokens, Q8_0)
    packed = gzip.compress(quantised, 9, mtime=0)
    files = {
        "nano-f16.bin": serialise(all_tensors, vocabulary.tokens, F16),
        "nano.bin": quantised,
        "nano.bin.gz": packed,
    }
    for name, content in files.items():
        (args.out / name).write_bytes(content)
        print(f"{name}: {len(content)} bytes at step {step}")
    sums = [f"{hashlib.sha256(files[n]).hexdigest()}  {n}\n" for n in ("nano.bin.gz", "nano.bin")]
    (args.out / "nano.sha256").write_text("".join(sums))


if __name__ == "__main__":
    main()
