"""`assign-schemes`: write on every selected layer what shall be done to it, as its `llm.scheme`.

Layers are named as in the checkpoint (`model.layers.0.self_attn.q_proj`, `lm_head`, `model.embed_tokens`).
A pattern is a name, a glob (`*`, `?`, `[...]`) or, after `re:`, a regular expression that matches from the start.
Run it once for each rule; a later rule replaces what an earlier one wrote. Layers without a scheme afterwards
carry an `llm.remark` that says why they are left alone.

Options:
  modules       names or glob patterns of the layers the rule is for; each must match one (default `*`)
  exclude       names or patterns taken out again; each must match one
  ops           kinds of layers: `linear`, `embedding`, `router` (the linear layers that choose experts; default
                `linear`)
  weight-type   element type of the codes; empty leaves weights alone. Integers i1..i8, ui1..ui8; floats by MLIR's
                name (f8E4M3FN, f4E2M1FN, ...) or by shape (e3m4, ocp_e4m3, fnuz_e5m2: at most 8 bits with the sign);
                codebooks nf4, iq4_nl, "codebook:[-1.0, 0.0, 0.5, 1.0]"
  weight-scale  type of the scales: f16, bf16, f32, f64, or f8E8M0FNU for powers of two (default f32); with
                weight-scale-scale a type of codes
  weight-scale-scale  float type of a second level of scales: the scales are quantized themselves
  weight-scale-group-size  scales that share one of the second level, along the input dimension (default: all)
  weight-scale-rounding  mx, floor, ceil, round or midmax, for scales that are powers of two (default mx; see
                `llmir.quantizers.power_of_two`)
  weight-zero-point, weight-min  type of zero points (integer or float) or minima (float); neither is symmetric
  weight-zero-point-scale, weight-zero-point-group-size, weight-min-scale, weight-min-group-size  as for scales
  weight-granularity  per_tensor, per_channel (a scale for each output channel) or per_group (default
                per_group if a group size is given, else per_channel)
  weight-group-size  elements of a group
  weight-group-axis  dimension of the weight that groups run along: 1, the input dimension, or 0, the output dimension
                (default 1)
  weight-group-rows  rows of a group: groups are blocks of so many rows by weight-group-size elements of the input
                dimension (default: groups are parts of one row)
  weight-method absmax, signed_absmax, minmax, mse, gguf or mlc, ... (`llmir.quantizers.registry`; default absmax if
                symmetric, else minmax)
  weight-smallest-range  ranges (largest magnitudes, or largest less smallest values) below it count as it (default 0)
  weight-narrow-range  leave out one code, the lowest of signed integers or the highest of unsigned ones
  weight-pad    allow a last group that is shorter than the group size, and a last block of fewer rows
  input-type, input-scale, input-scale-scale, input-scale-group-size, input-scale-rounding, input-zero-point,
                input-group-size  likewise for the layer's input
  input-granularity  per_tensor, per_token or per_group (default per_tensor)
  input-pad     allow a last group that is shorter than the group size
  input-dynamic compute the input's scales at run time instead of from calibration
  input-method  absmax, minmax, mlc_fp8 or unit_scale, which needs no calibration (default absmax if symmetric, else
                minmax)
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import AnyFloat, Float8E8M0FNUType, IntAttr, IntegerType, ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.attributes import PER_CHANNEL, PER_GROUP, PER_TENSOR, QuantizationAttr, SchemeAttr
from llmir.dialects.llm.element_types import CodebookType, ScaleType, element_type, float_type
from llmir.dialects.llm.mixture import RouteOp
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp, shape_of
from llmir.dialects.llm.types import as_tensor
from llmir.errors import InputError
from llmir.formats.elements import Integer, element
from llmir.passes.locations import error_at, module_name
from llmir.passes.remarks import NOT_QUANTIZED, REMARK, remark
from llmir.program.safetensors_file import DTYPES
from llmir.quantizers.registry import quantize

SCHEME = "llm.scheme"
RANGE_METHODS = ("absmax", "signed_absmax", "minmax", "mse", "hqo")
NARROW_METHODS = ("absmax", "minmax", "mse", "hqo")
KEEPS_CODES = "keeps its codes: "
"""How a remark begins on a layer whose weight is quantized already and stays as it is."""
REGEX = "re:"
"""Before a pattern that is a regular expression."""
KINDS = ("linear", "embedding", "router")
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
    weight_scale_scale: str = ""
    weight_scale_group_size: int | None = None
    weight_scale_rounding: str = "mx"
    weight_zero_point: str = ""
    weight_zero_point_scale: str = ""
    weight_zero_point_group_size: int | None = None
    weight_min: str = ""
    weight_min_scale: str = ""
    weight_min_group_size: int | None = None
    weight_granularity: str = ""
    weight_group_size: int | None = None
    weight_group_axis: int = 1
    weight_group_rows: int | None = None
    weight_method: str = ""
    weight_smallest_range: float = 0.0
    weight_narrow_range: bool = False
    weight_pad: bool = False
    input_type: str = ""
    input_scale: str = "f32"
    input_scale_scale: str = ""
    input_scale_group_size: int | None = None
    input_scale_rounding: str = "mx"
    input_zero_point: str = ""
    input_granularity: str = ""
    input_group_size: int | None = None
    input_pad: bool = False
    input_dynamic: bool = False
    input_method: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Annotate layers; InputError for a pattern without a match or a scheme a layer cannot have."""
        scheme = self.scheme()
        layers = layers_by_name(op)
        refuse_quantized(op, self.modules, self.name)
        chosen = match_all(self.modules, layers, self.name)
        excluded = match_all(self.exclude, layers, self.name) if self.exclude else []
        for name in chosen:
            for layer in layers[name]:
                if name not in excluded and kind_of(layer) in self.ops:
                    check_layer(name, layer, scheme)
                    layer.attributes[SCHEME] = scheme
                    layer.attributes.pop(REMARK, None)
        for name, same_name in layers.items():
            for layer in same_name:
                if SCHEME not in layer.attributes:
                    why = why_left_alone(layer, self.ops, excluded=name in excluded)
                    keeps = is_quantized(layer)
                    remark(layer, why.replace(NOT_QUANTIZED, KEEPS_CODES) if keeps else why)

    def scheme(self) -> SchemeAttr:
        """The scheme the options describe; InputError when they contradict each other."""
        check_kinds(self.ops, self.name)
        try:
            weight = self._weight()
            if weight is not None:  # the method must be able to make the format: try it on a group of zeros
                shape = weight.smallest_shape
                quantize(np.zeros(shape, np.float32), weight.format(shape), weight.method.data)
            return SchemeAttr(weight, self._input())
        except (VerifyException, ValueError) as e:
            raise InputError(f"{self.name}: {e}") from e

    def _weight(self) -> QuantizationAttr | None:
        if not self.weight_type:
            return None
        symmetric = not self.weight_zero_point and not self.weight_min
        grouped = self.weight_group_size is not None
        if self.weight_group_axis not in (0, 1):
            raise ValueError(f"weight-group-axis is {self.weight_group_axis}, expected 0 or 1")
        return QuantizationAttr(
            element_type(element(self.weight_type)),
            scale=_scale("weight-scale", self.weight_scale, self.weight_scale_scale, self.weight_scale_group_size),
            zp=_zero_point(self.weight_zero_point, self.weight_zero_point_scale, self.weight_zero_point_group_size),
            min=_minimum(self.weight_min, self.weight_min_scale, self.weight_min_group_size),
            granularity=self.weight_granularity or (PER_GROUP if grouped else PER_CHANNEL),
            group_size=self.weight_group_size,
            axis=None if self.weight_group_axis == 1 else 0,
            group_rows=self.weight_group_rows,
            method=self.weight_method or ("absmax" if symmetric else "minmax"),
            scale_rounding=self.weight_scale_rounding,
            smallest_range=self._smallest_range(),
            narrow_range=self._narrow_range(),
            pad=self.weight_pad,
        )

    def _smallest_range(self) -> float:
        """The least range of a group, for the methods that compute scales from ranges."""
        if self.weight_smallest_range and self.weight_method not in ("", *RANGE_METHODS):
            raise ValueError(f"weight-smallest-range is for the methods {', '.join(RANGE_METHODS)}")
        return self.weight_smallest_range

    def _narrow_range(self) -> bool:
        """Whether one code is left out, by the methods that can."""
        if not self.weight_narrow_range:
            return False
        if not isinstance(element(self.weight_type), Integer):
            raise ValueError(f"weight-narrow-range is for integers, {self.weight_type} codes are none")
        if self.weight_method not in ("", *NARROW_METHODS):
            raise ValueError(f"weight-narrow-range is for the methods {', '.join(NARROW_METHODS)}")
        return True

    def _input(self) -> QuantizationAttr | None:
        if not self.input_type:
            return None
        grouped = self.input_group_size is not None
        if self.input_scale_rounding == "midmax" and isinstance(element(self.input_type), Integer):
            raise ValueError("midmax rounds the scales of float codes; use mx, floor, ceil or round for integers")
        return QuantizationAttr(
            element_type(element(self.input_type)),
            scale=_scale("input-scale", self.input_scale, self.input_scale_scale, self.input_scale_group_size),
            zp=_zero_point(self.input_zero_point, "", None),
            granularity=self.input_granularity or (PER_GROUP if grouped else PER_TENSOR),
            group_size=self.input_group_size,
            method=self.input_method or ("minmax" if self.input_zero_point else "absmax"),
            scale_rounding=self.input_scale_rounding,
            pad=self.input_pad,
            dynamic=self.input_dynamic,
        )


def quantizable(module: ModuleOp) -> list[LinearOp | EmbeddingOp]:
    """The layers a scheme can be written on, in order."""
    return [op for op in module.walk() if isinstance(op, LinearOp | EmbeddingOp)]


def layers_by_name(module: ModuleOp) -> dict[str, list[LinearOp | EmbeddingOp]]:
    """The layers of each name: a checkpoint's names are its own, but plain IR may use one several times."""
    named: dict[str, list[LinearOp | EmbeddingOp]] = {}
    for layer in quantizable(module):
        named.setdefault(module_name(layer), []).append(layer)
    return named


def weight_of(op: Operation) -> SSAValue:
    """The weight of a layer."""
    return op.table if isinstance(op, EmbeddingOp) else op.operands[1]


def check_kinds(ops: tuple[str, ...], who: str) -> None:
    """InputError for a kind of layer that does not exist."""
    for kind in ops:
        if kind not in KINDS:
            raise InputError(f"{who}: unknown kind of layer '{kind}', expected {', '.join(KINDS)}")


def refuse_quantized(module: ModuleOp, patterns: tuple[str, ...], who: str) -> None:
    """InputError when a pattern speaks of layers that multiply codes already."""
    done = [op for op in module.walk() if isinstance(op, QuantizedMatmulOp)]
    for pattern in patterns:
        hits = [op for op in done if matches(module_name(op), pattern)]
        if hits:
            such = f"{len(hits)} layers that match '{pattern}' are quantized already, such as '{module_name(hits[0])}'"
            raise error_at(hits[0], f"{such}; start from the original model", who)


def is_quantized(layer: LinearOp | EmbeddingOp) -> bool:
    """True when a layer's weight is codes, dequantized or not."""
    weight = weight_of(layer)
    return isinstance(weight.owner, DequantizeOp) or as_tensor(weight.type) is None


def why_left_alone(layer: Operation, ops: tuple[str, ...], *, excluded: bool) -> str:
    """Why a layer is not quantized that a recipe for some kinds of layers did not choose."""
    if excluded:
        return f"{NOT_QUANTIZED}excluded by the recipe"
    if kind_of(layer) not in ops and kind_of(layer) == "router":
        return f"{NOT_QUANTIZED}router of a mixture of experts"
    if kind_of(layer) not in ops:
        return f"{NOT_QUANTIZED}the recipe is for {' and '.join(ops)} layers"
    return f"{NOT_QUANTIZED}matched by no rule of the recipe"


def match_all(patterns: tuple[str, ...], layers: Collection[str], who: str) -> list[str]:
    """Names matched by any pattern; InputError names a pattern that matches nothing."""
    matched: list[str] = []
    for pattern in patterns:
        hits = [name for name in layers if matches(name, pattern)]
        if not hits:
            near = difflib.get_close_matches(pattern, layers, 1, 0)
            hint = f"; the nearest layer is '{near[0]}'" if near else ""
            raise InputError(f"{who}: pattern '{pattern}' matches none of {len(layers)} layers{hint}")
        matched += [h for h in hits if h not in matched]
    return matched


def matches(name: str, pattern: str) -> bool:
    """True when a pattern means a layer; InputError for a regular expression that cannot be read."""
    if not pattern.startswith(REGEX):
        return fnmatchcase(name, pattern)
    try:
        return re.match(pattern.removeprefix(REGEX), name) is not None
    except re.error as e:
        raise InputError(f"pattern '{pattern}' is not a regular expression: {e}") from e


def check_layer(name: str, layer: LinearOp | EmbeddingOp, scheme: SchemeAttr) -> None:
    """InputError when a layer's shapes do not admit the scheme."""
    try:
        if isinstance(scheme.weight, QuantizationAttr):
            check_groups(scheme.weight, shape_of(weight_of(layer)))
            scheme.weight.tensor_type(shape_of(weight_of(layer)))
        if isinstance(scheme.input, QuantizationAttr):
            if isinstance(layer, EmbeddingOp):
                raise VerifyException("an embedding's input are token ids, which cannot be quantized")
            check_input_groups(scheme.input, shape_of(layer.input))
            scheme.input.tensor_type(shape_of(layer.input))
    except VerifyException as e:
        raise error_at(layer, str(e), f"layer '{name}'") from e


def check_groups(wanted: QuantizationAttr, shape: tuple[int, ...]) -> None:
    """VerifyException when groups do not divide a weight's dimension and may not be padded."""
    group, size = wanted.group_size.data if isinstance(wanted.group_size, IntAttr) else 1, shape[wanted.group_axis]
    if size % group and not wanted.allows_padding:
        raise VerifyException(
            f"group_size {group} does not divide its {'output' if wanted.group_axis == 0 else 'input'} size {size}; "
            "use a divisor, "
            "or allow a short last group with weight-pad (llmir quantize --pad)"
        )
    rows = wanted.group_rows.data if isinstance(wanted.group_rows, IntAttr) else 1
    if shape[-2] % rows and not wanted.allows_padding:
        raise VerifyException(
            f"group_rows {rows} does not divide its output size {shape[-2]}; use a divisor, "
            "or allow a last block of fewer rows with weight-pad (llmir quantize --pad)"
        )


def check_input_groups(wanted: QuantizationAttr, shape: tuple[int, ...]) -> None:
    """VerifyException when groups do not divide an input's last dimension and may not be padded."""
    group = wanted.group_size.data if isinstance(wanted.group_size, IntAttr) else 1
    if shape[-1] > 0 and shape[-1] % group and not wanted.allows_padding:
        raise VerifyException(
            f"group_size {group} of its input does not divide the input size {shape[-1]}; use a divisor, "
            "or allow a short last group with input-pad (llmir quantize --pad)"
        )


def _float(name: str) -> AnyFloat:
    if name not in FLOAT_TYPES:
        raise ValueError(f"unknown float type '{name}', expected one of {', '.join(FLOAT_TYPES)}")
    return float_type(FLOAT_TYPES[name])


def _scale(option: str, name: str, second: str, group_size: int | None) -> AnyFloat | ScaleType:
    """The type of scales or minima: a float, or codes whose second level is `second`."""
    if second:
        codes = element_type(element(name))
        if isinstance(codes, CodebookType):
            raise ValueError(f"{option} is {name}; codes of scales are integers or floats")
        return ScaleType(codes, _float(second), group_size)
    if group_size is not None:
        raise ValueError(f"{option}-group-size is for a second level of scales; give {option}-scale too")
    if name == "f8E8M0FNU":
        return Float8E8M0FNUType()
    if name not in FLOAT_TYPES:
        expected = f"{', '.join(FLOAT_TYPES)}, f8E8M0FNU, or a type of codes together with {option}-scale"
        raise ValueError(f"unknown float type '{name}' of {option}, expected one of {expected}")
    return _float(name)


def _minimum(name: str, second: str, group_size: int | None) -> AnyFloat | ScaleType | None:
    if not name:
        return _without("weight-min", second, group_size)
    return _scale("weight-min", name, second, group_size)


def _zero_point(name: str, second: str, group_size: int | None) -> IntegerType | AnyFloat | ScaleType | None:
    if not name:
        return _without("weight-zero-point", second, group_size)
    if second or group_size is not None or name in FLOAT_TYPES:
        return _scale("weight-zero-point", name, second, group_size)
    codes = element_type(element(name))
    if not isinstance(codes, IntegerType):
        raise ValueError(f"zero points are integers or f16, bf16, f32, f64, got {name}")
    return codes


def _without(option: str, second: str, group_size: int | None) -> None:
    """Nothing; ValueError when a second level was described all the same."""
    if second or group_size is not None:
        raise ValueError(f"{option}-scale and {option}-group-size need {option}")


def kind_of(layer: Operation) -> str:
    """`linear`, `embedding` or, of linear layers whose results choose experts, `router`."""
    if isinstance(layer, EmbeddingOp):
        return "embedding"
    routes = any(isinstance(use.operation, RouteOp) for result in layer.results for use in result.uses)
    return "router" if routes else "linear"


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
