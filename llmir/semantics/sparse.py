"""What the operations on sparse codes compute.

Parameter names are the operations' operands and attributes; see `registry` for the convention.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from llmir.formats import sparse
from llmir.formats.quantized import QuantizedArray
from llmir.formats.sparse import NOfM, Pattern, SparseArray


def prune(input: NDArray[Any], *, sparsity: str) -> NDArray[Any]:
    """The input with all but the N largest magnitudes of every M along the last dimension set to zero."""
    kept = sparse.pattern(sparsity)
    assert isinstance(kept, NOfM)
    return sparse.prune(input, kept)


def pack_sparse(input: QuantizedArray, *, result: Pattern) -> SparseArray:
    """The codes that are not zero; ValueError when the pattern has no room for them."""
    return sparse.pack_sparse(input, result)


def unpack_sparse(input: SparseArray) -> QuantizedArray:
    """The dense codes."""
    return input.unpack()
