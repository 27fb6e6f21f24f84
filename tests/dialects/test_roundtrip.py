"""Whatever can be built can be printed, in both forms, and reads back as the same thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

from hypothesis import given, reject, settings
from hypothesis import strategies as st
from xdsl.dialects import builtin
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyFloat,
    ArrayAttr,
    DenseIntOrFPElementsAttr,
    Float8E8M0FNUType,
    IntegerType,
    ModuleOp,
    Signedness,
    StringAttr,
    TensorType,
    bf16,
    f16,
    f32,
    f64,
    i8,
    i64,
)
from xdsl.dialects.test import TestOp as ValuesOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.printer import Printer

from llmir.dialects.context import new_context
from llmir.dialects.kernel import CallOp, LayoutAttr, LoadOp, packed_type, weight_form
from llmir.dialects.llm import (
    AttentionOp,
    CastCodesOp,
    CombineOp,
    DequantizeOp,
    DispatchOp,
    EmbeddingOp,
    EncodeOp,
    GatedActivationOp,
    GeluOp,
    LayerNormOp,
    LinearOp,
    LoadWeightOp,
    MixedQuantizedTensorType,
    MixedType,
    ObserveOp,
    PackSparseOp,
    PositionsOp,
    PruneOp,
    QuantizationAttr,
    QuantizeBiasOp,
    QuantizedMatmulOp,
    QuantizedTensorType,
    QuantizeOp,
    ReluOp,
    RequantizeOp,
    RMSNormOp,
    RopeOp,
    RopeScalingAttr,
    RouteOp,
    ScaleOp,
    SchemeAttr,
    ShiftOp,
    SiluOp,
    SoftcapOp,
    SparseQuantizedTensorType,
    TransposeOp,
    UnpackSparseOp,
    UpdateCacheOp,
    WeightOp,
)
from llmir.dialects.llm.attributes import PER_CHANNEL, PER_GROUP, PER_TENSOR, PER_TOKEN
from llmir.dialects.llm.element_types import CodebookType, MinifloatType, ScaleType, element_of
from llmir.dialects.llm.fused import ACTIVATIONS, why_not_transposed
from llmir.dialects.llm.types import quantized_tensor_type
from llmir.dialects.parser import parse_module
from llmir.formats.elements import CODEBOOKS, MINIFLOATS
from llmir.formats.minifloats import VARIANTS
from llmir.formats.sparse import Bitmask, NOfM, Pattern, check_sparse_format
from llmir.formats.weight_packings import PACKINGS, packing, sizes_of
from llmir.quantizers.power_of_two import ROUNDINGS

REALS: list[AnyFloat] = [f16, bf16, f32, f64]
MINIFLOAT_TYPES: list[AnyFloat] = [getattr(builtin, name.replace("f", "Float", 1) + "Type")() for name in MINIFLOATS]

reals = st.sampled_from(REALS)
float_codes = st.one_of(
    st.sampled_from(MINIFLOAT_TYPES),
    st.sampled_from([MinifloatType(e, m, v) for e in range(1, 8) for m in range(8 - e) for v in VARIANTS]),
)
entries = st.floats(width=32, allow_nan=False, allow_infinity=False)
codebooks = st.one_of(
    st.sampled_from(sorted(CODEBOOKS.values())),
    st.integers(1, 4).flatmap(lambda bits: st.lists(entries, min_size=1 << bits, max_size=1 << bits, unique=True)),
).map(CodebookType)
dimensions = st.one_of(st.just(DYNAMIC_INDEX), st.integers(1, 5000))
sizes = st.integers(1, 5000)
names = st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True)
texts = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=12)
positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)


@st.composite
def integer_types(draw: st.DrawFn, widths: st.SearchStrategy[int] | None = None) -> IntegerType:
    width = draw(st.integers(1, 8) if widths is None else widths)
    return IntegerType(width, draw(st.sampled_from(list(Signedness))))


def is_unsigned(type: IntegerType) -> bool:
    return type.signedness.data is Signedness.UNSIGNED


@st.composite
def wider(draw: st.DrawFn, code: IntegerType) -> IntegerType:
    """An integer type that holds every code."""
    width = draw(st.integers(code.width.data, 8))
    return IntegerType(width, code.signedness)


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, Any]:
    """Element type, scale, and a zero point or minimum or neither."""
    code = draw(st.one_of(integer_types(), float_codes, codebooks))
    given: dict[str, Any] = {"element_type": code, "scale": draw(st.one_of(reals, st.just(Float8E8M0FNUType())))}
    if not isinstance(code, IntegerType):
        return given
    kind = draw(st.sampled_from(["none", "zp", "float zp", "min"]))
    if kind == "min":
        given["min"] = draw(reals)
    elif kind == "zp":
        given["zp"] = draw(wider(code))
    elif kind == "float zp":
        given["zp"] = draw(reals)
    return given


def divisors(count: int) -> list[int]:
    return [d for d in range(1, min(count, 64) + 1) if count % d == 0]


@st.composite
def with_second_levels(draw: st.DrawFn, given: dict[str, Any], count: int) -> dict[str, Any]:
    """Some parameters quantized themselves; `count` of them stand in a row, of unknown number if negative."""
    for key in ("scale", "zp", "min"):
        if key not in given or not draw(st.booleans()):
            continue
        group = st.integers(1, 512) if count < 0 else st.sampled_from(divisors(count))
        codes = draw(st.one_of(integer_types(), float_codes))
        given[key] = ScaleType(codes, draw(reals), draw(st.one_of(st.none(), group)))
    return given


@st.composite
def quantized_tensors(draw: st.DrawFn) -> QuantizedTensorType:
    """Any valid quantized tensor type."""
    given = draw(parameters())
    code = given["element_type"]
    shape = draw(st.lists(dimensions, max_size=4))
    if isinstance(code, IntegerType) and "zp" not in given and "min" not in given:
        given["symmetric"] = draw(st.booleans())
    if shape:
        given["axis"] = draw(st.one_of(st.none(), st.integers(0, len(shape) - 1)))
        given["group_size"] = draw(st.one_of(st.none(), st.integers(1, 300)))
    if len(shape) > 1 and (given["group_size"] or 0) > 1 and given["axis"] is None and draw(st.booleans()):
        rows = given["group_rows"] = draw(st.integers(2, 300))
        given["pad_rows"] = None if shape[-2] == DYNAMIC_INDEX else -shape[-2] % rows or None
    group = given.get("group_size")
    if group is not None:
        size = shape[-1 if given["axis"] is None else given["axis"]]
        needed = 0 if size == DYNAMIC_INDEX else -size % group
        given["pad"] = needed or None
        given = draw(with_second_levels(given, -1 if size == DYNAMIC_INDEX else -(-size // group)))
    elif isinstance(axis := given.get("axis"), int):
        given = draw(with_second_levels(given, shape[axis]))
    return QuantizedTensorType(shape, given.pop("element_type"), **given)


@st.composite
def mixed_types(draw: st.DrawFn) -> MixedQuantizedTensorType:
    """Any valid mixed tensor type."""
    formats = st.one_of(
        st.integers(1, 8).map(IntegerType),
        st.integers(1, 8).map(lambda w: IntegerType(w, Signedness.UNSIGNED)),
        st.sampled_from(MINIFLOAT_TYPES),
    )
    types = draw(st.lists(formats, min_size=2, max_size=4, unique_by=str))
    shape = draw(st.lists(dimensions, min_size=1, max_size=3))
    return MixedQuantizedTensorType(shape, MixedType(ArrayAttr(types)), draw(reals))


patterns: st.SearchStrategy[Pattern] = st.one_of(
    st.just(Bitmask()), st.integers(2, 256).flatmap(lambda m: st.builds(NOfM, st.integers(1, m - 1), st.just(m)))
)


@st.composite
def sparse_types(draw: st.DrawFn) -> SparseQuantizedTensorType:
    """Any valid sparse tensor type: of a dense one that has a zero, N of every M where M divides the rows."""
    dense = draw(quantized_tensors().filter(_can_be_sparse))
    size = dense.get_shape()[-1]
    wanted = patterns if size == DYNAMIC_INDEX else patterns.filter(lambda p: isinstance(p, Bitmask) or not size % p.m)
    return SparseQuantizedTensorType(draw(st.one_of(st.just(Bitmask()), wanted)), dense)


def _can_be_sparse(type: QuantizedTensorType) -> bool:
    try:
        check_sparse_format(type.format())
    except ValueError:
        return False
    return bool(type.get_shape())


@st.composite
def quantizations(draw: st.DrawFn, granularities: list[str], dynamic: bool, axes: bool) -> QuantizationAttr:
    """Any valid #llm.quantization of the given granularities, with groups along the rows too where `axes`."""
    given = draw(parameters())
    granularity = draw(st.sampled_from(granularities))
    if granularity != PER_TENSOR:
        given = draw(with_second_levels(given, -1))
    dynamic = dynamic and draw(st.booleans())
    if isinstance(given["scale"], Float8E8M0FNUType):
        given["scale_rounding"] = draw(st.sampled_from(ROUNDINGS))
    size = draw(st.integers(1, 512)) if granularity == PER_GROUP else None
    axis = draw(st.sampled_from([None, 0])) if axes and granularity == PER_GROUP else None
    in_blocks = axes and axis is None and (size or 0) > 1
    return QuantizationAttr(
        given.pop("element_type"),
        **given,
        granularity=granularity,
        group_size=size,
        axis=axis,
        group_rows=draw(st.one_of(st.none(), st.integers(2, 512))) if in_blocks else None,
        method=draw(names),
        narrow_range=draw(st.booleans()),
        pad=draw(st.booleans()),
        dynamic=dynamic,
    )


any_quantization = quantizations([PER_TENSOR, PER_CHANNEL, PER_GROUP, PER_TOKEN], True, True)
weight_quantizations = quantizations([PER_TENSOR, PER_CHANNEL, PER_GROUP], False, True)
input_quantizations = quantizations([PER_TENSOR, PER_GROUP, PER_TOKEN], True, False)
schemes = st.one_of(
    st.builds(SchemeAttr, weight=weight_quantizations),
    st.builds(SchemeAttr, input=input_quantizations),
    st.builds(SchemeAttr, weight=weight_quantizations, input=input_quantizations),
)
rope_scalings = st.one_of(
    st.builds(RopeScalingAttr, st.just("linear"), positive),
    st.builds(RopeScalingAttr, st.just("llama3"), positive, positive, positive, st.integers(1, 1 << 40)),
)


def text_of(module: ModuleOp, generic: bool) -> str:
    stream = StringIO()
    Printer(stream, print_generic_format=generic).print_op(module)
    return stream.getvalue()


def check(module: ModuleOp) -> None:
    """Both forms of a valid module read back as the same module, and print the same again."""
    module.verify()
    for generic in (False, True):
        text = text_of(module, generic)
        again = parse_module(context(), text)
        again.verify()
        assert again.is_structurally_equivalent(module)
        assert text_of(again, generic) == text


def context() -> Any:
    from xdsl.dialects.test import Test

    ctx = new_context()
    ctx.load_dialect(Test)
    return ctx


def check_attribute(attribute: Attribute) -> None:
    check(ModuleOp([], {"a": attribute}))


def check_operation(
    types: Sequence[Attribute],
    build: Callable[[Sequence[SSAValue]], Operation],
    attributes: dict[str, Attribute] | None = None,
) -> None:
    """Round trip of an operation on values of the given types, with further attributes."""
    values = ValuesOp(result_types=types)
    op = build(values.results)
    op.attributes |= attributes or {}
    check(ModuleOp([values, op]))


@given(quantized_tensors().filter(lambda type: DYNAMIC_INDEX not in type.get_shape()))
def test_the_type_of_a_format(type: QuantizedTensorType) -> None:
    """A type's format says all of the type but its shape and whether its codes are spelled iN or siN."""
    again = quantized_tensor_type(type.get_shape(), type.format())
    assert again.format() == type.format()
    assert (again.pad, again.parameter_shape()) == (type.pad, type.parameter_shape())
    assert element_of(again.element_type) == element_of(type.element_type)


@given(quantized_tensors())
def test_quantized_tensor(type: QuantizedTensorType) -> None:
    check_attribute(type)


@given(mixed_types())
def test_mixed_quantized_tensor(type: MixedQuantizedTensorType) -> None:
    check_attribute(type)


@given(sparse_types())
def test_sparse_quantized_tensor(type: SparseQuantizedTensorType) -> None:
    check_attribute(type)


@given(any_quantization)
def test_quantization(attribute: QuantizationAttr) -> None:
    check_attribute(attribute)


@given(schemes)
def test_scheme(attribute: SchemeAttr) -> None:
    check_attribute(attribute)


@given(rope_scalings)
def test_rope_scaling(attribute: RopeScalingAttr) -> None:
    check_attribute(attribute)


@given(st.one_of(quantized_tensors(), mixed_types(), sparse_types()), texts, texts, st.booleans())
def test_weight(
    type: QuantizedTensorType | MixedQuantizedTensorType | SparseQuantizedTensorType, name: str, key: str, keyed: bool
) -> None:
    weight = WeightOp(name, type)
    if keyed:
        weight.key = StringAttr(key)
    check(ModuleOp([weight, LoadWeightOp(name, type)]))


@given(quantized_tensors(), reals)
def test_dynamic_quantize_and_dequantize(type: QuantizedTensorType, real: AnyFloat) -> None:
    plain = TensorType(real, type.get_shape())
    check_operation([plain], lambda v: QuantizeOp(v[0], type))
    check_operation([type], lambda v: DequantizeOp(v[0], plain))


@given(st.integers(1, 200), st.data())
def test_static_quantize(channels: int, data: st.DataObject) -> None:
    scales = data.draw(
        st.lists(st.floats(2.0**-20, 2.0**20, width=32), min_size=channels, max_size=channels), label="scales"
    )
    points = data.draw(st.lists(st.integers(-128, 127), min_size=channels, max_size=channels), label="points")
    type = QuantizedTensorType([channels, 3], i8, scale=f32, zp=i8, axis=0)
    scale = DenseIntOrFPElementsAttr.from_list(TensorType(f32, [channels]), scales)
    zero_point = DenseIntOrFPElementsAttr.from_list(TensorType(i8, [channels]), points)
    check_operation(
        [TensorType(f32, [channels, 3])], lambda v: QuantizeOp(v[0], type, scale=scale, zero_point=zero_point)
    )


@given(dimensions, sizes, sizes, reals, st.booleans(), schemes, texts)
def test_linear(m: int, n: int, k: int, real: AnyFloat, biased: bool, scheme: SchemeAttr, module: str) -> None:
    x, w, b, y = (TensorType(real, s) for s in ([m, k], [n, k], [n], [m, n]))
    check_operation(
        [x, w, b],
        lambda v: LinearOp(v[0], v[1], y, v[2] if biased else None, StringAttr(module)),
        {"llm.scheme": scheme, "note": StringAttr(module)},
    )


@given(dimensions, sizes, sizes, reals, st.booleans())
def test_quantized_matmul(m: int, n: int, k: int, real: AnyFloat, biased: bool) -> None:
    x, b, y = (TensorType(real, s) for s in ([m, k], [n], [m, n]))
    w = QuantizedTensorType([n, k], i8, scale=real, symmetric=True, axis=0)
    check_operation([x, w, b], lambda v: QuantizedMatmulOp(v[0], v[1], y, v[2] if biased else None))


@given(dimensions, sizes, sizes, reals)
def test_embedding(t: int, v: int, h: int, real: AnyFloat) -> None:
    ids, table, y = TensorType(i64, [t]), TensorType(real, [v, h]), TensorType(real, [t, h])
    check_operation([ids, table], lambda v: EmbeddingOp(v[0], v[1], y))


@given(dimensions, sizes, reals, st.floats(0, 1, width=32))
def test_rms_norm(t: int, h: int, real: AnyFloat, epsilon: float) -> None:
    check_operation([TensorType(real, [t, h]), TensorType(f32, [h])], lambda v: RMSNormOp(v[0], v[1], epsilon))


@given(dimensions, sizes, st.integers(1, 64), positive, st.booleans(), st.integers(0, 2), st.booleans(), rope_scalings)
def test_rope(
    t: int, heads: int, half: int, theta: float, placed: bool, factors: int, partial: bool, scaling: RopeScalingAttr
) -> None:
    """With no factors, factors, or factors for short and long contexts; of the head or its first half."""

    def build(values: Sequence[SSAValue]) -> Operation:
        x, position, short, long = values
        return RopeOp(
            x,
            position if placed else None,
            theta,
            None if factors else scaling,
            short if factors else None,
            dimensions=2 * half if partial else None,
            long_factors=long if factors == 2 else None,
            original_context=4096 if factors == 2 else None,
            magnitude=theta if factors == 2 else None,
        )

    head = (4 if partial else 2) * half
    types = [TensorType(f16, [t, heads, head]), builtin.IndexType(), *[TensorType(f32, [half])] * 2]
    check_operation(types, build)


@given(dimensions, dimensions, st.integers(1, 16), st.integers(1, 8), sizes, st.booleans(), st.booleans())
def test_attention(t: int, s: int, kv: int, share: int, d: int, placed: bool, windowed: bool) -> None:
    def build(values: Sequence[SSAValue]) -> Operation:
        q, k, v, position = values
        window, softcap = (512, 30.0) if windowed else (None, None)
        return AttentionOp(q, k, v, position if placed else None, 0.125, window, softcap)

    query, key = TensorType(f16, [t, kv * share, d]), TensorType(f16, [s, kv, d])
    check_operation([query, key, key, builtin.IndexType()], build)


@given(sizes, dimensions, sizes, sizes)
def test_update_cache(capacity: int, t: int, heads: int, d: int) -> None:
    types = [TensorType(f16, [capacity, heads, d]), TensorType(f16, [t, heads, d]), builtin.IndexType()]
    check_operation(types, lambda v: UpdateCacheOp(v[0], v[1], v[2]))


@given(st.lists(dimensions, max_size=4), reals, texts)
def test_silu_and_observe(shape: list[int], real: AnyFloat, site: str) -> None:
    check_operation([TensorType(real, shape)], lambda v: SiluOp(v[0]))
    check_operation([TensorType(real, shape)], lambda v: ObserveOp(v[0], site))


@given(names, st.lists(quantized_tensors(), max_size=3), st.lists(reals, max_size=2), texts, st.booleans())
def test_kernel_call(
    kernel: str, arguments: list[Attribute], results: list[Attribute], constant: str, effective: bool
) -> None:
    check_operation(
        arguments,
        lambda values: CallOp(kernel, values, results, {"c": StringAttr(constant)}, constant if effective else None),
    )


@given(names, names, quantized_tensors())
def test_kernel_load(weight: str, layout: str, type: QuantizedTensorType) -> None:
    check(ModuleOp([LoadOp(weight, layout, type, TensorType(f32, type.get_shape()))]))


@given(dimensions, sizes, reals, st.integers(0, 2), st.floats(0, 1, width=32))
def test_layer_norm(t: int, h: int, real: AnyFloat, parameters: int, epsilon: float) -> None:
    def build(values: Sequence[SSAValue]) -> Operation:
        x, weight, bias = values
        return LayerNormOp(x, weight if parameters else None, bias if parameters > 1 else None, epsilon)

    check_operation([TensorType(real, [t, h]), TensorType(f32, [h]), TensorType(f16, [h])], build)


@given(dimensions, st.integers(1, 1 << 40), st.integers(0, 5))
def test_positions(t: int, count: int, offset: int) -> None:
    check_operation([TensorType(i64, [t]), builtin.IndexType()], lambda v: PositionsOp(v[0], v[1], count, offset))


@given(
    st.lists(dimensions, max_size=4), reals, st.floats(allow_nan=False, allow_infinity=False, width=32), st.booleans()
)
def test_elementwise(shape: list[int], real: AnyFloat, number: float, tanh: bool) -> None:
    type = TensorType(real, shape)
    check_operation([type], lambda v: GeluOp(v[0], "tanh" if tanh else None))
    check_operation([type], lambda v: ReluOp(v[0]))
    check_operation([type], lambda v: ScaleOp(v[0], number))
    check_operation([type], lambda v: ShiftOp(v[0], number))
    check_operation([type], lambda v: SoftcapOp(v[0], max(abs(number), 1.0)))


@given(dimensions, sizes, st.integers(1, 300), st.data(), reals, st.booleans(), st.booleans())
def test_mixture(
    t: int, h: int, experts: int, data: st.DataObject, real: AnyFloat, normalize: bool, added: bool
) -> None:
    top_k = data.draw(st.integers(1, experts), label="top_k")
    expert = data.draw(st.integers(0, experts - 1), label="expert")
    x, chosen, weights = TensorType(real, [t, h]), TensorType(i64, [t, top_k]), TensorType(f32, [t, top_k])
    check_operation([TensorType(real, [t, experts])], lambda v: RouteOp(v[0], top_k, normalize))
    check_operation([x, chosen], lambda v: DispatchOp(v[0], v[1], expert))
    routed = TensorType(real, [DYNAMIC_INDEX, h])
    check_operation(
        [routed, chosen, weights, x], lambda v: CombineOp(v[0], v[1], v[2], v[3] if added else None, expert)
    )


@settings(max_examples=30)
@given(sparse_types(), sizes, reals)
def test_sparse(type: SparseQuantizedTensorType, n: int, real: AnyFloat) -> None:
    plain = TensorType(real, type.get_shape())
    check_operation([type.dense], lambda v: PackSparseOp(v[0], type.pattern))
    check_operation([type], lambda v: UnpackSparseOp(v[0]))
    check_operation([type], lambda v: DequantizeOp(v[0], plain))
    if isinstance(kept := type.pattern, NOfM):
        check_operation([plain], lambda v: PruneOp(v[0], kept))
    matrix = SparseQuantizedTensorType(Bitmask(), QuantizedTensorType([n, 8], i8, symmetric=True))
    y = TensorType(real, [DYNAMIC_INDEX, n])
    check_operation([TensorType(f32, [DYNAMIC_INDEX, 8]), matrix], lambda v: QuantizedMatmulOp(v[0], v[1], y))


@settings(max_examples=30)
@given(mixed_types(), sizes, reals, st.data())
def test_mixed(type: MixedQuantizedTensorType, n: int, real: AnyFloat, data: st.DataObject) -> None:
    """Rows whose formats a selector says, or an average of bits."""
    plain, formats = TensorType(real, type.get_shape()), len(type.element_type.types.data)
    narrowest = min(element_of(t).bits for t in type.element_type.types.data)

    def build(values: Sequence[SSAValue]) -> Operation:
        op = QuantizeOp(values[0], type)
        rows = type.get_shape()[0]
        if rows == DYNAMIC_INDEX or rows > 64 or data.draw(st.booleans(), label="average"):
            bits = data.draw(st.floats(narrowest, 8, width=32), label="bits")
            op.average_bits = builtin.FloatAttr(bits, f32)
        else:
            chosen = data.draw(st.lists(st.integers(0, formats - 1), min_size=rows, max_size=rows), label="chosen")
            op.selector = DenseIntOrFPElementsAttr.from_list(TensorType(i8, [rows]), chosen)
        return op

    check_operation([plain], build)
    check_operation([type], lambda v: DequantizeOp(v[0], plain))
    matrix = MixedQuantizedTensorType([n, 8], type.element_type, type.scale)
    y = TensorType(real, [DYNAMIC_INDEX, n])
    check_operation([TensorType(f32, [DYNAMIC_INDEX, 8]), matrix], lambda v: QuantizedMatmulOp(v[0], v[1], y))


@given(quantized_tensors(), st.lists(dimensions, max_size=3), st.booleans(), st.floats(2.0**-20, 2.0**20, width=32))
def test_codes_of_constants(type: QuantizedTensorType, shape: list[int], asymmetric: bool, number: float) -> None:
    """`llm.requantize` of any codes and `llm.encode`, to codes whose parameters are constants."""
    scale = DenseIntOrFPElementsAttr.from_list(TensorType(f32, [1]), [number])
    point = DenseIntOrFPElementsAttr.from_list(TensorType(i8, [1]), [-3]) if asymmetric else None
    zp = i8 if asymmetric else None
    made = QuantizedTensorType(type.get_shape(), i8, zp=zp)
    check_operation([type], lambda v: RequantizeOp(v[0], made, scale, point))
    encoded = QuantizedTensorType(shape, i8, zp=zp)
    check_operation([TensorType(f32, shape)], lambda v: EncodeOp(v[0], encoded, scale, point))


@given(st.lists(sizes, min_size=1, max_size=3), st.integers(1, 7), st.sampled_from(["symmetric", "zp", "min"]))
def test_cast_codes(shape: list[int], width: int, kind: str) -> None:
    """To the next wider codes and wider scales, with everything else as it was."""

    def made(bits: int, scale: AnyFloat) -> QuantizedTensorType:
        code = IntegerType(bits, Signedness.UNSIGNED)
        given: dict[str, Any] = {} if kind == "symmetric" else {kind: code if kind == "zp" else f16}
        return QuantizedTensorType(shape, code, scale=scale, axis=0, **given)

    check_operation([made(width, f16)], lambda v: CastCodesOp(v[0], made(width + 1, f32)))


@given(dimensions, sizes, sizes, reals, st.booleans(), st.booleans())
def test_quantize_bias(m: int, n: int, k: int, real: AnyFloat, rows: bool, asymmetric: bool) -> None:
    x = QuantizedTensorType([m, k], i8, zp=i8 if asymmetric else None)
    w = QuantizedTensorType([n, k], i8, symmetric=True, axis=0 if rows else None)
    check_operation([TensorType(real, [n]), x, w], lambda v: QuantizeBiasOp(v[0], v[1], v[2]))


@given(quantized_tensors(), st.randoms(use_true_random=False), reals)
def test_transpose(type: QuantizedTensorType, random: Any, real: AnyFloat) -> None:
    order = list(range(type.get_num_dims()))
    random.shuffle(order)
    check_operation([TensorType(real, type.get_shape())], lambda v: TransposeOp(v[0], order))
    if why_not_transposed(type, order) is None:
        check_operation([type], lambda v: TransposeOp(v[0], order))


@given(st.lists(dimensions, max_size=3), sizes, reals, st.sampled_from(ACTIVATIONS))
def test_gated_activation(shape: list[int], n: int, real: AnyFloat, activation: str) -> None:
    half, both = TensorType(real, [*shape, n]), TensorType(real, [*shape, 2 * n])
    check_operation([half, half], lambda v: GatedActivationOp(v[0], v[1], half, activation))
    check_operation([both], lambda v: GatedActivationOp(v[0], None, half, activation))


@st.composite
def layouts(draw: st.DrawFn) -> LayoutAttr:
    """Any packing, its sizes being those a packing can have."""
    name = draw(st.sampled_from(sorted(PACKINGS)))
    powers = st.sampled_from([1, 2, 4, 8, 16, 32])
    try:
        return LayoutAttr.of(packing(name, {size: draw(powers) for size in sizes_of(name)}))
    except ValueError:
        reject()


@settings(max_examples=30)
@given(layouts(), names, sizes, sizes, st.sampled_from([8, 4]), reals)
def test_kernel_load_packed(layout: LayoutAttr, name: str, n: int, k: int, bits: int, scale: AnyFloat) -> None:
    """A weight that is packed when it is loaded, and one that is stored packed."""
    check_attribute(layout)
    unpacked = QuantizedTensorType([64 * n, 64 * k], IntegerType(bits), scale=scale, symmetric=True, group_size=32)
    shape, form = weight_form(unpacked)
    stored = TensorType(IntegerType(8, Signedness.UNSIGNED), [64])
    check(ModuleOp([LoadOp(name, layout, stored, stored)]))
    if layout.packing.refusal(shape, form) is None:
        check(ModuleOp([LoadOp(name, layout, unpacked, packed_type(layout, unpacked))]))
