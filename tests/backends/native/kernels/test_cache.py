"""Rows put into the cache: bytes of every element, against NumPy's and ml_dtypes' conversions."""

from __future__ import annotations

import numpy as np
import pytest
from cache_elements import ELEMENTS, packed_keys, packed_values
from hypothesis import given, settings
from hypothesis import strategies as st
from native_kernels import HERE, call, machines
from numpy.typing import NDArray

from llmir.backends.native.cache_layout import CacheLayout
from llmir.backends.native.kernels.cache import AppendCache
from llmir.targets.machine import Machine

elements = pytest.mark.parametrize("element", ELEMENTS)


def filled(
    x: NDArray[np.float32], element: str, chosen: Machine, position: int, head_dim: int
) -> list[NDArray[np.uint8]]:
    """Both caches after rows x [M, heads * D] were appended to caches of zeros at a position."""
    heads = x.shape[1] // head_dim
    capacity = -(-(position + len(x)) // chosen.lanes) * chosen.lanes
    size = heads * capacity * CacheLayout(head_dim, element).token_bytes
    caches = [np.zeros(size, np.uint8) for _ in range(2)]
    spec = AppendCache(heads, head_dim, element, x.shape[1], x.shape[1])
    call(spec, chosen, x, x, *caches, position, capacity, 0, len(x), 0, heads)
    return caches


def expected(
    x: NDArray[np.float32], element: str, chosen: Machine, position: int, head_dim: int
) -> list[NDArray[np.uint8]]:
    """The same by NumPy; tokens that were not appended are zero bytes, scales too."""
    capacity = -(-(position + len(x)) // chosen.lanes) * chosen.lanes
    rows = np.zeros((capacity, x.shape[1] // head_dim, head_dim), np.float32)
    rows[position : position + len(x)] = x.reshape(len(x), -1, head_dim)
    keys, values = packed_keys(rows, element, chosen.lanes), packed_values(rows, element)
    if element == "i8":  # what was never written has no scale yet
        for packed in (keys, values):
            tail = packed.reshape(rows.shape[1], -1)[:, capacity * head_dim :].view(np.float32)
            tail[:, :position] = 0
            tail[:, position + len(x) :] = 0
    return [keys, values]


@machines
@elements
@pytest.mark.parametrize("head_dim", [64, 20, 3])
def test_rows_at_a_position(element: str, head_dim: int, chosen: Machine) -> None:
    """Whole caches, to the byte: two heads, rows that begin and end within a block, whole blocks between."""
    x = np.random.default_rng(0).normal(size=(37, 2 * head_dim)).astype(np.float32) * 20
    x[3] = 0
    got = filled(x, element, chosen, 13, head_dim)
    for a, b in zip(got, expected(x, element, chosen, 13, head_dim), strict=True):
        assert np.array_equal(a, b)


@elements
def test_every_exponent(element: str) -> None:
    """Rounding, subnormals, saturation: floats of all exponents f16 and f8 know, ties among them."""
    bits = np.arange(0x33000000, 0x47800000, 0x8001, dtype=np.uint32)  # 2^-25 to 65536
    ties = (np.arange(0x33000000, 0x47000000, 0x80000, dtype=np.uint32)).view(np.float32)
    x = np.concatenate([bits.view(np.float32), -ties, ties])
    if element == "f16":
        x = x[np.abs(x) < 65504]
    x = x[: len(x) // 64 * 64].reshape(-1, 64)
    for a, b in zip(filled(x, element, HERE[0], 0, 64), expected(x, element, HERE[0], 0, 64), strict=True):
        assert np.array_equal(a, b)


@settings(max_examples=15)
@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from(ELEMENTS), st.sampled_from([8, 32]))
def test_ranges(a: int, b: int, element: str, head_dim: int) -> None:
    """Rows and heads in parts give the same bytes, each part writing its own only."""
    x = np.random.default_rng(1).normal(size=(40, 3 * head_dim)).astype(np.float32)
    whole = filled(x, element, HERE[0], 5, head_dim)
    size = 3 * 48 * CacheLayout(head_dim, element).token_bytes
    parts = [np.zeros(size, np.uint8) for _ in range(2)]
    spec = AppendCache(3, head_dim, element, 3 * head_dim, 3 * head_dim)
    cuts = sorted((a, b))
    for start, stop in zip([0, *cuts], [*cuts, 40], strict=True):
        for head in range(3):
            call(spec, HERE[0], x, x, *parts, 5, 48, start, stop, head, head + 1)
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one, other)


def test_unknown_elements_are_refused() -> None:
    with pytest.raises(ValueError, match="no cache of 'f64', expected one of f32, f16, i8, f8E4M3FN"):
        CacheLayout(8, "f64")
