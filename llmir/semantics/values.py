"""Values operations work on, and the real numbers they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.mixed import MixedArray
from llmir.formats.quantized import QuantizedArray
from llmir.formats.sparse import SparseArray
from llmir.semantics.matrix_library import matrix_library_alone

Float = NDArray[np.float32]
Value = NDArray[Any] | QuantizedArray | MixedArray | SparseArray


def real(value: Value) -> Float:
    """The real numbers of a tensor or of codes, as float32 of the same shape."""
    if isinstance(value, np.ndarray):
        return value.astype(np.float32, copy=False)
    return value.dequantize()


def product(a: Value, b: Value) -> Float:
    """a [..., K] times the transpose of b [N, K]: [..., N], summed in float64 and rounded once to float32.

    So the result hardly depends on the order of the sum, and not at all on the number of threads.
    """
    with matrix_library_alone():
        return (real(a).astype(np.float64) @ real(b).astype(np.float64).T).astype(np.float32)
