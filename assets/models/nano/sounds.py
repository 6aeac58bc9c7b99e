"""What happens to audio on its way, and audio that is no speech at all."""

import numpy as np
from scipy.signal import lfilter, resample_poly

import opus

RATE = 16000


def coloured_noise(rng, n):
    """White, pink-like or brown-like noise of unit power."""
    w = rng.standard_normal(n).astype(np.float32)
    pole = [0.0, 0.8, 0.97][rng.integers(3)]
    if pole:
        w = lfilter([1], [1, -pole], w).astype(np.float32)
    return w / (np.sqrt((w**2).mean()) + 1e-9)


def silence(seconds):
    return np.zeros(int(RATE * seconds), np.float32)


def reverb(x, rng):
    """A small room: exponentially decaying noise after the direct sound."""
    t60 = rng.uniform(0.08, 0.35)
    n = int(RATE * t60)
    tail = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    tail[0] = 0
    tail *= rng.uniform(0.1, 0.5) / (np.sqrt((tail**2).sum()) + 1e-9)
    tail[0] = 1
    return np.convolve(x, tail)[: len(x)].astype(np.float32)


def to_pcm16(x):
    return np.clip(np.round(x * 32767), -32768, 32767).astype(np.int16)


def take(x, rng, hard):
    """One recording of the speech `x`: what is around it, its level and its channel.

    Voice activity detection leaves about 300 ms before and 500 to 700 ms behind the speech; most takes
    are cut so, some much shorter or longer. Hard takes add room, band limits, noise, clipped edges, loss.
    """
    if hard and rng.random() < 0.2:
        edge = int(RATE * rng.uniform(0, 0.04))
        x = x[edge : len(x) - edge]
    lead = rng.uniform(0.2, 0.45) if rng.random() < 0.5 else rng.uniform(0, 1.0)
    tail = rng.uniform(0.45, 0.8) if rng.random() < 0.5 else rng.uniform(0, 0.6)
    if hard and rng.random() < 0.3:
        x = reverb(x, rng)
    y = np.concatenate([silence(lead), x, silence(tail)])
    scale = 0.5 * 10 ** rng.uniform(-1.0, 0.25) / (np.abs(y).max() + 1e-6)
    y = y * scale
    if hard:
        if rng.random() < 0.3:
            up, down = [(1, 2), (3, 4)][rng.integers(2)]
            y = resample_poly(resample_poly(y, up, down), down, up)[: len(y)].astype(np.float32)
        if rng.random() < 0.5:
            y = lfilter([1, rng.uniform(-0.5, 0.5)], [1], y).astype(np.float32)
        if rng.random() < 0.75:
            power = np.sqrt((x**2).mean()) * scale
            y = y + coloured_noise(rng, len(y)) * power * 10 ** (-rng.uniform(5, 40) / 20)
        if rng.random() < 0.7:
            y = opus.round_trip(y, rng, loss=rng.choice([0.0, 0.02, 0.05]))
    elif rng.random() < 0.5:
        y = opus.round_trip(y, rng, loss=rng.choice([0.0, 0.02]))
    elif rng.random() < 0.5:
        y = y + rng.standard_normal(len(y)).astype(np.float32) * 10 ** rng.uniform(-5, -3)
    return to_pcm16(y)


def blank(rng):
    """Silence, noise, tones, hum, chords or clicks; some of it through Opus."""
    n = int(RATE * rng.uniform(0.2, 6))
    t = np.arange(n) / RATE
    level = 10 ** rng.uniform(-5, -0.8)
    kind = rng.integers(7)
    x = np.zeros(n)
    if kind in (1, 2):
        x = coloured_noise(rng, n) * level
    elif kind == 3:
        x = level * np.sin(2 * np.pi * rng.uniform(60, 3000) * t)
    elif kind == 4:
        x = sum(level / k * np.sin(2 * np.pi * rng.choice([50, 60]) * k * t) for k in range(1, 5))
    elif kind == 5:
        base = rng.uniform(100, 600)
        for ratio in rng.choice([1, 1.25, 1.333, 1.5, 2, 2.5], 3):
            x = x + level / 3 * np.sin(2 * np.pi * base * ratio * t) * (0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.3, 4) * t))
    elif kind == 6:
        for _ in range(rng.integers(1, 6)):
            at, length = rng.integers(max(1, n - 1600)), int(rng.integers(40, 900))
            burst = rng.standard_normal(length) * np.exp(-np.arange(length) / (length / 5))
            x[at : at + length] += rng.uniform(0.05, 0.5) * burst[: n - at]
    if rng.random() < 0.5:
        x = x + rng.standard_normal(n) * 10 ** rng.uniform(-5, -2.5)
    x = x.astype(np.float32)
    return to_pcm16(opus.round_trip(x, rng) if rng.random() < 0.3 else x)
