"""`pack-kleidiai-weights{nr=4 kr=16 sr=2}`: pack layers of a flattened module into the bytes KleidiAI's kernels read.

The packed weight holds its bias too, as mllm stores it; the layer is then done and leaves the flattened module,
as does a bias nothing else uses. How a weight is packed follows from what it is:

| weight                                        | KleidiAI's packing |
|-----------------------------------------------|--------------------|
| i4, groups along K, bf16 scales               | qsi4c32p           |
| i4, groups along K, f32 scales and f32 minima | qai4c32p           |
| f16, f32                                      | f16p, f32p         |

The bytes are those of `llmir.formats.kleidiai`. They are packed in pieces of rows, so that memory stays small.

Options:
  modules     names, globs or `re:` patterns of the layers; each must match one (default `*`)
  nr          rows of a packed block
  kr, sr      KleidiAI's split of K, of codes only (default 16, 2)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import Float16Type, Float32Type, ModuleOp, TensorType
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass

from llmir.dialects.llm.flattened import encoded, is_flattened, remove_layer
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import shape_of
from llmir.dialects.llm.storage import storage_type
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor, float_dtype, quantized_tensor_type
from llmir.dialects.llm.weights import WeightOp, loads, weights
from llmir.errors import InputError
from llmir.formats import kleidiai
from llmir.formats.elements import Integer
from llmir.formats.quantized import QuantizedArray
from llmir.passes.assign_schemes import layers_by_name, match_all
from llmir.passes.locations import error_at, loaded_weight
from llmir.passes.remarks import remark
from llmir.program.context import program_context
from llmir.program.quantized_weights import read_quantized, weight_layouts
from llmir.program.store import WeightStore
from llmir.program.tensors import CHUNK_BYTES, MemoryTensor, Tensor

BFLOAT16, FLOAT16, FLOAT32 = np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16), np.dtype(np.float32)
BYTES = np.dtype(np.uint8)
FLOATS = ("f16p", "f32p")


@dataclass(frozen=True)
class KleidiaiPackingPass(ModulePass):
    """Pack layers of a flattened module into the bytes KleidiAI's kernels read."""

    name = "pack-kleidiai-weights"

    nr: int
    modules: tuple[str, ...] = ("*",)
    kr: int = 16
    sr: int = 2

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Pack; InputError names a layer whose weight has no packing, or is another layer's too."""
        if not is_flattened(op):
            raise InputError(f"{self.name}: packed weights cannot be computed with, it is for flattened modules")
        if self.nr < 1:
            raise InputError(f"{self.name}: nr={self.nr}, expected at least 1")
        store, layers = program_context(ctx, self.name).weights, layers_by_name(op)
        for name in match_all(self.modules, layers, self.name):
            for layer in layers[name]:
                try:
                    self._pack(layer, op, store)
                except ValueError as e:
                    raise error_at(layer, str(e), f"{self.name}: layer '{name}'") from e

    def _pack(self, layer: LinearOp | EmbeddingOp, module: ModuleOp, store: WeightStore) -> None:
        if isinstance(layer, EmbeddingOp):
            raise ValueError("is an embedding, only linear layers are packed")
        weight, bias = _declared(layer.weight, module), _declared(layer.bias, module)
        assert weight is not None
        if sum(load.symbol == weight.sym_name.data for load in loads(module)) > 1:
            raise ValueError(
                f"shares weight '{weight.sym_name.data}' with another layer, which could not read it packed"
            )
        beside = weight.sym_name.data.removesuffix("weight") + "bias"
        if bias is None and beside in weights(module):
            raise ValueError(f"'{beside}' is not a bias of it that fits, and would be lost; rename it to leave it out")
        values = None if bias is None else store[bias.store_key].read()
        packing, shape = _packing(weight.type), shape_of(layer.weight)
        size = SIZES[packing](shape, weight.type, self.nr)
        writer = store.writer(BYTES, (size,))
        for start, stop in _pieces(shape, self.nr):
            part = _rows(store, weight, start, stop)
            writer.append(self._bytes(packing, part, None if values is None else values[start:stop]))
        for old in weight_layouts(weight.store_key, weight.type):
            store.remove(old)
        store.add(weight.store_key, writer.finish())
        remove_layer(module, layer)
        weight.properties["type"] = TensorType(storage_type(BYTES), [size])
        encoded(weight, "Byte", shape)
        folded = "" if bias is None else ", its bias folded in"
        sizes = f"nr={self.nr}" if packing in FLOATS else f"nr={self.nr} kr={self.kr} sr={self.sr}"
        remark(weight, f"packed for KleidiAI as {packing} with {sizes}{folded}")
        if bias is not None and not any(load.symbol == bias.sym_name.data for load in loads(module)):
            store.remove(bias.store_key)
            bias.detach()
            bias.erase()

    def _bytes(self, packing: str, part: QuantizedArray | NDArray[Any], bias: NDArray[Any] | None) -> NDArray[np.uint8]:
        if not isinstance(part, QuantizedArray):
            return kleidiai.pack_rhs_float(part, bias, self.nr)
        group = part.granularity.group_size
        assert group is not None
        assert isinstance(part.scale, np.ndarray)
        if packing == "qsi4c32p":
            return kleidiai.pack_rhs_qsi4c32p(part.codes, part.scale, bias, self.nr, self.kr, self.sr, group)
        assert isinstance(part.minimum, np.ndarray)
        codes = (part.codes + np.int8(8)).view(np.uint8)
        return kleidiai.pack_rhs_qai4c32p(codes, part.scale, part.minimum, bias, self.nr, self.kr, self.sr, group)


def _declared(value: SSAValue | None, module: ModuleOp) -> WeightOp | None:
    """The weight behind a layer's operand."""
    load = None if value is None else loaded_weight(value)
    return None if load is None else weights(module)[load.symbol]


def _packing(type: Attribute) -> str:
    """What a weight of a type is packed as; ValueError when KleidiAI has no such weights."""
    if isinstance(type, QuantizedTensorType):
        form = type.format()
        along_k = form.granularity.axis in (None, 1) and form.granularity.group_rows is None
        grouped = form.granularity.group_size is not None and along_k
        if form.element == Integer(4, signed=True) and form.zero_point is None and grouped:
            if form.scale == BFLOAT16 and form.minimum is None:
                return "qsi4c32p"
            if form.scale == FLOAT32 and form.minimum == FLOAT32:
                return "qai4c32p"
    elif (tensor := as_tensor(type)) is not None and isinstance(tensor.element_type, Float16Type | Float32Type):
        return f"{tensor.element_type}p"
    raise ValueError(
        f"is {type}, expected i4 in groups along K with bf16 scales or with f32 scales and minima, f16, or f32"
    )


def _size_of_float(shape: tuple[int, ...], type: Attribute, nr: int) -> int:
    tensor = as_tensor(type)
    assert tensor is not None
    return kleidiai.size_rhs_float(shape[0], shape[1], nr, float_dtype(tensor.element_type))


def _size_of_codes(
    size: Callable[[int, int, int, int], int],
) -> Callable[[tuple[int, ...], Attribute, int], int]:
    def sized(shape: tuple[int, ...], type: Attribute, nr: int) -> int:
        assert isinstance(type, QuantizedTensorType)
        group = type.granularity.group_size
        assert group is not None
        return size(shape[0], shape[1], nr, group)

    return sized


SIZES: dict[str, Callable[[tuple[int, ...], Attribute, int], int]] = {
    "qsi4c32p": _size_of_codes(kleidiai.size_rhs_qsi4c32p),
    "qai4c32p": _size_of_codes(kleidiai.size_rhs_qai4c32p),
    "f16p": _size_of_float,
    "f32p": _size_of_float,
}
"""Bytes of a packed weight, by packing."""


def _pieces(shape: tuple[int, ...], nr: int) -> Iterator[tuple[int, int]]:
    """Row ranges of whole blocks; a block's bytes depend on no other."""
    step = max(1, CHUNK_BYTES // (4 * shape[1] * nr)) * nr
    for start in range(0, shape[0], step):
        yield start, min(shape[0], start + step)


def _rows(store: WeightStore, weight: WeightOp, start: int, stop: int) -> QuantizedArray | NDArray[Any]:
    """Some rows of a weight, read alone: groups run along K."""
    key, type = weight.store_key, weight.type
    if not isinstance(type, QuantizedTensorType):
        return store[key].rows(start, stop)
    parts: dict[str, Tensor] = {n: MemoryTensor(store[n].rows(start, stop)) for n in weight_layouts(key, type)}
    piece = quantized_tensor_type((stop - start, type.get_shape()[1]), type.format())
    return read_quantized(WeightStore(parts, store.source), key, piece)
