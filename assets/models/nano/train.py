"""Train the nano model. Resumes from its checkpoint; the learning rate follows the step, not the clock."""

import argparse
import math
import os
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import data
import model
import optimizer

PEAK = 1.5e-3
WARM_UP = 200
CHECKPOINT_EVERY = 200


def learning_rate(step, steps):
    progress = min(1.0, step / steps)
    return PEAK * min(1.0, (step + 1) / WARM_UP) * (0.98 * 0.5 * (1 + math.cos(math.pi * progress)) + 0.02)


def loss(params, batch, ctc_weight):
    """Cross-entropy of the transcript, and CTC of the phonemes to teach the encoder to align early."""
    mel, inputs, targets, weight, labels, label_padding, speech = batch
    params = model.reserve_last(params)
    encoded = model.encode(params, mel)
    logits = model.decode(params, encoded, inputs[:, :-1])
    w = weight[:, :-1]
    entropy = optax.softmax_cross_entropy_with_integer_labels(logits, targets[:, 1:])
    entropy = (entropy * w).sum() / w.sum()
    accuracy = ((logits.argmax(-1) == targets[:, 1:]) * w).sum() / w.sum()
    phones = model.phonemes(params, encoded)
    ctc = optax.ctc_loss(phones, jnp.zeros(phones.shape[:2]), labels, label_padding)
    ctc = ctc / jnp.maximum((1 - label_padding).sum(1), 1)
    # Labels that do not fit the frames give an unbounded loss, and it teaches nothing.
    ctc = jnp.where(jnp.isfinite(ctc) & (ctc < 50), ctc, 0.0)
    ctc = (ctc * speech).sum() / jnp.maximum(speech.sum(), 1)
    return entropy + ctc_weight * ctc, jnp.stack([entropy, ctc, accuracy])


def save(path, step, params, state):
    """Write the checkpoint beside the old one, then swap."""
    leaves = {f"state/{i}": np.asarray(x) for i, x in enumerate(jax.tree.leaves(state))}
    leaves |= {f"params/{k}": np.asarray(v) for k, v in params.items()}
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, step=step, **leaves)
    os.replace(partial, path)


def load_params(path):
    """The parameters of a checkpoint, and the step it was written at."""
    with np.load(path) as saved:
        return {k[7:]: saved[k] for k in saved.files if k.startswith("params/")}, int(saved["step"])


def load_state(path, fresh):
    with np.load(path) as saved:
        leaves = [jnp.asarray(saved[f"state/{i}"]) for i in range(len(jax.tree.leaves(fresh)))]
    return jax.tree.unflatten(jax.tree.structure(fresh), leaves)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--steps", type=int, default=6000)
    args = parser.parse_args()

    # Every bucket is a program of its own: keep them, so that going on after a cut starts at once.
    jax.config.update("jax_compilation_cache_dir", str(args.checkpoint.parent / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    corpus = data.Rows(args.data)
    vocabulary = corpus.vocabulary
    params = {k: jnp.asarray(v) for k, v in model.init(vocabulary.size, len(vocabulary.phones)).items()}
    state, start = optimizer.init(params), 0
    if args.checkpoint.exists():
        state = load_state(args.checkpoint, state)
        saved, start = load_params(args.checkpoint)
        params = {k: jnp.asarray(v) for k, v in saved.items()}
    size = sum(v.size for k, v in params.items() if not k.startswith("ctc"))
    print(f"{len(corpus.rows)} recordings, {vocabulary.size} tokens, {size} parameters, from step {start}", flush=True)

    gradients = jax.jit(jax.grad(loss, has_aux=True))
    clock, recent, done = time.time(), [], start
    for step, bucket, chosen in data.batches(corpus.rows, start):
        if step >= args.steps:
            break
        # The step before still runs while this batch is put together.
        batch = data.assemble(corpus.rows, bucket, chosen, step, vocabulary)
        if recent:
            recent[-1].block_until_ready()
        ctc_weight = 0.5 if step < 0.6 * args.steps else 0.2
        gradient, figures = gradients(params, batch, ctc_weight)
        params, state = optimizer.update(params, state, gradient, learning_rate(step, args.steps))
        recent.append(figures)
        done = step + 1
        if done in (1, 10, 50) or done % 100 == 0:
            entropy, ctc, accuracy = np.mean([np.asarray(f) for f in recent], 0)
            pace = (time.time() - clock) / (done - start)
            left = pace * (args.steps - done) / 60
            print(
                f"step {done}/{args.steps}  ce {entropy:.4f}  ctc {ctc:.3f}  acc {accuracy:.4f}  "
                f"{pace:.3f} s/step  {left:.0f} min left",
                flush=True,
            )
            recent = recent[-1:]
        if done % CHECKPOINT_EVERY == 0:
            save(args.checkpoint, done, params, state)
    save(args.checkpoint, done, params, state)


if __name__ == "__main__":
    main()
