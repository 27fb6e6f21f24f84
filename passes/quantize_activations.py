"""`quantize-activations`: quantize and dequantize the inputs of layers with an input scheme (QDQ form).

linear(x, w) becomes linear(dequantize(quantize(x)), w). Static schemes take their scale (and zero point)
from the layer's `llm.input_statistics`, written by `calibrate`: scale = absmax / 2^(b-1) for b-bit integers,
absmax / largest value for float codes, or asymmetric (max - min) / (2^b - 1) over a range widened to contain
0; the methods `mlc_fp8` and `unit_scale` (which needs no statistics) have their own formulas. Dynamic schemes
compute them at run time, for each tensor, token or group, and round powers of two as the scheme says. Layers that
quantize the same value in the same way share one quantize.

The scheme's input part and the statistics are removed once they are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    ModuleOp,
    NoneAttr,
    StringAttr,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from llmir.dialects.llm.attributes import PER_TENSOR, QuantizationAttr
from llmir.dialects.llm.model import LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizeOp, shape_of
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.values import dense_attribute
from llmir.formats.quantized import QuantizedFormat
from llmir.passes.assign_schemes import finish_part, scheme_of
from llmir.passes.calibrate import STATISTICS, statistics_of
from llmir.passes.locations import error_at, module_name
from llmir.passes.rewriter import Rewriter
from llmir.quantizers.absmax import scale_of_range
from llmir.quantizers.minmax import parameters_of_range
from llmir.quantizers.mlc_fp8 import MLC_FP8
from llmir.quantizers.mlc_fp8 import scale_of_absmax as mlc_scale
from llmir.quantizers.parameters import Parameters, Stored
from llmir.quantizers.power_of_two import ROUNDINGS
from llmir.quantizers.unit_scale import UNIT_SCALE

Constant = DenseIntOrFPElementsAttr | None
Pair = tuple[SSAValue, Attribute, Constant, Constant, StringAttr | None]


@dataclass(frozen=True)
class ActivationQuantizationPass(ModulePass):
    """Quantize and dequantize the inputs of layers with an input scheme."""

    name = "quantize-activations"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Insert the pairs; InputError names a layer whose statistics are missing or unfit."""
        shared: dict[Pair, SSAValue] = {}
        for layer in [o for o in op.walk() if isinstance(o, LinearOp)]:
            scheme = scheme_of(layer)
            if scheme is None or not isinstance(scheme.input, QuantizationAttr):
                continue
            layer.operands[0] = quantized_input(layer, scheme.input, shared)
            finish_part(layer, "input")
            layer.attributes.pop(STATISTICS, None)


def quantized_input(layer: LinearOp, wanted: QuantizationAttr, shared: dict[Pair, SSAValue]) -> SSAValue:
    """The layer's input after quantize and dequantize."""
    if wanted.is_dynamic:
        return insert_pair(layer, dynamic_quantize(layer, wanted), shared)
    type = wanted.tensor_type(shape_of(layer.input))
    return insert_pair(layer, QuantizeOp(layer.input, type, *static_parameters(layer, wanted, type)), shared)


def dynamic_quantize(layer: LinearOp, wanted: QuantizationAttr) -> QuantizeOp:
    """A quantize of the layer's input that computes its parameters at run time."""
    rounding = None if wanted.scale_rounding.data == ROUNDINGS[0] else wanted.scale_rounding
    return QuantizeOp(layer.input, wanted.tensor_type(shape_of(layer.input)), scale_rounding=rounding)


def insert_pair(layer: LinearOp, quantize: QuantizeOp, shared: dict[Pair, SSAValue]) -> SSAValue:
    """The layer's input after a quantize and dequantize, which layers that quantize it alike share."""
    x = layer.input
    key = (x, quantize.output.type, quantize.scale, quantize.zero_point, quantize.scale_rounding)
    if key in shared:
        quantize.erase()
        return shared[key]
    quantize.output.name_hint = "quantized"
    dequantize = DequantizeOp(quantize.output, x.type)
    dequantize.output.name_hint = "dequantized"
    Rewriter.insert_op([quantize, dequantize], InsertPoint.before(layer))
    shared[key] = dequantize.output
    return dequantize.output


def static_parameters(
    layer: LinearOp, wanted: QuantizationAttr, type: QuantizedTensorType
) -> tuple[DenseIntOrFPElementsAttr, DenseIntOrFPElementsAttr | None]:
    """Constant scale and zero point from a layer's statistics."""
    called = f"layer '{module_name(layer)}'"
    if wanted.granularity.data != PER_TENSOR:
        fact = f"static input scales are per_tensor; use a dynamic scheme for {wanted.granularity.data}"
        raise error_at(layer, fact, called)
    if wanted.method.data == UNIT_SCALE:
        return dense_attribute(np.ones(1, np.float32), type.scale), None
    found = statistics_of(layer)
    if found is None:
        fact = "its static input scheme needs statistics; run calibrate first, or use a dynamic scheme"
        raise error_at(layer, fact, called)
    if found["granularity"] != "tensor":
        fact = f"was calibrated per {found['granularity']}, static scales need granularity=tensor"
        raise error_at(layer, fact, called)
    try:
        parameters = _parameters(wanted, type, found)
    except ValueError as e:
        raise error_at(layer, str(e), called) from e
    zero_point = None
    if parameters.zero_point is not None:
        assert not isinstance(type.zp, NoneAttr)
        zero_point = dense_attribute(np.asarray(parameters.zero_point), type.zp)
    return dense_attribute(np.asarray(parameters.scale), type.scale), zero_point


def _parameters(
    wanted: QuantizationAttr, type: QuantizedTensorType, found: dict[str, NDArray[np.float32]]
) -> Parameters:
    format = wanted.format(type.get_shape())
    if format.symmetric:
        return Parameters(static_scale(found["absmax"], wanted, format))
    if "min" not in found:
        raise ValueError("an asymmetric input needs its range; calibrate with statistic=minmax")
    zero = np.float32(0)
    return parameters_of_range(np.minimum(found["min"], zero), np.maximum(found["max"], zero), format)


def static_scale(absmax: NDArray[np.float32], wanted: QuantizationAttr, format: QuantizedFormat) -> Stored:
    """The scale [1] of a symmetric input for its largest magnitude [1], by the scheme's method."""
    choose = mlc_scale if wanted.method.data == MLC_FP8 else scale_of_range
    return choose(absmax, format)
