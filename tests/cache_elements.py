"""What elements of a cache of keys and values hold, computed apart from the kernels."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

ELEMENTS = ("f32", "f16", "i8", "f8E4M3FN")

Rows = NDArray[np.float32]


def as_stored(x: Rows, element: str) -> tuple[NDArray[np.generic], Rows]:
    """Codes [..., D] of x [..., D], and the scales [..., 1] they have."""
    scale = np.ones((*x.shape[:-1], 1), np.float32)
    match element:
        case "f32":
            return x, scale
        case "f16":
            return x.astype(np.float16), scale
        case "f8E4M3FN":
            return np.clip(x, -448, 448).astype(ml_dtypes.float8_e4m3fn), scale
        case _:
            largest = np.abs(x).max(-1, keepdims=True)
            scale = np.where(largest == 0, np.float32(1), largest / np.float32(127)).astype(np.float32)
            return np.clip(np.rint(x / scale), -127, 127).astype(np.int8), scale


def held(x: Rows, element: str) -> Rows:
    """x after it was stored and read again."""
    codes, scale = as_stored(x, element)
    return codes.astype(np.float32) * scale


def packed_keys(x: Rows, element: str, lanes: int) -> NDArray[np.uint8]:
    """Keys [capacity, heads, D] as the cache has them: a head after the other, blocks of `lanes` tokens."""
    codes, scale = as_stored(x, element)
    capacity, heads, d = x.shape
    blocks = codes.transpose(1, 0, 2).reshape(heads, capacity // lanes, lanes, d).transpose(0, 1, 3, 2)
    return _with_scales(np.ascontiguousarray(blocks), scale, element, heads)


def packed_values(x: Rows, element: str) -> NDArray[np.uint8]:
    """Values [capacity, heads, D] as the cache has them: a head after the other, tokens in order."""
    codes, scale = as_stored(x, element)
    return _with_scales(np.ascontiguousarray(codes.transpose(1, 0, 2)), scale, element, x.shape[1])


def _with_scales(codes: NDArray[np.generic], scale: Rows, element: str, heads: int) -> NDArray[np.uint8]:
    parts = [codes.view(np.uint8).reshape(heads, -1)]
    if element == "i8":
        parts.append(np.ascontiguousarray(scale[..., 0].T).view(np.uint8))
    return np.ascontiguousarray(np.concatenate(parts, axis=1)).reshape(-1)
