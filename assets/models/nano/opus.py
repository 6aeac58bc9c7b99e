"""An Opus round trip with packet loss, through the system's libopus.

Discord's voice is Opus in 20 ms packets at 48 kHz and about 64 kbit/s; a lost packet is concealed by
the decoder. Training on audio that went the same way is what keeps the real path's error low.
"""

import ctypes
import ctypes.util

import numpy as np
from scipy.signal import resample_poly

APPLICATION_VOIP = 2048
SET_BITRATE = 4002
SET_COMPLEXITY = 4010
MAX_PACKET = 1500

_lib = None


def library():
    """libopus, or a plain word on how to get it."""
    global _lib
    if _lib is None:
        name = ctypes.util.find_library("opus")
        if name is None:
            raise SystemExit("libopus is missing: install it (Debian: apt-get install libopus0)")
        _lib = ctypes.CDLL(name)
        _lib.opus_encoder_create.restype = ctypes.c_void_p
        _lib.opus_decoder_create.restype = ctypes.c_void_p
        for free in (_lib.opus_encoder_destroy, _lib.opus_decoder_destroy):
            free.argtypes = [ctypes.c_void_p]
            free.restype = None
    return _lib


def round_trip(audio, rng, loss=0.02, bitrate=64000):
    """`audio` (float32, 16 kHz mono) after Opus; `rng` picks channels, decoder rate and lost packets."""
    lib = library()
    channels = int(rng.integers(1, 3))
    rate, frame = (16000, 320) if rng.random() < 0.5 else (48000, 960)
    out_channels = 1 if rate == 16000 else channels
    error = ctypes.c_int()
    encoder = ctypes.c_void_p(lib.opus_encoder_create(48000, channels, APPLICATION_VOIP, ctypes.byref(error)))
    decoder = ctypes.c_void_p(lib.opus_decoder_create(rate, out_channels, ctypes.byref(error)))
    lib.opus_encoder_ctl(encoder, SET_BITRATE, ctypes.c_int(bitrate))
    lib.opus_encoder_ctl(encoder, SET_COMPLEXITY, ctypes.c_int(5))
    wide = resample_poly(audio, 3, 1).astype(np.float32)
    wide = np.concatenate([wide, np.zeros(-len(wide) % 960 + 960, np.float32)])
    packet = (ctypes.c_ubyte * MAX_PACKET)()
    pcm = np.zeros(frame * out_channels, np.float32)
    pcm_ptr = pcm.ctypes.data_as(ctypes.c_void_p)
    pieces = []
    for start in range(0, len(wide), 960):
        block = np.ascontiguousarray(np.repeat(wide[start : start + 960], channels))
        size = lib.opus_encode_float(encoder, block.ctypes.data_as(ctypes.c_void_p), 960, packet, MAX_PACKET)
        lost = rng.random() < loss
        lib.opus_decode_float(decoder, None if lost else packet, 0 if lost else size, pcm_ptr, frame, 0)
        pieces.append(pcm.reshape(frame, out_channels).mean(1))
    lib.opus_encoder_destroy(encoder)
    lib.opus_decoder_destroy(decoder)
    out = np.concatenate(pieces)
    if rate == 48000:
        out = resample_poly(out, 1, 3)
    return out[: len(audio)].astype(np.float32)
