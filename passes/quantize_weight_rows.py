"""`quantize-weight-rows{average-bits=5}`: mixed precision, each row of a weight in one of several formats.

The weights of the chosen layers become `!llm.mixed_quantized_tensor`s: every row (output channel) is symmetric in
one of `types`, with one absmax scale. All rows of a weight start in the narrowest type; then the row that loses
most squared error for each bit it grows is widened, again and again while the codes of this weight take at most
`average-bits` on average (`llmir.quantizers.mixed`). Scales, and the selector with a byte for each row, come on top.

As with `quantize-weights`, loads are followed by `llm.dequantize`, and a weight in the text becomes an
`llm.constant`. One matrix is in memory at a time. A weight that is quantized already is quantized again from its
dequantized values, and its layers carry a remark that says so; layers that are left alone carry one that says why.
A weight that layers share is quantized once, and all of them must be chosen. A program without weights is refused:
which row has which type depends on their values.

Options:
  average-bits  bits a code may take on average, in each weight
  types         types a row can have, at least two: signed integers i2..i8, floats and codebooks as for
                `assign-schemes` (default i8,i4)
  scale         type of the scales: f16, bf16, f32 or f64 (default f32)
  modules       names or patterns of the layers, as for `assign-schemes`; each must match one (default `*`)
  exclude       names or patterns taken out again; each must match one
  ops           kinds of layers: `linear`, `embedding`, `router` (default `linear`)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.ir import Attribute
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.constant import ConstantOp, ConstantType
from llmir.dialects.llm.element_types import element_type, float_type
from llmir.dialects.llm.mixed import MixedQuantizedTensorType, MixedType
from llmir.errors import InputError
from llmir.formats.elements import element
from llmir.formats.mixed import MixedArray
from llmir.passes.assign_schemes import (
    FLOAT_TYPES,
    is_quantized,
    layers_by_name,
    match_all,
    refuse_quantized,
    scheme_of,
    why_left_alone,
)
from llmir.passes.layer_weights import (
    ConstantWeight,
    Layer,
    StoredWeight,
    chosen_layers,
    constant_values,
    replace_stored,
    weights_of_layers,
)
from llmir.passes.locations import error_at, errors_at, module_name
from llmir.passes.quantize_weights import has_weight_scheme, replace_weight, shape_of_weight
from llmir.passes.remarks import REMARK, remark
from llmir.program.context import LLMContext, program_context
from llmir.program.quantized_weights import real_weight
from llmir.quantizers.mixed import choose_formats, quantize_mixed


@dataclass(frozen=True)
class WeightRowQuantizationPass(ModulePass):
    """Quantize each row of a weight in one of several formats, within a budget of bits."""

    name = "quantize-weight-rows"

    average_bits: float
    types: tuple[str, ...] = ("i8", "i4")
    scale: str = "f32"
    modules: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    ops: tuple[str, ...] = ("linear",)

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Quantize the weights of the chosen layers; InputError names what cannot be."""
        self.check()
        refuse_quantized(op, self.modules, self.name)
        layers = chosen_layers(op, self.modules, self.exclude, self.ops, self.name)
        for layer in layers:
            if has_weight_scheme(layer):
                fact = "its scheme says how its weight is quantized; run quantize-weights first, or exclude the layer"
                raise error_at(layer, fact, f"{self.name}: layer '{module_name(layer)}'")
        stored, constants = weights_of_layers(op, layers, self.name)
        if stored:
            self._quantize_stored(program_context(ctx, self.name), stored)
        for weight in constants:
            self._quantize_constant(weight)
        self._remark_others(op)

    def check(self) -> None:
        """InputError unless the options make a type that can be quantized to within the budget."""
        if self.scale not in FLOAT_TYPES:
            raise InputError(f"{self.name}: unknown scale '{self.scale}', expected one of {', '.join(FLOAT_TYPES)}")
        try:
            rows = np.zeros((len(self.types), 1), np.float32)
            format = self.result_type(rows.shape).format()
            quantize_mixed(rows, format, np.arange(len(rows)))
            choose_formats(rows, format, self.average_bits)
        except (VerifyException, ValueError) as e:
            raise InputError(f"{self.name}: {e}") from e

    def result_type(self, shape: Sequence[int]) -> MixedQuantizedTensorType:
        """The type of a weight of a shape."""
        types = MixedType(ArrayAttr(element_type(element(name)) for name in self.types))
        return MixedQuantizedTensorType(shape, types, float_type(FLOAT_TYPES[self.scale]))

    def quantized(self, values: NDArray[Any]) -> MixedArray:
        """A weight quantized; ValueError when a value is not finite or a scale does not fit."""
        format = self.result_type(values.shape).format()
        return quantize_mixed(values, format, choose_formats(values, format, self.average_bits))

    def _quantize_stored(self, program: LLMContext, weights: list[StoredWeight]) -> None:
        for done, weight in enumerate(weights):
            program.progress("quantizing rows", done, len(weights))
            declared, before = weight.declaration, weight.declaration.type
            with errors_at(declared):
                values = real_weight(program.weights, declared.store_key, before).read()
            try:
                array = self.quantized(values)
            except ValueError as e:
                raise error_at(declared, str(e), f"tensor '{declared.store_key}'") from e
            replace_stored(program.weights, weight, self.result_type(shape_of_weight(declared)), array)
            _say(weight.layers, before)
        program.progress("quantizing rows", len(weights), len(weights))

    def _quantize_constant(self, weight: ConstantWeight) -> None:
        constant, before = weight.constant, weight.constant.results[0].type
        with errors_at(constant):
            array = self.quantized(constant_values(constant))
        replace_weight(constant, ConstantOp(array, self.result_type(array.codes.shape)))
        _say(weight.layers, before)

    def _remark_others(self, module: ModuleOp) -> None:
        """Say why layers are left alone, unless another pass quantized them or shall."""
        layers = layers_by_name(module)
        excluded = match_all(self.exclude, layers, self.name) if self.exclude else []
        for name, same_name in layers.items():
            for layer in same_name:
                if scheme_of(layer) is None and not is_quantized(layer):
                    remark(layer, why_left_alone(layer, self.ops, excluded=name in excluded))


def _say(layers: list[Layer], before: Attribute) -> None:
    """What is to be said of layers that are done, in place of why they were left alone before."""
    for layer in layers:
        layer.attributes.pop(REMARK, None)
        if isinstance(before, ConstantType):
            remark(layer, f"quantized again, from {before.get_element_type()} codes")
