"""`use-observed-scales`: quantize inputs with the scales that a program's observers measured.

The last of MLC-LLM's three steps. The observers that `insert-observers` put in are taken out again, with their
`<layer>.q_calibration_scale` weights; each input's quantize and dequantize get that scale as a constant. Layers
that quantize the same value with the same scale share one quantize. The scheme's input part is removed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from llmir.dialects.llm.attributes import QuantizationAttr
from llmir.dialects.llm.model import LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, ObserveOp, QuantizeOp, shape_of
from llmir.dialects.llm.values import dense_attribute
from llmir.dialects.llm.weights import WeightOp, weights
from llmir.errors import InputError
from llmir.passes.assign_schemes import finish_part
from llmir.passes.insert_observers import OBSERVED_SCALE, observers, statically_quantized
from llmir.passes.locations import error_at, module_name
from llmir.passes.quantize_activations import Pair, insert_pair
from llmir.passes.rewriter import Rewriter
from llmir.program.context import program_context
from llmir.program.store import WeightStore


@dataclass(frozen=True)
class ObservedScalePass(ModulePass):
    """Quantize inputs with the scales that a program's observers measured."""

    name = "use-observed-scales"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace observers by constants; InputError when there are none, or they have measured nothing."""
        store = program_context(ctx, self.name).weights
        found, declared = observers(op), weights(op)
        if not found:
            raise InputError(
                f"{self.name}: the program has no observers; give --calibration FILE, or start from a program "
                "made with -q e4m3_e4m3_f16_max_calibrate and measured with llmir calibrate"
            )
        shared: dict[Pair, SSAValue] = {}
        for layer, wanted in statically_quantized(op):
            name = module_name(layer)
            observer, weight = found.get(name), declared.get(name + OBSERVED_SCALE)
            if observer is None or weight is None:
                fact = f"has no observer or no {OBSERVED_SCALE} weight"
                raise error_at(layer, fact, f"{self.name}: layer '{name}'")
            scale = measured_scale(store, layer, weight)
            use_scale(layer, wanted, observer, scale, shared)
            store.remove(weight.store_key)
            Rewriter.erase_op(weight)


def measured_scale(store: WeightStore, layer: LinearOp, weight: WeightOp) -> np.float32:
    """The scale of a layer's input, kept as a weight; InputError when it was not measured."""
    key = weight.store_key
    scale = np.float32(store[key].read().reshape(-1)[0])
    if scale == 0:
        fact = "its input scale is not measured yet; run llmir calibrate on the program"
        raise error_at(layer, fact, f"layer '{module_name(layer)}'")
    if not (np.isfinite(scale) and scale > 0):
        raise error_at(weight, f"a scale of {scale} is not finite and positive", f"tensor '{key}'")
    return scale


def use_scale(
    layer: LinearOp,
    wanted: QuantizationAttr,
    observer: ObserveOp,
    scale: np.float32,
    shared: dict[Pair, SSAValue],
) -> None:
    """Quantize a layer's observed value with a constant scale, in place of the scale of the value at hand."""
    before = layer.input.owner
    layer.operands[0] = observer.input
    type = wanted.tensor_type(shape_of(layer.input))
    quantize = QuantizeOp(layer.input, type, dense_attribute(np.array([scale]), type.scale))
    layer.operands[0] = insert_pair(layer, quantize, shared)
    finish_part(layer, "input")
    Rewriter.erase_op(observer)
    if isinstance(before, DequantizeOp) and not before.output.uses:
        replaced = before.input.owner
        Rewriter.erase_op(before)
        if isinstance(replaced, QuantizeOp) and not replaced.output.uses:
            Rewriter.erase_op(replaced)
