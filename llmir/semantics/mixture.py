"""What the operations of a mixture of experts compute.

Parameter names are the operations' operands and attributes; see `registry` for the convention.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.semantics.model import softmax
from llmir.semantics.values import Float, real


def route(logits: Float, *, top_k: int, normalize: bool) -> tuple[NDArray[np.int64], Float]:
    """Experts [T, top_k] by falling logit and their softmax weights, from logits [T, E]; of equals the lower index."""
    probabilities = softmax(real(logits))
    experts = np.argsort(-real(logits), axis=-1, kind="stable")[:, :top_k]
    weights = np.take_along_axis(probabilities, experts, axis=-1)
    if normalize:
        weights = weights / weights.sum(axis=-1, keepdims=True)
    return experts, weights


def dispatch(input: Float, experts: NDArray[Any], *, expert: int) -> Float:
    """The rows of input [T, H] whose experts [T, top_k] name `expert`: [n, H]."""
    return real(input)[(experts == expert).any(axis=-1)]


def combine(update: Float, experts: NDArray[Any], weights: Float, total: Float | None = None, *, expert: int) -> Float:
    """total [T, H], or zeros, plus update [n, H] at the rows dispatched to `expert`, times its weight there.

    `total` is kept. ValueError when the update has another number of rows.
    """
    chosen = experts == expert
    rows = np.flatnonzero(chosen.any(axis=-1))
    if len(rows) != len(update):
        raise ValueError(f"{len(update)} rows come back from expert {expert}, {len(rows)} were dispatched to it")
    weight = np.where(chosen, real(weights), 0).sum(axis=-1, dtype=np.float32)
    result = np.zeros((len(experts), update.shape[1]), np.float32) if total is None else real(total).copy()
    result[rows] += real(update) * weight[rows, None]
    return result
