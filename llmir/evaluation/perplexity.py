"""Perplexity of a model on tokens, and its divergence from a reference on the same tokens.

Windows do not overlap; every token of a window but the first is predicted from those before it. Perplexity is
exp(mean negative log-likelihood). With a reference: KL(reference || model) in nats at each predicted
position, how often both have the same most likely token, and ln(perplexity / reference perplexity).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from llmir.errors import InputError

Float = NDArray[np.float32]
ROWS = 64
"""Rows of logits turned into log-probabilities at once, to keep their copies small."""


LARGEST_NLL = 700.0
"""Nats; exp of more is no float64, and a model that knows nothing has ln(vocabulary)."""


class Model(Protocol):
    """What is measured: ids [T] to logits [T, vocabulary]. What caches are is the model's own matter."""

    def backbone(self, ids: NDArray[np.int64], position: int, caches: Any, /) -> Float:
        """Hidden states [T, hidden]."""
        ...

    def head(self, hidden: Float) -> Float:
        """Logits of hidden states."""
        ...

    def new_cache(self, capacity: int) -> Any:
        """Empty caches."""
        ...


@dataclass(frozen=True)
class Divergence:
    """How a model differs from a reference, over all predicted positions; KL in nats."""

    mean_kld: float
    median_kld: float
    p99_kld: float
    same_top1: float
    reference_perplexity: float
    ln_perplexity_ratio: float


@dataclass(frozen=True)
class Perplexity:
    """A model's perplexity over `tokens` predicted tokens, and its divergence if there was a reference."""

    perplexity: float
    tokens: int
    windows: int
    divergence: Divergence | None = None


def ignore_window(_done: int, _total: int) -> None:
    """Progress nobody watches."""


def perplexity(
    model: Model,
    windows: NDArray[np.int64],
    reference: Model | None = None,
    progress: Callable[[int, int], None] = ignore_window,
) -> Perplexity:
    """Measure a model on windows of ids [n, context]; InputError when logits are not finite."""
    total = _Sums()
    for done, window in enumerate(windows):
        hidden = _predicting(model, window)
        expected = None if reference is None else _predicting(reference, window)
        for start in range(0, len(hidden), ROWS):
            rows = slice(start, start + ROWS)
            log_p = log_softmax(model.head(hidden[rows]))
            log_q = None
            if reference is not None and expected is not None:
                log_q = log_softmax(reference.head(expected[rows]))
            total.add(log_p, window[1:][rows], log_q)
        progress(done + 1, len(windows))
    return total.result(len(windows))


def _predicting(model: Model, window: NDArray[np.int64]) -> Float:
    """Hidden states of all positions that predict another token of the window."""
    return model.backbone(window[:-1], 0, model.new_cache(len(window) - 1))


def log_softmax(logits: Float) -> Float:
    """Log-probabilities [T, V] of logits [T, V]; InputError when logits are not finite."""
    if not np.isfinite(logits).all():
        raise InputError("the model's logits are not finite; its weights or scales are broken")
    shifted = logits - logits.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1, dtype=np.float64, keepdims=True)
    shifted -= np.log(total).astype(np.float32)
    return shifted


def perplexity_of(mean_nll: float, whose: str) -> float:
    """exp(mean negative log-likelihood in nats); InputError when that is beyond float64."""
    if mean_nll > LARGEST_NLL:
        raise InputError(f"the {whose}'s mean negative log-likelihood is {mean_nll:.6g} nats; its weights are broken")
    return math.exp(mean_nll)


class _Sums:
    """Accumulates over predicted positions."""

    def __init__(self) -> None:
        self.nll: list[NDArray[Any]] = []
        self.reference_nll: list[NDArray[Any]] = []
        self.kld: list[NDArray[Any]] = []
        self.same: list[NDArray[Any]] = []

    def add(self, log_p: Float, targets: NDArray[np.int64], log_q: Float | None) -> None:
        """Some positions: the model's and the reference's log-probabilities."""
        index = np.arange(len(targets))
        self.nll.append(-log_p[index, targets].astype(np.float64))
        if log_q is None:
            return
        self.reference_nll.append(-log_q[index, targets].astype(np.float64))
        self.kld.append((np.exp(log_q) * (log_q - log_p)).sum(axis=1, dtype=np.float64))
        self.same.append(log_p.argmax(axis=1) == log_q.argmax(axis=1))

    def result(self, windows: int) -> Perplexity:
        """The measures."""
        nll = np.concatenate(self.nll)
        mean = float(nll.mean())
        measured = Perplexity(perplexity_of(mean, "model"), len(nll), windows)
        if not self.kld:
            return measured
        kld = np.maximum(np.concatenate(self.kld), 0.0)
        reference = float(np.concatenate(self.reference_nll).mean())
        divergence = Divergence(
            mean_kld=float(kld.mean()),
            median_kld=float(np.median(kld)),
            p99_kld=float(np.quantile(kld, 0.99)),
            same_top1=float(np.concatenate(self.same).mean()),
            reference_perplexity=perplexity_of(reference, "reference"),
            ln_perplexity_ratio=mean - reference,
        )
        return replace(measured, divergence=divergence)
