"""The next token, from logits.

With p = softmax(logits / temperature) in float64, the tokens that can be drawn are those that pass every filter, in
this order, each looking at what the one before has left, scaled to sum 1:

- top_k: the k most likely ones;
- top_p: the fewest most likely ones whose sum reaches top_p (Holtzman et al. 2020, nucleus sampling);
- min_p: those at least min_p times as likely as the most likely one (Nguyen et al. 2024).

Of equally likely tokens the one with the lower id counts as more likely. One is then drawn by inverting the cumulative
sum at one number of the sampler's own generator, so a seed gives the same tokens wherever the logits are the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmir.errors import InputError, UsageError

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. Temperature 0 takes the most likely one; 0, 1 and 0 switch the three filters off."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0

    def __post_init__(self):
        """UsageError when a number is out of its range."""
        if not 0 <= self.temperature < math.inf:
            raise UsageError(f"temperature must be a finite number from 0 up, got {self.temperature}")
        if self.top_k < 0:
            raise UsageError(f"top-k must be 0 (all tokens) or more, got {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top-p must be above 0 and at most 1, got {self.top_p}")
        if not 0 <= self.min_p <= 1:
            raise UsageError(f"min-p must be from 0 to 1, got {self.min_p}")
        if self.seed < 0:
            raise UsageError(f"seed must be 0 or more, got {self.seed}")


class Sampler:
    """Draws tokens one after the other."""

    def __init__(self, sampling: Sampling):
        self._sampling = sampling
        self._random = np.random.default_rng(sampling.seed)

    def choose(self, logits: Float) -> int:
        """One id from logits [V]; InputError when they are not finite."""
        if not np.isfinite(logits).all():
            raise InputError("the model's logits are not finite; its weights or scales are broken")
        if self._sampling.temperature == 0:
            return int(logits.argmax())
        ids, probabilities = candidates(logits, self._sampling)
        sums = np.cumsum(probabilities)
        return int(ids[np.searchsorted(sums, self._random.random() * sums[-1], side="right")])


def candidates(logits: Float, sampling: Sampling) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ids [n] that can be drawn at a temperature above 0, and their probabilities [n], which sum to 1."""
    with np.errstate(over="ignore"):  # next to 0, all but the largest logits are infinitely far below
        likelihood = np.exp((logits.astype(np.float64) - logits.max()) / sampling.temperature)
    ids = np.arange(len(logits))
    if 0 < sampling.top_k < len(ids):
        ids = _most_likely(ids, likelihood, sampling.top_k)
    if sampling.top_p < 1:
        ids = _nucleus(ids, likelihood, sampling.top_p)
    kept = likelihood[ids]
    if sampling.min_p > 0:
        likely = kept >= sampling.min_p * kept.max()
        ids, kept = ids[likely], kept[likely]
    return ids, kept / kept.sum()


def _by_likelihood(ids: NDArray[np.int64], likelihood: NDArray[np.float64]) -> NDArray[np.int64]:
    """Ids [n], given in rising order, with the most likely first."""
    return ids[np.argsort(-likelihood[ids], kind="stable")]


def _most_likely(ids: NDArray[np.int64], likelihood: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """The k most likely of ids [n]; sorts only those that can be among them."""
    bound = np.partition(likelihood[ids], len(ids) - k)[len(ids) - k]
    return np.sort(_by_likelihood(ids[likelihood[ids] >= bound], likelihood)[:k])


def _nucleus(ids: NDArray[np.int64], likelihood: NDArray[np.float64], top_p: float) -> NDArray[np.int64]:
    """The fewest most likely of ids [n] whose share of the sum reaches top_p.

    Tokens below (1 - top_p) / n of the sum make up less than 1 - top_p together, so the nucleus is reached without
    them; only the others are sorted.
    """
    total = likelihood[ids].sum()
    possible = _by_likelihood(ids[likelihood[ids] >= (1 - top_p) / (len(ids) + 1) * total], likelihood)
    sums = np.cumsum(likelihood[possible])
    return np.sort(possible[: np.searchsorted(sums, top_p * total, side="left") + 1])
