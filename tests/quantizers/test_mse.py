"""The mse search against an exhaustive float64 search of the same grid, and against the unsearched scales."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from reference import GRANULARITIES, parts, plain, weights

from llmir.formats.elements import Codebook, Element, Integer, Minifloat
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.quantizers.registry import quantize

F32 = np.dtype(np.float32)
FRACTIONS = [0.05 + 0.95 * k / 19 for k in range(20)]


def squared_error(q: QuantizedArray, w: NDArray[np.float32], g: Granularity) -> NDArray[np.float64]:
    error = np.square(q.dequantize().astype(np.float64) - w)
    return np.array([error[part].sum() for _, part in parts(g)])


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("narrow", [False, True])
def test_symmetric_error_is_the_least_of_the_grid(bits: int, granularity: str, narrow: bool) -> None:
    g, w = GRANULARITIES[granularity], weights()
    target = QuantizedFormat(Integer(bits, True), granularity=g, narrow_range=narrow)
    found = squared_error(quantize(w, target, "mse"), w, g)
    top = 2 ** (bits - 1) - 1
    low = -top if narrow else -top - 1
    for index, (_, part) in enumerate(parts(g)):
        values = w[part].astype(np.float64)
        errors: list[float] = []
        for fraction in FRACTIONS:
            scale = fraction * np.abs(values).max() / -low
            codes = np.clip(np.rint(values / scale), low, top)
            errors.append(float(np.square(codes * scale - values).sum()))
        assert found[index] <= min(errors) * 1.001 + 1e-9


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("element", ["zero point", "float zero point", "minimum"])
def test_asymmetric_error_is_never_above_minmax(bits: int, element: str, seed: int) -> None:
    code, w = Integer(bits, False), weights(seed)
    for g in (GRANULARITIES["groups"], GRANULARITIES["rows"]):
        target = {
            "zero point": QuantizedFormat(code, zero_point=code, granularity=g),
            "float zero point": QuantizedFormat(code, zero_point=F32, granularity=g),
            "minimum": QuantizedFormat(code, minimum=F32, granularity=g),
        }[element]
        searched, plain = (squared_error(quantize(w, target, m), w, g) for m in ("mse", "minmax"))
        assert (searched <= plain * 1.0001 + 1e-9).all()


@pytest.mark.parametrize(
    "element",
    [
        Integer(2, True),
        Integer(4, True),
        Integer(8, True),
        Minifloat("f8E4M3FN"),
        Minifloat("e2m2"),
        Codebook((0.5, -1, 0, 2)),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_symmetric_error_is_never_above_absmax(element: Element, seed: int) -> None:
    w = weights(seed)
    for g in GRANULARITIES.values():
        target = QuantizedFormat(element, granularity=g)
        searched, plain = (squared_error(quantize(w, target, m), w, g) for m in ("mse", "absmax"))
        assert (searched <= plain * 1.0001 + 1e-9).all()


def test_a_group_of_zeros_stays_zero() -> None:
    w = weights()
    w[3] = 0
    for target in (
        QuantizedFormat(Integer(4, True), granularity=GRANULARITIES["rows"]),
        QuantizedFormat(Integer(4, False), zero_point=Integer(4, False), granularity=GRANULARITIES["rows"]),
        QuantizedFormat(Integer(4, False), minimum=F32, granularity=GRANULARITIES["rows"]),
    ):
        q = quantize(w, target, "mse")
        assert (plain(q.scale) > 0).all()
        assert not q.dequantize()[3].any()
