"""`legalize-for-target{target=T}`: rewrite what a target's kernels do not take into what they take.

Matrix products and lookups are changed until the target's table has a kernel for them; all else is left to
`lower-to-target`, which runs this pass first. The module stays at the `llm` level and computes the same values,
bit for bit. For each product the kernel that needs the fewest of these changes is chosen:

- `llm.cast_codes` of the weight or the input: wider codes (i4 to i8), codes of the other sign with the zero
  point shifted by 128 (ui8 to i8), zero points taken off codes (i4 to symmetric i8), scales repeated for each
  row or for smaller groups, scales as wider floats, quantized scales as f32;
- `arith.extf` of float operands;
- where no kernel takes the codes of both sides: the input is dequantized, or the weight, or both.

With `compute-type` the f32 inputs of products, and weights that are floats wider than it, are rounded to that type
first where the target has a kernel for it (tensor cores and tiles of 16-bit floats). Only this changes values.

Each change is told in the operation's `llm.remark`, with the reason. What remains impossible is an error that
names the operation, the target and the reason.

Options:
  target        name of a target, or the path of a .toml file (default numpy)
  compute-type  f16 or bf16: what real operands may be rounded to (default none: they are not)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from xdsl.context import Context
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from llmir.dialects.llm.casts import CastCodesOp
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp, shape_of
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor, float_dtype, float_type, quantized_tensor_type
from llmir.errors import InputError
from llmir.formats.elements import Integer, element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat
from llmir.formats.recoding import recoding_refusal, shift_of
from llmir.formats.weight_packings import Form
from llmir.passes.locations import error_at, errors_at
from llmir.passes.remarks import add_remark
from llmir.passes.rewriter import Rewriter
from llmir.targets.registry import target as target_by_name
from llmir.targets.target import (
    FLOAT_NAMES,
    PER_GROUP,
    PER_ROW,
    MatmulKernel,
    Operand,
    Target,
    element_name,
    granularity_of,
    scale_name,
)

F32 = np.dtype(np.float32)
FLOATS = {name: dtype for dtype, name in FLOAT_NAMES.items()}
COMPUTE_TYPES = ("f16", "bf16")


@dataclass(frozen=True)
class TargetLegalizationPass(ModulePass):
    """Rewrite what a target's kernels do not take into what they take, the values staying the same."""

    name = "legalize-for-target"

    target: str = "numpy"
    compute_type: str | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite every function; InputError names what the target cannot do."""
        legalize(op, target_by_name(self.target), self.compute_type)


def legalize(module: ModuleOp, target: Target, compute_type: str | None = None) -> None:
    """Legalize a module in place; InputError names what the target cannot do, or an unknown compute type."""
    if compute_type not in (None, *COMPUTE_TYPES):
        raise InputError(f"unknown compute-type '{compute_type}', expected one of {', '.join(COMPUTE_TYPES)}")
    legalizer = _Legalizer(target, None if compute_type is None else FLOATS[compute_type])
    for function in module.body.ops:
        if isinstance(function, func.FuncOp):
            for op in list(function.body.walk()):
                with errors_at(op):
                    legalizer.operation(op)


@dataclass(frozen=True)
class Choice:
    """A kernel, the forms it takes, and how they differ from what is there."""

    kernel: MatmulKernel
    input: Form
    weight: Form
    input_changes: tuple[str, ...] = ()
    weight_changes: tuple[str, ...] = ()

    @property
    def cost(self) -> int:
        """How many changes there are."""
        return len(self.input_changes) + len(self.weight_changes)


def form_of(type: Attribute) -> Form | None:
    """The form of a tensor of floats or codes, None for anything else."""
    if isinstance(type, QuantizedTensorType):
        return type.format()
    tensor = as_tensor(type)
    if tensor is None or not any(tensor.element_type == float_type(d) for d in FLOATS.values()):
        return None
    return float_dtype(tensor.element_type)


def choose(
    target: Target, input: Form, rank: int, weight: Form, shape: tuple[int, int], *, keep_granularity: bool = False
) -> Choice | None:
    """The kernel for an input and a weight [N, K] that needs the fewest changes, None when none takes them."""
    best: Choice | None = None
    for kernel in target.matmuls:
        for found in _fits(kernel, input, rank, weight, shape, keep_granularity):
            if best is None or found.cost < best.cost:
                best = found
    return best


def exact_choice(target: Target, input: Form, rank: int, weight: Form, shape: tuple[int, int]) -> MatmulKernel | None:
    """The first kernel that takes both sides as they are."""
    for kernel in target.matmuls:
        if kernel.weight_refusal(shape, weight) is None and kernel.input_refusal(rank, input, weight) is None:
            return kernel
    return None


def refusal(target: Target, input: Form, rank: int, weight: Form, shape: tuple[int, int]) -> str:
    """Why a target has no kernel for two operands: what kernels for such elements say, if there are any."""
    said: list[str] = []
    for kernel in target.matmuls:
        if kernel.input.takes_element(input) and kernel.weight.takes_element(weight):
            side, reason = "weight", kernel.weight_refusal(shape, weight)
            if reason is None:
                side, reason = "input", kernel.input_refusal(rank, input, weight)
            said.append(f"{kernel.name}: {side} is {reason}")
    details = f" ({'; '.join(said)})" if said else ""
    return (
        f"target '{target.name}' has no kernel for {element_name(input)} inputs and "
        f"{element_name(weight)} weights{details}"
    )


def _fits(
    kernel: MatmulKernel, input: Form, rank: int, weight: Form, shape: tuple[int, int], keep: bool
) -> Iterator[Choice]:
    theirs = input.granularity.group_size if kernel.same_groups and isinstance(input, QuantizedFormat) else None
    for w, weight_changes in _candidates(weight, kernel.weight, shape[1], theirs, keep):
        if kernel.weight_refusal(shape, w) is not None:
            continue
        group = w.granularity.group_size if kernel.same_groups and isinstance(w, QuantizedFormat) else None
        for x, input_changes in _candidates(input, kernel.input, shape[1], group, keep):
            if kernel.input_refusal(rank, x, w) is None:
                yield Choice(kernel, x, w, input_changes, weight_changes)


Candidate = tuple[Form, tuple[str, ...]]


def _candidates(form: Form, operand: Operand, k: int, group: int | None, keep: bool) -> Iterator[Candidate]:
    """Forms equal to `form` that an operand may take, with what is changed; the form itself first."""
    if not isinstance(form, QuantizedFormat):
        yield form, ()
        if form.itemsize < F32.itemsize and operand.takes_element(F32):
            yield F32, (f"{FLOAT_NAMES[form]} -> f32",)
        return
    parts = (_elements(form, operand), _granularities(form, operand, k, group, keep), _scales(form, operand))
    for (codes, a), (granularity, b), (scale, c) in product(*parts):
        made = replace(codes, granularity=granularity, scale=scale)
        if recoding_refusal((1, k), form, made) is None:
            yield made, tuple(change for change in (a, b, c) if change)


def _elements(form: QuantizedFormat, operand: Operand) -> list[tuple[QuantizedFormat, str]]:
    """Other codes: wider, of the other sign, less their zero points."""
    found = [(form, "")]
    old = form.element
    integers = [e for name in operand.elements if isinstance(e := _integer(name), Integer)]
    if not isinstance(old, Integer):
        return found
    for new in integers:
        change = f"{old.name} -> {new.name}"
        if new != old:
            shift = shift_of(old, new)
            moved = replace(form, element=new)
            if shift or isinstance(form.zero_point, Integer):
                moved = replace(moved, zero_point=new)
            found.append((moved, f"{change}, codes {shift:+d}" if shift else change))
        if isinstance(form.zero_point, Integer):
            found.append((replace(form, element=new, zero_point=None), f"{change} less zero points"))
    return found


def _integer(name: str) -> Any:
    try:
        return element(name)
    except ValueError:
        return None  # a float, or a word for all elements of a kind


def _granularities(
    form: QuantizedFormat, operand: Operand, k: int, group: int | None, keep: bool
) -> list[tuple[Granularity, str]]:
    """Finer granularities: a scale for each row, or for each group."""
    found = [(form.granularity, "")]
    if keep:
        return found
    if PER_ROW in operand.granularity:
        found.append((Granularity(axis=0), f"scales {granularity_of(form)} -> per_row"))
    size = group or operand.group_size or form.granularity.group_size or k
    if PER_GROUP in operand.granularity and size > 0 and k % size == 0:
        old = form.granularity.group_size
        rows = form.granularity.group_rows
        grouped = f"for groups of {old}" if rows is None else f"for blocks of {rows}x{old}"
        before = granularity_of(form) if old is None else grouped
        found.append((Granularity(group_size=size), f"scales {before} -> for groups of {size}"))
    return [found[0], *(f for f in found[1:] if f[0] != form.granularity)]


def _scales(form: QuantizedFormat, operand: Operand) -> list[tuple[Any, str]]:
    """Wider scales, and quantized scales as f32."""
    found: list[tuple[Any, str]] = [(form.scale, "")]
    if isinstance(form.scale, QuantizedFormat):
        return [*found, (F32, "quantized scales -> f32")]
    wider = (FLOATS[name] for name in operand.scales)
    return [*found, *((d, f"scales {scale_name(form)} -> {FLOAT_NAMES[d]}") for d in wider if d != form.scale)]


class _Legalizer:
    def __init__(self, target: Target, compute_type: np.dtype[Any] | None):
        self.target, self.compute_type = target, compute_type
        self.converted: dict[tuple[Block | None, SSAValue, Attribute], SSAValue] = {}

    def operation(self, op: Operation) -> None:
        match op:
            case QuantizedMatmulOp() if not isinstance(op.weight.type, TensorType):
                self.round(op)
                self.matmul(op)
            case LinearOp():
                self.round(op)
                self.linear(op)
            case EmbeddingOp():
                self.embedding(op)
            case _:
                pass

    def round(self, op: QuantizedMatmulOp | LinearOp) -> None:
        """Round real operands to the compute type, where only that finds a kernel."""
        input, weight, to = form_of(op.input.type), form_of(op.weight.type), self.compute_type
        if to is None or input != F32 or weight is None:
            return
        wide = not isinstance(weight, QuantizedFormat) and weight.itemsize > to.itemsize
        shape = _matrix(op.weight)
        choice = choose(self.target, to, len(shape_of(op.input)), to if wide else weight, shape)
        if choice is None or choice.input_changes or choice.kernel.input.takes_element(F32):
            return
        for index in (0, 1) if wide else (0,):
            value = op.operands[index]
            rounded = arith.TruncFOp(value, TensorType(float_type(to), shape_of(value)))
            op.operands[index] = self.before(op, rounded)
        sides = "input and weight" if wide else "input"
        add_remark(op, f"{sides} rounded to {FLOAT_NAMES[to]} as compute-type says")

    def matmul(self, op: QuantizedMatmulOp) -> None:
        input, weight = form_of(op.input.type), form_of(op.weight.type)
        if weight is None or input is None:
            kind = op.weight.type if weight is None else op.input.type
            self.dequantized(op, f"target '{self.target.name}' has no kernel for {kind.name}")
            return
        rank, shape = len(shape_of(op.input)), _matrix(op.weight)
        requantizes = isinstance(op.output.type, QuantizedTensorType)
        choice = choose(self.target, input, rank, weight, shape, keep_granularity=requantizes)
        if requantizes and (choice is None or choice.kernel.accumulator != "i32"):
            raise error_at(op, refusal(self.target, input, rank, weight, shape))
        if choice is not None:
            if choice.cost:
                self.cast(op, choice, refusal(self.target, input, rank, weight, shape))
            return
        why = refusal(self.target, input, rank, weight, shape)
        if isinstance(input, QuantizedFormat) and choose(self.target, F32, rank, weight, shape) is not None:
            op.operands[0] = self.before(op, _dequantized(op.input))
            add_remark(op, f"input dequantized: {why}")
            self.matmul(op)
            return
        self.dequantized(op, why)

    def dequantized(self, op: QuantizedMatmulOp, why: str) -> None:
        """Replace a product by one of real values."""
        input, weight = (
            value if isinstance(value.type, TensorType) else self.before(op, _dequantized(value))
            for value in (op.input, op.weight)
        )
        sides = "weight" if input is op.input else "input and weight"
        linear = LinearOp(input, weight, op.output.type, op.bias, op.module)
        linear.attributes |= op.attributes
        linear.output.name_hint = op.output.name_hint
        Rewriter.replace_op(op, linear)
        add_remark(linear, f"{sides} dequantized: {why}")
        self.linear(linear)

    def linear(self, op: LinearOp) -> None:
        input, weight = form_of(op.input.type), form_of(op.weight.type)
        assert input is not None
        assert weight is not None
        rank, shape = len(shape_of(op.input)), _matrix(op.weight)
        choice = choose(self.target, input, rank, weight, shape)
        if choice is None:
            raise error_at(op, refusal(self.target, input, rank, weight, shape))
        if choice.cost:
            self.cast(op, choice, refusal(self.target, input, rank, weight, shape))

    def cast(self, op: QuantizedMatmulOp | LinearOp, choice: Choice, why: str) -> None:
        """Cast the operands a kernel does not take as they are."""
        sides = (("input", choice.input, choice.input_changes), ("weight", choice.weight, choice.weight_changes))
        for index, (side, form, changes) in enumerate(sides):
            if not changes:
                continue
            value = op.operands[index]
            op.operands[index] = self.before(op, _conversion(value, form))
            add_remark(op, f"{side} {' and '.join(changes)}")
        add_remark(op, why)

    def embedding(self, op: EmbeddingOp) -> None:
        form = form_of(op.table.type)
        if form is not None and any(kernel.table.refusal(form) is None for kernel in self.target.embeddings):
            return
        what = op.table.type.name if form is None else element_name(form)
        said = [f"{k.name}: table is {k.table.refusal(form)}" for k in self.target.embeddings if form is not None]
        why = f"target '{self.target.name}' has no lookup in {what} tables" + (f" ({'; '.join(said)})" if said else "")
        if isinstance(op.table.type, TensorType) or not any(k.table.takes_element(F32) for k in self.target.embeddings):
            raise error_at(op, why)
        op.operands[1] = self.before(op, _dequantized(op.table))
        add_remark(op, f"table dequantized: {why}")

    def before(self, op: Operation, new: CastCodesOp | DequantizeOp | arith.ExtFOp | arith.TruncFOp) -> SSAValue:
        """The result of an operation that changes an operand, inserted before its use unless it was already."""
        key = (op.parent, new.operands[0], new.results[0].type)
        if key not in self.converted:
            new.results[0].name_hint = new.operands[0].name_hint
            Rewriter.insert_op(new, InsertPoint.before(op))
            self.converted[key] = new.results[0]
        return self.converted[key]


def _matrix(weight: SSAValue) -> tuple[int, int]:
    n, k = shape_of(weight)
    return n, k


def _conversion(value: SSAValue, form: Form) -> CastCodesOp | arith.ExtFOp:
    shape = shape_of(value)
    if isinstance(form, QuantizedFormat):
        return CastCodesOp(value, quantized_tensor_type(shape, form))
    return arith.ExtFOp(value, TensorType(float_type(form), shape))


def _dequantized(value: SSAValue) -> DequantizeOp:
    return DequantizeOp(value, TensorType(f32, shape_of(value)))
