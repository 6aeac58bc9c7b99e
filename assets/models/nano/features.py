"""Log-mel features exactly as whisper.cpp computes them (checked against it through transcripts).

16 kHz, window 400, hop 160, 80 Slaney bands; 200 samples of reflected padding in front and zeros
behind; a floor 8 decades (in log10) below the loudest cell of the whole utterance.
"""

import numpy as np

RATE = 16000
HOP = 160
WINDOW = 400
MELS = 80


def _hz_to_mel(f):
    f = np.asarray(f, float)
    return np.where(f >= 1000, 15 + 27 * np.log(np.maximum(f, 1e-9) / 1000) / np.log(6.4), f * 3 / 200)


def _mel_to_hz(m):
    m = np.asarray(m, float)
    return np.where(m >= 15, 1000 * np.exp(np.log(6.4) / 27 * (m - 15)), m * 200 / 3)


def mel_filters():
    """The [80, 201] filter bank: Slaney's mel scale and area normalisation."""
    bins = np.linspace(0, RATE / 2, 1 + WINDOW // 2)
    edges = _mel_to_hz(np.linspace(_hz_to_mel(0), _hz_to_mel(RATE / 2), MELS + 2))
    width = np.diff(edges)
    ramps = edges[:, None] - bins[None]
    rising = -ramps[:-2] / width[:-1, None]
    falling = ramps[2:] / width[1:, None]
    bank = np.maximum(0, np.minimum(rising, falling))
    return (bank * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


FILTERS = mel_filters()
HANN = (0.5 * (1 - np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW))).astype(np.float32)


def log_mel(audio):
    """Features [frames, 80] of float32 audio in -1..1, one frame per 10 ms."""
    audio = np.asarray(audio, np.float32)
    padded = np.zeros(200 + len(audio) + 800, np.float32)
    padded[200 : 200 + len(audio)] = audio
    padded[:200] = audio[1:201][::-1]
    count = min((200 + len(audio)) // HOP + 1, (len(padded) - WINDOW) // HOP + 1)
    step = padded.strides[0]
    frames = np.lib.stride_tricks.as_strided(padded, (count, WINDOW), (step * HOP, step))
    spectrum = np.fft.rfft(frames * HANN, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    log = np.log10(np.maximum(power @ FILTERS.T, 1e-10)).astype(np.float32)
    floor = max(log.max(), -10.0) - 8.0
    return (np.maximum(log, floor) + 4) / 4


def padding_value(mel):
    """What whisper.cpp's frames after the audio hold, for an utterance with these features."""
    return max(float(mel.max()) - 2.0, -1.5)
