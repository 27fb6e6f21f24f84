"""The `kernel` dialect: which kernel runs, on which operands, with which constants.

One operation says it for every target: `kernel.call @name(%operands) {constants} : types`. Which kernels
exist, with which operands, is the target's business (`llmir.targets`); a program at this level holds nothing
else that computes, so a backend has one rule to emit. A module says what it was lowered to in `kernel.target`.

Weights are loaded in the layout their kernel reads: the name of a form (`"dense"`, `"codes"`, `"rows"`), or a
packing, `#kernel.layout<kleidiai_qsi4c32p, nr=4, kr=16, sr=2>`, whose value is a run of bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    FlatSymbolRefAttrConstr,
    IntAttr,
    IntegerType,
    ModuleOp,
    Signedness,
    StringAttr,
    SymbolRefAttr,
    TensorType,
)
from xdsl.ir import Attribute, Dialect, ParametrizedAttribute, SSAValue
from xdsl.irdl import (
    BaseAttr,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_attr_definition,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.kernel_attention import AppendCacheOp, AttentionOp, RopeOp
from llmir.dialects.kernel_norms import LayerNormOp, RMSNormOp
from llmir.dialects.kernel_pointwise import ActivateOp, AddOp, CopyOp, GateOp, MultiplyOp, ScaleOp, SoftcapOp
from llmir.dialects.kernel_products import MatmulOp, QuantizeRowsOp, RowRangesOp
from llmir.dialects.kernel_schedule import ScheduleAttr, ScheduleOfAttr
from llmir.dialects.kernel_steps import BarrierOp, BufferOp, CacheAtOp, LoopOp, StepOp, TableAtOp, ViewOp, WeightAtOp
from llmir.dialects.kernel_symbols import CacheOp, RopeTableOp, WeightOp
from llmir.dialects.kernel_tokens import ArgmaxOp, EmbedOp, EmbedPositionsOp, PickOp
from llmir.dialects.kernel_types import RowsAttr, SplitAttr, TilesType
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor, float_dtype
from llmir.formats.weight_packings import Form, Packing, packing, sizes, sizes_of

TARGET = "kernel.target"
"""The module attribute that names the target a module was lowered to."""
REMARK = "llm.remark"
"""The attribute of a call that is no constant: what passes said about the operation it computes."""
LAYOUT, UNPACKED = "kernel.layout", "kernel.unpacked"
"""The attributes of an `llm.weight` whose bytes are packed: how, and the type of what they hold."""

BYTE = IntegerType(8, Signedness.UNSIGNED)


@irdl_attr_definition
class LayoutAttr(ParametrizedAttribute):
    """`#kernel.layout<kleidiai_qsi4c32p, nr=4, kr=16, sr=2>`: a packing of `llmir.formats.weight_packings`."""

    name = "kernel.layout"

    packing_name: StringAttr
    sizes: ArrayAttr[IntAttr]

    @staticmethod
    def of(packing: Packing) -> LayoutAttr:
        """The attribute of a packing."""
        return LayoutAttr(StringAttr(packing.name), ArrayAttr(IntAttr(size) for size in sizes(packing).values()))

    @property
    def packing(self) -> Packing:
        """The packing."""
        name = self.packing_name.data
        return packing(name, dict(zip(sizes_of(name), (s.data for s in self.sizes.data), strict=True)))

    def verify(self) -> None:
        """The packing exists and its sizes go together."""
        try:
            _ = self.packing
        except ValueError as e:
            raise VerifyException(str(e)) from e

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<name, size=1, ...>`; sizes stand in any order."""
        with parser.in_angle_brackets():
            start = parser.pos
            name = parser.parse_identifier(" of a packing")
            try:
                wanted = sizes_of(name)
            except ValueError as e:
                parser.raise_error(str(e), start, parser.pos)
            given: dict[str, int] = {}
            while parser.parse_optional_punctuation(",") is not None:
                at = parser.pos
                key = parser.parse_identifier(" of a size")
                if key not in wanted or key in given:
                    what = "given twice" if key in given else "unknown"
                    parser.raise_error(
                        f"size '{key}' of {name} is {what}, expected {', '.join(wanted)}", at, parser.pos
                    )
                parser.parse_punctuation("=")
                given[key] = parser.parse_integer(allow_boolean=False)
            missing = [key for key in wanted if key not in given]
            if missing:
                parser.raise_error(f"{name} needs the size {missing[0]}", start, parser.pos)
        return [StringAttr(name), ArrayAttr(IntAttr(given[key]) for key in wanted)]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<name, size=1, ...>`."""
        with printer.in_angle_brackets():
            printer.print_string(self.packing_name.data)
            for key, size in zip(sizes_of(self.packing_name.data), self.sizes.data, strict=True):
                printer.print_string(f", {key}={size.data}")


def weight_form(type: Attribute) -> tuple[tuple[int, int], Form]:
    """Shape [N, K] and form of a weight's type; VerifyException when it is no matrix of floats or codes."""
    tensor = as_tensor(type)
    shape = type.get_shape() if isinstance(type, QuantizedTensorType) else () if tensor is None else tensor.get_shape()
    if len(shape) != 2 or any(d < 0 for d in shape):
        raise VerifyException(f"only a matrix of static shape is packed, got {type}")
    size = cast("tuple[int, int]", tuple(shape))
    if isinstance(type, QuantizedTensorType):
        return size, type.format()
    assert tensor is not None
    return size, float_dtype(tensor.element_type)


def packed_type(layout: LayoutAttr, unpacked: Attribute) -> TensorType[IntegerType]:
    """The type of the bytes that hold a weight; VerifyException says why a packing cannot hold it."""
    shape, form = weight_form(unpacked)
    if (reason := layout.packing.refusal(shape, form)) is not None:
        raise VerifyException(f"{layout} cannot hold {unpacked}: {reason}")
    return TensorType(BYTE, [layout.packing.size(shape, form)])


@irdl_op_definition
class CallOp(IRDLOperation):
    """`%y = kernel.call @rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (...) -> ...`

    Attributes are the kernel's constants, by name; `llm.remark` is none. Kernels have no effect but their
    results, except those that state `effect = "..."` (writing a cache in place, reporting to an observer).
    """

    name = "kernel.call"

    kernel = prop_def(FlatSymbolRefAttrConstr)
    effect = opt_prop_def(StringAttr)
    arguments = var_operand_def()
    outputs = var_result_def()

    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$kernel `(` $arguments `)` attr-dict `:` functional-type($arguments, $outputs)"

    def __init__(
        self,
        kernel: str,
        arguments: Sequence[SSAValue],
        result_types: Sequence[Attribute],
        constants: Mapping[str, Attribute] | None = None,
        effect: str | None = None,
    ):
        super().__init__(
            operands=[arguments],
            result_types=[result_types],
            properties={
                "kernel": SymbolRefAttr(kernel),
                "effect": None if effect is None else StringAttr(effect),
            },
            attributes=dict(constants or {}),
        )

    @property
    def kernel_name(self) -> str:
        """The kernel's name."""
        return self.kernel.root_reference.data


@irdl_op_definition
class LoadOp(IRDLOperation):
    """`%w = kernel.load @w {layout = "dense"} : !llm.quantized_tensor<...> -> tensor<...xf32>`

    A weight, prepared once for all runs into the layout a kernel reads. `stored` is the weight's type; with
    `cast = T` it is first made a T (codes as other codes, dequantized, or floats widened). A packed layout
    gives bytes, `tensor<Bxui8>`; a weight that is stored packed is loaded as it is.
    """

    name = "kernel.load"

    weight = prop_def(FlatSymbolRefAttrConstr)
    layout = prop_def(BaseAttr(StringAttr) | BaseAttr(LayoutAttr))
    cast = opt_prop_def(Attribute)
    stored = prop_def(Attribute)
    result = result_def()

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$weight attr-dict `:` $stored `->` type($result)"

    def __init__(
        self,
        weight: str,
        layout: str | LayoutAttr,
        stored: Attribute,
        result_type: Attribute,
        cast: Attribute | None = None,
    ):
        super().__init__(
            properties={
                "weight": SymbolRefAttr(weight),
                "layout": StringAttr(layout) if isinstance(layout, str) else layout,
                "stored": stored,
                "cast": None if cast == stored else cast,
            },
            result_types=[result_type],
        )

    @property
    def symbol(self) -> str:
        """The weight's name."""
        return self.weight.root_reference.data

    @property
    def prepared(self) -> Attribute:
        """The type of what is laid out."""
        return self.stored if self.cast is None else self.cast

    @property
    def is_packed(self) -> bool:
        """True when the weight is stored in the layout."""
        return self.stored == self.result.type and isinstance(self.layout, LayoutAttr)

    def verify_(self) -> None:
        """A packing holds the weight, in as many bytes as the result says."""
        if self.cast is not None and (not isinstance(self.layout, LayoutAttr) or self.is_packed):
            raise VerifyException("cast is for weights that are packed when they are loaded, remove it")
        if not isinstance(self.layout, LayoutAttr) or self.is_packed:
            return
        expected = packed_type(self.layout, self.prepared)
        if self.result.type != expected:
            raise VerifyException(f"result is {self.result.type}, but {self.layout} of {self.prepared} is {expected}")


def lowered_to(module: ModuleOp) -> str | None:
    """The name of the target a module was lowered to, None when it was not."""
    name = module.attributes.get(TARGET)
    return name.data if isinstance(name, StringAttr) else None


KERNEL = Dialect(
    "kernel",
    [
        CallOp,
        LoadOp,
        WeightOp,
        CacheOp,
        RopeTableOp,
        StepOp,
        LoopOp,
        BarrierOp,
        BufferOp,
        ViewOp,
        WeightAtOp,
        CacheAtOp,
        TableAtOp,
        EmbedOp,
        EmbedPositionsOp,
        RMSNormOp,
        LayerNormOp,
        RowRangesOp,
        QuantizeRowsOp,
        MatmulOp,
        RopeOp,
        AppendCacheOp,
        AttentionOp,
        AddOp,
        MultiplyOp,
        CopyOp,
        ActivateOp,
        GateOp,
        ScaleOp,
        SoftcapOp,
        ArgmaxOp,
        PickOp,
    ],
    [LayoutAttr, ScheduleAttr, ScheduleOfAttr, TilesType, RowsAttr, SplitAttr],
)
