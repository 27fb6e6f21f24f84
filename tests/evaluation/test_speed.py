"""Speeds are tokens over the time they take, of the model and nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmir.evaluation.speed import Speed, decode_speed, prefill_speed

Float = NDArray[np.float32]


class Slow:
    """A model that takes 10 units for each call, 1 for each token and 0.5 for each head."""

    def __init__(self) -> None:
        self.now = 0.0
        self.fed: list[tuple[int, int]] = []
        self.capacity = 0

    def clock(self) -> float:
        return self.now

    def backbone(self, ids: NDArray[np.int64], position: int, caches: list[Float]) -> Float:
        assert ids.min() >= 0
        assert ids.max() < 7
        assert position + len(ids) <= self.capacity
        self.now += 10 + len(ids)
        self.fed.append((position, len(ids)))
        return np.zeros((len(ids), 1), np.float32)

    def head(self, hidden: Float) -> Float:
        self.now += 0.5 * len(hidden)
        return np.zeros((len(hidden), 7), np.float32)

    def new_cache(self, capacity: int) -> list[Float]:
        self.capacity = capacity
        return []


def test_prefill() -> None:
    model = Slow()
    assert prefill_speed(model, 7, 30, 2, clock=model.clock) == Speed(30, 0, (40.5, 40.5))
    assert model.fed == [(0, 30), (0, 30)]


def test_decode() -> None:
    """Every burst is behind the same tokens, whose reading is not timed."""
    model = Slow()
    assert decode_speed(model, 7, 20, 3, 2, clock=model.clock) == Speed(3, 20, (34.5, 34.5))
    assert model.fed == [(0, 20), *[(20, 1), (21, 1), (22, 1)] * 2]
    model = Slow()
    decode_speed(model, 7, 0, 2, 1, clock=model.clock)
    assert model.fed == [(0, 1), (1, 1)]


def test_best_and_median() -> None:
    speed = Speed(8, 0, (4.0, 2.0, 1.0))
    assert (speed.best, speed.median) == (8.0, 4.0)
