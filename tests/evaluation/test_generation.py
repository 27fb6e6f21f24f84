"""Generation from a made-up model: greedy and drawn; and that its cache is used rightly."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.errors import InputError
from llmir.evaluation.generation import generate
from llmir.evaluation.sampling import Sampling

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


def test_seed() -> None:
    drawn = [list(generate(Recorder(), [4], 20, Sampling(1.5, seed=seed))) for seed in (5, 5, 6)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_empty_prompt() -> None:
    with pytest.raises(InputError, match="the prompt is empty, generation needs at least one token"):
        next(generate(Recorder(), [], 1))


def test_the_faster_way_to_read_one_token() -> None:
    class Decoder(Recorder):
        def decode(self, token: int, position: int, cache: list[Float]) -> Float:
            self.decoded.append((token, position))
            return self.logits[position, token]

        def __init__(self) -> None:
            super().__init__()
            self.decoded: list[tuple[int, int]] = []

    model = Decoder()
    expected = greedy(Recorder(), [4, 2], 6)
    assert list(generate(model, [4, 2], 6)) == expected
    assert model.fed == [([4, 2], 0)]
    assert model.decoded == [(token, 2 + at) for at, token in enumerate(expected[:5])]
