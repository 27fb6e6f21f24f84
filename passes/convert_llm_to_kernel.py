"""`convert-llm-to-kernel`: a whole program as the steps native code is made of.

A program's functions (`llm.role` embed, block, head; called by @backbone) become three steps of the `kernel` dialect:
`@decode` runs one token through to its logits and the most probable next token, `@prefill` any number of tokens to
their hidden states, `@head` hidden states to logits. Everything follows from the functions:

- Blocks that are alike, also with a period of more than one, are a `kernel.loop`.
- Layers with the same input and weights of one scheme are one product of one packed weight (q, k and v); slices of a
  product's columns are rows of its weight. Gate and up are interleaved tile by tile, with a gated epilogue. A product
  that is only added to a residual adds itself. An input is quantized once for all products that read its codes.
- In `@decode` every thread normalizes and quantizes for itself, in `@prefill` rows are divided; products are divided
  by columns, attention by heads or by rows folded so that each thread has as much of the triangle.
- A `kernel.barrier` stands where a value crosses threads and nowhere else; buffers share memory when their lives allow.

How a product walks its operands is what `kernel.schedules` of the program says, an array of `#kernel.schedule_of`, of
which each is for a product that there is (`llmir tune --print` writes one); else it is what the target's table says.

The `llm.weight`s stay; what of them is packed where is said by `kernel.weight`s, to which the steps refer. Weights of
norms and biases are packed as f32. An operation without a native kernel is an error that says why; such a program runs
on the numpy backend.

Options:
  target      the machine, by the name of its target and `+` each of its options: `x86-avx512-vnni+bf16`; the target's
              `[[schedule]]` entries give schedules and tiles (default x86-avx512-vnni)
  kv-cache    what the cache holds: f16, f32, f8E4M3FN or i8 (default f16)
  activation  what inputs that are not quantized are multiplied in: f32, or bf16, to which they are then rounded
              (default f32)
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    Float8E4M3FNType,
    MemRefType,
    ModuleOp,
    NoneAttr,
    StringAttr,
    f16,
    f32,
    i8,
    i64,
)
from xdsl.ir import Attribute
from xdsl.passes import ModulePass

from llmir.dialects.kernel import TARGET
from llmir.dialects.kernel_barriers import insert_barriers
from llmir.dialects.kernel_schedule import SCHEDULES
from llmir.dialects.kernel_steps import StepOp
from llmir.dialects.kernel_tokens import ArgmaxOp, PickOp
from llmir.dialects.kernel_types import COLUMNS, THREADS
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.errors import InputError
from llmir.passes.steps.function_emitter import FunctionEmitter
from llmir.passes.steps.memory_plan import plan_memory
from llmir.passes.steps.products import products_of
from llmir.passes.steps.program_functions import (
    ProgramFunctions,
    Run,
    program_functions,
    runs_of,
    symbols_of,
)
from llmir.passes.steps.program_schedules import Measured, ProgramSchedules, given_schedules
from llmir.passes.steps.step_builder import Held, Shared, StepBuilder, argument_types, columns_split, rows_split
from llmir.passes.steps.step_values import Scope
from llmir.targets.host import base_and_options, machine
from llmir.targets.registry import target as target_by_name

KV_ELEMENTS: dict[str, Attribute] = {"f16": f16, "f32": f32, "f8E4M3FN": Float8E4M3FNType(), "i8": i8}
"""What a cache may hold."""
ACTIVATIONS = ("f32", "bf16")
"""What inputs that are not quantized may be multiplied in."""


@dataclass(frozen=True)
class KernelConversionPass(ModulePass):
    """Turn a program into the steps @decode, @prefill and @head."""

    name = "convert-llm-to-kernel"

    target: str = "x86-avx512-vnni"
    kv_cache: str = "f16"
    activation: str = "f32"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the module in place; InputError says what has no native kernel, or which option is unknown."""
        convert(op, self.target, self.kv_cache, self.activation)


def convert(
    module: ModuleOp,
    target: str,
    kv_cache: str = "f16",
    activation: str = "f32",
    measured: Measured | None = None,
) -> None:
    """Rewrite a module in place, or leave it as it is and raise InputError.

    `measured` has schedules that were found to be better than the table's, by kind of product; others are ignored.
    """
    for option, value, known in (("kv-cache", kv_cache, KV_ELEMENTS), ("activation", activation, ACTIVATIONS)):
        if value not in known:
            raise InputError(f"unknown {option} '{value}', expected one of {', '.join(known)}")
    rules = target_by_name(base_and_options(target)[0]).schedules
    schedules = ProgramSchedules(machine(target), rules, given_schedules(module), measured or {})
    shared = Shared(machine(target), schedules, activation, KV_ELEMENTS[kv_cache])
    steps = _Converter(program_functions(module), shared).steps()
    schedules.check_given()
    for op in [op for op in module.body.ops if isinstance(op, func.FuncOp)]:
        op.detach()
        op.erase()
    module.body.block.add_ops([*shared.slots.operations(), *shared.caches.values(), *shared.tables.values(), *steps])
    module.attributes.pop(SCHEDULES, None)
    module.attributes[TARGET] = StringAttr(target)
    for step in steps:
        insert_barriers(step)
        plan_memory(step)


@dataclass
class _Converter:
    functions: ProgramFunctions
    shared: Shared

    def steps(self) -> list[StepOp]:
        self._share_tiles()
        self.runs = runs_of(self.functions.blocks)
        head = self.functions.head.function_type
        self.hidden, self.vocabulary = _columns(head.inputs.data[0]), _columns(head.outputs.data[0])
        return [self.decode(), self.prefill(), self.head()]

    def _share_tiles(self) -> None:
        """An embedding whose table is a product's weight too reads that product's tiles."""
        for product in products_of(self.functions.head).at.values():
            part = product.parts[0]
            if len(product.parts) > 1 or part.rows is not None:
                continue
            type = part.weight.result.type
            if isinstance(type, QuantizedTensorType) or as_tensor(type) is not None:
                kind = product.kind(self.shared.activation)
                self.shared.tiles[part.weight.symbol] = self.shared.schedules.tile(kind)

    def decode(self) -> StepOp:
        """One token to its logits."""
        step = self._step("decode", 1)
        residual = Held(step.buffer(self.hidden, private=False, name="x"), 0, self.hidden, rows_split())
        self._backbone(step, residual)
        logits = self._head(step, residual, writable=True)
        width = logits.split.number if logits.split.kind.data == COLUMNS else self.shared.machine.lanes
        in_threads = StringAttr(THREADS)
        values = step.memory(MemRefType(f32, [1, 1], NoneAttr(), in_threads), "values")
        indices = step.memory(MemRefType(i64, [1, 1], NoneAttr(), in_threads), "indices")
        step.add(ArgmaxOp(logits.root, values, indices, columns_split(width)))
        step.add(PickOp(values, indices, step.op.argument("token"), rows_split()))
        return step.op

    def prefill(self) -> StepOp:
        """Tokens to their hidden states."""
        step = self._step("prefill", None)
        self._backbone(step, Held(step.op.argument("hidden"), 0, self.hidden, rows_split()))
        return step.op

    def head(self) -> StepOp:
        """Hidden states to logits."""
        step = self._step("head", None)
        self._head(step, Held(step.op.argument("hidden"), 0, self.hidden, rows_split()), writable=False)
        return step.op

    def _step(self, name: str, rows: int | None) -> StepBuilder:
        return StepBuilder(name, rows, self.shared, argument_types(name, rows, self.hidden, self.vocabulary))

    def _backbone(self, step: StepBuilder, residual: Held) -> None:
        ids, position = step.op.argument("ids"), step.op.argument("position")
        embed = self.functions.embed
        scope = Scope(symbols_of([embed]), "", "", None, 1)
        FunctionEmitter(step, embed, scope, {}, residual, ids, position).run()
        for number, run in enumerate(self.runs):
            if len(run.layers) == 1:
                self._blocks(step, residual, run, None)
                continue
            with step.loop(len(run.layers)):
                self._blocks(step, residual, run, number)

    def _blocks(self, step: StepBuilder, residual: Held, run: Run, number: int | None) -> None:
        position = step.op.argument("position")
        for j, block in enumerate(run.layers[0]):
            name = block.sym_name.data
            prefix = f"{name}." if number is None else self._prefix(number, j, run)
            scope = Scope(symbols_of([layer[j] for layer in run.layers]), prefix, f"{name}.", number, len(run.layers))
            FunctionEmitter(step, block, scope, {block.body.block.args[0]: residual}, residual, None, position).run()

    def _prefix(self, number: int, j: int, run: Run) -> str:
        loops = [i for i, r in enumerate(self.runs) if len(r.layers) > 1]
        names = ["layers", *([str(loops.index(number))] if len(loops) > 1 else [])]
        return ".".join([*names, *([str(j)] if run.period > 1 else []), ""])

    def _head(self, step: StepBuilder, hidden: Held, *, writable: bool) -> Held:
        head = self.functions.head
        logits = Held(step.op.argument("logits"), 0, self.vocabulary, rows_split())
        given = Held(hidden.root, 0, hidden.width, hidden.split, writable)
        scope = Scope(symbols_of([head]), "", "", None, 1)
        emitter = FunctionEmitter(step, head, scope, {head.body.block.args[0]: given}, logits)
        emitter.run()
        return emitter.value(emitter.returned)


def _columns(type: Attribute) -> int:
    shape = getattr(type, "get_shape", lambda: ())()
    if len(shape) != 2 or shape[1] < 1:
        raise InputError(f"@head is given or returns {type}, expected [tokens, columns]")
    return shape[1]
