"""espeak-ng's voices: which are trained on, which are kept for tests, and how to make one speak."""

import json
import re
import subprocess

import numpy as np
from scipy.signal import resample_poly

ACCENTS = (
    ["en-us"] * 10 + ["en-gb"] * 10 + ["en-gb-scotland"] * 5 + ["en-029"] * 5
    + ["en-gb-x-rp"] * 3 + ["en-us-nyc"] * 2 + ["en-gb-x-gbclan", "en-gb-x-gbcwmd"]
)
_NUMBERED = ["m1", "m2", "m3", "m4", "m5", "m6", "f1", "f2", "f3", "f5"]
_NAMED = (
    "m8 Alex Alicia Andrea Andy Annie Denis Jacky Lee Mike adam belinda benjamin caleb david ed edward linda "
    "marco mario max michael paul quincy rob robert steph travis victor"
).split()
VARIANTS = [""] * 8 + ["+" + v for v in _NUMBERED * 3 + _NAMED]

# Never in the training data, in any accent: these are the voices of every test.
TEST_VARIANTS = ["+f4", "+m7", "+Gene", "+john", "+anika"]
# Voices of other languages and of other synthesisers inside espeak-ng: only ever [INAUDIBLE].
FOREIGN = ["de", "fr-fr", "es", "it", "nl", "pl", "pt", "sv", "ru", "tr", "fi", "en-us+klatt", "en-gb+klatt2", "en-us+klatt4"]


def draw(rng):
    """A training voice as (voice, words per minute, pitch)."""
    return rng.choice(ACCENTS) + rng.choice(VARIANTS), rng.randint(125, 205), rng.choice([50, 50, *range(20, 90, 5)])


def speak(text, voice, speed=160, pitch=50):
    """`text` as float32 at 16 kHz, cut to the speech itself; None if nothing audible came."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdin", "--stdout"]
    wav = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    data = wav.find(b"data") + 8
    pcm = np.frombuffer(wav[data : data + (len(wav) - data) // 2 * 2], "<i2").astype(np.float32) / 32768
    if data < 8 or len(pcm) < 500:
        return None
    audio = resample_poly(pcm, 320, 441).astype(np.float32)  # espeak-ng speaks at 22050 Hz
    loud = np.abs(audio) > 0.003
    if not loud.any():
        return None
    first, last = int(np.argmax(loud)), len(audio) - int(np.argmax(loud[::-1]))
    return audio[max(0, first - 80) : last + 160]


def lexicon(vocabulary, path):
    """Phonemes of every word, kept in `path`: the targets of the auxiliary loss."""
    if path.exists():
        return json.loads(path.read_text())
    table = {}
    for word in vocabulary:
        command = ["espeak-ng", "-q", "-x", "--sep=_", "-v", "en-us", word]
        out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
        parts = re.split(r"[_\s]+", out.strip())
        table[word] = [p for p in (x.strip("',%=;|!") for x in parts) if p]
    path.write_text(json.dumps(table, indent=0, sort_keys=True))
    return table
