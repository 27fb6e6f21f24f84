"""Definitions of layer norms, activations, positions, caps and mixtures against float64 formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.backends.numpy import kernels
from llmir.semantics import mixture, model


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def close(found: Any, expected: Any, atol: float = 2e-6) -> None:
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=atol)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_layer_norm(dtype: Any) -> None:
    x, w, b = (floats(5, 3, 16) * 4 + 1).astype(dtype), floats(16, seed=1).astype(dtype), floats(16, seed=2)
    wide = x.astype(np.float64)
    plain = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 0.5)
    close(model.layer_norm(x, epsilon=0.5), plain)
    close(model.layer_norm(x, w, epsilon=0.5), plain * w)
    close(model.layer_norm(x, w, b, epsilon=0.5), plain * w + b)
    close(kernels.layer_norm(x.astype(np.float32), w, b, epsilon=0.5), model.layer_norm(x, w, b, epsilon=0.5), 4e-6)


def test_gelu() -> None:
    """x Phi(x), also far out on the left where 1 + erf would be 0."""
    x = np.linspace(-9, 9, 181).astype(np.float32)
    exact = [v * math.erfc(-v / math.sqrt(2)) / 2 for v in x.astype(np.float64).tolist()]
    np.testing.assert_allclose(model.gelu(x), exact, rtol=1e-7, atol=0)
    wide = x.astype(np.float64)
    tanh = wide * (1 + np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3))) / 2
    close(model.gelu(x, approximate="tanh"), tanh)
    assert np.abs(model.gelu(x) - model.gelu(x, approximate="tanh")).max() > 1e-4


def test_elementwise() -> None:
    x = floats(4, 5) * 3
    assert np.array_equal(model.relu(x), np.where(x > 0, x, 0))
    assert np.array_equal(model.scale(x, factor=0.3), x * np.float32(0.3))
    half: Any = x.astype(np.float16)
    assert np.array_equal(model.shift(half, offset=1.0), half.astype(np.float32) + 1)
    close(model.softcap(x, cap=2.0), 2 * np.tanh(x.astype(np.float64) / 2))


def test_positions() -> None:
    assert model.positions(np.array([5, 5]), 3, count=5, offset=2).tolist() == [5, 6]
    with pytest.raises(ValueError, match="learned positions for 4 tokens, position 4 is beyond them"):
        model.positions(np.array([5, 5]), 3, count=4, offset=2)


@pytest.mark.parametrize("position", [0, 5, 6])
def test_rope(position: int) -> None:
    """Part of a head, factors by the last position (three tokens fit 8 up to position 5), and a magnitude."""
    x, short, far = floats(3, 2, 12), np.array([1, 2, 3, 4], np.float32), np.array([5, 6, 7, 8], np.float32)
    given: dict[str, Any] = {"theta": 50.0, "dimensions": 8, "original_context": 8, "magnitude": 1.5}
    y = model.rope(x, position, short, far, **given)
    frequencies = 50.0 ** (-np.arange(4) / 4) / (far if position > 5 else short)
    angles = np.outer(np.arange(3) + position, frequencies)[:, None]
    turned = (x[..., :4] + 1j * x[..., 4:8].astype(np.float64)) * np.exp(1j * angles) * 1.5
    close(y, np.concatenate([turned.real, turned.imag, x[..., 8:]], axis=-1))
    close(kernels.rope(x, position, short, far, **given), y)


def test_capped_attention() -> None:
    q, k, v = floats(6, 4, 8) * 3, floats(6, 2, 8, seed=1) * 3, floats(6, 2, 8, seed=2)
    scores = 3 * np.tanh(np.einsum("thd,shd->hts", q.astype(np.float64), k.repeat(2, axis=1)) * 0.5 / 3)
    powers = np.tril(np.exp(scores))
    expected = np.einsum("hts,shd->thd", powers / powers.sum(-1, keepdims=True), v.repeat(2, axis=1))
    close(model.attention(q, k, v, scale=0.5, softcap=3.0), expected)


def test_route() -> None:
    """By falling logit, the lower index first; softmax over all experts, or over the chosen ones."""
    logits = np.array([[1, 4, 2, 4], [0, 0, 0, 0]], np.float32)
    experts, weights = mixture.route(logits, top_k=3, normalize=False)
    assert experts.tolist() == [[1, 3, 2], [0, 1, 2]]
    wide = np.exp(logits.astype(np.float64))
    probabilities = wide / wide.sum(-1, keepdims=True)
    close(weights, np.take_along_axis(probabilities, experts, axis=-1))
    chosen = np.take_along_axis(probabilities, experts, axis=-1)
    close(mixture.route(logits, top_k=3, normalize=True)[1], chosen / chosen.sum(-1, keepdims=True))


def test_dispatch_and_combine() -> None:
    x, experts = floats(3, 4), np.array([[1, 0], [2, 1], [0, 2]])
    weights = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    routed = mixture.dispatch(x, experts, expert=2)
    assert np.array_equal(routed, x[1:])
    first = mixture.combine(routed, experts, weights, expert=2)
    close(first, x * np.array([[0], [3], [6]]))
    before = first.copy()
    close(mixture.combine(x[:2], experts, weights, first, expert=1), x * np.array([[1], [7], [6]]))
    assert np.array_equal(first, before)
    with pytest.raises(ValueError, match="1 rows come back from expert 2, 2 were dispatched to it"):
        mixture.combine(routed[:1], experts, weights, expert=2)


def test_an_expert_without_tokens() -> None:
    x, experts = floats(3, 4), np.zeros((3, 1), np.int64)
    routed = mixture.dispatch(x, experts, expert=1)
    assert routed.shape == (0, 4)
    assert np.array_equal(mixture.combine(routed, experts, np.ones((3, 1), np.float32), expert=1), np.zeros((3, 4)))
