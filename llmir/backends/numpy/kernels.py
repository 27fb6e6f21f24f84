"""The NumPy kernels. Activations are float32 [tokens, ...]; they are the reference every backend is held to."""

from __future__ import annotations

import math
from functools import lru_cache, partial

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from llmir.backends.numpy.parallel import run_pieces
from llmir.backends.numpy.workspace import empty
from llmir.errors import InputError
from llmir.semantics.model import RopeScaling, rope_frequencies
from llmir.semantics.tensors import multiply, subtract

__all__ = ["multiply", "subtract"]
"""Kernels that are the definition itself."""

Float = NDArray[np.float32]

QUERY_ROWS = 128
"""Rows of queries attended to at once: a tile's scores stay in cache, and keys after its last row are skipped."""

PRODUCT_ROWS, PRODUCT_SIZE, PRODUCT_COLUMNS = 16, 1 << 22, 4096
"""A product of fewer rows, with a weight of fewer elements, is not cut; pieces have at most so many columns."""

ELEMENTWISE_ROWS = 256
"""Rows activated at once, so that intermediate results stay in cache."""


def embedding(ids: NDArray[np.int64], table: Float) -> Float:
    """Rows of table [V, H] for ids [T]."""
    return table[ids]


def positions(ids: NDArray[np.int64], position: int, *, count: int, offset: int) -> NDArray[np.int64]:
    """Rows of a table of learned positions for ids [T]; InputError beyond the `count` tokens it is for."""
    end = position + len(ids)
    if end > count:
        raise InputError(f"the model has learned positions for {count} tokens, {end} are too many")
    return np.arange(position + offset, end + offset)


def linear(x: Float, weight: Float, bias: Float | None = None) -> Float:
    """x [..., K] times the transpose of weight [N, K], plus bias [N]."""
    y = multiply_transposed(x, weight)
    if bias is not None:
        y += bias
    return y


def multiply_transposed(x: Float, weight: Float) -> Float:
    """x [..., K] times the transpose of weight [N, K], in pieces of N."""
    rows = len(weight)
    if x.ndim != 2 or (len(x) < PRODUCT_ROWS and weight.size < PRODUCT_SIZE):
        return x @ weight.T
    y = empty((len(x), rows))

    def piece(columns: slice) -> None:
        np.matmul(x, weight[columns].T, out=y[:, columns])

    size = max(1, min(PRODUCT_COLUMNS if len(x) >= PRODUCT_ROWS else rows, -(-rows // 4)))
    run_pieces([partial(piece, slice(at, at + size)) for at in range(0, rows, size)])
    return y


def rms_norm(x: Float, weight: Float, *, epsilon: float) -> Float:
    """x / sqrt(mean(x^2) + epsilon) * weight along the last dimension."""
    mean = np.einsum("...i,...i->...", x, x)[..., None] / np.float32(x.shape[-1])
    y = np.divide(x, np.sqrt(mean + np.float32(epsilon)), out=empty(x.shape))
    y *= weight
    return y


def layer_norm(x: Float, weight: Float | None = None, bias: Float | None = None, *, epsilon: float) -> Float:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias along the last dimension."""
    size = np.float32(x.shape[-1])
    y = np.subtract(x, x.sum(axis=-1, keepdims=True) / size, out=empty(x.shape))
    variance = np.einsum("...i,...i->...", y, y)[..., None] / size
    y /= np.sqrt(variance + np.float32(epsilon))
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    return y


def add(a: Float, b: Float) -> Float:
    """a + b."""
    return np.add(a, b, out=empty(np.broadcast_shapes(a.shape, b.shape)))


def silu(x: Float) -> Float:
    """x * sigmoid(x)."""
    y = empty(x.shape)

    def piece(rows: slice) -> None:
        _silu_into(x[rows], y[rows])

    run_pieces([partial(piece, rows) for rows in _row_tiles(len(x))])
    return y


def _silu_into(x: Float, y: Float) -> None:
    """x / (1 + exp(-x)), which tends to 0 where exp(-x) is infinite."""
    np.negative(x, out=y)
    with np.errstate(over="ignore"):
        np.exp(y, out=y)
    y += 1
    np.divide(x, y, out=y)


def gelu(x: Float, *, approximate: str | None = None) -> Float:
    """x * Phi(x), Phi the normal distribution function; with `approximate` = tanh its approximation by a tanh."""
    y = empty(x.shape)
    into = _gelu_into if approximate is None else _gelu_tanh_into

    def piece(rows: slice) -> None:
        into(x[rows], y[rows])

    run_pieces([partial(piece, rows) for rows in _row_tiles(len(x))])
    return y


ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
"""erfc(z) = (a1 t + ... + a5 t^5) exp(-z^2) to 1.5e-7, t = 1 / (1 + 0.3275911 z), z >= 0.

Source: Abramowitz & Stegun, Handbook of Mathematical Functions, 7.1.26.
"""


def _gelu_into(x: Float, y: Float) -> None:
    """x * erfc(-x / sqrt 2) / 2."""
    z = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    np.multiply(t, np.float32(ERF[-1]), out=y)
    for coefficient in reversed(ERF[:-1]):
        y += np.float32(coefficient)
        y *= t
    with np.errstate(over="ignore"):  # z^2 may be infinite, exp(-z^2) then is 0
        z *= z
    np.negative(z, out=z)
    y *= np.exp(z, out=z)  # erfc(|x| / sqrt 2)
    y *= np.float32(0.5)
    np.subtract(1, y, out=y, where=x > 0)
    y *= x


def _gelu_tanh_into(x: Float, y: Float) -> None:
    """x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2."""
    np.multiply(x, x, out=y)
    y *= np.float32(0.044715)
    y += 1
    y *= x
    y *= np.float32(math.sqrt(2 / math.pi))
    np.tanh(y, out=y)
    y += 1
    y *= np.float32(0.5)
    y *= x


def gated_activation(gate: Float, up: Float | None = None, *, activation: str) -> Float:
    """activation(gate) * up; of gate alone [..., 2 N], the first half is activated and the second is up."""
    if up is None:
        half = gate.shape[-1] // 2
        gate, up = gate[..., :half], gate[..., half:]
    factor, into = up, GATES[activation]
    y = empty(gate.shape)

    def piece(rows: slice) -> None:
        into(gate[rows], y[rows])
        y[rows] *= factor[rows]

    run_pieces([partial(piece, rows) for rows in _row_tiles(len(gate))])
    return y


GATES = {"silu": _silu_into, "gelu": _gelu_into, "gelu_tanh": _gelu_tanh_into}
"""What a gate may be activated with."""


def relu(x: Float) -> Float:
    """max(x, 0)."""
    return np.maximum(x, np.float32(0), out=empty(x.shape))


def scale(x: Float, *, factor: float) -> Float:
    """x * factor."""
    return np.multiply(x, np.float32(factor), out=empty(x.shape))


def shift(x: Float, *, offset: float) -> Float:
    """x + offset."""
    return np.add(x, np.float32(offset), out=empty(x.shape))


def softcap(x: Float, *, cap: float) -> Float:
    """cap * tanh(x / cap)."""
    y = empty(x.shape)

    def piece(rows: slice) -> None:
        _softcap_into(x[rows], cap, y[rows])

    run_pieces([partial(piece, rows) for rows in _row_tiles(len(x))])
    return y


def _softcap_into(x: Float, cap: float, y: Float) -> None:
    np.divide(x, np.float32(cap), out=y)
    np.tanh(y, out=y)
    y *= np.float32(cap)


def route(logits: Float, *, top_k: int, normalize: bool) -> tuple[NDArray[np.int64], Float]:
    """The top_k experts [T, top_k] of each token by falling softmax probability, and their weights.

    Of equal ones the lower index comes first; with `normalize` a token's weights sum to 1.
    """
    experts = np.argsort(-logits, axis=-1, kind="stable")[:, :top_k]
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights = np.take_along_axis(powers, experts, axis=-1)
    weights /= (weights if normalize else powers).sum(axis=-1, keepdims=True)
    return experts, weights


def dispatch(x: Float, experts: NDArray[np.int64], *, expert: int) -> Float:
    """The rows of x [T, H] whose experts [T, top_k] name `expert`: [n, H]."""
    return x[(experts == expert).any(axis=-1)]


def combine(
    update: Float,
    experts: NDArray[np.int64],
    weights: Float,
    total: Float | None = None,
    *,
    expert: int,
) -> Float:
    """Add update [n, H] to the rows of total [T, H] that were dispatched to `expert`, times its weight, in place."""
    if total is None:
        total = np.zeros((len(experts), update.shape[-1]), np.float32)
    if len(update):
        rows, places = np.nonzero(experts == expert)
        total[rows] += update * weights[rows, places, None]
    return total


def slice_last(x: Float, *, start: int, stop: int) -> Float:
    """Elements `start` to `stop` of the last dimension."""
    return x[..., start:stop]


def reshape(x: Float, *, shape: tuple[int, ...]) -> Float:
    """x in another shape, -1 being the dynamic dimension."""
    return x.reshape(shape)


def rope(
    x: Float,
    position: int = 0,
    factors: Float | None = None,
    long_factors: Float | None = None,
    *,
    theta: float,
    scaling: RopeScaling | None = None,
    dimensions: int | None = None,
    original_context: int | None = None,
    magnitude: float = 1.0,
) -> Float:
    """Rotary embedding of x [T, heads, D], halves paired, row i at position + i.

    Only the first `dimensions` elements of a head turn, if given. `long_factors` divide the frequencies in place
    of `factors` when the last row stands beyond `original_context` tokens.
    """
    if original_context is not None and position + len(x) > original_context:
        factors = long_factors
    divisors = None if factors is None else tuple(factors.tolist())
    turned = dimensions or x.shape[-1]
    cos, sin = rotations(position, len(x), turned, theta, scaling, divisors, magnitude)
    half = turned // 2
    y = empty(x.shape)

    def piece(rows: slice) -> None:
        first, second = x[rows, :, :half], x[rows, :, half:turned]
        np.multiply(first, cos[rows], out=y[rows, :, :half])
        y[rows, :, :half] -= second * sin[rows]
        np.multiply(second, cos[rows], out=y[rows, :, half:turned])
        y[rows, :, half:turned] += first * sin[rows]
        y[rows, :, turned:] = x[rows, :, turned:]

    run_pieces([partial(piece, rows) for rows in _row_tiles(len(x))])
    return y


@lru_cache(maxsize=8)
def rotations(
    position: int,
    count: int,
    size: int,
    theta: float,
    scaling: RopeScaling | None,
    divisors: tuple[float, ...] | None,
    magnitude: float = 1.0,
) -> tuple[Float, Float]:
    """cos and sin [count, 1, size / 2] of the angles at positions from `position` on, times `magnitude`."""
    frequencies = rope_frequencies(size, theta, scaling)
    if divisors is not None:
        frequencies = frequencies / np.array(divisors)
    angles = np.outer(np.arange(position, position + count), frequencies)[:, None, :]
    return (magnitude * np.cos(angles)).astype(np.float32), (magnitude * np.sin(angles)).astype(np.float32)


def update_cache(cache: Float, update: Float, position: int) -> Float:
    """Write update [T, heads, D] into cache [capacity, heads, D] at `position`, in place."""
    cache[position : position + len(update)] = update
    return cache


def attention(
    query: Float,
    key: Float,
    value: Float,
    position: int = 0,
    *,
    scale: float,
    window: int | None = None,
    softcap: float | None = None,
) -> Float:
    """Causal grouped-query attention: query [T, heads, D], key and value [S, kv_heads, D] -> [T, heads, D]."""
    tokens, heads, size = query.shape
    kv_heads = key.shape[1]
    shared = heads // kv_heads
    out = empty(query.shape)
    grouped = query.reshape(tokens, kv_heads, shared, size)
    grouped_out = out.reshape(tokens, kv_heads, shared, size)

    def piece(start: int, head: int) -> None:
        stop = min(tokens, start + QUERY_ROWS)
        first = 0 if window is None else max(0, position + start - window + 1)
        last = position + stop
        hidden = _hidden(stop - start, last - first, window)
        q = grouped[start:stop, head].transpose(1, 0, 2) * np.float32(scale)
        k, v = key[first:last, head], value[first:last, head]
        y = _softmax_average(q.reshape(-1, size), k, v, hidden, shared, softcap)
        grouped_out[start:stop, head] = y.reshape(shared, stop - start, size).transpose(1, 0, 2)

    starts = range(0, tokens, QUERY_ROWS)
    run_pieces([partial(piece, start, head) for start in reversed(starts) for head in range(kv_heads)])
    return out


def _softmax_average(q: Float, k: Float, v: Float, hidden: Float | None, shared: int, softcap: float | None) -> Float:
    """softmax(q k^T) v for rows ordered [shared, tokens]; `hidden` is added to the (capped) scores' last columns."""
    scores = np.matmul(q, k.T, out=empty((len(q), len(k))))
    if softcap is not None:
        _softcap_into(scores, softcap, scores)
    if hidden is not None:
        tail = scores.reshape(shared, -1, scores.shape[-1])[:, :, -hidden.shape[-1] :]
        tail += hidden
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    y = scores @ v
    y /= scores.sum(axis=-1, keepdims=True)
    return y


@lru_cache(maxsize=16)
def _hidden(rows: int, columns: int, window: int | None) -> Float | None:
    """-inf where a tile's row may not look, 0 elsewhere; only the last columns if the others are all seen."""
    if rows == 1 and (window is None or columns <= window):
        return None
    width = columns if window is not None else rows
    row = np.arange(rows)[:, None] + (width - rows)  # the column of the row's own token
    column = np.arange(width)[None, :]
    seen = column <= row
    if window is not None:
        seen &= column > row - window
    return np.where(seen, np.float32(0), np.float32(-np.inf))


def _row_tiles(rows: int) -> list[slice]:
    return [slice(at, at + ELEMENTWISE_ROWS) for at in range(0, rows, ELEMENTWISE_ROWS)]


def cast(x: Float, *, dtype: str) -> Float:
    """x rounded to a narrower float type, still held as float32 so that the next kernel computes with that."""
    return x.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype).astype(np.float32)
