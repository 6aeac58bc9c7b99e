"""Make the training data: espeak-ng's speech of the domain, recorded in many ways, as log-mel features.

Every item is drawn from its own seed, so the data is the same whatever the number of processes and
wherever a run was cut; a shard that exists is not made again.
"""

import argparse
import json
import multiprocessing
import random
import time
from pathlib import Path

import numpy as np

import features
import grammar
import outside
import sounds
import voices

SEED = 20260101
SHARDS = 40
# Items of each kind in a shard; speech of the domain is recorded twice, once clean and once hard.
PER_SHARD = {"sentence": 300, "scripted": 60, "words": 60, "outside": 70, "faint": 4, "blank": 32, "joined": 90}
MAX_SECONDS = 9.9


def item(kind, index):
    """One utterance: (sentence or None, list of tokens, takes as int16)."""
    rng = random.Random(f"{SEED}:{kind}:{index}")
    nrng = np.random.default_rng([SEED, sorted(PER_SHARD).index(kind), index])
    if kind == "blank":
        return None, [grammar.BLANK], [sounds.blank(nrng)]
    if kind == "outside":
        speech = outside.speech(rng)
        takes = [] if speech is None else [sounds.take(speech, nrng, hard=rng.random() < 0.5)]
        return None, [grammar.INAUDIBLE], takes
    if kind == "words":
        sent = grammar.random_words(rng)
    elif kind == "scripted":
        sent = grammar.parse(grammar.SCRIPTED[index % len(grammar.SCRIPTED)])
    else:
        sent = grammar.sentence(rng)
        while grammar.held_out(sent):
            sent = grammar.sentence(rng)
    speech = voices.speak(grammar.display(sent), *voices.draw(rng))
    if speech is None:
        return sent, [], []
    if kind == "faint":  # speech that nobody could make out
        noise = sounds.coloured_noise(nrng, len(speech))
        snr = 10 ** (nrng.uniform(-18, -12) / 20)
        mixed = noise * 0.1 + speech * snr * 0.1 / (np.sqrt((speech**2).mean()) + 1e-9)
        return None, [grammar.INAUDIBLE], [sounds.take(mixed, nrng, hard=False)]
    return sent, grammar.tokens(sent), [sounds.take(speech, nrng, hard) for hard in (False, True)]


def join(items, index):
    """Two or three utterances of one shard with a pause between: a turn of several sentences."""
    rng = np.random.default_rng([SEED, 99, index])
    count = 2 if rng.random() < 0.7 else 3
    chosen = [items[rng.integers(len(items))] for _ in range(count)]
    pieces = []
    for _, _, takes in chosen:
        pieces += [takes[rng.integers(len(takes))], np.zeros(int(rng.uniform(0, 0.4) * 16000), np.int16)]
    return " ".join(s for s, _, _ in chosen), sum((t for _, t, _ in chosen), []), [np.concatenate(pieces)]


def shard(args):
    """Make shard `number` unless it is there."""
    number, folder = args
    meta_path = folder / f"{number:03d}.json"
    if meta_path.exists():
        return number
    made = {}
    for kind, count in PER_SHARD.items():
        if kind != "joined":
            made[kind] = [item(kind, number * count + i) for i in range(count)]
    domain = [x for x in made["sentence"] + made["scripted"] if x[2]]
    count = PER_SHARD["joined"]
    made["joined"] = [join(domain, number * count + i) for i in range(count)]
    mels, rows = [], []
    for kind in PER_SHARD:
        for sent, toks, takes in made[kind]:
            for pcm in takes:
                if len(pcm) > MAX_SECONDS * features.RATE:
                    continue
                mel = features.log_mel(pcm.astype(np.float32) / 32768).astype(np.float16)
                mels.append(mel)
                rows.append({"kind": kind, "frames": len(mel), "tokens": toks, "words": grammar.words(sent) if sent else []})
    np.save(folder / f"{number:03d}.npy", np.concatenate(mels))
    meta_path.write_text(json.dumps(rows))  # last: it marks the shard as whole
    return number


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--shards", type=int, default=SHARDS)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    voices.lexicon(grammar.vocabulary(), args.folder / "lexicon.json")
    start = time.time()
    with multiprocessing.Pool(args.processes) as pool:
        jobs = [(n, args.folder) for n in range(args.shards)]
        for done, number in enumerate(pool.imap_unordered(shard, jobs), 1):
            print(f"shard {number:3d}  {done}/{args.shards}  {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
