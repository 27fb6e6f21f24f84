"""The cosines and sines that native kernels turn heads by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmir.semantics.model import RopeScaling, rope_frequencies


def rope_table(
    positions: int,
    dimensions: int,
    theta: float,
    scaling: RopeScaling | None = None,
    factors: NDArray[np.float32] | None = None,
    magnitude: float = 1.0,
) -> NDArray[np.float32]:
    """cos and sin of `llm.rope`, [positions, dimensions]: half of a row is cosines, half sines. Angles are float64.

    Where an operation has `long_factors`, a table is made of each kind of factors, and a call uses one.
    """
    frequencies = rope_frequencies(dimensions, theta, scaling)
    if factors is not None:
        frequencies = frequencies / factors
    angles = np.outer(np.arange(positions), frequencies)
    table = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * magnitude
    return table.astype(np.float32)
