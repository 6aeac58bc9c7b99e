"""Turns a Whisper model in CTranslate2's form into whisper.cpp's (ggml). Standard library only.

CTranslate2's file (model spec "WhisperSpec", binary version 6): names, shapes and little-endian tensors, one after the
other; query, key and value of self-attention lie fused in one matrix. ggml's file, as whisper.cpp's
`models/convert-pt-to-ggml.py` writes it: a header, the mel filters, the tokens as bytes, then the tensors under OpenAI's
names, two-dimensional weights as f16 and the rest as f32.
"""
import array
import json
import math
import re
import struct

F32, F16 = 0, 4
END_OF_TEXT = "<|endoftext|>"


class Tensor:
    """A tensor as bytes. Only floats are understood."""

    def __init__(self, shape, kind, data):
        self.shape, self.kind, self.data = shape, kind, data

    def as_f32(self):
        if self.kind == F32:
            return self.data
        return array.array("f", struct.unpack(f"<{len(self.data) // 2}e", self.data)).tobytes()

    def as_f16(self):
        if self.kind == F16:
            return self.data
        return struct.pack(f"<{len(self.data) // 4}e", *array.array("f", self.data))

    def split(self, parts):
        """Along the first dimension, in equal parts."""
        rows, size = self.shape[0] // parts, len(self.data) // parts
        shape = [rows] + self.shape[1:]
        return [Tensor(shape, self.kind, self.data[n * size : (n + 1) * size]) for n in range(parts)]


def read(data):
    """Every tensor of a CTranslate2 file, by name."""
    at = 0

    def take(form):
        nonlocal at
        value = struct.unpack_from("<" + form, data, at)[0]
        at += struct.calcsize("<" + form)
        return value

    def text():
        nonlocal at
        length = take("H")
        value = bytes(data[at : at + length]).rstrip(b"\0").decode()
        at += length
        return value

    version, spec = take("I"), text()
    if spec != "WhisperSpec" or version < 5:
        raise ValueError(f"not a Whisper model in CTranslate2's form: {spec!r}, version {version}")
    take("I")  # the spec's revision
    tensors = {}
    for _ in range(take("I")):
        name = text()
        shape = [take("I") for _ in range(take("B"))]
        kind = take("B")
        size = take("I")
        tensors[name] = Tensor(shape, kind, bytes(data[at : at + size]))
        at += size
    return tensors


def layers(tensors, side):
    return 1 + max(int(found.group(1)) for name in tensors if (found := re.match(rf"{side}/layer_(\d+)/", name)))


def renamed(tensors):
    """OpenAI's names for them, in whisper.cpp's order."""
    out = {}

    def norm(old, new):
        out[new + ".weight"], out[new + ".bias"] = tensors[old + "/gamma"], tensors[old + "/beta"]

    def linear(old, new):
        out[new + ".weight"], out[new + ".bias"] = tensors[old + "/weight"], tensors[old + "/bias"]

    def fused(old, new, names):
        weights = tensors[old + "/weight"].split(len(names))
        biases = tensors[old + "/bias"].split(len(names))
        for name, weight, bias in zip(names, weights, biases):
            out[f"{new}.{name}.weight"] = weight
            # Whisper's keys have no bias; CTranslate2 fills it with zeros.
            if name != "key":
                out[f"{new}.{name}.bias"] = bias
            elif any(bias.data):
                raise ValueError(f"{old} has a bias for keys, which Whisper has not")

    def block(old, new, cross):
        fused(old + "self_attention/linear_0", new + "attn", ["query", "key", "value"])
        linear(old + "self_attention/linear_1", new + "attn.out")
        norm(old + "self_attention/layer_norm", new + "attn_ln")
        if cross:
            linear(old + "attention/linear_0", new + "cross_attn.query")
            fused(old + "attention/linear_1", new + "cross_attn", ["key", "value"])
            linear(old + "attention/linear_2", new + "cross_attn.out")
            norm(old + "attention/layer_norm", new + "cross_attn_ln")
        linear(old + "ffn/linear_0", new + "mlp.0")
        linear(old + "ffn/linear_1", new + "mlp.2")
        norm(old + "ffn/layer_norm", new + "mlp_ln")

    out["encoder.positional_embedding"] = tensors["encoder/position_encodings/encodings"]
    for conv in ("conv1", "conv2"):
        linear("encoder/" + conv, "encoder." + conv)
        bias = out[f"encoder.{conv}.bias"]
        out[f"encoder.{conv}.bias"] = Tensor([bias.shape[0], 1], bias.kind, bias.data)
    for n in range(layers(tensors, "encoder")):
        block(f"encoder/layer_{n}/", f"encoder.blocks.{n}.", False)
    norm("encoder/layer_norm", "encoder.ln_post")
    out["decoder.positional_embedding"] = tensors["decoder/position_encodings/encodings"]
    out["decoder.token_embedding.weight"] = tensors["decoder/embeddings/weight"]
    for n in range(layers(tensors, "decoder")):
        block(f"decoder/layer_{n}/", f"decoder.blocks.{n}.", True)
    norm("decoder/layer_norm", "decoder.ln")
    return out


def mel_filters(bands, rate=16_000, window=400):
    """Slaney's mel filters, normalised by area, as librosa.filters.mel gives them."""

    def to_mel(hertz):
        return hertz * 3 / 200 if hertz < 1000 else 15 + math.log(hertz / 1000) * 27 / math.log(6.4)

    def to_hertz(mel):
        return mel * 200 / 3 if mel < 15 else 1000 * math.exp(math.log(6.4) / 27 * (mel - 15))

    top = to_mel(rate / 2)
    edges = [to_hertz(top * n / (bands + 1)) for n in range(bands + 2)]
    bins = [rate * n / window for n in range(window // 2 + 1)]
    rows = []
    for low, middle, high in zip(edges, edges[1:], edges[2:]):
        scale = 2 / (high - low)
        rows.extend(max(0.0, min((at - low) / (middle - low), (high - at) / (high - middle))) * scale for at in bins)
    return array.array("f", rows).tobytes(), len(bins)


def token_bytes(vocabulary, count):
    """The first `count` tokens as bytes. GPT-2's vocabulary writes each byte as one printable character."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    of_character = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    of_character.update({chr(256 + n): byte for n, byte in enumerate(others)})
    tokens = sorted(vocabulary.items(), key=lambda entry: entry[1])
    plain = [token for token, number in tokens if number < count and token != END_OF_TEXT]
    return [bytes(of_character[character] for character in token) for token in plain]


def convert(model, tokenizer, to):
    """Writes `to` from the bytes of `model.bin` and the text of `tokenizer.json`."""
    tensors = read(model)
    vocabulary_size, state = tensors["decoder/embeddings/weight"].shape
    text_context = tensors["decoder/position_encodings/encodings"].shape[0]
    audio_context = tensors["encoder/position_encodings/encodings"].shape[0]
    heads = tensors["encoder/num_heads"].data
    heads = int.from_bytes(heads, "little")
    bands = tensors["encoder/conv1/weight"].shape[1]
    filters, bins = mel_filters(bands)
    english_only = vocabulary_size == 51_864
    tokens = token_bytes(json.loads(tokenizer)["model"]["vocab"], 50_256 if english_only else 50_257)
    out = renamed(tensors)
    with open(to, "wb") as file:
        encoder, decoder = layers(tensors, "encoder"), layers(tensors, "decoder")
        header = (0x67676D6C, vocabulary_size, audio_context, state, heads, encoder, text_context, state, heads, decoder, bands, 1)
        file.write(struct.pack("<I11i", *header))
        file.write(struct.pack("<2i", bands, bins) + filters)
        file.write(struct.pack("<i", len(tokens)))
        for token in tokens:
            file.write(struct.pack("<i", len(token)) + token)
        for name, tensor in out.items():
            f16 = len(tensor.shape) >= 2 and "positional" not in name and not re.search(r"conv\d\.bias$", name)
            file.write(struct.pack("<3i", len(tensor.shape), len(name), int(f16)))
            file.write(struct.pack(f"<{len(tensor.shape)}i", *reversed(tensor.shape)) + name.encode())
            file.write(tensor.as_f16() if f16 else tensor.as_f32())
