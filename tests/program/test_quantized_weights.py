"""Quantized weights in a store: what parts there are, their layout, and the way back."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from xdsl.dialects.builtin import bf16, f16, f32

from llmir.dialects.llm.types import QuantizedTensorType, element_type
from llmir.errors import InputError
from llmir.formats.elements import element
from llmir.formats.packing import pack
from llmir.program.quantized_weights import (
    pack_parts,
    part_layouts,
    put_quantized,
    read_quantized,
    stored_bits,
    weight_layouts,
)
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor
from llmir.quantizers.registry import quantize

SHAPE = (6, 20)
I4, UI3, UI8, F8, F4 = (element_type(element(n)) for n in ("i4", "ui3", "ui8", "f8E4M3FN", "f4E2M1FN"))
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
    assert stored_bits(SHAPE, format) == 8 * sum(t.read().nbytes for _, t in store.items())


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


def test_parts_are_packed_codes() -> None:
    format = TYPES["groups"].format()
    array = quantize(np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32), format, "minmax")
    parts = pack_parts(array, format)
    np.testing.assert_array_equal(parts[".codes"], pack(array.codes, 3))
    assert array.zero_point is not None
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
