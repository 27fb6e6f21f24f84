"""The functions of a whole program, as its frontend wrote them: @embed, a block a layer, @head, called by @backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import func
from xdsl.dialects.builtin import IndexType, ModuleOp, StringAttr
from xdsl.ir import Operation, SSAValue

from llmir.dialects.kernel import REMARK
from llmir.dialects.llm.model import RopeOp
from llmir.dialects.llm.weights import LoadWeightOp
from llmir.errors import UnsupportedProgram
from llmir.passes.locations import unsupported_at

ROLE = "llm.role"


@dataclass(frozen=True)
class ProgramFunctions:
    """What a program does, in order: embed, every block, head."""

    embed: func.FuncOp
    blocks: tuple[func.FuncOp, ...]
    head: func.FuncOp


@dataclass(frozen=True)
class Run:
    """Blocks that are alike: `layers[i][j]` is block j of repetition i; one repetition for blocks that stand alone."""

    layers: tuple[tuple[func.FuncOp, ...], ...]

    @property
    def period(self) -> int:
        """How many different blocks follow each other."""
        return len(self.layers[0])


def program_functions(module: ModuleOp) -> ProgramFunctions:
    """The functions of a program; UnsupportedProgram says what is not as expected."""
    functions = {op.sym_name.data: op for op in module.body.ops if isinstance(op, func.FuncOp)}
    for name in ("backbone", "head"):
        if name not in functions:
            raise UnsupportedProgram(f"the module has no function @{name}: native code is made of whole programs")
        _check_form(functions[name])
    backbone = functions["backbone"]
    called: list[func.FuncOp] = []
    hidden: SSAValue | None = None
    for op in backbone.body.block.ops:
        if isinstance(op, func.ReturnOp):
            if not called or op.operands[0] is not hidden:
                raise unsupported_at(op, "@backbone does not return what its last block gives")
            break
        if not isinstance(op, func.CallOp):
            raise unsupported_at(
                op, f"@backbone has '{op.name}', expected calls of @embed and of a block for each layer"
            )
        function = functions.get(op.callee.string_value())
        if function is None or not function.body.blocks:
            raise unsupported_at(op, f"@backbone calls {op.callee}, which is no function with a body")
        _check_form(function)
        if called and op.operands[0] is not hidden:
            raise unsupported_at(
                op, f"@backbone calls {op.callee} with something else than the result of the call before it"
            )
        called.append(function)
        hidden = op.results[0]
    roles = [_role(f) for f in called]
    if not called or roles != ["embed", *["block"] * (len(called) - 1)]:
        raise unsupported_at(
            backbone, f"@backbone calls functions of the roles {', '.join(roles) or 'none'}, expected embed, block, ..."
        )
    for block in called[1:]:
        _check_block(block)
    return ProgramFunctions(called[0], tuple(called[1:]), functions["head"])


def _check_form(function: func.FuncOp) -> None:
    """One block that is given a value and returns one."""
    kind, blocks = function.function_type, function.body.blocks
    returns = len(blocks) == 1 and isinstance(blocks[0].last_op, func.ReturnOp)
    if not returns or not kind.inputs.data or not kind.outputs.data:
        name = function.sym_name.data
        raise unsupported_at(function, f"@{name} is {kind}, expected one block that takes a value and returns one")


def _role(function: func.FuncOp) -> str:
    role = function.attributes.get(ROLE)
    return role.data if isinstance(role, StringAttr) else "none"


def _check_block(block: func.FuncOp) -> None:
    inputs, outputs = block.function_type.inputs.data, block.function_type.outputs.data
    name = block.sym_name.data
    if len(inputs) != 4 or not isinstance(inputs[1], IndexType) or len(outputs) != 3 or inputs[0] != outputs[0]:
        raise unsupported_at(
            block,
            f"block @{name} is {block.function_type}, expected (hidden, position, key cache, value cache) -> "
            "(hidden, key cache, value cache)",
        )


def runs_of(blocks: Sequence[func.FuncOp]) -> list[Run]:
    """Blocks in runs, each as long as it can be; of runs as long the one of the shortest period."""
    keys = [structure(block) for block in blocks]
    found: list[Run] = []
    at = 0
    while at < len(blocks):
        period, count = 1, 1
        for candidate in range(1, (len(blocks) - at) // 2 + 1):
            repeats = _repeats(keys, at, candidate)
            if repeats > 1 and repeats * candidate > period * count:
                period, count = candidate, repeats
        layers = [tuple(blocks[at + i * period : at + (i + 1) * period]) for i in range(count)]
        found.append(Run(tuple(layers)))
        at += period * count
    return found


def _repeats(keys: Sequence[object], start: int, period: int) -> int:
    count = 1
    first = keys[start : start + period]
    while keys[start + count * period : start + (count + 1) * period] == first:
        count += 1
    return count


def structure(function: func.FuncOp) -> object:
    """What functions that differ in their weights' values alone have in common."""
    numbers: dict[SSAValue, int] = {}
    symbols: dict[str, int] = {}
    lines: list[object] = [function.function_type]
    for argument in function.body.block.args:
        numbers[argument] = len(numbers)
    for op in function.body.block.ops:
        facts = {**op.properties, **op.attributes}
        named: object = None
        if isinstance(op, LoadWeightOp):
            # frequency factors become one table for all layers
            fixed = any(isinstance(use.operation, RopeOp) for use in op.result.uses)
            named = op.symbol if fixed else symbols.setdefault(op.symbol, len(symbols))
            facts = {}
        attributes = frozenset((k, v) for k, v in facts.items() if k not in (REMARK, "module"))
        operands = tuple(numbers[v] for v in op.operands)
        lines.append((op.name, named, operands, attributes, tuple(r.type for r in op.results)))
        for result in op.results:
            numbers[result] = len(numbers)
    return tuple(lines)


def loads_of(function: func.FuncOp) -> list[LoadWeightOp]:
    """The loads of a function, in order; those of functions of one structure correspond."""
    return [op for op in function.body.block.ops if isinstance(op, LoadWeightOp)]


Symbols = dict[Operation, tuple[str, ...]]


def symbols_of(layers: Sequence[func.FuncOp]) -> Symbols:
    """For each load of the first of functions of one structure, the weights all of them load there."""
    columns = zip(*(loads_of(function) for function in layers), strict=True)
    return {loads[0]: tuple(load.symbol for load in loads) for loads in columns}
