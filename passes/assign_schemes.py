"""`assign-schemes`: write on every selected layer what shall be done to it, as its `llm.scheme`.

Layers are named as in the checkpoint (`model.layers.0.self_attn.q_proj`, `lm_head`, `model.embed_tokens`).
Run it once for each rule; a later rule replaces what an earlier one wrote. Layers without a scheme afterwards
carry an `llm.remark` that says why they are left alone.

Options:
  modules       names or glob patterns of the layers the rule is for; each must match one (default `*`)
  exclude       names or patterns taken out again; each must match one
  ops           kinds of layers: `linear`, `embedding` (default `linear`)
  weight-type   element type of the codes: i2..i8, ui2..ui8, f8E4M3FN, f8E5M2, ...; empty leaves weights alone
  weight-scale  float type of the scales (default f32)
  weight-zero-point, weight-min  type of zero points or minima; neither is symmetric
  weight-granularity  per_tensor, per_channel (a scale for each output channel) or per_group (default
                per_group if a group size is given, else per_channel)
  weight-group-size  elements of a group, along the input dimension
  weight-method absmax, minmax, mse or mlc (default absmax if symmetric, else minmax)
  weight-narrow-range  leave out the most negative code
  weight-pad    allow a last group that is shorter than the group size
  input-type, input-scale, input-zero-point, input-group-size  likewise for the layer's input
  input-granularity  per_tensor, per_token or per_group (default per_tensor)
  input-dynamic compute the input's scales at run time instead of from calibration
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import AnyFloat, IntAttr, IntegerType, ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.attributes import PER_CHANNEL, PER_GROUP, PER_TENSOR, QuantizationAttr, SchemeAttr
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import QuantizedMatmulOp, shape_of
from llmir.dialects.llm.types import element_type, float_type
from llmir.errors import InputError
from llmir.formats.elements import element
from llmir.passes.locations import module_name
from llmir.passes.remarks import NOT_QUANTIZED, REMARK, remark
from llmir.program.safetensors_file import DTYPES
from llmir.quantizers.registry import quantize

SCHEME = "llm.scheme"
KINDS: dict[str, type[LinearOp] | type[EmbeddingOp]] = {"linear": LinearOp, "embedding": EmbeddingOp}
FLOAT_TYPES = {"f16": DTYPES["F16"], "bf16": DTYPES["BF16"], "f32": DTYPES["F32"], "f64": DTYPES["F64"]}


@dataclass(frozen=True)
class SchemeAssignmentPass(ModulePass):
    """Write on every selected layer how its weight and input shall be quantized."""

    name = "assign-schemes"

    modules: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    ops: tuple[str, ...] = ("linear",)
    weight_type: str = ""
    weight_scale: str = "f32"
    weight_zero_point: str = ""
    weight_min: str = ""
    weight_granularity: str = ""
    weight_group_size: int | None = None
    weight_method: str = ""
    weight_narrow_range: bool = False
    weight_pad: bool = False
    input_type: str = ""
    input_scale: str = "f32"
    input_zero_point: str = ""
    input_granularity: str = ""
    input_group_size: int | None = None
    input_dynamic: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Annotate layers; InputError for a pattern without a match or a scheme a layer cannot have."""
        scheme = self.scheme()
        layers = {module_name(layer): layer for layer in quantizable(op)}
        self._refuse_quantized(op)
        chosen = [n for n in match_all(self.modules, layers, self.name) if self._is_kind(layers[n])]
        excluded = match_all(self.exclude, layers, self.name) if self.exclude else []
        for name in chosen:
            if name not in excluded:
                check_layer(name, layers[name], scheme)
                layers[name].attributes[SCHEME] = scheme
                layers[name].attributes.pop(REMARK, None)
        for name, layer in layers.items():
            if SCHEME not in layer.attributes:
                remark(layer, self._reason(name, layer, excluded))

    def _refuse_quantized(self, module: ModuleOp) -> None:
        """InputError when a pattern speaks of layers that multiply codes already."""
        done = [module_name(op) for op in module.walk() if isinstance(op, QuantizedMatmulOp)]
        for pattern in self.modules:
            hits = [name for name in done if fnmatchcase(name, pattern)]
            if hits:
                raise InputError(
                    f"{self.name}: {len(hits)} layers that match '{pattern}' are quantized already, such as "
                    f"'{hits[0]}'; start from the original model"
                )

    def _is_kind(self, layer: Operation) -> bool:
        return any(isinstance(layer, KINDS[kind]) for kind in self.ops)

    def _reason(self, name: str, layer: Operation, excluded: list[str]) -> str:
        if name in excluded:
            return f"{NOT_QUANTIZED}excluded by the recipe"
        if not self._is_kind(layer):
            return f"{NOT_QUANTIZED}the recipe is for {' and '.join(self.ops)} layers"
        return f"{NOT_QUANTIZED}matched by no rule of the recipe"

    def scheme(self) -> SchemeAttr:
        """The scheme the options describe; InputError when they contradict each other."""
        for kind in self.ops:
            if kind not in KINDS:
                raise InputError(f"{self.name}: unknown kind of layer '{kind}', expected linear or embedding")
        try:
            weight = self._weight()
            if weight is not None:  # the method must be able to make the format: try it on a group of zeros
                shape = (1, self.weight_group_size or 1)
                quantize(np.zeros(shape, np.float32), weight.format(shape), weight.method.data)
            return SchemeAttr(weight, self._input())
        except (VerifyException, ValueError) as e:
            raise InputError(f"{self.name}: {e}") from e

    def _weight(self) -> QuantizationAttr | None:
        if not self.weight_type:
            return None
        symmetric = not self.weight_zero_point and not self.weight_min
        grouped = self.weight_group_size is not None
        return QuantizationAttr(
            element_type(element(self.weight_type)),
            scale=_float(self.weight_scale),
            zp=_zero_point(self.weight_zero_point),
            min=_float(self.weight_min) if self.weight_min else None,
            granularity=self.weight_granularity or (PER_GROUP if grouped else PER_CHANNEL),
            group_size=self.weight_group_size,
            method=self.weight_method or ("absmax" if symmetric else "minmax"),
            narrow_range=self.weight_narrow_range,
            pad=self.weight_pad,
        )

    def _input(self) -> QuantizationAttr | None:
        if not self.input_type:
            return None
        grouped = self.input_group_size is not None
        return QuantizationAttr(
            element_type(element(self.input_type)),
            scale=_float(self.input_scale),
            zp=_zero_point(self.input_zero_point),
            granularity=self.input_granularity or (PER_GROUP if grouped else PER_TENSOR),
            group_size=self.input_group_size,
            method="minmax" if self.input_zero_point else "absmax",
            dynamic=self.input_dynamic,
        )


def quantizable(module: ModuleOp) -> list[LinearOp | EmbeddingOp]:
    """The layers a scheme can be written on, in order."""
    return [op for op in module.walk() if isinstance(op, LinearOp | EmbeddingOp)]


def weight_of(op: Operation) -> SSAValue:
    """The weight of a layer."""
    return op.table if isinstance(op, EmbeddingOp) else op.operands[1]


def match_all(patterns: tuple[str, ...], layers: Collection[str], who: str) -> list[str]:
    """Names matched by any pattern; InputError names a pattern that matches nothing."""
    matched: list[str] = []
    for pattern in patterns:
        hits = [name for name in layers if fnmatchcase(name, pattern)]
        if not hits:
            near = difflib.get_close_matches(pattern, layers, 1, 0)
            hint = f"; the nearest layer is '{near[0]}'" if near else ""
            raise InputError(f"{who}: pattern '{pattern}' matches none of {len(layers)} layers{hint}")
        matched += [h for h in hits if h not in matched]
    return matched


def check_layer(name: str, layer: LinearOp | EmbeddingOp, scheme: SchemeAttr) -> None:
    """InputError when a layer's shapes do not admit the scheme."""
    try:
        if isinstance(scheme.weight, QuantizationAttr):
            check_groups(scheme.weight, shape_of(weight_of(layer))[-1])
            scheme.weight.tensor_type(shape_of(weight_of(layer)))
        if isinstance(scheme.input, QuantizationAttr):
            if isinstance(layer, EmbeddingOp):
                raise VerifyException("an embedding's input are token ids, which cannot be quantized")
            scheme.input.tensor_type(shape_of(layer.input))
    except VerifyException as e:
        raise InputError(f"layer '{name}': {e}") from e


def check_groups(wanted: QuantizationAttr, size: int) -> None:
    """VerifyException when groups do not divide a layer's input size and may not be padded."""
    group = wanted.group_size.data if isinstance(wanted.group_size, IntAttr) else 1
    if size % group and not wanted.allows_padding:
        raise VerifyException(
            f"group_size {group} does not divide its input size {size}; use a divisor, "
            "or allow a short last group with weight-pad (llmir quantize --pad)"
        )


def _float(name: str) -> AnyFloat:
    if name not in FLOAT_TYPES:
        raise ValueError(f"unknown float type '{name}', expected one of {', '.join(FLOAT_TYPES)}")
    return float_type(FLOAT_TYPES[name])


def _zero_point(name: str) -> IntegerType | AnyFloat | None:
    if not name:
        return None
    return _float(name) if name in FLOAT_TYPES else element_type(element(name))


def scheme_of(op: Operation) -> SchemeAttr | None:
    """The scheme written on a layer."""
    scheme = op.attributes.get(SCHEME)
    return scheme if isinstance(scheme, SchemeAttr) else None


def finish_part(op: Operation, part: str) -> None:
    """Take the `weight` or `input` part off a layer's scheme, once it is done."""
    scheme = scheme_of(op)
    assert scheme is not None
    other = scheme.input if part == "weight" else scheme.weight
    if not isinstance(other, QuantizationAttr):
        del op.attributes[SCHEME]
    else:
        op.attributes[SCHEME] = SchemeAttr(input=other) if part == "weight" else SchemeAttr(weight=other)
