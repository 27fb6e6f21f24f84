"""How fast a model reads and writes tokens: bursts of a few, timed one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from llmir.evaluation.generation import last_logits
from llmir.evaluation.perplexity import Model

Clock = Callable[[], float]


@dataclass(frozen=True)
class Speed:
    """Bursts of `tokens` tokens behind `context` others, and the seconds each burst took."""

    tokens: int
    context: int
    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        """Tokens a second of the fastest burst: what the machine can do when nothing else runs."""
        return self.tokens / min(self.seconds)

    @property
    def median(self) -> float:
        """Tokens a second of the median burst."""
        return self.tokens / median(self.seconds)


def prefill_speed(
    model: Model, vocabulary: int, tokens: int, bursts: int, *, clock: Clock = time.perf_counter
) -> Speed:
    """Reading `tokens` tokens at once into an empty cache, up to the logits of what follows."""
    ids, caches = some_tokens(vocabulary, tokens), model.new_cache(tokens)
    seconds: list[float] = []
    for _ in range(bursts):
        start = clock()
        last_logits(model, ids, 0, caches)
        seconds.append(clock() - start)
    return Speed(tokens, 0, tuple(seconds))


def decode_speed(
    model: Model, vocabulary: int, context: int, tokens: int, bursts: int, *, clock: Clock = time.perf_counter
) -> Speed:
    """`tokens` tokens, one after the other, behind `context` others; each token's logits are computed."""
    ids, caches = some_tokens(vocabulary, context + tokens), model.new_cache(context + tokens)
    if context:
        last_logits(model, ids[:context], 0, caches)
    seconds: list[float] = []
    for _ in range(bursts):
        start = clock()
        for position in range(context, context + tokens):
            last_logits(model, ids[position : position + 1], position, caches)
        seconds.append(clock() - start)
    return Speed(tokens, context, tuple(seconds))


def some_tokens(vocabulary: int, count: int) -> NDArray[np.int64]:
    """Ids [count] of no meaning."""
    return np.random.default_rng(0).integers(0, vocabulary, count)
