"""`convert-llm-to-linalg`: write a module of the `llm` dialect in upstream MLIR: linalg, arith, math, tensor, func.

The result is what `mlir-opt` verifies and compilers such as IREE take. A quantized tensor becomes several tensors:
codes, scales, and zero points or minima if it has them; a parameter that is quantized itself is again codes and
scales. So an argument, a result or a weight of such a type becomes several, in that order. Codes are `i8`, those of
floats and codebooks being bit patterns that a table decodes; 8-bit floats MLIR knows keep their type. Unsigned
integers become signless ones.

Weights become arguments of the functions that load them, or whose callees do, after their own arguments and in
the order the module declares them: `weight_arguments` in Python gives their names in the store. With
`weights=constants` they are written into the text instead, which is for small models. Mixed and sparse codes have
no form of their own: constants of these types are written as the floats they stand for, all else is refused.

Products of codes on both sides are summed as i32, exactly, wherever neither side's parameters change along K
within a run of at least two elements; other products are computed in f32 from dequantized values. Sums of floats
are accumulated in f32 in any order, so results agree with the reference backend up to rounding, and integer
results that are rounded from them may differ by one. What has no linalg form is refused: experts
(`llm.dispatch`: the number of rows depends on values), `llm.observe`, quantizing to formats MLIR has no conversion
to, and choosing quantized or power-of-two scales at run time. The messages of definitions (a token id outside of
the table, a full cache, values that are not finite) are not part of the result.

Options:
  weights       `arguments` or `constants` (default `arguments`)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    AnyFloat,
    DenseIntOrFPElementsAttr,
    FunctionType,
    ModuleOp,
    Signedness,
    TensorType,
    f32,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from llmir.dialects.llm import (
    AttentionOp,
    ConstantOp,
    DequantizeOp,
    EmbeddingOp,
    EncodeOp,
    GatedActivationOp,
    GeluOp,
    LayerNormOp,
    LinearOp,
    LoadWeightOp,
    PositionsOp,
    QuantizeBiasOp,
    QuantizedMatmulOp,
    QuantizedTensorType,
    QuantizeOp,
    ReluOp,
    RequantizeOp,
    RMSNormOp,
    RopeOp,
    ScaleOp,
    ShiftOp,
    SiluOp,
    SoftcapOp,
    TransposeOp,
    UpdateCacheOp,
    WeightOp,
)
from llmir.dialects.llm.attributes import RopeScalingAttr
from llmir.dialects.llm.quantization import integer_code
from llmir.dialects.llm.values import attribute_value, dense_array
from llmir.dialects.llm.weights import weights as declared_weights
from llmir.dialects.operation_error import OperationError
from llmir.errors import InputError
from llmir.formats.quantized import QuantizedFormat
from llmir.passes.linalg import model, quantization
from llmir.passes.linalg.builder import Graph, Size, element_type, shape_of
from llmir.passes.linalg.values import (
    Codes,
    Value,
    assemble,
    constant_codes,
    is_irregular,
    real_tensor,
    signedness,
    upstream_types,
)
from llmir.passes.locations import error_at
from llmir.program.context import program_context
from llmir.program.quantized_weights import read_quantized, real_weight, weight_layouts
from llmir.program.store import WeightStore
from llmir.semantics.model import rope_frequencies


@dataclass(frozen=True)
class ConvertLLMToLinalgPass(ModulePass):
    """Write a module of the `llm` dialect in upstream MLIR."""

    name = "convert-llm-to-linalg"

    weights: Literal["arguments", "constants"] = "arguments"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace every function; InputError names an operation that has no upstream form."""
        store = program_context(ctx, self.name).weights if self.weights == "constants" else None
        conversion = _Module(op, store)
        functions = [o for o in op.body.ops if isinstance(o, func.FuncOp)]
        converted = [conversion.function(f) for f in functions]
        for old in [o for o in op.body.ops if isinstance(o, WeightOp)]:
            old.detach()
            old.erase()
        for old, new in zip(functions, converted, strict=True):
            block = cast(Block, old.parent)
            block.insert_op_before(new, old)
            old.detach()
            old.erase()
        for key in [k for k in op.attributes if k.startswith("llm.")]:
            del op.attributes[key]


def weight_arguments(module: ModuleOp) -> dict[str, list[str]]:
    """The tensors of the store that each function of an `llm` module takes as arguments after its own, in order."""
    declared = declared_weights(module)
    return {
        function: [name for w in used for name in weight_layouts(declared[w].store_key, declared[w].type)]
        for function, used in _used_weights(module).items()
    }


def _used_weights(module: ModuleOp) -> dict[str, list[str]]:
    """The weights each function loads, or its callees do, in the order of their declarations."""
    functions = {o.sym_name.data: o for o in module.body.ops if isinstance(o, func.FuncOp)}
    order = {name: i for i, name in enumerate(declared_weights(module))}
    found: dict[str, set[str]] = {}

    def visit(name: str) -> set[str]:
        if name not in found:
            found[name] = set()
            for op in functions[name].body.walk() if name in functions else ():
                if isinstance(op, LoadWeightOp):
                    found[name].add(op.symbol)
                elif isinstance(op, func.CallOp):
                    found[name] |= visit(op.callee.string_value())
        return found[name]

    return {name: sorted(visit(name), key=order.__getitem__) for name in functions}


class _Module:
    """What the functions of a module share."""

    def __init__(self, module: ModuleOp, store: WeightStore | None):
        self.declared = declared_weights(module)
        self.used = _used_weights(module)
        self.store = store

    def weight_types(self, function: str) -> list[Attribute]:
        """The types of the weights a function takes as arguments."""
        if self.store is not None:
            return []
        return [type for name in self.used[function] for type in self.argument_types(name)]

    def argument_types(self, weight: str) -> list[Attribute]:
        """The types of the arguments that a weight becomes."""
        try:
            return upstream_types(self.declared[weight].type)
        except InputError as e:
            fact = f"as an argument: {e}; use weights=constants"
            raise OperationError(self.declared[weight], fact, f"weight '{weight}' {fact}") from e

    def function(self, op: func.FuncOp) -> func.FuncOp:
        """A function in upstream MLIR."""
        name = op.sym_name.data
        try:
            inputs = [t for type in op.function_type.inputs.data for t in upstream_types(type)]
            results = [t for type in op.function_type.outputs.data for t in upstream_types(type)]
        except InputError as e:
            raise error_at(op, str(e)) from e
        inputs += self.weight_types(name)
        visibility = op.sym_visibility
        if op.is_declaration:
            declaration = func.FuncOp(name, FunctionType.from_lists(inputs, results), Region(), visibility)
            declaration.location = op.location
            return declaration
        if len(op.body.blocks) != 1:
            fact = "needs exactly one block to be converted"
            raise OperationError(op, fact, f"function @{name} {fact}")
        block = Block(arg_types=inputs)
        new = func.FuncOp(name, FunctionType.from_lists(inputs, results), Region(block), visibility)
        new.location = op.location
        _Function(self, name, block).convert(op.body.blocks[0])
        return new

    def constant_weight(self, graph: Graph, name: str) -> Value:
        """A weight of the store as a constant."""
        assert self.store is not None
        weight = self.declared[name]
        if isinstance(weight.type, QuantizedTensorType):
            return constant_codes(graph, read_quantized(self.store, weight.store_key, weight.type))
        values = real_weight(self.store, weight.store_key, weight.type).read()
        if is_irregular(weight.type):
            return graph.constant(values, f32)
        return graph.constant(values, cast("TensorType[Attribute]", weight.type).get_element_type())


class _Function:
    def __init__(self, module: _Module, name: str, block: Block):
        self.module, self.name, self.block = module, name, block
        self.values: dict[SSAValue, Value] = {}
        self.weights: dict[str, Value] = {}

    def convert(self, old: Block) -> None:
        """Convert the operations of a block one after the other."""
        arguments = iter(self.block.args)
        for argument in old.args:
            self.values[argument] = self._named(assemble(argument.type, arguments), argument.name_hint)
        if self.module.store is None:
            for name in self.module.used[self.name]:
                value = assemble(self.module.declared[name].type, arguments)
                self.weights[name] = self._named(value, ".".join(name.split(".")[-2:]))
        for op in old.ops:
            self.operation(op)

    def _named(self, value: Value, hint: str | None) -> Value:
        for part in value.parts() if isinstance(value, Codes) else [value]:
            part.name_hint = hint
        return value

    def operation(self, op: Operation) -> None:
        """Add what an operation becomes."""
        graph = Graph(self.block, op.location)
        try:
            if not isinstance(op, LoadWeightOp | ConstantOp):  # those are written as what they stand for
                for value in op.results:
                    upstream_types(value.type)
            results = self._results(graph, op)
        except (InputError, ValueError) as e:
            raise error_at(op, str(e)) from e
        for old, new in zip(op.results, results, strict=True):
            self.values[old] = new
            (new.codes if isinstance(new, Codes) else new).name_hint = old.name_hint

    def _results(self, graph: Graph, op: Operation) -> list[Value]:
        match op:
            case func.ReturnOp():
                graph.builder.insert(func.ReturnOp(*self._parts(op.arguments)))
                return []
            case func.CallOp():
                return self._call(graph, op)
            case LoadWeightOp():
                return [self._weight(graph, op.symbol)]
            case ConstantOp() if isinstance(op.result.type, QuantizedTensorType):
                return [constant_codes(graph, op.value)]
            case ConstantOp():
                return [graph.constant(op.contents.dequantize(), f32)]
            case _ if type(op) in RULES:
                return [RULES[type(op)](self, graph, op)]
            case _ if op.dialect_name() in ("arith", "tensor", "math", "linalg"):
                return self._kept(graph, op)
            case _:
                raise InputError("has no form in linalg, arith and tensor")

    def _weight(self, graph: Graph, name: str) -> Value:
        if name not in self.weights:
            self.weights[name] = self.module.constant_weight(graph, name)
        return self.weights[name]

    def _parts(self, values: Any) -> list[SSAValue]:
        found = [self.values[v] for v in values]
        return [part for v in found for part in (v.parts() if isinstance(v, Codes) else [v])]

    def _call(self, graph: Graph, op: func.CallOp) -> list[Value]:
        callee = op.callee.string_value()
        arguments = self._parts(op.arguments)
        if self.module.store is None:
            for name in self.module.used.get(callee, []):
                weight = self.weights[name]
                arguments += weight.parts() if isinstance(weight, Codes) else [weight]
        types = [t for r in op.results for t in upstream_types(r.type)]
        call = func.CallOp(callee, arguments, types)
        graph.builder.insert(call)
        results: Iterator[SSAValue] = iter(call.results)
        return [assemble(r.type, results) for r in op.results]

    def _kept(self, graph: Graph, op: Operation) -> list[Value]:
        """An operation that is upstream MLIR already, on the new operands."""
        for value in (*op.operands, *op.results):
            if upstream_types(value.type) != [value.type]:
                raise InputError(f"cannot be kept, since {value.type} is not an upstream type")
        clone = op.clone({v: self.tensor(v) for v in op.operands})
        for key in [k for k in clone.attributes if k.startswith("llm.")]:
            del clone.attributes[key]
        graph.builder.insert(clone)
        return list(clone.results)

    def value(self, old: SSAValue) -> Value:
        """What a value became."""
        return self.values[old]

    def optional(self, old: SSAValue | None) -> Value | None:
        """What an optional operand became."""
        return None if old is None else self.values[old]

    def tensor(self, old: SSAValue) -> SSAValue:
        """What a value became that is one value."""
        value = self.values[old]
        assert isinstance(value, SSAValue)
        return value

    def optional_tensor(self, old: SSAValue | None) -> SSAValue | None:
        """What an optional operand became that is one value."""
        return None if old is None else self.tensor(old)

    def codes(self, old: SSAValue) -> Codes:
        """What a quantized tensor became."""
        value = self.values[old]
        assert isinstance(value, Codes)
        return value


def _element(value: SSAValue) -> AnyFloat:
    """The element type of a tensor of floats."""
    return cast(AnyFloat, element_type(value))


def _is_signed(value: SSAValue) -> bool:
    """Whether a tensor of integers counts as two's complement."""
    return signedness(element_type(value)) is not Signedness.UNSIGNED


def _static(
    scale: DenseIntOrFPElementsAttr | None, zero_point: DenseIntOrFPElementsAttr | None
) -> tuple[NDArray[Any], NDArray[Any] | None] | None:
    if scale is None:
        return None
    return dense_array(scale), None if zero_point is None else dense_array(zero_point)


def _format(value: SSAValue) -> QuantizedFormat:
    assert isinstance(value.type, QuantizedTensorType)
    return value.type.format()


def _quantize(f: _Function, graph: Graph, op: QuantizeOp) -> Value:
    static, x = _static(op.scale, op.zero_point), f.value(op.input)
    if isinstance(op.output.type, QuantizedTensorType):
        return quantization.quantize(graph, x, op.output.type.format(), static)
    assert static is not None
    assert op.bits is not None
    code = integer_code(op.output.type, op.bits.value.data)
    (stored,) = upstream_types(op.output.type)
    return quantization.plain_quantize(graph, x, code, cast(Any, stored).element_type, static)


def _dequantize(f: _Function, graph: Graph, op: DequantizeOp) -> Value:
    x = f.value(op.input)
    if isinstance(x, Codes) or is_irregular(op.input.type):
        return real_tensor(graph, x, _element(op.output))
    static = _static(op.scale, op.zero_point)
    assert static is not None
    signed = _is_signed(op.input)
    return quantization.plain_dequantize(graph, x, _element(op.output), static, signed=signed)


def _quantized_matmul(f: _Function, graph: Graph, op: QuantizedMatmulOp) -> Value:
    x, weight = f.value(op.input), f.value(op.weight)
    bias = f.optional(op.bias)
    if isinstance(op.output.type, QuantizedTensorType):
        return _requantizing_matmul(f, graph, op)
    type = _element(op.output)
    if isinstance(x, Codes) and isinstance(weight, Codes):
        run = quantization.run_length(x, weight)
        if run is not None and run > 1:
            sums, grouped = quantization.integer_sums(graph, x, weight, run, None)
            return quantization.scaled_sums(graph, x, weight, run, sums, grouped, bias, type)
    if isinstance(weight, SSAValue) and not is_irregular(op.weight.type):
        points = None if op.zero_points is None else (f.tensor(op.zero_points), _is_signed(op.zero_points))
        group = None if op.group_size is None else op.group_size.value.data
        assert op.scales is not None
        weight = quantization.plain_weight(
            graph, weight, f.tensor(op.scales), points, group, signed=_is_signed(op.weight)
        )
    return quantization.product(graph, x, weight, bias, type)


def _requantizing_matmul(f: _Function, graph: Graph, op: QuantizedMatmulOp) -> Value:
    x, weight, bias = f.codes(op.input), f.codes(op.weight), f.optional(op.bias)
    run = quantization.run_length(x, weight)
    assert run is not None
    integer_bias = isinstance(bias, SSAValue) and not isinstance(element_type(bias), AnyFloat)
    sums, grouped = quantization.integer_sums(graph, x, weight, run, cast(SSAValue, bias) if integer_bias else None)
    real = quantization.scaled_sums(
        graph, x, weight, run, sums, grouped, None if integer_bias else bias, quantization.f32
    )
    return quantization.quantize(graph, real, _format(op.output), _static(op.out_scale, op.out_zero_point))


def _requantize(f: _Function, graph: Graph, op: RequantizeOp) -> Value:
    return quantization.quantize(graph, f.value(op.input), _format(op.output), _static(op.scale, op.zero_point))


def _encode(f: _Function, graph: Graph, op: EncodeOp) -> Value:
    static = _static(op.scale, op.zero_point)
    assert static is not None
    return quantization.encode_units(graph, f.value(op.input), _format(op.output), static)


def _rope(f: _Function, graph: Graph, op: RopeOp) -> Value:
    x = f.tensor(op.input)
    size = shape_of(x)[-1] if op.dimensions is None else op.dimensions.value.data
    scaling = attribute_value(op.scaling) if isinstance(op.scaling, RopeScalingAttr) else None
    position, factors = f.optional_tensor(op.position), f.optional_tensor(op.factors)
    if op.original_context is not None:
        assert factors is not None
        assert op.long_factors is not None
        factors = _factors(graph, x, position, factors, f.tensor(op.long_factors), op.original_context.value.data)
    magnitude = 1.0 if op.magnitude is None else op.magnitude.value.data
    frequencies = rope_frequencies(size, op.theta.value.data, scaling)
    return model.rope(graph, x, position, frequencies, factors, magnitude, _element(op.output))


def _factors(
    graph: Graph, x: SSAValue, position: SSAValue | None, short: SSAValue, long: SSAValue, context: int
) -> SSAValue:
    """The long factors where the last row stands beyond the original context."""
    rows: Size = graph.sizes(x)[0]
    end = graph.integer(rows) if isinstance(rows, int) else rows
    end = end if position is None else graph.add(position, end)
    return graph.select(graph.compare("sgt", end, graph.integer(context)), long, short)


def _attention(f: _Function, graph: Graph, op: AttentionOp) -> Value:
    query, key, value = (f.tensor(v) for v in (op.query, op.key, op.value))
    return model.attention(
        graph,
        query,
        key,
        value,
        f.optional_tensor(op.position),
        op.scale.value.data,
        None if op.window is None else op.window.value.data,
        None if op.softcap is None else op.softcap.value.data,
        _element(op.output),
    )


def _gelu(f: _Function, graph: Graph, op: GeluOp) -> Value:
    name = "gelu" if op.approximate is None else f"gelu_{op.approximate.data}"
    return model.activation(graph, f.value(op.input), name, _element(op.output))


def _transpose(f: _Function, graph: Graph, op: TransposeOp) -> Value:
    x, order = f.value(op.input), op.order
    if isinstance(x, SSAValue):
        return model.transpose(graph, x, order)
    return _transposed_codes(graph, x, _format(op.output), order)


def _transposed_codes(graph: Graph, x: Codes, format: QuantizedFormat, order: tuple[int, ...]) -> Codes:
    grouped = x.format.granularity.group_size is not None

    def turned(parameter: Value | None, kind: object) -> Value | None:
        if parameter is None or not grouped:
            return parameter
        if isinstance(parameter, SSAValue):
            return model.transpose(graph, parameter, order)
        assert isinstance(kind, QuantizedFormat)
        return _transposed_codes(graph, parameter, kind, order)

    scale = turned(x.scale, format.scale)
    assert scale is not None
    return Codes(
        format,
        model.transpose(graph, x.codes, order),
        scale,
        turned(x.zero_point, format.zero_point),
        turned(x.minimum, format.minimum),
    )


Rule = Callable[[_Function, Graph, Any], Value]

RULES: dict[type[Operation], Rule] = {
    QuantizeOp: _quantize,
    DequantizeOp: _dequantize,
    QuantizedMatmulOp: _quantized_matmul,
    RequantizeOp: _requantize,
    EncodeOp: _encode,
    QuantizeBiasOp: lambda f, g, op: quantization.integer_bias(
        g, f.value(op.bias), f.codes(op.input), f.codes(op.weight)
    ),
    TransposeOp: _transpose,
    LinearOp: lambda f, g, op: quantization.product(
        g, f.value(op.input), f.value(op.weight), f.optional(op.bias), _element(op.output)
    ),
    EmbeddingOp: lambda f, g, op: model.embedding(g, f.tensor(op.ids), f.value(op.table), _element(op.output)),
    PositionsOp: lambda f, g, op: model.positions(
        g, f.tensor(op.ids), f.tensor(op.position), op.offset.value.data, _element(op.output)
    ),
    RMSNormOp: lambda f, g, op: model.rms_norm(
        g, f.value(op.input), f.value(op.weight), op.epsilon.value.data, _element(op.output)
    ),
    LayerNormOp: lambda f, g, op: model.layer_norm(
        g, f.value(op.input), f.optional(op.weight), f.optional(op.bias), op.epsilon.value.data, _element(op.output)
    ),
    SiluOp: lambda f, g, op: model.activation(g, f.value(op.input), "silu", _element(op.output)),
    GeluOp: _gelu,
    ReluOp: lambda f, g, op: model.activation(g, f.value(op.input), "relu", _element(op.output)),
    GatedActivationOp: lambda f, g, op: model.gated_activation(
        g, f.tensor(op.gate), f.optional(op.up), op.activation.data, _element(op.output)
    ),
    ScaleOp: lambda f, g, op: model.scale(g, f.value(op.input), op.factor.value.data, _element(op.output)),
    ShiftOp: lambda f, g, op: model.shift(g, f.value(op.input), op.offset.value.data, _element(op.output)),
    SoftcapOp: lambda f, g, op: model.softcap(g, f.value(op.input), op.cap.value.data, _element(op.output)),
    RopeOp: _rope,
    UpdateCacheOp: lambda f, g, op: model.update_cache(
        g, f.tensor(op.cache), f.tensor(op.update), f.tensor(op.position)
    ),
    AttentionOp: _attention,
}
"""What each operation of the `llm` dialect becomes."""
