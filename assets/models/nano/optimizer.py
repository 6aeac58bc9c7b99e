"""Muon for the matrices of attention and feed-forward layers, Adam for everything else.

Muon replaces a matrix's momentum by the nearest orthogonal matrix (five Newton-Schulz iterations),
scaled so that one learning rate serves both. K. Jordan et al., "Muon: an optimizer for hidden layers
in neural networks" (2024); the scale is that of J. Liu et al., arXiv 2502.16982.
"""

import jax
import jax.numpy as jnp

CLIP = 1.0
DECAY = 0.01
ADAM = (0.9, 0.98, 1e-8)
MOMENTUM = 0.95
ROOT_MEAN_SQUARE = 0.3


def is_hidden(name):
    """Whether Muon has this parameter."""
    return ".blocks." in name and name.endswith(".weight") and "_ln" not in name


def init(params):
    zeros = {k: jnp.zeros_like(v) for k, v in params.items()}
    second = {k: jnp.zeros_like(v) for k, v in params.items() if not is_hidden(k)}
    return {"first": zeros, "second": second, "count": jnp.zeros((), jnp.int32)}


def orthogonal(stack):
    """The nearest orthogonal matrices, roughly, of a stack [n, rows, columns] with rows <= columns."""
    x = stack / (jnp.sqrt((stack**2).sum((1, 2), keepdims=True)) + 1e-7)
    for _ in range(5):
        gram = x @ x.transpose(0, 2, 1)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


def _muon(directions):
    """Orthogonalised directions, all matrices of one shape together."""
    out, groups = {}, {}
    for name, d in directions.items():
        groups.setdefault((min(d.shape), max(d.shape)), []).append(name)
    for (_, longer), names in groups.items():
        wide = [directions[n] if directions[n].shape[0] <= directions[n].shape[1] else directions[n].T for n in names]
        for name, x in zip(names, orthogonal(jnp.stack(wide))):
            x = x if directions[name].shape == x.shape and directions[name].shape[0] <= directions[name].shape[1] else x.T
            out[name] = x * ROOT_MEAN_SQUARE * jnp.sqrt(longer)
    return out


@jax.jit
def update(params, state, gradient, rate):
    """One step: new parameters and state."""
    norm = jnp.sqrt(sum((g**2).sum() for g in gradient.values()))
    gradient = {k: g * jnp.minimum(1.0, CLIP / (norm + 1e-6)) for k, g in gradient.items()}
    b1, b2, eps = ADAM
    count = state["count"] + 1
    first, second, change, hidden = {}, {}, {}, {}
    for name, g in gradient.items():
        if is_hidden(name):
            first[name] = MOMENTUM * state["first"][name] + (1 - MOMENTUM) * g
            hidden[name] = MOMENTUM * first[name] + (1 - MOMENTUM) * g
        else:
            first[name] = b1 * state["first"][name] + (1 - b1) * g
            second[name] = b2 * state["second"][name] + (1 - b2) * g**2
            change[name] = first[name] / (1 - b1**count) / (jnp.sqrt(second[name] / (1 - b2**count)) + eps)
    change |= _muon(hidden)
    new = {k: p - rate * (change[k] + (DECAY * p if p.ndim > 1 else 0.0)) for k, p in params.items()}
    return new, {"first": first, "second": second, "count": count}
