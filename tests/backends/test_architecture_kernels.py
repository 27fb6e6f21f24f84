"""Kernels of layer norms, activations, learned and partly rotated positions, caps and mixtures, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmir.backends.numpy import kernels, quantized_kernels
from llmir.errors import InputError
from llmir.semantics.registry import DEFINITIONS

Array = NDArray[Any]


def values(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape, np.float32) * 3


def assert_close(ours: Array, theirs: Array, tolerance: float = 1e-6) -> None:
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max(initial=0) <= tolerance * np.abs(theirs).max(initial=1)


def test_layer_norm() -> None:
    x, w, b = values(5, 33) + 7, values(33, seed=1), values(33, seed=2)
    wide = x.astype(np.float64)
    plain = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 0.25)
    assert_close(kernels.layer_norm(x, epsilon=0.25), plain)
    assert_close(kernels.layer_norm(x, w, epsilon=0.25), plain * w)
    assert_close(kernels.layer_norm(x, w, b, epsilon=0.25), plain * w + b)
    assert np.array_equal(kernels.layer_norm(np.full((1, 4), 2, np.float32), epsilon=1e-5), np.zeros((1, 4)))


GRID = np.concatenate([np.linspace(-12, 12, 4001), [0.0, 1e-30, -1e-30]]).astype(np.float32)


def test_gelu() -> None:
    """Within 2e-7 of x Phi(x), of |x| where that is above 1; large values are x and 0."""
    exact = np.array([v * math.erfc(-v / math.sqrt(2)) / 2 for v in GRID.astype(np.float64)])
    error = np.abs(kernels.gelu(GRID[None])[0] - exact) / np.maximum(1, np.abs(GRID))
    assert error.max() < 2e-7
    far = np.array([[1e4, -1e4, 3e38, -3e38]], np.float32)
    assert kernels.gelu(far).tolist() == [[1e4, 0, np.float32(3e38), 0]]


def test_gelu_tanh() -> None:
    x = GRID.astype(np.float64)
    exact = x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
    error = np.abs(kernels.gelu(GRID[None], approximate="tanh")[0] - exact) / np.maximum(1, np.abs(GRID))
    assert error.max() < 3e-7


def test_elementwise() -> None:
    x = values(300, 7)
    assert np.array_equal(kernels.relu(x), np.where(x > 0, x, 0))
    assert np.array_equal(kernels.scale(x, factor=0.375), x * np.float32(0.375))
    assert np.array_equal(kernels.shift(x, offset=1.5), x + np.float32(1.5))
    assert_close(kernels.softcap(x, cap=2.5), 2.5 * np.tanh(x.astype(np.float64) / 2.5))


def test_positions() -> None:
    ids = np.array([9, 9, 9])
    assert kernels.positions(ids, 4, count=7, offset=2).tolist() == [6, 7, 8]
    with pytest.raises(InputError, match="learned positions for 6 tokens, 7 are too many"):
        kernels.positions(ids, 4, count=6, offset=2)


def test_slices() -> None:
    x = values(2, 3, 8)
    assert np.array_equal(kernels.slice_last(x, start=2, stop=5), x[:, :, 2:5])


def rotated(x: Array, frequencies: Array, position: int, magnitude: float = 1.0) -> Array:
    """Pairs as complex numbers, turned."""
    half = len(frequencies)
    pairs = x[..., :half].astype(np.float64) + 1j * x[..., half : 2 * half]
    angles = np.outer(np.arange(len(x)) + position, frequencies)[:, None]
    turned = pairs * np.exp(1j * angles) * magnitude
    return np.concatenate([turned.real, turned.imag, x[..., 2 * half :]], axis=-1)


def test_rope_of_part_of_a_head() -> None:
    x = values(5, 2, 12)
    frequencies = 100.0 ** (-np.arange(0, 8, 2) / 8)
    assert_close(kernels.rope(x, 3, theta=100.0, dimensions=8), rotated(x, frequencies, 3))


@pytest.mark.parametrize(("position", "long"), [(0, False), (3, False), (4, True), (9, True)])
def test_rope_for_long_contexts(position: int, long: bool) -> None:
    """Five tokens fit a context of 8 from position 3 on, not from 4 on."""
    x, short, far = values(5, 2, 8), np.array([1, 2, 3, 4], np.float32), np.array([5, 6, 7, 8], np.float32)
    frequencies = 100.0 ** (-np.arange(0, 8, 2) / 8) / (far if long else short)
    y = kernels.rope(x, position, short, far, theta=100.0, original_context=8, magnitude=1.25)
    assert_close(y, rotated(x, frequencies, position, 1.25))


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("tokens", [1, 6, 200])
def test_attention_with_capped_scores(tokens: int, window: int | None) -> None:
    q, k, v = values(tokens, 4, 8), values(tokens, 2, 8, seed=1), values(tokens, 2, 8, seed=2)
    scores = np.einsum("thd,shd->hts", q.astype(np.float64), k.repeat(2, axis=1)) * 0.5
    scores = 2.0 * np.tanh(scores / 2.0)
    distance = np.arange(tokens)[:, None] - np.arange(tokens)
    powers = np.where((distance >= 0) & (distance < (window or tokens)), np.exp(scores), 0)
    expected = np.einsum("hts,shd->thd", powers / powers.sum(-1, keepdims=True), v.repeat(2, axis=1))
    assert_close(kernels.attention(q, k, v, scale=0.5, window=window, softcap=2.0), expected)


def test_route() -> None:
    """By falling probability, the lower index first; weights are softmax over all experts, or over the chosen."""
    logits = np.array([[0, 3, 1, 3], [-1, -1, -1, -1], [80, -80, 0, 90]], np.float32)
    experts, weights = kernels.route(logits, top_k=2, normalize=False)
    assert experts.tolist() == [[1, 3], [0, 1], [3, 0]]
    wide = np.exp(logits.astype(np.float64))
    assert_close(weights, np.take_along_axis(wide / wide.sum(-1, keepdims=True), experts, axis=-1))
    _, normalized = kernels.route(logits, top_k=2, normalize=True)
    assert_close(normalized, np.array([[0.5, 0.5], [0.5, 0.5], [1 / (1 + math.exp(-10)), 1 / (1 + math.exp(10))]]))


def test_dispatch_and_combine() -> None:
    x = values(4, 3)
    experts, weights = np.array([[2, 0], [1, 2], [0, 1], [2, 1]]), np.arange(1, 9, dtype=np.float32).reshape(4, 2)
    routed = kernels.dispatch(x, experts, expert=2)
    assert np.array_equal(routed, x[[0, 1, 3]])
    first = kernels.combine(routed, experts, weights, expert=2)
    assert_close(first, x * np.array([[1], [4], [0], [7]]))
    total = kernels.combine(kernels.dispatch(x, experts, expert=0), experts, weights, first, expert=0)
    assert total is first
    assert_close(total, x * np.array([[3], [4], [5], [7]]))


def test_an_expert_without_tokens() -> None:
    """Every kernel of an expert takes no rows, quantized inputs included."""
    x, experts, weights = values(4, 64), np.zeros((4, 1), np.int64), np.ones((4, 1), np.float32)
    routed = kernels.dispatch(x, experts, expert=5)
    assert routed.shape == (0, 64)
    weight, bias = values(300, 64), values(300)
    y = kernels.linear(routed, weight, bias)
    for result in (
        y,
        kernels.silu(y),
        kernels.gated_activation(y, y, activation="silu"),
        kernels.gelu(y),
        kernels.relu(y),
        kernels.add(y, y),
    ):
        assert result.shape == (0, 300)
    for part in (
        kernels.combine(y[:, :64], experts, weights, x.copy(), expert=5) - x,
        kernels.rms_norm(y, bias, epsilon=1),
    ):
        assert not part.any()
    assert np.array_equal(kernels.combine(y[:, :64], experts, weights, expert=5), x * 0)


GRANULARITIES: dict[str, dict[str, Any]] = {"tensor": {}, "token": {"axis": 0}, "group": {"group_size": 24}}


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("zero_point", [None, "ui8"])
def test_dynamic_codes_of_no_tokens(granularity: str, zero_point: str | None) -> None:
    """As many scales as there are rows, or one; products with them have no rows."""
    element = "i8" if zero_point is None else "ui8"
    given = quantized_kernels.quantized_format(element, zero_point=zero_point, **GRANULARITIES[granularity])
    codes = quantized_kernels.quantize(np.zeros((0, 64), np.float32), format=given)
    assert codes.codes.shape == codes.dequantize().shape == (0, 64)
    assert isinstance(codes.scale, np.ndarray)
    assert codes.scale.shape == {"tensor": (1,), "token": (0,), "group": (0, 3)}[granularity]
    rows = quantized_kernels.quantized_format("i8", axis=0)
    weight, bias = quantized_kernels.quantize(values(300, 64), format=rows), values(300)
    assert quantized_kernels.dequantized_matmul(codes, weight, bias).shape == (0, 300)
    assert quantized_kernels.integer_matmul(codes, weight, bias, exact_run=64).shape == (0, 300)


def test_no_tokens_to_route() -> None:
    experts, weights = kernels.route(np.zeros((0, 4), np.float32), top_k=2, normalize=True)
    assert experts.shape == weights.shape == (0, 2)


numbers = st.floats(-8, 8, width=32)


@given(st.data(), st.integers(0, 6), st.integers(1, 6), st.booleans())
def test_mixtures_follow_their_definitions(data: st.DataObject, tokens: int, experts: int, normalize: bool) -> None:
    """Kernels and `llmir.semantics` agree, and identity experts with normalized weights give back the input."""
    rows = data.draw(st.lists(st.lists(numbers, min_size=experts, max_size=experts), min_size=tokens, max_size=tokens))
    top_k = data.draw(st.integers(1, experts))
    logits, x = np.array(rows, np.float32).reshape(tokens, experts), values(tokens, 3)
    chosen, weights = kernels.route(logits, top_k=top_k, normalize=normalize)
    if tokens:
        defined = DEFINITIONS["llm.route"](logits=logits, top_k=top_k, normalize=normalize)
        assert np.array_equal(chosen, defined[0])
        assert_close(weights, defined[1])
    total: Any = None
    for expert in range(experts):
        routed = kernels.dispatch(x, chosen, expert=expert)
        assert np.array_equal(routed, DEFINITIONS["llm.dispatch"](input=x, experts=chosen, expert=expert))
        given = {} if total is None else {"total": total.copy()}
        expected = DEFINITIONS["llm.combine"](update=routed, experts=chosen, weights=weights, expert=expert, **given)
        total = kernels.combine(routed, chosen, weights, total, expert=expert)
        assert_close(total, expected)
    assert_close(total, x * (weights.sum(axis=-1, keepdims=True)), 1e-5)
    if normalize:
        assert_close(total, x, 1e-5)
