"""`unpack-weights`: store packed weights as codes and scales, or floats, again.

The inverse of `pack-weights`: every `llm.weight` that says `kernel.layout` and `kernel.unpacked` gets the type it
holds, and the tensors of that type; its loads pack it when the program is loaded. Packing it again gives the same
bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute
from xdsl.passes import ModulePass

from llmir.dialects.kernel import LAYOUT, UNPACKED, LayoutAttr, LoadOp, packed_type, weight_form
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import WeightOp, weights
from llmir.formats.quantized import QuantizedArray
from llmir.passes.locations import error_at
from llmir.program.context import program_context
from llmir.program.quantized_weights import put_quantized
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor


@dataclass(frozen=True)
class WeightUnpackingPass(ModulePass):
    """Store packed weights as codes and scales, or floats, again."""

    name = "unpack-weights"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Unpack; InputError when a weight is not what its attributes say."""
        store = program_context(ctx, self.name).weights
        unpacked = {
            name: unpack(store, weight) for name, weight in weights(op).items() if UNPACKED in weight.attributes
        }
        for load in op.walk():
            if isinstance(load, LoadOp) and load.symbol in unpacked:
                load.properties["stored"] = unpacked[load.symbol]


def unpack(store: WeightStore, weight: WeightOp) -> Attribute:
    """Replace a packed weight in the store, and its declaration; the type it holds."""
    layout, type = weight.attributes.get(LAYOUT), weight.attributes[UNPACKED]
    if not isinstance(layout, LayoutAttr):
        raise error_at(weight, f"weight '{weight.sym_name.data}' says {UNPACKED} but not {LAYOUT}")
    if weight.type != packed_type(layout, type):
        packed = packed_type(layout, type)
        raise error_at(weight, f"weight '{weight.sym_name.data}' is {weight.type}, but {layout} of {type} is {packed}")
    key = weight.store_key
    try:
        value = layout.packing.unpack(store[key].read(), *weight_form(type))
    except ValueError as e:
        raise error_at(weight, f"tensor '{key}': {e}", store.source) from e
    store.remove(key)
    if isinstance(value, QuantizedArray):
        assert isinstance(type, QuantizedTensorType)
        put_quantized(store, key, value, type.format())
    else:
        store.add(key, MemoryTensor(value))
    weight.properties["type"] = type
    del weight.attributes[LAYOUT], weight.attributes[UNPACKED]
    return type
