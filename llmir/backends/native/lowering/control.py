"""Loops, branches and calls: blocks with arguments."""

from __future__ import annotations

from xdsl.dialects import arith, func, llvm, scf
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, i32
from xdsl.ir import Attribute, Block, Operation

from llmir.backends.native.lowering.function import C_CONVENTION, NO_FLAGS, NO_SEGMENTS, Lowering, Rule, Value
from llmir.backends.native.lowering.tiles import TILE
from llmir.dialects.vk import tiles


def _yielded(w: Lowering, block: Block) -> list[Value]:
    last = block.last_op
    return [] if last is None else w.operands(last)


def _for(w: Lowering, op: scf.ForOp) -> None:
    lower, upper, step, *inits = w.operands(op)
    body, types = op.body.block, [v.type for v in inits]
    start, end = w.new_block([lower.type, *types]), Block(arg_types=types)
    if _runs_once(op):
        w.branch(start, [lower, *inits])
    else:
        w.branch_if(w.icmp("slt", lower, upper), start, [lower, *inits], end, inits)
    w.values.update(zip(body.args, start.args, strict=True))
    w.block = start
    w.block_of(body)
    carried = _yielded(w, body)
    following = w.binary(llvm.AddOp, start.args[0], step)
    w.branch_if(w.icmp("slt", following, upper), start, [following, *carried], end, carried)
    w.region.add_block(end)
    w.block = end
    w.values.update(zip(op.res, end.args, strict=True))


def _runs_once(op: scf.ForOp) -> bool:
    """True when the bounds are known and the body runs at least once."""
    bounds = [v.owner.value for v in (op.lb, op.ub) if isinstance(v.owner, arith.ConstantOp)]
    numbers = [b.value.data for b in bounds if isinstance(b, IntegerAttr)]
    return len(numbers) == 2 and numbers[0] < numbers[1]


def _if(w: Lowering, op: scf.IfOp) -> None:
    condition = w.of(op.cond)
    end = Block(arg_types=[_lowered_type(r.type) for r in op.output])
    then = w.new_block([])
    otherwise = w.new_block([]) if op.false_region.blocks else end
    w.branch_if(condition, then, [], otherwise, [])
    for block, region in ((then, op.true_region), (otherwise, op.false_region)):
        if block is end:
            continue
        w.block = block
        w.block_of(region.block)
        w.branch(end, _yielded(w, region.block))
    w.region.add_block(end)
    w.block = end
    w.values.update(zip(op.output, end.args, strict=True))


def _while(w: Lowering, op: scf.WhileOp) -> None:
    before, after = op.before_region.block, op.after_region.block
    test = w.new_block([_lowered_type(v.type) for v in before.args])
    body = Block(arg_types=[_lowered_type(v.type) for v in after.args])
    end = Block(arg_types=[_lowered_type(r.type) for r in op.res])
    w.branch(test, w.operands(op))
    w.values.update(zip(before.args, test.args, strict=True))
    w.block = test
    w.block_of(before)
    condition, *passed = _yielded(w, before)
    w.branch_if(condition, body, passed, end, passed)
    w.region.add_block(body)
    w.values.update(zip(after.args, body.args, strict=True))
    w.block = body
    w.block_of(after)
    w.branch(test, _yielded(w, after))
    w.region.add_block(end)
    w.block = end
    w.values.update(zip(op.res, end.args, strict=True))


def _call(w: Lowering, op: func.CallOp) -> Value | None:
    properties: dict[str, Attribute] = {
        "callee": op.callee,
        "operandSegmentSizes": DenseArrayBase.from_list(i32, [len(op.operands), 0]),
        "op_bundle_sizes": NO_SEGMENTS,
        "fastmathFlags": NO_FLAGS,
        "CConv": C_CONVENTION,
        "TailCallKind": llvm.TailCallKindAttr(llvm.TailCallKind.NONE),
    }
    return w.emit(llvm.CallOp, w.operands(op), op.results[0].type if op.results else None, properties)


def _return(w: Lowering, op: func.ReturnOp) -> None:
    w.emit(llvm.ReturnOp, w.operands(op))


def _nothing(w: Lowering, op: Operation) -> None:
    """Terminators, which the operation around lowers."""


def _lowered_type(type: Attribute) -> Attribute:
    """What values of a type have as a type in the llvm dialect."""
    return TILE if isinstance(type, tiles.TileType) else type


RULES: dict[type[Operation], Rule] = {
    scf.ForOp: _for,
    scf.IfOp: _if,
    scf.WhileOp: _while,
    scf.YieldOp: _nothing,
    scf.ConditionOp: _nothing,
    func.CallOp: _call,
    func.ReturnOp: _return,
}
