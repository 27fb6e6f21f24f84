"""`insert-observers`: prepare a program to measure its static input scales while it runs, as MLC-LLM does.

For every layer with a static input scheme: an `llm.observe` of its input, whose site is the layer's name and
`.input`; a weight `<layer>.q_calibration_scale`, float32 [1], 0 until it is measured; and a quantize and
dequantize of the input with the scale of the value at hand, so that layers below see what they will see. The
scheme's input part stays, for `use-observed-scales`. `update-observed-scales` (`llmir calibrate`) measures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, NoneAttr, TensorType, f32
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from llmir.dialects.llm.attributes import PER_TENSOR, QuantizationAttr
from llmir.dialects.llm.model import LinearOp
from llmir.dialects.llm.quantization import ObserveOp
from llmir.dialects.llm.weights import WeightOp, weights
from llmir.errors import InputError
from llmir.passes.assign_schemes import scheme_of
from llmir.passes.locations import error_at, module_name
from llmir.passes.quantize_activations import Pair, dynamic_quantize, insert_pair
from llmir.passes.rewriter import Rewriter
from llmir.program.context import program_context
from llmir.program.tensors import MemoryTensor
from llmir.quantizers.unit_scale import UNIT_SCALE

SITE = ".input"
OBSERVED_SCALE = ".q_calibration_scale"


@dataclass(frozen=True)
class ObserverInsertionPass(ModulePass):
    """Observe the inputs of layers with a static input scheme, and give each a scale to be measured."""

    name = "insert-observers"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Insert observers, weights and quantization; InputError when there is nothing to observe."""
        store = program_context(ctx, self.name).weights
        layers = statically_quantized(op)
        if not layers:
            raise InputError(f"{self.name}: no layer has a static input scheme; run assign-schemes first")
        shared: dict[Pair, SSAValue] = {}
        declared = list(weights(op).values())
        place = InsertPoint.after(declared[-1]) if declared else InsertPoint.at_start(op.body.block)
        for layer, wanted in layers:
            name = module_name(layer)
            check(layer, wanted)
            scale = WeightOp(name + OBSERVED_SCALE, TensorType(f32, [1]))
            scale.location = layer.location
            store.add(scale.store_key, MemoryTensor(np.zeros(1, np.float32)))
            Rewriter.insert_op(scale, place)
            place = InsertPoint.after(scale)
            observer = ObserveOp(layer.input, name + SITE)
            Rewriter.insert_op(observer, InsertPoint.before(layer))
            layer.operands[0] = insert_pair(layer, dynamic_quantize(layer, wanted), shared)


def check(layer: LinearOp, wanted: QuantizationAttr) -> None:
    """InputError for a scheme whose scale is no single positive number."""
    if not isinstance(wanted.zp, NoneAttr) or wanted.granularity.data != PER_TENSOR:
        fact = f"observed scales are symmetric and per_tensor, its input scheme is {wanted}"
        raise error_at(layer, fact, f"insert-observers: layer '{module_name(layer)}'")


def statically_quantized(module: ModuleOp) -> list[tuple[LinearOp, QuantizationAttr]]:
    """The layers whose input scheme is static and needs data, and that scheme."""
    schemes = [(op, scheme_of(op)) for op in module.walk() if isinstance(op, LinearOp)]
    inputs = [(op, scheme.input) for op, scheme in schemes if scheme is not None]
    schemes_of_inputs = [(op, wanted) for op, wanted in inputs if isinstance(wanted, QuantizationAttr)]
    return [(op, w) for op, w in schemes_of_inputs if not w.is_dynamic and w.method.data != UNIT_SCALE]


def observers(module: ModuleOp) -> dict[str, ObserveOp]:
    """The observers of layer inputs by the layer's name."""
    return {
        op.site.data.removesuffix(SITE): op
        for op in module.walk()
        if isinstance(op, ObserveOp) and op.site.data.endswith(SITE)
    }
