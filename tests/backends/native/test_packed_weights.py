"""Packed files hold the weights that slots name: merged, cut, interleaved, layer by layer, in bounded memory."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from native_weights import random_weight
from xdsl.dialects.builtin import ModuleOp

from llmir.backends.native import packed_weights
from llmir.backends.native.packed_weights import fingerprint, packed_bytes, packed_parts
from llmir.dialects.context import new_context
from llmir.dialects.kernel_symbols import WeightOp
from llmir.dialects.kernel_types import TilesType
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.dialects.llm.weights import weights
from llmir.dialects.parser import parse_module
from llmir.errors import InputError
from llmir.formats.native_tiles import TileLayout
from llmir.formats.quantized import QuantizedArray
from llmir.program.quantized_weights import put_quantized, real_weight
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor

Array = np.ndarray[Any, np.dtype[Any]]
DTYPES: dict[str, Any] = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32}

FORMS = {
    "group": "!llm.quantized_tensor<{n}x64xi4, scale=f16, symmetric=true, group_size=32>",
    "zero_points": "!llm.quantized_tensor<{n}x64xui4, scale=f16, zp=ui4, group_size=16>",
    "minima": "!llm.quantized_tensor<{n}x64xui5, scale=f16, min=f16, group_size=32>",
    "channel": "!llm.quantized_tensor<{n}x64xi8, scale=f32, symmetric=true, axis=0>",
    "codebook": "!llm.quantized_tensor<{n}x64x!llm.codebook<nf4>, scale=f32, symmetric=true, group_size=64>",
    "blocks": "!llm.quantized_tensor<{n}x64xf8E4M3FN, scale=f32, symmetric=true, group_size=32, group_rows=4>",
    "super": "!llm.quantized_tensor<{n}x64xui4, scale=!llm.scale<ui6, scale=f16, group_size=2>, "
    "min=!llm.scale<ui6, scale=f16, group_size=2>, group_size=16>",
    "f16": "tensor<{n}x64xf16>",
    "bf16": "tensor<{n}x64xbf16>",
    "f32": "tensor<{n}x64xf32>",
}


def declared(types: dict[str, str]) -> ModuleOp:
    lines = "\n".join(f"llm.weight @{name} : {type}" for name, type in types.items())
    return parse_module(new_context(), f"builtin.module {{\n{lines}\n}}", "weights.mlir")


def filled(module: ModuleOp, seed: int = 0) -> WeightStore:
    """Random values of all weights."""
    store, random = WeightStore(), np.random.default_rng(seed)
    for name, op in weights(module).items():
        if isinstance(op.type, QuantizedTensorType):
            n, k = op.type.get_shape()
            put_quantized(store, name, random_weight(op.type.format(), n, k, random), op.type.format())
        else:
            tensor = as_tensor(op.type)
            assert tensor is not None
            values = random.standard_normal(tensor.get_shape(), np.float32)
            store.add(name, MemoryTensor(values.astype(DTYPES[str(tensor.element_type)])))
    return store


def slots(text: str) -> ModuleOp:
    module = parse_module(new_context(), f"builtin.module {{\n{text}\n}}", "slots.mlir")
    module.verify()
    return module


def written(module: ModuleOp, stored: ModuleOp, store: WeightStore) -> Array:
    """The packed file's data."""
    data = np.full(packed_bytes(module), 0xAA, np.uint8)
    both, end = module.clone(), 0
    both.body.block.add_ops(op.clone() for op in stored.body.ops)
    for offset, part in packed_parts(both, store):
        assert offset >= end, "parts come in order"
        end = offset + part.nbytes
        data[offset:end] = part
    return data


def matrices(slot: WeightOp, data: Array) -> list[list[Array]]:
    """The float64 values of the matrices of each layer of a slot."""
    type = slot.type
    assert isinstance(type, TilesType)
    layout: TileLayout = type.layout
    count = type.interleave.data
    layers: list[list[Array]] = []
    for layer in range(len(slot.layers)):
        start = slot.offset.value.data + layer * slot.stride.value.data
        tiles = data[start : start + type.size].reshape(layout.tiles, count, layout.tile_bytes)
        layers.append([values(layout.unpack(np.ascontiguousarray(tiles[:, m]).reshape(-1))) for m in range(count)])
    return layers


def values(weight: Any) -> Array:
    return (weight.dequantize() if isinstance(weight, QuantizedArray) else weight).astype(np.float64)


def real(stored: ModuleOp, store: WeightStore, name: str) -> Array:
    op = weights(stored)[name]
    return real_weight(store, op.store_key, op.type).read().astype(np.float64)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("at_once", [1, 64 * 64, 1 << 20])
def test_merged_and_cut_rows_of_layers(monkeypatch: pytest.MonkeyPatch, form: str, at_once: int):
    """Two layers of two members, the second one rows 4-11, 20-27, ... of a weight; 76 rows, no whole tiles."""
    monkeypatch.setattr(packed_weights, "ELEMENTS_AT_ONCE", at_once)
    sizes = {"a0": 60, "b0": 40, "a1": 60, "b1": 40}
    stored = declared({name: FORMS[form].format(n=n) for name, n in sizes.items()})
    store = filled(stored)
    cut = "#kernel.rows<@b{0}, start=4, size=8, stride=16, count=2>"
    members = ", ".join(f"[@a{i}, {cut.format(i)}]" for i in range(2))
    type = f"!kernel.tiles<{FORMS[form].format(n=76)}, tile=32>"
    module = slots(f"kernel.weight @w {{members = [{members}], offset = 128 : i64, stride = 65536 : i64}} : {type}")
    (slot,) = module.body.ops
    assert isinstance(slot, WeightOp)
    for layer, (matrix,) in enumerate(matrices(slot, written(module, stored, store))):
        a, b = (real(stored, store, f"{name}{layer}") for name in "ab")
        assert np.array_equal(matrix, np.concatenate([a, b[4:12], b[20:28]]))


@pytest.mark.parametrize("form", ["group", "zero_points", "super", "bf16"])
def test_interleaved_matrices(form: str):
    """Tiles of two matrices alternate; each matrix is of two members and padded by itself."""
    stored = declared({name: FORMS[form].format(n=36) for name in "abcd"})
    store = filled(stored)
    type = f"!kernel.tiles<{FORMS[form].format(n=72)}, tile=16, interleave=2>"
    module = slots(f"kernel.weight @w {{members = [[@a, @b, @c, @d]], offset = 0 : i64, stride = 0 : i64}} : {type}")
    (slot,) = module.body.ops
    assert isinstance(slot, WeightOp)
    ((first, second),) = matrices(slot, written(module, stored, store))
    assert np.array_equal(first, np.concatenate([real(stored, store, name) for name in "ab"]))
    assert np.array_equal(second, np.concatenate([real(stored, store, name) for name in "cd"]))


def test_one_scale_for_a_tensor_becomes_one_for_each_row():
    one = "!llm.quantized_tensor<{n}x64xi8, scale=f32, symmetric=true>"
    stored = declared({"a": one.format(n=20), "b": one.format(n=12)})
    store = filled(stored)
    type = f"!kernel.tiles<{FORMS['channel'].format(n=32)}, tile=16>"
    module = slots(f"kernel.weight @w {{members = [[@a, @b]], offset = 0 : i64, stride = 0 : i64}} : {type}")
    (slot,) = module.body.ops
    assert isinstance(slot, WeightOp)
    ((matrix,),) = matrices(slot, written(module, stored, store))
    assert np.array_equal(matrix, np.concatenate([real(stored, store, "a"), real(stored, store, "b")]))


def test_different_scales_of_tensors_cannot_be_one():
    one = "!llm.quantized_tensor<{n}x64xi8, scale=f32, symmetric=true>"
    stored = declared({"a": one.format(n=16), "b": one.format(n=16)})
    type = f"!kernel.tiles<{one.format(n=32)}, tile=16>"
    module = slots(f"kernel.weight @w {{members = [[@a, @b]], offset = 0 : i64, stride = 0 : i64}} : {type}")
    with pytest.raises(InputError, match="weights a, b cannot be packed: each has one parameter for all its rows"):
        written(module, stored, filled(stored))


def test_vectors_are_float32_with_what_is_added_to_them():
    stored = declared({"a": "tensor<6xf16>", "b": "tensor<4xf32>"})
    store = filled(stored)
    module = slots(
        'kernel.weight @v {members = [[@a, @b]], offset = 0 : i64, stride = 0 : i64} : memref<10xf32, "weights">\n'
        "kernel.weight @s {members = [[@b]], offset = 64 : i64, stride = 0 : i64, shift = 1.5 : f32} "
        ': memref<4xf32, "weights">'
    )
    data = written(module, stored, store)
    a, b = real(stored, store, "a"), real(stored, store, "b")
    assert np.array_equal(data[:40].view(np.float32), np.concatenate([a, b]).astype(np.float32))
    assert np.array_equal(data[64:80].view(np.float32), b.astype(np.float32) + np.float32(1.5))
    assert len(data) == 80


def test_slots_of_layers_alternate_in_the_file():
    stored = declared(dict.fromkeys(("n0", "n1", "m0", "m1"), "tensor<16xf32>"))
    store = filled(stored)
    module = slots(
        "\n".join(
            f"kernel.weight @{name} {{members = [[@{name}0], [@{name}1]], offset = {offset} : i64, stride = 256 : i64}}"
            ' : memref<16xf32, "weights">'
            for name, offset in (("m", 64), ("n", 0))
        )
    )
    data = written(module, stored, store)
    for at, name in ((0, "n0"), (64, "m0"), (256, "n1"), (320, "m1")):
        assert np.array_equal(data[at : at + 64].view(np.float32), real(stored, store, name).astype(np.float32))


def test_values_that_cannot_be_multiplied_are_refused():
    stored = declared({"a": FORMS["blocks"].format(n=16)})
    store = filled(stored)
    codes: Any = store["a.codes"].read().copy()
    codes.view(np.uint8)[3, 5] = 0x7F  # NaN
    store.add("a.codes", MemoryTensor(codes))
    type = f"!kernel.tiles<{FORMS['blocks'].format(n=16)}, tile=16>"
    module = slots(f"kernel.weight @w {{members = [[@a]], offset = 0 : i64, stride = 0 : i64}} : {type}")
    with pytest.raises(InputError, match="weights a cannot be packed: f8E4M3FN codes that are no finite numbers"):
        written(module, stored, store)


def test_a_fingerprint_is_of_names_and_values():
    stored = declared({"a": FORMS["group"].format(n=8), "b": "tensor<4xf32>"})
    store = filled(stored)
    same = fingerprint(stored, store)
    assert same == fingerprint(stored, filled(stored))
    changed = store["b"].read().copy()
    changed[2] += 1
    store.add("b", MemoryTensor(changed))
    assert fingerprint(stored, store) != same
    assert fingerprint(declared({"b": "tensor<4xf32>"}), store) != fingerprint(stored, store)
