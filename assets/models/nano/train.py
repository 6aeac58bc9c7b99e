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

PEAK = 2e-3
WARM_UP = 200
CHECKPOINT_EVERY = 300


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


def optimizer():
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(b2=0.98),
        optax.add_decayed_weights(0.01, mask=lambda p: {k: v.ndim > 1 for k, v in p.items()}),
    )


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
    parser.add_argument("--steps", type=int, default=11000)
    args = parser.parse_args()

    corpus = data.Rows(args.data)
    vocabulary = corpus.vocabulary
    params = {k: jnp.asarray(v) for k, v in model.init(vocabulary.size, len(vocabulary.phones)).items()}
    opt, start = optimizer(), 0
    state = opt.init(params)
    if args.checkpoint.exists():
        state = load_state(args.checkpoint, state)
        saved, start = load_params(args.checkpoint)
        params = {k: jnp.asarray(v) for k, v in saved.items()}
    size = sum(v.size for k, v in params.items() if not k.startswith("ctc"))
    print(f"{len(corpus.rows)} recordings, {vocabulary.size} tokens, {size} parameters, from step {start}", flush=True)

    @jax.jit
    def update(params, state, batch, rate, ctc_weight):
        gradient, figures = jax.grad(loss, has_aux=True)(params, batch, ctc_weight)
        change, state = opt.update(gradient, state, params)
        return jax.tree.map(lambda p, c: p - rate * c, params, change), state, figures

    clock, recent, done = time.time(), [], start
    for step, bucket, chosen in data.batches(corpus.rows, start):
        if step >= args.steps:
            break
        # The step before still runs while this batch is put together.
        batch = data.assemble(corpus.rows, bucket, chosen, step, vocabulary)
        if recent:
            recent[-1].block_until_ready()
        ctc_weight = 0.5 if step < 0.6 * args.steps else 0.2
        params, state, figures = update(params, state, batch, learning_rate(step, args.steps), ctc_weight)
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
