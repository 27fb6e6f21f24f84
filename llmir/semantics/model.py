"""What the operations of a transformer compute. Activations are [tokens, ...]; weights are [out, in].

Parameter names are the operations' operands and attributes; see `registry` for the convention.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.semantics.values import Float, Value, product, real


def embedding(ids: NDArray[Any], table: Value) -> Float:
    """Rows of table [V, H] for ids [T]: [T, H]. ValueError for an id that is not a row."""
    rows = real(table)
    outside = ids[(ids < 0) | (ids >= len(rows))]
    if outside.size:
        raise ValueError(f"token id {outside[0]} is outside of a table of {len(rows)} rows")
    return rows[ids]


def positions(ids: NDArray[Any], position: int, *, count: int, offset: int) -> NDArray[Any]:
    """Rows of a table of learned positions, position + i + offset for token i; ValueError beyond `count` tokens."""
    if position + len(ids) > count:
        raise ValueError(
            f"the model has learned positions for {count} tokens, position {position + len(ids) - 1} is beyond them"
        )
    return (np.arange(len(ids)) + (position + offset)).astype(ids.dtype)


def linear(input: Float, weight: Float, bias: Float | None = None) -> Float:
    """input [..., K] times the transpose of weight [N, K], plus bias [N]: [..., N]."""
    y = product(input, weight)
    return y if bias is None else y + real(bias)


def rms_norm(input: Float, weight: Float, *, epsilon: float) -> Float:
    """input / sqrt(mean(input^2) + epsilon) * weight along the last dimension."""
    x = real(input)
    mean = np.mean(np.square(x), axis=-1, keepdims=True)
    return x / np.sqrt(mean + np.float32(epsilon)) * real(weight)


def layer_norm(input: Float, weight: Float | None = None, bias: Float | None = None, *, epsilon: float) -> Float:
    """(input - mean) / sqrt(variance + epsilon) * weight + bias along the last dimension."""
    x = real(input)
    centered = x - np.mean(x, axis=-1, keepdims=True)
    y = centered / np.sqrt(np.mean(np.square(centered), axis=-1, keepdims=True) + np.float32(epsilon))
    if weight is not None:
        y = y * real(weight)
    return y if bias is None else y + real(bias)


RopeScaling = tuple[str, float] | tuple[str, float, float, float, int]


def rope(
    input: Float,
    position: int | None = None,
    factors: Float | None = None,
    long_factors: Float | None = None,
    *,
    theta: float,
    scaling: RopeScaling | None = None,
    dimensions: int | None = None,
    original_context: int | None = None,
    magnitude: float | None = None,
) -> Float:
    """Rotary embedding of input [T, heads, D], halves paired, row i at position + i. Angles are float64.

    The first `dimensions` elements of a head are turned, by default all. `long_factors` are used when the last
    row stands beyond `original_context` tokens.
    """
    x, kept = real(input), real(input)[..., dimensions or input.shape[-1] :]
    x = x[..., : dimensions or input.shape[-1]]
    frequencies = rope_frequencies(x.shape[-1], theta, scaling)
    start = position or 0
    if original_context is not None and start + len(x) > original_context:
        factors = long_factors
    if factors is not None:
        frequencies = frequencies / factors
    angles = np.outer(np.arange(len(x)) + start, frequencies)[:, None, :]
    size = 1.0 if magnitude is None else magnitude
    cos, sin = (np.cos(angles) * size).astype(np.float32), (np.sin(angles) * size).astype(np.float32)
    first, second = np.split(x, 2, axis=-1)
    turned = [first * cos - second * sin, second * cos + first * sin]
    return np.concatenate([*turned, kept], axis=-1).astype(np.float32, copy=False)


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
    """The cache [capacity, heads, D] with update [T, heads, D] in rows from `position` on; `cache` is kept.

    ValueError when the rows are not all inside the cache.
    """
    end = position + len(update)
    if position < 0 or end > len(cache):
        raise ValueError(f"rows {position} to {end - 1} are outside of a cache for {len(cache)} tokens")
    return np.concatenate([cache[:position], real(update), cache[end:]])


def attention(
    query: Float,
    key: Float,
    value: Float,
    position: int | None = None,
    *,
    scale: float,
    window: int | None = None,
    softcap: float | None = None,
) -> Float:
    """Causal attention: query [T, heads, D], key and value [S, kv_heads, D] -> [T, heads, D].

    Query row i stands at position + i and sees the keys up to its own, with `window` only the last so many.
    With `softcap` = C a score s becomes C * tanh(s / C).
    """
    shared = query.shape[1] // key.shape[1]
    end = (position or 0) + len(query)
    keys, values = (np.repeat(real(x)[:end], shared, axis=1) for x in (key, value))
    scores = np.einsum("thd,shd->hts", real(query) * np.float32(scale), keys)
    if softcap is not None:
        scores = capped(scores, softcap)
    row = np.arange(len(query))[:, None] + (position or 0)
    column = np.arange(len(keys))[None, :]
    seen = (column <= row) & (column > row - (window or end + 1))
    return np.einsum("hts,shd->thd", softmax(np.where(seen, scores, -np.inf)), values)


def softmax(scores: NDArray[Any]) -> Float:
    """exp(scores) over its sum along the last dimension, float32."""
    powers = np.exp(scores.astype(np.float32) - scores.max(axis=-1, keepdims=True).astype(np.float32))
    return powers / powers.sum(axis=-1, keepdims=True)


def silu(input: Float) -> Float:
    """input * sigmoid(input)."""
    x = real(input)
    with np.errstate(over="ignore"):  # exp(-x) may be infinite, the quotient then is 0
        return x / (np.float32(1) + np.exp(-x))


def gelu(input: Float, *, approximate: str | None = None) -> Float:
    """input * Phi(input), with `approximate` = tanh Phi's approximation by a tanh; computed in float64."""
    x = real(input).astype(np.float64)
    if approximate == "tanh":
        phi = (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
    else:
        phi = np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x.reshape(-1)]).reshape(x.shape)
    return (x * phi).astype(np.float32)


def relu(input: Float) -> Float:
    """max(input, 0)."""
    return np.maximum(real(input), np.float32(0))


def scale(input: Float, *, factor: float) -> Float:
    """input * factor."""
    return real(input) * np.float32(factor)


def shift(input: Float, *, offset: float) -> Float:
    """input + offset."""
    return real(input) + np.float32(offset)


def softcap(input: Float, *, cap: float) -> Float:
    """cap * tanh(input / cap)."""
    return capped(real(input), cap)


def capped(x: Float, cap: float) -> Float:
    """cap * tanh(x / cap), float32."""
    return np.float32(cap) * np.tanh(x / np.float32(cap))
