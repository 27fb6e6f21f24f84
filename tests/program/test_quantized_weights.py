"""Quantized weights in a store: what parts there are, their layout, and the way back."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from xdsl.dialects.builtin import (
    Float4E2M1FNType,
    Float8E4M3FNType,
    Float8E8M0FNUType,
    IntegerType,
    Signedness,
    bf16,
    f16,
    f32,
)

from llmir.dialects.llm.element_types import CodebookType, MinifloatType, ScaleType
from llmir.dialects.llm.types import QuantizedTensorType, quantized_tensor_type
from llmir.errors import InputError
from llmir.formats.elements import MINIFLOATS, Codebook, Element, Integer, Minifloat, element
from llmir.formats.granularity import Granularity
from llmir.formats.minifloats import VARIANTS, minifloat_name
from llmir.formats.packing import pack
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat
from llmir.program.quantized_weights import dequantized, put_quantized, read_quantized, weight_layouts
from llmir.program.safetensors_file import open_safetensors, write_safetensors
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor
from llmir.program.weight_parts import pack_parts, part_layouts
from llmir.quantizers.registry import quantize

SHAPE = (6, 20)
I4, UI3, UI8 = IntegerType(4), IntegerType(3, Signedness.UNSIGNED), IntegerType(8, Signedness.UNSIGNED)
F8, F4 = Float8E4M3FNType(), Float4E2M1FNType()
SUPER = ScaleType(UI3, f16, 5)
TYPES = {
    "per tensor": QuantizedTensorType(SHAPE, I4),
    "per channel": QuantizedTensorType(SHAPE, I4, scale=f16, axis=0),
    "groups": QuantizedTensorType(SHAPE, UI3, scale=bf16, zp=UI3, group_size=4),
    "padded groups": QuantizedTensorType(SHAPE, I4, scale=f32, group_size=16, pad=12),
    "wide zero points": QuantizedTensorType(SHAPE, UI3, zp=UI8, axis=0),
    "float zero points": QuantizedTensorType(SHAPE, UI3, zp=f16, axis=0),
    "minimum": QuantizedTensorType(SHAPE, UI3, scale=f16, min=f16, group_size=5),
    "8-bit float": QuantizedTensorType(SHAPE, F8, axis=0),
    "4-bit float": QuantizedTensorType(SHAPE, F4, group_size=10),
    "8-bit integer": QuantizedTensorType(SHAPE, UI8, zp=UI8),
    "5-bit float": QuantizedTensorType(SHAPE, MinifloatType(2, 2), axis=0),
    "8-bit float without a name in safetensors": QuantizedTensorType(SHAPE, MinifloatType(3, 4), axis=0),
    "codebook": QuantizedTensorType(SHAPE, CodebookType([-1.0, 0.0, 0.5, 1.0]), group_size=5),
    "powers of two": QuantizedTensorType(SHAPE, F4, scale=Float8E8M0FNUType(), group_size=4),
    "super-blocks": QuantizedTensorType(SHAPE, UI3, scale=SUPER, min=SUPER, group_size=4),
    "one second level": QuantizedTensorType(SHAPE, F4, scale=ScaleType(F8), group_size=4),
    "super-blocks of rows": QuantizedTensorType(SHAPE, I4, scale=ScaleType(UI3, bf16, 3), axis=0),
    "super-blocks of columns": QuantizedTensorType(SHAPE, I4, scale=ScaleType(UI3, bf16, 4), axis=1),
    "super-blocks along rows": QuantizedTensorType(SHAPE, I4, scale=ScaleType(UI3, f16, 3), group_size=2, axis=0),
    "padded groups along rows": QuantizedTensorType(SHAPE, UI3, zp=UI3, group_size=4, axis=0, pad=2),
    "blocks": QuantizedTensorType(SHAPE, F8, group_size=10, group_rows=3),
    "smaller blocks": QuantizedTensorType(SHAPE, UI3, zp=UI3, group_size=16, pad=12, group_rows=4, pad_rows=2),
    "blocks with a second level": QuantizedTensorType(SHAPE, I4, scale=SUPER, group_size=4, group_rows=2),
    "quantized zero points": QuantizedTensorType(SHAPE, UI3, zp=ScaleType(UI3, f16, 5), group_size=4),
}


@pytest.mark.parametrize("type", TYPES.values(), ids=TYPES)
def test_round_trip(type: QuantizedTensorType) -> None:
    format = type.format()
    w = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    array = quantize(w, format, "absmax" if format.symmetric else "minmax")
    store = WeightStore()
    put_quantized(store, "w", array, format)
    layouts = weight_layouts("w", type)
    assert set(store) == set(layouts)
    for name, (dtype, shape) in layouts.items():
        assert (store[name].dtype, store[name].shape) == (dtype, shape)
    back = read_quantized(store, "w", type)
    assert back.codes.tobytes() == array.codes.tobytes()
    assert back.codes.dtype == format.element.dtype
    np.testing.assert_array_equal(back.dequantize(), array.dequantize())
    declared = sum(math.prod(shape) * dtype.itemsize for dtype, shape in part_layouts(SHAPE, format).values())
    assert declared == sum(t.read().nbytes for _, t in store.items())


@pytest.mark.parametrize("type", TYPES.values(), ids=TYPES)
def test_rows_of_a_file(type: QuantizedTensorType, tmp_path: Path) -> None:
    """Real values read back from a safetensors file, some rows at a time, as quantizing a weight again does."""
    format = type.format()
    w = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    array = quantize(w, format, "absmax" if format.symmetric else "minmax")
    store = WeightStore()
    put_quantized(store, "w", array, format)
    with (tmp_path / "w.safetensors").open("wb") as file:
        assert len(list(write_safetensors(file, dict(store.items())))) == len(store)
    opened = WeightStore(dict(open_safetensors(tmp_path / "w.safetensors")))
    np.testing.assert_array_equal(read_quantized(opened, "w", type).dequantize(), array.dequantize())
    values = dequantized(opened, "w", type)
    for start, stop in ((0, 6), (1, 3), (4, 6), (3, 5)):
        np.testing.assert_array_equal(values.rows(start, stop), array.dequantize()[start:stop])


def test_layout_of_the_table() -> None:
    assert part_layouts(SHAPE, TYPES["groups"].format()) == {
        ".codes": (np.uint8, (6, 8)),  # 20 codes of 3 bits are 60 bits, each row on its own bytes
        ".scale": (ml_dtypes.bfloat16, (6, 5)),
        ".zero_point": (np.uint8, (6, 2)),  # five codes of 3 bits
    }
    assert part_layouts(SHAPE, TYPES["minimum"].format()) == {
        ".codes": (np.uint8, (6, 8)),
        ".scale": (np.float16, (6, 4)),
        ".min": (np.float16, (6, 4)),
    }
    assert part_layouts(SHAPE, TYPES["8-bit float"].format())[".codes"] == (ml_dtypes.float8_e4m3fn, SHAPE)
    assert part_layouts(SHAPE, TYPES["padded groups"].format())[".scale"] == (np.float32, (6, 2))
    assert part_layouts(SHAPE, TYPES["powers of two"].format())[".scale"] == (np.uint8, (6, 5))
    assert part_layouts(SHAPE, TYPES["super-blocks"].format()) == {
        ".codes": (np.uint8, (6, 8)),
        ".scale": (np.uint8, (6, 2)),  # five codes of 3 bits
        ".scale_scale": (np.float16, (6, 1)),
        ".min": (np.uint8, (6, 2)),
        ".min_scale": (np.float16, (6, 1)),
    }
    assert part_layouts(SHAPE, TYPES["one second level"].format()) == {
        ".codes": (np.uint8, (6, 10)),
        ".scale": (ml_dtypes.float8_e4m3fn, (6, 5)),
        ".scale_scale": (np.float32, (1,)),
    }
    assert part_layouts(SHAPE, TYPES["super-blocks of rows"].format()) == {
        ".codes": (np.uint8, (6, 10)),
        ".scale": (np.uint8, (3,)),  # six codes of 3 bits
        ".scale_scale": (ml_dtypes.bfloat16, (2,)),
    }
    assert part_layouts(SHAPE, TYPES["super-blocks along rows"].format()) == {
        ".codes": (np.uint8, (6, 10)),
        ".scale": (np.uint8, (3, 8)),  # twenty codes of 3 bits
        ".scale_scale": (np.float16, (1, 20)),
    }
    assert set(part_layouts(SHAPE, TYPES["quantized zero points"].format())) == {
        ".codes",
        ".scale",
        ".zero_point",
        ".zero_point_scale",
    }


def test_parts_are_packed_codes() -> None:
    format = TYPES["groups"].format()
    array = quantize(np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32), format, "minmax")
    parts = pack_parts(array, format)
    np.testing.assert_array_equal(parts[".codes"], pack(array.codes, 3))
    assert isinstance(array.zero_point, np.ndarray)
    np.testing.assert_array_equal(parts[".zero_point"], pack(array.zero_point, 3))


def test_a_part_that_is_missing_or_of_another_shape_is_named() -> None:
    type = TYPES["groups"]
    store = WeightStore({}, "weights.safetensors")
    put_quantized(store, "w", quantize(np.ones(SHAPE, np.float32), type.format(), "minmax"), type.format())
    store.add("w.scale", MemoryTensor(np.ones((6, 4), ml_dtypes.bfloat16)))
    expected = r"weights.safetensors: tensor 'w.scale' is bfloat16 \[6, 4\], but .* needs bfloat16 \[6, 5\]"
    with pytest.raises(InputError, match=expected):
        read_quantized(store, "w", type)
    store.remove("w.scale")
    with pytest.raises(InputError, match=r"weights.safetensors: there is no tensor 'w.scale'"):
        read_quantized(store, "w", type)


# -- every format: the bytes mean what the table says --

FLOAT_DTYPES = st.sampled_from([np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16), np.dtype(np.float32)])
INTEGERS = st.builds(Integer, st.integers(1, 8), st.booleans())
SIGNED = st.builds(Integer, st.integers(2, 8), st.just(True))
NAMES_OF_FLOATS = [
    *MINIFLOATS,
    *(minifloat_name(e, m, v) for e in range(2, 6) for m in range(5) if e + m <= 7 for v in VARIANTS),
]
SMALL_FLOATS = st.builds(Minifloat, st.sampled_from(NAMES_OF_FLOATS))
CODEBOOK_FORMATS = st.sampled_from(
    [element("nf4"), element("iq4_nl"), Codebook((0.5, -3.0)), Codebook((1.0, -1.0, 0.25, 8.0))]
)


@st.composite
def formats(draw: st.DrawFn) -> QuantizedFormat:
    """Any format of a matrix of 6 rows and 24 columns."""
    g = draw(
        st.sampled_from([Granularity(), Granularity(0), Granularity(1), *(Granularity(None, 4, r) for r in (None, 4))])
    )
    count = {None: 1, 0: 6, 1: 24}[g.axis] if g.group_size is None else 6

    def parameter() -> np.dtype[Any] | QuantizedFormat:
        if count == 1 or draw(st.booleans()):
            return draw(FLOAT_DTYPES)
        size = draw(st.sampled_from([None, 1, 2, 3, 6]))
        code = draw(st.one_of(INTEGERS.filter(lambda i: i.bits > 3), SMALL_FLOATS))
        return QuantizedFormat(code, draw(FLOAT_DTYPES), granularity=Granularity(group_size=size))

    scale = draw(st.just(POWER_OF_TWO)) if draw(st.integers(0, 3)) == 0 else parameter()
    if draw(st.booleans()):
        return QuantizedFormat(draw(st.one_of(SIGNED, SMALL_FLOATS, CODEBOOK_FORMATS)), scale, granularity=g)
    code = draw(INTEGERS)
    if draw(st.booleans()):
        return QuantizedFormat(code, scale, minimum=parameter(), granularity=g)
    return QuantizedFormat(code, scale, zero_point=code if draw(st.booleans()) else parameter(), granularity=g)


def stored_codes(stored: NDArray[Any], code: Element, length: int) -> NDArray[np.float64]:
    """Values of packed codes: code i is bits i * b to (i + 1) * b - 1 of its row, counted from bit 0 of byte 0."""
    rows = stored.view(np.uint8).reshape(-1, stored.shape[-1])
    table = np.arange(1 << code.bits, dtype=np.uint8)
    if isinstance(code, Integer):
        values = table.astype(np.float64)
        if code.signed:
            values[1 << (code.bits - 1) :] -= 1 << code.bits
    else:
        values = code.decode(table).astype(np.float64)
    read = [
        [
            values[int.from_bytes(row.tobytes(), "little") >> (i * code.bits) & ((1 << code.bits) - 1)]
            for i in range(length)
        ]
        for row in rows
    ]
    return np.array(read).reshape(*stored.shape[:-1], length)


def stored_parameters(store: WeightStore, name: str, kind: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Real scales, zero points or minima of a weight, from the bytes in the store."""
    stored = store[name].read()
    if isinstance(kind, QuantizedFormat):
        codes = stored_codes(stored, kind.element, shape[-1])
        second = store[f"{name}_scale"].read().astype(np.float64)
        size = kind.granularity.group_size
        return codes * (second if size is None else np.repeat(second, size, axis=-1))
    if not isinstance(kind, np.dtype):
        return stored_codes(stored, kind, shape[-1])
    return 2.0 ** (stored.astype(np.float64) - 127) if kind == POWER_OF_TWO else stored.astype(np.float64)


@settings(max_examples=150)
@given(formats(), st.integers(0, 1 << 16))
def test_stored_bytes_are_the_formula(format: QuantizedFormat, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (6, 24)
    w = (rng.standard_normal(shape) * rng.uniform(0.1, 5)).astype(np.float32)
    array = quantize(w, format, "absmax" if format.symmetric else "minmax")
    store = WeightStore()
    put_quantized(store, "w", array, format)
    g = format.granularity

    def expanded(suffix: str, kind: Any) -> NDArray[np.float64]:
        parameters = stored_parameters(store, f"w{suffix}", kind, g.parameter_shape(shape))
        if g.group_size is not None:
            return np.repeat(np.repeat(parameters, g.group_size, axis=1), g.group_rows or 1, axis=0)[:6]
        return parameters[:, None] if g.axis == 0 else parameters[None, :]

    codes = stored_codes(store["w.codes"].read(), format.element, 24)
    zero_point = 0.0 if format.zero_point is None else expanded(".zero_point", format.zero_point)
    minimum = 0.0 if format.minimum is None else expanded(".min", format.minimum)
    scale = expanded(".scale", format.scale)
    expected = (codes - zero_point) * scale + minimum
    read = read_quantized(store, "w", quantized_tensor_type(shape, format))
    size = np.abs(codes - zero_point) * np.abs(scale) + np.abs(minimum) + np.abs(zero_point * scale)
    assert (np.abs(read.dequantize() - expected) <= 1e-6 * size).all()


def test_a_block_has_one_scale() -> None:
    """Nothing is stored twice: of 6x20 in blocks of 4x16 there are 2x2 scales, also where blocks are smaller."""
    layouts = part_layouts(SHAPE, TYPES["smaller blocks"].format())
    assert layouts[".scale"] == (np.float32, (2, 2))
    assert layouts[".zero_point"] == (np.uint8, (2, 1))  # two codes of 3 bits
