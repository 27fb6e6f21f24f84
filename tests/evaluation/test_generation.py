"""Generation from a made-up model: greedy, drawn, stopped; and that its cache is used rightly."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import softmax

from llmir.errors import InputError
from llmir.evaluation.generation import choose, generate

VOCABULARY = 20
Float = NDArray[np.float32]


@dataclass
class Recorder:
    """A model whose logits depend on the last token and how many came before; it notes what it is fed."""

    logits: Float = field(
        default_factory=lambda: np.random.default_rng(3).standard_normal((64, VOCABULARY, VOCABULARY), np.float32)
    )
    fed: list[tuple[list[int], int]] = field(default_factory=list[tuple[list[int], int]])
    capacity: int = 0

    def backbone(self, ids: NDArray[np.int64], position: int, caches: list[Float]) -> Float:
        assert caches == []
        self.fed.append((ids.tolist(), position))
        assert position + len(ids) <= self.capacity
        positions = np.arange(position, position + len(ids))
        return np.stack([positions, ids], axis=1).astype(np.float32)

    def head(self, hidden: Float) -> Float:
        position, last = hidden.astype(np.int64).T
        return self.logits[position, last]

    def new_cache(self, capacity: int) -> list[Float]:
        self.capacity = capacity
        return []


def greedy(model: Recorder, prompt: list[int], tokens: int) -> list[int]:
    ids = list(prompt)
    for _ in range(tokens):
        ids.append(int(model.logits[len(ids) - 1, ids[-1]].argmax()))
    return ids[len(prompt) :]


def test_greedy() -> None:
    model = Recorder()
    expected = greedy(model, [4, 2], 6)
    assert list(generate(model, [4, 2], 6)) == expected
    assert model.fed[0] == ([4, 2], 0)
    assert model.fed[1:] == [([token], 2 + at) for at, token in enumerate(expected[:5])]


def test_tokens_come_one_by_one() -> None:
    model = Recorder()
    tokens = generate(model, [4], 6)
    next(tokens)
    assert len(model.fed) == 1


def test_stop() -> None:
    model = Recorder()
    expected = greedy(model, [4], 6)
    stop = frozenset({expected[3]})
    assert list(generate(model, [4], 6, stop_ids=stop)) == expected[: expected.index(expected[3])]
    assert list(generate(model, [4], 6, stop_ids=frozenset({expected[0]}))) == []


def test_seed() -> None:
    drawn = [list(generate(Recorder(), [4], 20, temperature=1.5, seed=seed)) for seed in (5, 5, 6)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_frequencies(temperature: float) -> None:
    logits = np.random.default_rng(0).standard_normal(6).astype(np.float32)
    random = np.random.default_rng(1)
    drawn = np.bincount([choose(logits, temperature, random) for _ in range(20_000)], minlength=6) / 20_000
    assert np.abs(drawn - softmax(logits / temperature)).max() < 0.015


@pytest.mark.parametrize("temperature", [1e-3, 1e-310])
def test_temperature_next_to_zero(temperature: float) -> None:
    logits = np.random.default_rng(0).standard_normal(6).astype(np.float32) * 1e30
    assert choose(logits, temperature, np.random.default_rng(0)) == logits.argmax()


@pytest.mark.parametrize("temperature", [-0.1, float("nan"), float("inf")])
def test_bad_temperature(temperature: float) -> None:
    with pytest.raises(InputError, match="temperature must be a finite number from 0 up, got"):
        next(generate(Recorder(), [4], 1, temperature=temperature))


def test_empty_prompt() -> None:
    with pytest.raises(InputError, match="the prompt is empty, generation needs at least one token"):
        next(generate(Recorder(), [], 1))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite(temperature: float) -> None:
    model = Recorder()
    model.logits[0, 4, 7] = np.nan
    with pytest.raises(InputError, match="the model's logits are not finite"):
        next(generate(model, [4], 1, temperature=temperature))
