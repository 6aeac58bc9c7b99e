"""Batches from the generated shards: length buckets, random offsets, masking. The same for a given step."""

import json

import numpy as np

import features
import grammar

# Encoder positions (20 ms each), batch size and most tokens of each bucket.
BUCKETS = [(64, 36, 12), (96, 26, 14), (128, 20, 18), (160, 16, 22), (192, 13, 26), (256, 10, 34), (384, 7, 34), (512, 5, 34)]
LONG = 5  # buckets from here on are turns of several sentences
# Most recordings are cut close to the speech: the rest is silence and costs as much to learn from.
CROP = 0.7
MARGIN = 12  # frames kept at most on either side
SEED = 7


class Vocabulary:
    """Token and phoneme numbers."""

    def __init__(self, lexicon):
        self.tokens = grammar.token_list()
        self.index = {t: i for i, t in enumerate(self.tokens)}
        used = len(self.tokens)
        self.eot, self.sot, self.no_timestamps = used, used + 1, used + 2
        self.size = used + 3
        phones = sorted({p for ps in lexicon.values() for p in ps})
        self.phones = ["<blank>"] + phones
        number = {p: i for i, p in enumerate(self.phones)}
        self.lexicon = {w: [number[p] for p in ps] for w, ps in lexicon.items()}


class Rows:
    """All utterances of a data folder; the features stay on disk until asked for."""

    def __init__(self, folder):
        self.vocabulary = Vocabulary(json.loads((folder / "lexicon.json").read_text()))
        self.rows = []
        for meta in sorted(folder.glob("[0-9]*.json")):
            mel, start = np.load(meta.with_suffix(".npy"), mmap_mode="r"), 0
            for row in json.loads(meta.read_text()):
                tokens = [self.vocabulary.index[t] for t in row["tokens"]]
                phones = [n for w in row["words"] for n in self.vocabulary.lexicon[w]]
                core = speech_frames(mel[start : start + row["frames"]])
                self.rows.append((mel, start, row["frames"], tokens, phones, core))
                start += row["frames"]


def speech_frames(mel):
    """First and last frame of what stands out of the background; everything where nothing does."""
    loudness = mel.mean(1, dtype=np.float32)
    quiet = np.percentile(loudness, 5)
    loud = np.flatnonzero(loudness > quiet + 0.25 * (loudness.max() - quiet))
    return (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, len(mel))


def bucket_of(frames, tokens):
    for i, (positions, _, most) in enumerate(BUCKETS):
        if frames <= 2 * positions and tokens + 3 <= most:
            return i
    return None


def plan(rows, epoch):
    """The batches of one epoch as (bucket, [(row number, first frame, last frame)])."""
    rng = np.random.default_rng([SEED, epoch])
    waiting = {i: [] for i in range(len(BUCKETS))}
    for j in rng.permutation(len(rows)):
        frames, (first, last) = rows[j][2], rows[j][5]
        begin, end = 0, frames
        if rng.random() < CROP:
            before, behind = rng.integers(0, MARGIN + 1, 2)
            begin, end = max(0, first - int(before)), min(frames, last + int(behind))
        bucket = bucket_of(end - begin, len(rows[j][3]))
        if bucket is None:
            continue
        if epoch == 0:  # single sentences first: they teach to listen, and cost a third less
            if bucket >= LONG:
                continue
        # Leading or trailing silence of up to the whole window must not matter: some go into a larger bucket.
        elif rng.random() < 0.12:
            bucket = min(len(BUCKETS) - 1, bucket + int(rng.integers(1, 3)))
        elif rng.random() < 0.02:
            bucket = len(BUCKETS) - 1
        waiting[bucket].append((int(j), begin, end))
        if len(waiting[bucket]) == BUCKETS[bucket][1]:
            yield bucket, waiting[bucket]
            waiting[bucket] = []


def assemble(rows, bucket, chosen, step, vocabulary):
    """Arrays for one step: features, decoder input, targets, weights, phonemes, their padding, CTC weight."""
    rng = np.random.default_rng([SEED, 1, step])
    positions, size, most = BUCKETS[bucket]
    longest = 110 if positions >= 192 else 64
    mel = np.empty((size, 2 * positions, features.MELS), np.float32)
    tokens = np.full((size, most), vocabulary.eot, np.int32)
    weight = np.zeros((size, most), np.float32)
    labels, label_padding = np.zeros((size, longest), np.int32), np.ones((size, longest), np.float32)
    speech = np.zeros(size, np.float32)
    for b, (j, begin, end) in enumerate(chosen):
        source, start, _, text, phones, _ = rows[j]
        x, frames = np.asarray(source[start + begin : start + end], np.float32), end - begin
        fill = features.padding_value(x)
        mel[b] = fill
        offset = int(rng.integers(0, 2 * positions - frames + 1)) if rng.random() < 0.5 else 0
        mel[b, offset : offset + frames] = x
        if rng.random() < 0.7:  # SpecAugment
            for _ in range(2):
                bands, width = int(rng.integers(0, 9)), int(rng.integers(0, 10))
                low = int(rng.integers(0, features.MELS - bands))
                at = offset + int(rng.integers(0, max(1, frames - width)))
                mel[b, :, low : low + bands] = fill
                mel[b, at : at + width] = fill
        line = [vocabulary.sot, vocabulary.no_timestamps, *text, vocabulary.eot]
        tokens[b, : len(line)] = line
        weight[b, 1 : len(line) - 1] = 1
        labels[b, : len(phones[:longest])] = phones[:longest]
        label_padding[b, : len(phones)] = 0
        speech[b] = text != [vocabulary.index[grammar.INAUDIBLE]]
    inputs = tokens.copy()
    wrong = (rng.random(inputs.shape) < 0.1) & (weight > 0)
    wrong[:, :2] = False
    inputs[wrong] = rng.integers(0, len(vocabulary.tokens), int(wrong.sum()))
    return mel, inputs, tokens, weight, labels, label_padding, speech


def batches(rows, first_step):
    """(step, bucket, rows as in `plan`) from `first_step` on, for ever."""
    step, epoch = 0, 0
    while True:
        for bucket, chosen in plan(rows, epoch):
            if step >= first_step:
                yield step, bucket, chosen
            step += 1
        epoch += 1
