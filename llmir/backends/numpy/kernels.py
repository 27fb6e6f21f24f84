"""The NumPy kernels. Activations are float32 [tokens, ...]; they are the reference every backend is held to."""

from __future__ import annotations

import math
from functools import lru_cache, partial

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from llmir.backends.numpy.parallel import run_pieces
from llmir.backends.numpy.workspace import empty

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


def add(a: Float, b: Float) -> Float:
    """a + b."""
    return np.add(a, b, out=empty(np.broadcast_shapes(a.shape, b.shape)))


def subtract(a: Float, b: Float) -> Float:
    """a - b."""
    return a - b


def multiply(a: Float, b: Float) -> Float:
    """a * b."""
    return a * b


def silu(x: Float) -> Float:
    """x * sigmoid(x)."""
    y = empty(x.shape)

    def piece(rows: slice) -> None:
        _silu_into(x[rows], y[rows])

    run_pieces([partial(piece, rows) for rows in _row_tiles(len(x))])
    return y


def silu_multiply(gate: Float, up: Float) -> Float:
    """silu(gate) * up."""
    y = empty(gate.shape)

    def piece(rows: slice) -> None:
        _silu_into(gate[rows], y[rows])
        y[rows] *= up[rows]

    run_pieces([partial(piece, rows) for rows in _row_tiles(len(gate))])
    return y


def _silu_into(x: Float, y: Float) -> None:
    """x / (1 + exp(-x)), which tends to 0 where exp(-x) is infinite."""
    np.negative(x, out=y)
    with np.errstate(over="ignore"):
        np.exp(y, out=y)
    y += 1
    np.divide(x, y, out=y)


def reshape(x: Float, *, shape: tuple[int, ...]) -> Float:
    """x in another shape, -1 being the dynamic dimension."""
    return x.reshape(shape)


RopeScaling = tuple[str, float] | tuple[str, float, float, float, int]


def rope(
    x: Float,
    position: int = 0,
    factors: Float | None = None,
    *,
    theta: float,
    scaling: RopeScaling | None = None,
) -> Float:
    """Rotary embedding of x [T, heads, D], halves paired, row i at position + i."""
    divisors = None if factors is None else tuple(factors.tolist())
    cos, sin = rotations(position, len(x), x.shape[-1], theta, scaling, divisors)
    half = x.shape[-1] // 2
    y = empty(x.shape)

    def piece(rows: slice) -> None:
        first, second = x[rows, :, :half], x[rows, :, half:]
        np.multiply(first, cos[rows], out=y[rows, :, :half])
        y[rows, :, :half] -= second * sin[rows]
        np.multiply(second, cos[rows], out=y[rows, :, half:])
        y[rows, :, half:] += first * sin[rows]

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
) -> tuple[Float, Float]:
    """cos and sin [count, 1, size / 2] of the angles at positions from `position` on."""
    frequencies = rope_frequencies(size, theta, scaling)
    if divisors is not None:
        frequencies = frequencies / np.array(divisors)
    angles = np.outer(np.arange(position, position + count), frequencies)[:, None, :]
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rope_frequencies(size: int, theta: float, scaling: RopeScaling | None) -> NDArray[np.float64]:
    """Radians per position, [size / 2]: theta^(-2j / size), scaled (Llama 3.1's formula for `llama3`)."""
    frequencies = theta ** (-np.arange(0, size, 2, dtype=np.float64) / size)
    if scaling is None:
        return frequencies
    if len(scaling) == 2:
        return frequencies / scaling[1]
    _, factor, low, high, context = scaling
    turns = context * frequencies / (2 * math.pi)  # full turns within the original context
    smooth = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return (1 - smooth) * frequencies / factor + smooth * frequencies


def update_cache(cache: Float, update: Float, position: int) -> Float:
    """Write update [T, heads, D] into cache [capacity, heads, D] at `position`, in place."""
    cache[position : position + len(update)] = update
    return cache


def attention(
    query: Float, key: Float, value: Float, position: int = 0, *, scale: float, window: int | None = None
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
        y = _softmax_average(q.reshape(-1, size), k, v, hidden, shared)
        grouped_out[start:stop, head] = y.reshape(shared, stop - start, size).transpose(1, 0, 2)

    starts = range(0, tokens, QUERY_ROWS)
    run_pieces([partial(piece, start, head) for start in reversed(starts) for head in range(kv_heads)])
    return out


def _softmax_average(q: Float, k: Float, v: Float, hidden: Float | None, shared: int) -> Float:
    """softmax(q k^T) v for rows ordered [shared, tokens]; `hidden` is added to the scores' last columns."""
    scores = np.matmul(q, k.T, out=empty((len(q), len(k))))
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
