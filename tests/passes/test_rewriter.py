"""Locations of what passes make: helpers on operations, then whole pipelines."""

from __future__ import annotations

import pytest
from tiny_model import tiny_program
from xdsl.builder import Builder
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import (
    ArrayAttr,
    FileLineColLoc,
    FusedLoc,
    IntAttr,
    IntegerAttr,
    LocationAttr,
    ModuleOp,
    NoneAttr,
    StringAttr,
    UnknownLoc,
    i32,
)
from xdsl.ir import Block, Operation, Region
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.rewriter import InsertPoint

from llmir.dialects.parser import parse_module
from llmir.passes.pipeline import Pipeline
from llmir.passes.rewriter import Rewriter, fused, locate, locating_patterns
from llmir.program.context import LLMContext
from llmir.program.program import Program


def at(line: int) -> FileLineColLoc:
    return FileLineColLoc(StringAttr("f.mlir"), IntAttr(line), IntAttr(3))


def constant(location: LocationAttr | None = None) -> arith.ConstantOp:
    op = arith.ConstantOp(IntegerAttr(1, i32))
    if location is not None:
        op.location = location
    return op


def loop(*inside: Operation) -> scf.ExecuteRegionOp:
    return scf.ExecuteRegionOp([], Region(Block([*inside, scf.YieldOp()])))


def test_only_what_has_no_location_gets_one() -> None:
    inner, known = constant(), constant(at(7))
    around = loop(inner, known)
    locate([around, known], at(2))
    assert (around.location, inner.location, known.location) == (at(2), at(2), at(7))


def test_a_fused_location_names_each_once_and_none_that_is_unknown() -> None:
    first, second = constant(at(1)), constant(at(2))
    assert fused([first, second, constant(at(1)), constant()]) == FusedLoc(ArrayAttr([at(1), at(2)]), NoneAttr())
    assert fused([second, second]) == at(2)
    assert fused([constant()]) == UnknownLoc()
    assert fused([]) == UnknownLoc()


def test_replacements_stand_where_the_replaced_stood() -> None:
    old, following, first, last = constant(at(4)), constant(at(5)), constant(), constant(at(9))
    module = ModuleOp([old, following])
    Rewriter.replace_op(old, [first, last])
    assert list(module.body.block.ops) == [first, last, following]
    assert (first.location, last.location, following.location) == (at(4), at(9), at(5))


def test_insertions_stand_where_what_follows_stands() -> None:
    following, before, after = constant(at(5)), constant(), constant()
    module = ModuleOp([following])
    Rewriter.insert_op(before, InsertPoint.before(following))
    Rewriter.insert_op([after], InsertPoint.at_end(module.body.block))
    assert list(module.body.block.ops) == [before, following, after]
    assert (before.location, after.location) == (at(5), UnknownLoc())


def test_patterns_of_xdsl_locate_by_what_they_matched() -> None:
    """Also what is inserted elsewhere; and only inside, also when something fails there."""
    matched, following = constant(at(4)), constant(at(5))
    module = ModuleOp([matched, following])
    made = [constant() for _ in range(4)]
    insert = PatternRewriter.insert
    with locating_patterns():
        PatternRewriter(matched).insert(made[0])
        PatternRewriter(matched).insert(made[1], InsertPoint.at_end(module.body.block))
        PatternRewriter(InsertPoint.before(matched)).insert(made[2])  # matched nothing
    with pytest.raises(KeyError), locating_patterns():
        raise KeyError
    assert PatternRewriter.insert is insert
    PatternRewriter(matched).insert(made[3])
    assert [op.location for op in made] == [at(4), at(4), UnknownLoc(), UnknownLoc()]


def test_other_builders_are_left_alone() -> None:
    module, made = ModuleOp([constant(at(1))]), constant()
    with locating_patterns():
        Builder(InsertPoint.at_start(module.body.block)).insert(made)
    assert made.location == UnknownLoc()


PIPELINES = [
    "assign-schemes{weight-type=i4 input-type=i8 input-dynamic=true},quantize-weights,quantize-activations,"
    "fuse-quantized-ops{merge-projections=true},fuse-gated-activations,lower-to-target,pack-weights",
    "assign-schemes{weight-type=i8},quantize-weights,canonicalize,convert-llm-to-linalg{weights=constants},cse",
    "assign-schemes{weight-type=i4 weight-group-size=16},quantize-weights,lower-to-target{target=nvidia-sm80}",
    "assign-schemes{input-type=f8E4M3FN exclude=lm_head},insert-observers,cast-weights,fold-norm-scales",
    "cast-weights{type=bf16},prune-weights,assign-schemes{weight-type=i4},quantize-weights,sparsify-weights,"
    "absorb-transposes,merge-projections,fuse-gated-activations,legalize-for-target{target=x86-amx}",
]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_operation_a_pipeline_makes_has_a_location(pipeline: str) -> None:
    """Starting from text, where every operation has one."""
    program = tiny_program()
    module = parse_module(LLMContext.new(), str(program.module), "model.mlir")
    assert all(isinstance(op.location, FileLineColLoc) for op in module.walk())
    located = Program(module, program.weights, "model.mlir")
    Pipeline.parse(pipeline).run(located)
    unknown = {op.name for op in located.module.walk() if isinstance(op.location, UnknownLoc)}
    assert unknown == set()
