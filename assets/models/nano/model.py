"""Whisper's architecture in JAX, at nano size, with whisper.cpp's names for the tensors."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

import features


@dataclass(frozen=True)
class Config:
    width: int = 128
    heads: int = 4
    layers: int = 2  # of the encoder and of the decoder; two text layers count as "distilled" in whisper.cpp
    mels: int = features.MELS
    audio_ctx: int = 512  # 10.24 s
    text_ctx: int = 96


CONFIG = Config()


def init(vocab, phonemes, seed=0, cfg=CONFIG):
    """Fresh parameters; `vocab` counts the used tokens and the three markers behind them."""
    rng = np.random.default_rng(seed)
    d, p = cfg.width, {}

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    def linear(name, rows, cols, bias=True, scale=1.0):
        p[name + ".weight"] = normal(rows, cols) * scale / np.sqrt(cols).astype(np.float32)
        if bias:
            p[name + ".bias"] = np.zeros(rows, np.float32)

    def norm(name):
        p[name + ".weight"], p[name + ".bias"] = np.ones(d, np.float32), np.zeros(d, np.float32)

    p["encoder.conv1.weight"] = normal(d, cfg.mels, 3) / np.float32(np.sqrt(cfg.mels * 3))
    p["encoder.conv2.weight"] = normal(d, d, 3) * np.float32(1.4 / np.sqrt(d * 3))
    p["encoder.conv1.bias"], p["encoder.conv2.bias"] = np.zeros(d, np.float32), np.zeros(d, np.float32)
    residual = 1 / np.sqrt(2 * cfg.layers)
    for side in ("encoder", "decoder"):
        for i in range(cfg.layers):
            block = f"{side}.blocks.{i}"
            for attn in ("attn", "cross_attn") if side == "decoder" else ("attn",):
                norm(f"{block}.{attn}_ln")
                linear(f"{block}.{attn}.query", d, d)
                linear(f"{block}.{attn}.key", d, d, bias=False)
                linear(f"{block}.{attn}.value", d, d)
                linear(f"{block}.{attn}.out", d, d, scale=residual)
            norm(block + ".mlp_ln")
            linear(block + ".mlp.0", 4 * d, d)
            linear(block + ".mlp.2", d, 4 * d, scale=residual)
    norm("encoder.ln_post")
    norm("decoder.ln")
    p["decoder.token_embedding.weight"] = normal(vocab, d) * np.float32(0.08)
    p["decoder.positional_embedding"] = normal(cfg.text_ctx, d) * np.float32(0.02)
    linear("ctc", phonemes, d)  # training only; dropped at export
    return p


def reserve_last(p, cfg=CONFIG):
    """Keep the decoder's last dimension free: at export it carries the bias against unused tokens."""
    keep = np.ones(cfg.width, np.float32)
    keep[-1] = 0
    p = dict(p)
    for name in ("decoder.token_embedding.weight", "decoder.ln.weight", "decoder.ln.bias"):
        p[name] = p[name] * keep
    return p


def sinusoids(length, width):
    """Whisper's fixed positions of the encoder."""
    scales = np.exp(-np.log(10000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(length)[:, None] * scales[None]
    return np.concatenate([np.sin(angles), np.cos(angles)], 1).astype(np.float32)


def gelu(x):
    return jax.nn.gelu(x, approximate=True)  # the tanh form, as in ggml


def layer_norm(p, name, x):
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(var + 1e-5) * p[name + ".weight"] + p[name + ".bias"]


def linear(p, name, x):
    y = x @ p[name + ".weight"].T
    return y + p[name + ".bias"] if name + ".bias" in p else y


def attention(p, name, x, source, heads, mask=None):
    batch, length, width = x.shape
    each = width // heads

    def split(y):
        return y.reshape(batch, y.shape[1], heads, each).transpose(0, 2, 1, 3)

    query, key = split(linear(p, name + ".query", x)), split(linear(p, name + ".key", source))
    value = split(linear(p, name + ".value", source))
    scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(each)
    if mask is not None:
        scores = scores + mask
    out = jax.nn.softmax(scores, -1) @ value
    return linear(p, name + ".out", out.transpose(0, 2, 1, 3).reshape(batch, length, width))


def conv(p, name, x, stride):
    """A convolution of width 3 over time, as one matrix product."""
    w = p[name + ".weight"]
    outs, ins, _ = w.shape
    length = x.shape[1]
    padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0)))
    columns = jnp.concatenate([padded[:, j : j + length : stride] for j in range(3)], -1)
    return columns @ w.transpose(2, 1, 0).reshape(3 * ins, outs) + p[name + ".bias"]


def mlp(p, block, x):
    return linear(p, block + ".mlp.2", gelu(linear(p, block + ".mlp.0", layer_norm(p, block + ".mlp_ln", x))))


def encode(p, mel, cfg=CONFIG):
    """[batch, 2 * positions, mels] to [batch, positions, width]."""
    x = gelu(conv(p, "encoder.conv1", mel, 1))
    x = gelu(conv(p, "encoder.conv2", x, 2))
    x = x + sinusoids(cfg.audio_ctx, cfg.width)[: x.shape[1]]
    for i in range(cfg.layers):
        block = f"encoder.blocks.{i}"
        y = layer_norm(p, block + ".attn_ln", x)
        x = x + attention(p, block + ".attn", y, y, cfg.heads)
        x = x + mlp(p, block, x)
    return layer_norm(p, "encoder.ln_post", x)


def decode(p, encoded, tokens, cfg=CONFIG):
    """Logits [batch, length, vocab] of the token after each of `tokens`."""
    length = tokens.shape[1]
    x = p["decoder.token_embedding.weight"][tokens] + p["decoder.positional_embedding"][:length]
    mask = np.triu(np.full((length, length), -1e9, np.float32), 1)
    for i in range(cfg.layers):
        block = f"decoder.blocks.{i}"
        y = layer_norm(p, block + ".attn_ln", x)
        x = x + attention(p, block + ".attn", y, y, cfg.heads, mask)
        x = x + attention(p, block + ".cross_attn", layer_norm(p, block + ".cross_attn_ln", x), encoded, cfg.heads)
        x = x + mlp(p, block, x)
    return layer_norm(p, "decoder.ln", x) @ p["decoder.token_embedding.weight"].T


def phonemes(p, encoded):
    """Logits of the auxiliary phoneme loss, two encoder positions (40 ms) each."""
    batch, length, width = encoded.shape
    return linear(p, "ctc", encoded.reshape(batch, length // 2, 2, width).mean(2))
