"""Tokens from a model, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from llmir.errors import InputError
from llmir.evaluation.perplexity import Float, Model
from llmir.evaluation.sampling import LogitKernels, Sampler, Sampling

GREEDY = Sampling()


def generate(model: Model, prompt: Sequence[int], tokens: int, sampling: Sampling = GREEDY) -> Iterator[int]:
    """At most `tokens` ids that continue `prompt`; InputError when there is no prompt."""
    if not prompt:
        raise InputError("the prompt is empty, generation needs at least one token")
    sampler = Sampler(sampling, model if isinstance(model, LogitKernels) else None)
    caches = model.new_cache(len(prompt) + tokens)
    ids: NDArray[np.int64] = np.array(prompt, np.int64)
    position = 0
    for _ in range(tokens):
        token = sampler.choose(last_logits(model, ids, position, caches))
        position += len(ids)
        yield token
        ids = np.array([token], np.int64)


@runtime_checkable
class OneByOne(Protocol):
    """A model that has a faster way to read one token."""

    def decode(self, token: int, position: int, cache: Any, /) -> Float:
        """Logits [V] of what follows; they may be overwritten by the next call."""
        ...


def last_logits(model: Model, ids: NDArray[np.int64], position: int, caches: Any) -> Float:
    """Logits [V] of what follows ids [T] at `position`, good until the next call; the caches are written."""
    if len(ids) == 1 and isinstance(model, OneByOne):
        return model.decode(int(ids[0]), position, caches)
    return model.head(model.backbone(ids, position, caches)[-1:])[0]
