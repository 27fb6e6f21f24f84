"""What the definitions share: real values, and products that do not depend on threads."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from llmir.formats.elements import element
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.semantics.values import product, real


def test_real_values() -> None:
    half = np.array([0.1], np.float16)
    assert real(half).dtype == np.float32
    assert real(half)[0] == np.float32(half[0])
    codes = QuantizedArray(np.array([3, -2], np.int8), np.array([0.5], np.float32), QuantizedFormat(element("i4")))
    assert real(codes).tolist() == [1.5, -1.0]


def test_a_product_is_rounded_once() -> None:
    """1 + 2^-30 - 1 in float32 would be 0."""
    a, b = np.array([[1.0, 2.0**-30, -1.0]], np.float32), np.ones((1, 3), np.float32)
    assert product(a, b).tolist() == [[2.0**-30]]
    assert product(a, b).dtype == np.float32


def test_a_product_does_not_depend_on_threads() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((64, 3000)).astype(np.float32), rng.standard_normal((50, 3000)).astype(np.float32)
    results: list[bytes] = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            results.append(product(a, b).tobytes())
    assert len(set(results)) == 1
