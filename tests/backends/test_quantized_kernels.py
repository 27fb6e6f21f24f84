"""The kernels on codes: integer sums against int64, products against dequantize-then-multiply in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.backends.numpy import quantized_kernels
from llmir.errors import InputError
from llmir.formats.elements import Integer, element
from llmir.formats.granularity import Granularity
from llmir.formats.packing import pack
from llmir.formats.quantized import POWER_OF_TWO, QuantizedArray, QuantizedFormat
from llmir.quantizers.registry import quantize

F32 = np.dtype(np.float32)


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def parameters(stored: NDArray[Any] | QuantizedArray) -> NDArray[np.float64]:
    """Scales, zero points or minima that are not quantized themselves, in float64."""
    assert isinstance(stored, np.ndarray)
    return stored.astype(np.float64)


def real(a: QuantizedArray) -> NDArray[np.float64]:
    """The values of codes in float64."""
    shape = a.codes.shape
    g = a.granularity
    zero_point = 0 if a.zero_point is None else g.expand(parameters(a.zero_point), shape)
    minimum = 0 if a.minimum is None else g.expand(parameters(a.minimum), shape)
    codes = a.format.element.decode(a.codes).astype(np.float64)
    return (codes - zero_point) * g.expand(parameters(a.scale), shape) + minimum


# -- exact_product --


@pytest.mark.parametrize(
    ("a", "b"), [((-128, 127), (-128, 127)), ((0, 255), (-128, 127)), ((0, 255), (0, 255)), ((-8, 7), (-128, 127))]
)
@pytest.mark.parametrize("k", [1, 257, 1024, 5000])
def test_exact_product_of_extreme_codes(a: tuple[int, int], b: tuple[int, int], k: int) -> None:
    largest = max(-a[0], a[1]) * max(-b[0], b[1])
    run = 2**24 // largest
    rng = np.random.default_rng(k)
    left = np.concatenate(
        [np.full((1, k), a[0]), np.full((1, k), a[1]), rng.choice(a, (3, k)), rng.integers(a[0], a[1] + 1, (3, k))]
    )
    right = np.concatenate(
        [np.full((1, k), b[0]), np.full((1, k), b[1]), rng.choice(b, (3, k)), rng.integers(b[0], b[1] + 1, (3, k))]
    )
    product = quantized_kernels.exact_product(left.astype(np.float32), right.astype(np.float32), run)
    assert product.dtype == np.int32
    np.testing.assert_array_equal(product, left.astype(np.int64) @ right.astype(np.int64).T)


def test_the_exact_run_matters() -> None:
    a = np.concatenate([np.full(1024, -128), [1], np.full(1024, -128)]).astype(np.float32)[None]
    b = np.where(a == 1, 1, a).astype(np.float32)
    assert int(quantized_kernels.exact_product(a, b, 1024)[0, 0]) == 2048 * 128 * 128 + 1
    assert int(np.float32(2048 * 128 * 128 + 1)) != 2048 * 128 * 128 + 1  # one float32 sum could not hold it


# -- integer_matmul --

INPUTS = {
    "per tensor": QuantizedFormat(Integer(8, True)),
    "per tensor zero point": QuantizedFormat(Integer(8, False), zero_point=Integer(8, False)),
    "per token": QuantizedFormat(Integer(8, True), granularity=Granularity(axis=0)),
    "per token zero point": QuantizedFormat(
        Integer(8, True), zero_point=Integer(8, True), granularity=Granularity(axis=0)
    ),
    "per token minimum": QuantizedFormat(Integer(8, False), minimum=F32, granularity=Granularity(axis=0)),
    "groups of 20": QuantizedFormat(Integer(8, True), granularity=Granularity(group_size=20)),
    "padded groups with zero point": QuantizedFormat(
        Integer(8, True), zero_point=Integer(8, True), granularity=Granularity(group_size=16)
    ),
    "columns": QuantizedFormat(Integer(8, True), granularity=Granularity(axis=1)),
    "blocks": QuantizedFormat(Integer(8, True), granularity=Granularity(group_size=20, group_rows=3)),
}
WEIGHTS = {
    "per tensor": QuantizedFormat(Integer(8, True)),
    "per channel": QuantizedFormat(Integer(4, True), granularity=Granularity(axis=0)),
    "per channel zero point": QuantizedFormat(
        Integer(4, False), zero_point=Integer(4, False), granularity=Granularity(axis=0)
    ),
    "per channel float zero point": QuantizedFormat(Integer(4, False), zero_point=F32, granularity=Granularity(axis=0)),
    "groups": QuantizedFormat(Integer(4, True), scale=np.dtype(np.float16), granularity=Granularity(group_size=10)),
    "groups with minimum": QuantizedFormat(
        Integer(4, False), minimum=np.dtype(np.float16), granularity=Granularity(group_size=10)
    ),
    "padded groups": QuantizedFormat(Integer(3, True), granularity=Granularity(group_size=32)),
    "padded groups with zero point": QuantizedFormat(
        Integer(3, False), zero_point=Integer(3, False), granularity=Granularity(group_size=32)
    ),
    "columns with zero point": QuantizedFormat(
        Integer(8, True), zero_point=Integer(8, True), granularity=Granularity(axis=1)
    ),
    "blocks": QuantizedFormat(Integer(4, True), granularity=Granularity(group_size=10, group_rows=4)),
    "smaller blocks with zero point": QuantizedFormat(
        Integer(4, False), zero_point=Integer(4, False), granularity=Granularity(group_size=32, group_rows=5)
    ),
}


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("input", INPUTS)
def test_integer_matmul(input: str, weight: str) -> None:
    x_format, w_format = INPUTS[input], WEIGHTS[weight]
    # uneven signs, so that offsets and sums of codes do not cancel
    x = quantize(floats(5, 60) + 0.7, x_format, "absmax" if x_format.symmetric else "minmax")
    w = quantize(floats(7, 60, seed=1) - 0.4, w_format, "absmax" if w_format.symmetric else "minmax")
    bias = floats(7, seed=2)
    largest = 255 * 255
    y = quantized_kernels.integer_matmul(x, w, bias, exact_run=2**24 // largest)
    expected = real(x) @ real(w).T
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected + bias, atol=3e-6 * np.abs(expected).max() + 1e-5)
    as_floats = replace(w, codes=w.codes.astype(np.float32))  # the layout `codes`
    np.testing.assert_array_equal(quantized_kernels.integer_matmul(x, as_floats, bias, exact_run=258), y)


def test_integer_matmul_is_exact_before_scaling() -> None:
    rng = np.random.default_rng(0)
    k = 4097
    one, format = np.ones(1, np.float32), QuantizedFormat(Integer(8, True))
    x = QuantizedArray(rng.choice([-128, 127], (3, k)).astype(np.int8), one, format)
    w = QuantizedArray(rng.choice([-128, 127], (4, k)).astype(np.int8), one, format)
    y = quantized_kernels.integer_matmul(x, w, exact_run=1024)
    expected = x.codes.astype(np.int64) @ w.codes.astype(np.int64).T
    np.testing.assert_array_equal(y, expected.astype(np.float32))


def test_dequantized_matmul() -> None:
    from llmir.formats.elements import Minifloat

    x = quantize(floats(5, 60), QuantizedFormat(Minifloat("f8E4M3FN"), granularity=Granularity(axis=0)), "absmax")
    w = quantize(floats(7, 60, seed=1), QuantizedFormat(Minifloat("f8E5M2"), granularity=Granularity(axis=0)), "absmax")
    bias = floats(7, seed=2)
    expected = real(x) @ real(w).T
    np.testing.assert_allclose(quantized_kernels.dequantized_matmul(x, w), expected, atol=1e-4)
    np.testing.assert_allclose(quantized_kernels.dequantized_matmul(x, w, bias), expected + bias, atol=1e-4)


# -- quantize, dequantize --


def test_quantize_with_constants() -> None:
    format = QuantizedFormat(Integer(8, False), zero_point=Integer(8, False))
    x = np.array([[-1.0, 0, 0.25, 0.75, 100]], np.float32)
    q = quantized_kernels.quantize(
        x, format=format, scale=np.array([0.5], np.float32), zero_point=np.array([10], np.uint8)
    )
    assert q.codes.tolist() == [[8, 10, 10, 12, 210]]  # 0.5 and 1.5 steps go to the even code
    assert quantized_kernels.dequantize(q).tolist() == [[-1, 0, 0, 1, 100]]


@pytest.mark.parametrize("format", INPUTS.values(), ids=INPUTS)
def test_quantize_without_constants_is_dynamic(format: QuantizedFormat) -> None:
    x = floats(5, 60)
    q = quantized_kernels.quantize(x, format=format)
    chosen = quantize(x, format, "absmax" if format.symmetric else "minmax")
    np.testing.assert_array_equal(q.codes, chosen.codes)
    np.testing.assert_array_equal(q.scale, chosen.scale)


@pytest.mark.parametrize(
    ("arguments", "format"),
    [
        ({"element_name": "i4", "scale": "bfloat16", "group_size": 32}, ("bfloat16", None, None, (None, 32))),
        ({"element_name": "ui4", "zero_point": "ui4", "axis": 0}, ("float32", Integer(4, False), None, (0, None))),
        ({"element_name": "ui4", "zero_point": "float16"}, ("float32", np.dtype(np.float16), None, (None, None))),
        ({"element_name": "ui4", "minimum": "bfloat16"}, ("float32", None, "bfloat16", (None, None))),
    ],
)
def test_formats_of_generated_source(arguments: dict[str, Any], format: tuple[Any, ...]) -> None:
    made = quantized_kernels.quantized_format(**arguments)
    scale, zero_point, minimum, granularity = format
    assert str(made.scale) == scale
    assert made.zero_point == zero_point
    assert (str(made.minimum) if made.minimum else None) == minimum
    assert made.granularity == Granularity(*granularity)


def test_formats_with_quantized_parameters() -> None:
    made = quantized_kernels.quantized_format(
        "ui4", scale=("ui6", "float16", 8), minimum=("i8", "float32", None), axis=0, group_size=32
    )
    along = Granularity(axis=0, group_size=8)
    assert made.scale == QuantizedFormat(Integer(6, False), np.dtype(np.float16), granularity=along)
    assert made.minimum == QuantizedFormat(Integer(8, True), F32)
    rows = quantized_kernels.quantized_format("nf4", scale=("ui6", "float16", 8), axis=0)
    assert rows.scale == QuantizedFormat(Integer(6, False), np.dtype(np.float16), granularity=Granularity(group_size=8))
    assert quantized_kernels.quantized_format("e3m4", scale="float8_e8m0fnu").scale == POWER_OF_TWO


# -- embedding_rows --

TABLES = {
    "per tensor": Granularity(),
    "rows": Granularity(axis=0),
    "columns": Granularity(axis=1),
    "groups": Granularity(group_size=8),
    "padded groups": Granularity(group_size=16),
    "blocks": Granularity(group_size=8, group_rows=4),
}


@pytest.mark.parametrize("granularity", TABLES)
@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("kind", ["signed", "unsigned with zero point", "unsigned with minimum"])
def test_embedding_rows_are_rows_of_the_dequantized_table(kind: str, bits: int, granularity: str) -> None:
    element = Integer(bits, kind == "signed")
    format = QuantizedFormat(
        element,
        zero_point=element if "zero" in kind else None,
        minimum=F32 if "minimum" in kind else None,
        granularity=TABLES[granularity],
    )
    table = quantize(floats(11, 24), format, "absmax" if format.symmetric else "minmax")
    packed = replace(table, codes=pack(table.codes, bits))
    ids = np.array([10, 0, 3, 3])
    rows = quantized_kernels.embedding_rows(ids, packed, bits=bits, signed=element.signed, hidden=24)
    np.testing.assert_array_equal(rows, table.dequantize()[ids])


def test_activations_that_are_not_finite() -> None:
    x = np.array([[1.0, np.nan]], np.float32)
    format = QuantizedFormat(element("i8"), granularity=Granularity(axis=0))
    with pytest.raises(InputError, match=r"an activation cannot be quantized: value at \[0, 1\] is nan.* are broken"):
        quantized_kernels.quantize(x, format=format)
