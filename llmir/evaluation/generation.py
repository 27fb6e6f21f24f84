"""Text from a model, token by token."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from llmir.errors import InputError
from llmir.evaluation.perplexity import Float, Model


def generate(
    model: Model,
    prompt: Sequence[int],
    tokens: int,
    *,
    temperature: float = 0.0,
    seed: int = 0,
    stop_ids: frozenset[int] = frozenset(),
) -> Iterator[int]:
    """Ids that continue `prompt`, at most `tokens` of them, ending before one of `stop_ids`.

    Temperature 0 takes the most likely token; otherwise tokens are drawn from softmax(logits / temperature)
    with a generator of its own, so the same seed gives the same text.
    """
    if not prompt:
        raise InputError("the prompt is empty, generation needs at least one token")
    if not 0 <= temperature < math.inf:
        raise InputError(f"temperature must be a finite number from 0 up, got {temperature}")
    random = np.random.default_rng(seed)
    caches = model.new_cache(len(prompt) + tokens)
    ids: NDArray[np.int64] = np.array(prompt, np.int64)
    position = 0
    for _ in range(tokens):
        hidden = model.backbone(ids, position, caches)
        position += len(ids)
        token = choose(model.head(hidden[-1:])[0], temperature, random)
        if token in stop_ids:
            return
        yield token
        ids = np.array([token], np.int64)


def choose(logits: Float, temperature: float, random: np.random.Generator) -> int:
    """One id from logits [V]."""
    if not np.isfinite(logits).all():
        raise InputError("the model's logits are not finite; its weights or scales are broken")
    if temperature == 0:
        return int(logits.argmax())
    with np.errstate(over="ignore"):  # next to 0, all but the largest logits are infinitely far below
        below = (logits.astype(np.float64) - logits.max()) / temperature
    probabilities = np.exp(below)
    return int(random.choice(len(logits), p=probabilities / probabilities.sum()))
