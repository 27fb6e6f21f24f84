"""Values that are known before the program runs: constants in the text, weights in the program's store."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, ModuleOp, TensorType
from xdsl.ir import SSAValue

from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.fused import EncodeOp, RequantizeOp
from llmir.dialects.llm.quantization import QuantizedMatmulOp, QuantizeOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.values import dense_array
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp, weights
from llmir.formats.quantized import QuantizedArray, real
from llmir.program.context import LLMContext
from llmir.program.quantized_weights import read_quantized, weight_layouts
from llmir.program.store import WeightStore
from llmir.quantizers.parameters import Parameters, store_scale, store_zero_point


class KnownValues:
    """What is known about the values of one module; nothing about weights where it runs without a program."""

    def __init__(self, ctx: Context, module: ModuleOp):
        self.module = module
        self.store: WeightStore | None = ctx.weights if isinstance(ctx, LLMContext) else None
        self.declared: dict[str, WeightOp] = weights(module)

    def stored(self, value: SSAValue) -> WeightOp | None:
        """The weight a value is a load of, if its tensors are in the store."""
        owner = value.owner
        if not isinstance(owner, LoadWeightOp) or self.store is None:
            return None
        weight = self.declared.get(owner.symbol)
        if weight is None or not all(name in self.store for name in weight_layouts(weight.store_key, weight.type)):
            return None
        return weight

    def array(self, value: SSAValue) -> NDArray[Any] | None:
        """The values of a float tensor: a dense constant or a stored weight."""
        owner = value.owner
        if isinstance(owner, arith.ConstantOp):
            return dense_array(owner.value) if isinstance(owner.value, DenseIntOrFPElementsAttr) else None
        weight = self.stored(value)
        if weight is None or self.store is None or not isinstance(weight.type, TensorType):
            return None
        return self.store[weight.store_key].read()

    def parameters(self, value: SSAValue) -> Parameters | None:
        """The parameters of codes as float32, flat; None when found at run time."""
        owner, type = value.owner, value.type
        if not isinstance(type, QuantizedTensorType):
            return None
        if isinstance(owner, QuantizeOp | RequantizeOp | EncodeOp) and owner.scale is not None:
            return constant_parameters(type, owner.scale, owner.zero_point)
        if isinstance(owner, QuantizedMatmulOp) and owner.out_scale is not None:
            return constant_parameters(type, owner.out_scale, owner.out_zero_point)
        if isinstance(owner, ConstantOp):
            array = owner.value
        elif (weight := self.stored(value)) is not None and self.store is not None:
            array = read_quantized(self.store, weight.store_key, type)
        else:
            return None
        return flat_parameters(array)


def flat_parameters(array: QuantizedArray) -> Parameters:
    """Parameters in the order constants are written in: that of `Granularity.split`."""
    granularity, rank = array.granularity, array.codes.ndim

    def flat(values: NDArray[Any] | QuantizedArray) -> NDArray[np.float32]:
        grouped = granularity.group_size is not None
        known = real(values)
        return (np.moveaxis(known, granularity.group_axis(rank), -1) if grouped else known).reshape(-1)

    zero_point = None if array.zero_point is None else flat(array.zero_point)
    minimum = None if array.minimum is None else flat(array.minimum)
    return Parameters(flat(array.scale), zero_point, minimum)


def constant_parameters(
    type: QuantizedTensorType, scale: DenseIntOrFPElementsAttr, zero_point: DenseIntOrFPElementsAttr | None
) -> Parameters | None:
    """Constant parameters as a value of `type` carries them, None if a scale does not fit its type."""
    format = type.format()
    try:
        stored = store_scale(dense_array(scale).reshape(-1), format)
    except ValueError:
        return None
    point = None
    if zero_point is not None and format.zero_point is not None:
        point = real(store_zero_point(dense_array(zero_point).reshape(-1), format.zero_point))
    return Parameters(real(stored), point)
