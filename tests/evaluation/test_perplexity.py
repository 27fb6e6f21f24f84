"""Perplexity and divergence of made-up models against float64 formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import softmax

from llmir.errors import InputError
from llmir.evaluation.perplexity import ROWS, log_softmax, perplexity

VOCABULARY = 50
Float = NDArray[np.float32]


@dataclass
class Table:
    """A model whose logits depend on the last two tokens; its hidden states are their ids."""

    logits: Float

    def backbone(self, ids: NDArray[np.int64], position: int, caches: list[Float]) -> Float:
        assert position == 0
        assert caches[0].shape[0] == len(ids)
        return np.stack([np.concatenate([[0], ids[:-1]]), ids], axis=1).astype(np.float32)

    def head(self, hidden: Float) -> Float:
        assert len(hidden) <= ROWS
        before, last = hidden.astype(np.int64).T
        return self.logits[before, last]

    def new_cache(self, capacity: int) -> list[Float]:
        return [np.empty((capacity, 1, 1), np.float32)]


def table(seed: int, scale: float = 2.0) -> Table:
    random = np.random.default_rng(seed)
    return Table(scale * random.standard_normal((VOCABULARY, VOCABULARY, VOCABULARY), np.float32))


def some_windows(count: int, context: int) -> NDArray[np.int64]:
    return np.random.default_rng(9).integers(0, VOCABULARY, (count, context))


def probabilities(model: Table, windows: NDArray[np.int64]) -> NDArray[np.float64]:
    before = np.concatenate([np.zeros((len(windows), 1), np.int64), windows[:, :-2]], axis=1)
    return softmax(model.logits[before, windows[:, :-1]]).reshape(-1, VOCABULARY)


@pytest.mark.parametrize(("count", "context"), [(1, 2), (3, 7), (2, ROWS + 1), (2, ROWS + 2), (1, 3 * ROWS)])
def test_formulas(count: int, context: int) -> None:
    windows, model, reference = some_windows(count, context), table(1), table(2)
    q, p = probabilities(model, windows), probabilities(reference, windows)
    targets = windows[:, 1:].reshape(-1)
    index = np.arange(len(targets))
    nll, reference_nll = -np.log(q[index, targets]), -np.log(p[index, targets])
    kld = (p * np.log(p / q)).sum(axis=1)

    measured = perplexity(model, windows, reference)
    assert (measured.tokens, measured.windows) == (count * (context - 1), count)
    assert measured.perplexity == pytest.approx(np.exp(nll.mean()), rel=1e-5)
    d = measured.divergence
    assert d is not None
    assert d.mean_kld == pytest.approx(kld.mean(), rel=1e-5)
    assert d.median_kld == pytest.approx(np.median(kld), rel=1e-5)
    assert d.p99_kld == pytest.approx(np.quantile(kld, 0.99), rel=1e-5)
    assert d.same_top1 == np.mean(p.argmax(axis=1) == q.argmax(axis=1))
    assert d.reference_perplexity == pytest.approx(np.exp(reference_nll.mean()), rel=1e-5)
    assert d.ln_perplexity_ratio == pytest.approx(nll.mean() - reference_nll.mean(), rel=1e-5)
    alone = perplexity(model, windows)
    assert (alone.perplexity, alone.divergence) == (measured.perplexity, None)


def test_a_model_that_knows_nothing() -> None:
    """Its perplexity is the size of the vocabulary."""
    measured = perplexity(table(1, scale=0), some_windows(2, 9))
    assert measured.perplexity == pytest.approx(VOCABULARY, rel=1e-6)


def test_the_same_model_as_reference() -> None:
    d = perplexity(table(1), some_windows(2, 9), table(1)).divergence
    assert d is not None
    assert (d.mean_kld, d.median_kld, d.p99_kld, d.same_top1, d.ln_perplexity_ratio) == (0, 0, 0, 1, 0)


def test_progress() -> None:
    seen: list[tuple[int, int]] = []
    perplexity(table(1), some_windows(3, 4), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("scale", [1.0, 80.0, 1e4])
def test_log_softmax(scale: float) -> None:
    logits = scale * np.random.default_rng(0).standard_normal((5, VOCABULARY)).astype(np.float32)
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    expected = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    assert np.allclose(log_softmax(logits), expected, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite(value: float) -> None:
    model = table(1)
    model.logits[..., 3] = value
    for broken, reference in ((model, None), (table(2), model)):
        with pytest.raises(InputError, match="logits are not finite; its weights or scales are broken"):
            perplexity(broken, some_windows(1, 4), reference)


def test_perplexity_beyond_numbers() -> None:
    broken = table(1, scale=1e6)
    with pytest.raises(
        InputError, match=r"the model's mean negative log-likelihood is .* nats; its weights are broken"
    ):
        perplexity(broken, some_windows(1, 9))
    with pytest.raises(InputError, match="the reference's mean negative log-likelihood is"):
        perplexity(table(2), some_windows(1, 9), broken)
    assert math.isfinite(perplexity(table(1, scale=100), some_windows(1, 9)).perplexity)
