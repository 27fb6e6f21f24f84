"""The next token, from logits.

With p = softmax(logits / temperature) in float64, the tokens that can be drawn are those that pass every filter, in
this order, each looking at what the one before has left, scaled to sum 1:

- top_k: the k most likely ones;
- top_p: the fewest most likely ones whose sum reaches top_p (Holtzman et al. 2020, nucleus sampling);
- min_p: those at least min_p times as likely as the most likely one (Nguyen et al. 2024).

Of tokens with equal logits the one with the lower id counts as more likely. One is then drawn by inverting the
cumulative sum at one number of the sampler's own generator, so a seed gives the same tokens wherever the logits are the
same. Kernels of a backend are used where they are exact, and float32 probabilities where their error decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

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

    def all_tokens(self, vocabulary: int) -> bool:
        """Whether any of so many tokens can be drawn: no filter is on."""
        return self.top_p == 1 and self.min_p == 0 and not 0 < self.top_k < vocabulary


@runtime_checkable
class LogitKernels(Protocol):
    """What a backend does faster than NumPy with logits [V]."""

    def top_k(self, logits: Float, count: int, /) -> NDArray[np.int64]:
        """The ids [count] of the largest, falling; of equals the lower first."""
        ...

    def softmax(self, logits: Float, temperature: float, /) -> Float:
        """softmax(logits / temperature), [V], of which any sum is off by less than `SHARE_ERROR`."""
        ...


SHARE_ERROR = 1e-5
"""Of a sum of float32 probabilities. With |d| the distance of a logit from the largest, divided by the temperature, a
probability is off by less than (|d| + 4) 2^-22 of itself, and |d| weighted by probabilities is below ln V."""
LOWEST_TEMPERATURE = 1e-3
"""What float32 probabilities are computed at, at least; below, a few tokens have all of it."""
QUICK_COUNT = 256
"""Up to so many of the largest are found one by one."""
BLOCK = 256
"""Probabilities that are added up before it is looked where among them a token is."""


class Sampler:
    """Draws tokens one after the other. Kernels make it faster and choose the same tokens."""

    def __init__(self, sampling: Sampling, kernels: LogitKernels | None = None):
        self._sampling, self._kernels = sampling, kernels
        self._random = np.random.default_rng(sampling.seed)

    def choose(self, logits: Float) -> int:
        """One id from logits [V]; InputError when they are not finite."""
        if not np.isfinite(logits).all():
            raise InputError("the model's logits are not finite; its weights or scales are broken")
        if self._sampling.temperature == 0:
            return int(logits.argmax())
        place = self._random.random()
        if self._sampling.all_tokens(len(logits)) and (shares := _shares(logits, self._sampling, self._kernels)):
            certain = _token_at(*shares, place)
            if certain is not None:
                return certain
        ids, probabilities = candidates(logits, self._sampling, self._kernels)
        sums = np.cumsum(probabilities)
        return int(ids[np.searchsorted(sums, place * sums[-1], side="right")])


def candidates(
    logits: Float, sampling: Sampling, kernels: LogitKernels | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ids [n] that can be drawn at a temperature above 0, and their probabilities [n], which sum to 1."""
    ids: NDArray[np.int64] | None = None
    top_p = sampling.top_p
    if 0 < sampling.top_k < len(logits):
        ids = np.sort(_most_likely(logits, sampling.top_k, kernels))
    elif top_p < 1 and (shares := _shares(logits, sampling, kernels)):
        ids = _certain_nucleus(logits, *shares, top_p)
        top_p = top_p if ids is None else 1
    if ids is None:
        ids = np.arange(len(logits))
    with np.errstate(over="ignore"):  # next to 0, all but the largest logits are infinitely far below
        likelihood = np.exp((logits[ids].astype(np.float64) - logits.max()) / sampling.temperature)
    if top_p < 1:
        kept = _nucleus(logits[ids], likelihood, top_p)
        ids, likelihood = ids[kept], likelihood[kept]
    if sampling.min_p > 0:
        kept = likelihood >= sampling.min_p * likelihood.max()
        ids, likelihood = ids[kept], likelihood[kept]
    return ids, likelihood / likelihood.sum()


def _by_likelihood(logits: Float, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places [n] of logits, given in rising order, with the most likely first."""
    return places[np.argsort(-logits[places], kind="stable")]


def _most_likely(logits: Float, k: int, kernels: LogitKernels | None) -> NDArray[np.int64]:
    """The k most likely ids; sorts only those that can be among them."""
    if kernels is not None and k <= QUICK_COUNT:
        return kernels.top_k(logits, k)
    bound = np.partition(logits, len(logits) - k)[len(logits) - k]
    return _by_likelihood(logits, np.flatnonzero(logits >= bound))[:k]


def _enough(weights: NDArray[np.floating], wanted: float) -> NDArray[np.int64]:
    """The places of the largest weights, rising: at least as many as have this sum, or all there are."""
    for power in range(0, 64, 2):
        places = np.flatnonzero(weights >= np.ldexp(weights.max(), -power))
        if weights[places].sum(dtype=np.float64) >= wanted:
            return places
    return np.arange(len(weights))


def _nucleus(logits: Float, likelihood: NDArray[np.float64], top_p: float) -> NDArray[np.int64]:
    """The places of the fewest most likely tokens whose share of the sum reaches top_p, rising."""
    wanted = top_p * float(likelihood.sum())
    possible = _by_likelihood(logits, _enough(likelihood, wanted * (1 + 1e-9)))  # in whatever order it is added up
    sums = np.cumsum(likelihood[possible])
    return np.sort(possible[: np.searchsorted(sums, wanted, side="left") + 1])


# -- what float32 probabilities are good enough for --


def _shares(
    logits: Float, sampling: Sampling, kernels: LogitKernels | None
) -> tuple[Float, NDArray[np.float64]] | None:
    """Probabilities of all tokens, and sums of blocks of them; None where no kernel computes them."""
    if kernels is None or sampling.temperature < LOWEST_TEMPERATURE:
        return None
    shares = kernels.softmax(logits, sampling.temperature)
    return shares, np.add.reduceat(shares, np.arange(0, len(shares), BLOCK), dtype=np.float64)


def _token_at(shares: Float, blocks: NDArray[np.float64], place: float) -> int | None:
    """The id at a place of the cumulative sum; None where the error of the probabilities leaves it open."""
    sums = np.cumsum(blocks)
    total = float(sums[-1])
    low, high = (place - SHARE_ERROR) * total, (place + SHARE_ERROR) * total
    block = int(np.searchsorted(sums, low, side="right"))
    start = block * BLOCK
    inner = np.cumsum(shares[start : start + BLOCK], dtype=np.float64) + (sums[block] - blocks[block])
    token = int(np.searchsorted(inner, low, side="right"))
    certain = low >= 0 and token < len(inner) and high < float(inner[token])
    return start + token if certain else None


def _certain_nucleus(
    logits: Float, shares: Float, blocks: NDArray[np.float64], top_p: float
) -> NDArray[np.int64] | None:
    """The ids of `_nucleus` of all tokens; None where the error of the probabilities leaves them open."""
    total = float(blocks.sum())
    enough = _enough(shares, (top_p + 2 * SHARE_ERROR) * total)
    possible = _by_likelihood(logits, np.flatnonzero(logits >= logits[enough].min()))  # none left out by an error
    sums = np.cumsum(shares[possible], dtype=np.float64) / total
    first, last = np.searchsorted(sums, [top_p - SHARE_ERROR, top_p + SHARE_ERROR], side="left")
    return np.sort(possible[: first + 1]) if first == last else None
