"""Measure an exported model through whisper.cpp itself (pywhispercpp), with the parameters README.md names.

Every recording is made here and now: held-out sentences, the twenty fixed ones, both through several
kinds of channel; speech outside the domain; sounds that are no speech. Prints one table in Markdown.
"""

import argparse
import json
import os
import random
import re
import subprocess
import time
from pathlib import Path

import _pywhispercpp as whisper
import numpy as np

import grammar
import opus
import outside
import sounds
import voices

HERE = Path(__file__).parent
CONFIDENCE = 0.45  # below this least token probability a transcript counts as [INAUDIBLE]
NO_WORDS = {grammar.BLANK.strip(), grammar.INAUDIBLE.strip(), ""}


class Recogniser:
    def __init__(self, path, audio_ctx):
        context = whisper.whisper_context_default_params()
        context.use_gpu = False
        if hasattr(context, "flash_attn"):
            context.flash_attn = False
        self.context = whisper.whisper_init_from_file_with_params(str(path), context)
        self.audio_ctx = audio_ctx
        self.seconds, self.count = 0.0, 0

    def transcribe(self, audio):
        """(transcript, least token probability)."""
        p = whisper.whisper_full_default_params(whisper.whisper_sampling_strategy.WHISPER_SAMPLING_GREEDY)
        p.n_threads, p.language = 1, "en"
        p.no_context = p.single_segment = p.no_timestamps = True
        p.temperature = p.temperature_inc = 0.0
        p.print_progress = p.print_realtime = p.print_special = p.print_timestamps = False
        if self.audio_ctx:  # 20 ms each, in whole steps of 64, with some room behind
            p.audio_ctx = min(512, max(64, -(-(len(audio) // 320 + 8) // 64) * 64))
        start = time.perf_counter()
        whisper.whisper_full(self.context, p, np.ascontiguousarray(audio, np.float32), len(audio))
        self.seconds += time.perf_counter() - start
        self.count += 1
        text, least = "", 1.0
        for s in range(whisper.whisper_full_n_segments(self.context)):
            text += whisper.whisper_full_get_segment_text(self.context, s).decode()
            for t in range(whisper.whisper_full_n_tokens(self.context, s)):
                least = min(least, whisper.whisper_full_get_token_p(self.context, s, t))
        return text.strip(), least


def level(x, peak=0.3):
    return x * peak / (np.abs(x).max() + 1e-9)


def cut(x, lead=0.3, tail=0.6):
    """As voice activity detection hands it over."""
    return np.concatenate([sounds.silence(lead), level(x), sounds.silence(tail)])


CHANNELS = {
    "clean, cut by VAD": lambda x, rng: cut(x),
    "Opus 64 kbit/s, 2 % loss": lambda x, rng: opus.round_trip(cut(x), rng, loss=0.02),
    "noise at 10 dB": lambda x, rng: noisy(cut(x), x, rng, 10),
    "2 s of silence before": lambda x, rng: cut(x, lead=2.0),
    "40 ms clipped at both ends, no silence": lambda x, rng: level(x)[640:-640],
    "quiet, peak at -30 dBFS": lambda x, rng: cut(x) * 0.1,
}


def noisy(y, x, rng, snr):
    return y + sounds.coloured_noise(rng, len(y)) * np.sqrt((level(x) ** 2).mean()) * 10 ** (-snr / 20)


def spoken_words(text):
    return re.sub(r"[^a-z' ]", " ", re.sub(r"\[\w+\]", "", text.lower())).split()


def edits(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def score(name, pairs, show):
    """One row for pairs of (expected, audio) whose words must come out."""
    wrong = total = exact = refused = wrong_kept = 0
    least = []
    for expected, hypothesis, p in pairs:
        errors = edits(spoken_words(expected), spoken_words(hypothesis))
        wrong, total = wrong + errors, total + len(spoken_words(expected))
        exact += expected == hypothesis
        least.append(p)
        low = p < CONFIDENCE or hypothesis in NO_WORDS
        refused += low
        wrong_kept += errors > 0 and not low
        if show and expected != hypothesis:
            print(f"    {p:.2f}  {expected}  ->  {hypothesis}")
    n = len(pairs)
    print(
        f"| {name} | {n} | {100 * wrong / total:.1f} % | {100 * exact / n:.1f} % | {100 * refused / n:.1f} % "
        f"| {100 * wrong_kept / n:.1f} % | {np.median(least):.2f} / {np.percentile(least, 1):.2f} |",
        flush=True,
    )


def reject(name, results, show):
    """One row for audio that holds no words of the domain."""
    heard = [(t, p) for t, p in results if t not in NO_WORDS]
    kept = [(t, p) for t, p in heard if p >= CONFIDENCE]
    if show:
        for text, p in heard:
            print(f"    {p:.2f}  {text}")
    n = len(results)
    print(f"| {name} | {n} | {100 * len(heard) / n:.1f} % | {100 * len(kept) / n:.1f} % |", flush=True)


def flite(text, voice):
    """Another synthesiser, built from recordings of people; None where ffmpeg lacks it."""
    source = "flite=text='" + text.replace("'", "").replace(",", "\\,") + "':voice=" + voice
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-ar", "16000", "-ac", "1", "-f", "f32le", "-"]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return np.frombuffer(out, np.float32).copy() if len(out) > 4000 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--quick", type=int, default=0, help="only so many recordings of each set")
    parser.add_argument("--full-context", action="store_true", help="always encode the whole window of 10.24 s")
    parser.add_argument("--show", action="store_true", help="print what went wrong")
    args = parser.parse_args()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)  # whisper.cpp's own chatter
    asr = Recogniser(args.model, not args.full_context)
    limit = args.quick or 10**6

    print("| speech of the domain | n | WER | exact | refused | wrong and kept | least p: median / 1st percentile |")
    print("|---|---|---|---|---|---|---|")
    held = json.loads((HERE / "held_out.json").read_text())
    groups = {
        "twenty fixed": json.loads((HERE / "sentences.json").read_text()),
        "held out, trained voices": [r for r in held if r["set"] == "trained_voices"][:limit],
        "held out, unheard voices": [r for r in held if r["set"] == "unheard_voices"][:limit],
    }
    for group, rows in groups.items():
        speech = [(r["text"], voices.speak(r["text"], r["voice"], r["speed"], r["pitch"])) for r in rows]
        for channel, way in CHANNELS.items():
            rng = np.random.default_rng(5)
            score(f"{group}; {channel}", [(t, *asr.transcribe(way(x, rng))) for t, x in speech], args.show)
        rng = np.random.default_rng(6)
        pairs = []
        for (a, x), (b, y) in zip(speech[::2], speech[1::2]):
            joined = np.concatenate([cut(x, tail=0.25), cut(y, lead=0.25)])
            if len(joined) < 9.9 * 16000:
                pairs.append((f"{a} {b}", *asr.transcribe(joined)))
        score(f"{group}; two in one turn", pairs, args.show)
    print(f"\n{asr.count} recordings, {1000 * asr.seconds / asr.count:.0f} ms each on one thread\n")

    print("| nothing of the domain | n | came out as words | and kept at 0.45 |")
    print("|---|---|---|---|")
    count = min(limit, 150)
    results = []
    for i in range(count):
        rng = random.Random(f"evaluate:{i}")
        voice = rng.choice(["en-us", "en-gb", "en-gb-scotland", "en-029"]) + rng.choice(voices.TEST_VARIANTS)
        x = voices.speak(outside.text(rng), voice, rng.randint(140, 180), 50)
        if x is not None:
            results.append(asr.transcribe(opus.round_trip(cut(x), np.random.default_rng(i))))
    reject("espeak-ng, other words, unheard voices", results, args.show)
    for kind in ("domain", "other"):
        results, same = [], 0
        for i in range(min(limit, 60)):
            rng = random.Random(f"flite:{kind}:{i}")
            text = grammar.display(grammar.sentence(rng)) if kind == "domain" else outside.text(rng)
            x = flite(text, rng.choice(["slt", "rms", "awb", "kal"]))
            if x is not None:
                heard = asr.transcribe(cut(x))
                right = spoken_words(heard[0]) == spoken_words(text)
                same += right
                results.append(("", 0.0) if right else heard)
        if results:
            note = f" ({same} right)" if kind == "domain" else ""
            reject(f"flite (recorded people), {kind} sentences, not right{note}", results, args.show)
    results = [asr.transcribe(sounds.blank(np.random.default_rng([5, i])).astype(np.float32) / 32768) for i in range(count)]
    reject("silence, noise, tones, clicks", results, args.show)
    results = []
    for i in range(min(limit, 60)):
        rng = random.Random(f"reverse:{i}")
        x = voices.speak(grammar.display(grammar.sentence(rng)), "en-gb" + rng.choice(voices.TEST_VARIANTS), 160, 50)
        results.append(asr.transcribe(cut(np.ascontiguousarray(x[::-1]))))
    reject("the domain played backwards", results, args.show)


if __name__ == "__main__":
    main()
