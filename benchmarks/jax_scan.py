"""The standard layers in JAX, as its experts write them: `lax.scan` over a hoisted projection.

Everything is under one `jit`; weights lie as JAX likes them, [I, G*H]. JAX runs in this process,
in turn with the others, on as many threads as torch: with a rest between the turns neither takes
longer than in a process of its own.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    import jax


@cache
def missing() -> str | None:
    """Why JAX is left out, or None."""
    if importlib.util.find_spec("jax") is None:
        return 'JAX is left out: it is not installed (pip install -e ".[bench]")'
    # XLA reads both at its first import; there is no option for the number of threads
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("NPROC", str(torch.get_num_threads()))
    return None


def training_step(
    layer: str, weights: Sequence[Tensor], xs: Tensor, dy: Tensor
) -> Callable[[], jax.Array]:
    """Forward, and backward from dy to all weights and to xs, whose gradient it returns."""
    import jax

    @jax.jit
    def step(weights: Any, xs: jax.Array, dy: jax.Array) -> Any:
        ys, pull = jax.vjp(partial(scan, layer), weights, xs)
        return ys, pull(dy)

    given = laid_out(weights), array(xs), array(dy)
    return lambda: jax.block_until_ready(step(*given))[1][1]


def forward(layer: str, weights: Sequence[Tensor], xs: Tensor) -> Callable[[], jax.Array]:
    """xs to ys."""
    import jax

    run, given = jax.jit(partial(scan, layer)), (laid_out(weights), array(xs))
    return lambda: jax.block_until_ready(run(*given))


def scan(layer: str, weights: tuple[jax.Array, ...], xs: jax.Array) -> jax.Array:
    """xs [T, B, I] to ys [T, B, H], from zeros."""
    import jax

    w, u, b, b_hidden = weights
    zeros = jax.numpy.zeros((xs.shape[1], u.shape[0]), xs.dtype)
    if layer == "GRU":
        return jax.lax.scan(partial(gru, u, b_hidden), zeros, xs @ w + b)[1]
    start, step = {"LSTM": ((zeros, zeros), lstm), "RNN": (zeros, rnn)}[layer]
    return jax.lax.scan(partial(step, u), start, xs @ w + (b + b_hidden))[1]


def lstm(u: jax.Array, state: Any, a: jax.Array) -> Any:
    """A step from the projected input a [B, 4H]."""
    import jax

    h, c = state
    i, f, g, o = jax.numpy.split(a + h @ u, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
    h = jax.nn.sigmoid(o) * jax.numpy.tanh(c)
    return (h, c), h


def gru(u: jax.Array, b: jax.Array, h: jax.Array, a: jax.Array) -> Any:
    """A step from the projected input a [B, 3H], reset after the product."""
    import jax

    a_r, a_z, a_n = jax.numpy.split(a, 3, axis=-1)
    h_r, h_z, h_n = jax.numpy.split(h @ u + b, 3, axis=-1)
    r, z = jax.nn.sigmoid(a_r + h_r), jax.nn.sigmoid(a_z + h_z)
    n = jax.numpy.tanh(a_n + r * h_n)
    h = (1 - z) * n + z * h
    return h, h


def rnn(u: jax.Array, h: jax.Array, a: jax.Array) -> Any:
    """A step from the projected input a [B, H]."""
    import jax

    h = jax.numpy.tanh(a + h @ u)
    return h, h


def laid_out(weights: Sequence[Tensor]) -> tuple[jax.Array, ...]:
    """weight_ih [G*H, I] and weight_hh [G*H, H] transposed; the biases as they are."""
    return tuple(array(w.t() if w.dim() == 2 else w) for w in weights)


def array(tensor: Tensor) -> jax.Array:
    """A copy."""
    import jax

    return jax.numpy.array(tensor.detach().contiguous().numpy(), copy=True)
