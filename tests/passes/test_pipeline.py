"""Pipelines from Python: text and objects, programs and bare modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_model import tiny_program
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.transforms.canonicalize import CanonicalizePass

from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.model import LinearOp
from llmir.dialects.llm.weights import weights
from llmir.dialects.parser import parse_module
from llmir.errors import InputError, UsageError
from llmir.passes.assign_schemes import SchemeAssignmentPass
from llmir.passes.fuse_quantized_ops import QuantizedOperationFusionPass
from llmir.passes.pipeline import Pipeline
from llmir.passes.quantize_weights import WeightQuantizationPass
from llmir.passes.registry import installed
from llmir.program.context import LLMContext
from llmir.tools.opt_registry import Registry

TEXT = "assign-schemes{weight-type=i4},quantize-weights,fuse-quantized-ops"
PASSES = [SchemeAssignmentPass(weight_type="i4"), WeightQuantizationPass(), QuantizedOperationFusionPass()]


def module(weight: str = "arith.constant dense<1.0> : tensor<2x4xf32>") -> ModuleOp:
    return parse_module(
        LLMContext.new(),
        f"""llm.weight @w : tensor<2x4xf32>
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {{
  %w = {weight}
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}}""",
    )


def test_text_and_objects_are_the_same() -> None:
    pipeline = Pipeline.parse(TEXT)
    for same in (Pipeline(PASSES), Pipeline(tuple(PASSES)), Pipeline(iter(PASSES))):
        assert same == pipeline
        assert hash(same) == hash(pipeline)
        assert Pipeline.parse(str(same)) == pipeline
    assert pipeline.passes == tuple(PASSES)


def test_passes_of_xdsl() -> None:
    pipeline = Pipeline.parse("canonicalize,quantize-weights,cse")
    assert pipeline.passes[0] == CanonicalizePass()
    assert str(pipeline) == "canonicalize,quantize-weights,cse"
    with pytest.raises(UsageError, match="canonicalise"):
        Pipeline.parse("canonicalise")


def test_a_program_remembers_its_pipelines() -> None:
    program = tiny_program()
    Pipeline(PASSES).run(program)
    Pipeline([]).run(program)
    assert program.history == [{"pipeline": str(Pipeline.parse(TEXT))}]


def test_a_bare_module() -> None:
    bare = module()
    Pipeline.parse(TEXT).run(bare)
    assert [op.result.name_hint for op in bare.walk() if isinstance(op, ConstantOp)] == ["w"]


def test_a_bare_module_has_no_stored_weights() -> None:
    bare = module("llm.load_weight @w : tensor<2x4xf32>")
    with pytest.raises(InputError, match=r"^the module, which has no weights of its own: there is no tensor 'w'$"):
        Pipeline.parse(TEXT).run(bare)


@dataclass(frozen=True)
class Breaking(ModulePass):
    """A pass that leaves something that is not valid."""

    name = "break"

    attribute: str

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Make a weight another type, or a result another shape than its operand's."""
        if self.attribute == "symbol":
            weights(op)["w"].properties["type"] = TensorType(f32, [2, 5])
        else:
            linear = next(inner for inner in op.walk() if isinstance(inner, LinearOp))
            Rewriter.replace_value_with_new_type(linear.output, TensorType(f32, [2, 5]))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("symbol", "after break: 'llm.load_weight' result is tensor<2x4xf32> but weight @w is tensor<2x5xf32>"),
        ("type", "after break: result has N = 5 but weight is 2x4, that is N = 2"),
    ],
)
def test_what_a_pass_breaks_is_found_after_it(what: str, message: str) -> None:
    loaded = module("llm.load_weight @w : tensor<2x4xf32>")
    with pytest.raises(InputError) as e:
        Pipeline([Breaking(what)]).run(loaded)
    assert str(e.value) == message


OTHER_PACKAGE = """
from dataclasses import dataclass
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Dialect
from xdsl.irdl import IRDLOperation, irdl_op_definition, region_def, traits_def
from xdsl.passes import ModulePass
from xdsl.traits import IsolatedFromAbove, NoTerminator
from xdsl.universe import Universe

@irdl_op_definition
class Box(IRDLOperation):
    name = "other.box"
    body = region_def()
    traits = traits_def(IsolatedFromAbove(), NoTerminator())

@dataclass(frozen=True)
class SignPass(ModulePass):
    name = "sign"
    by: str = "nobody"
    def apply(self, ctx, op):
        op.attributes["signed"] = StringAttr(self.by)

UNIVERSE = Universe(
    all_dialects={"other": lambda: Dialect("other", [Box])},
    all_passes={"sign": lambda: SignPass},
)
"""


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package installed beside LLMIR that registers a dialect and a pass; xDSL refuses names that are taken."""
    (tmp_path / "other_universe.py").write_text(OTHER_PACKAGE)
    info = tmp_path / "other-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[xdsl.universe]\nother = other_universe:UNIVERSE\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    installed.cache_clear()
    yield
    installed.cache_clear()
    sys.modules.pop("other_universe", None)


@pytest.mark.usefixtures("other_package")
def test_passes_of_other_packages() -> None:
    """As llmir-opt, which looks them up in the same place."""
    signed = module()
    pipeline = Pipeline.parse("canonicalize,sign{by=me},quantize-weights,other.box(cse)")
    pipeline.run(signed)
    assert str(signed.attributes["signed"]) == '"me"'
    assert isinstance(pipeline.passes[2], WeightQuantizationPass)
    assert {"sign", "canonicalize", "quantize-weights"} <= Registry().passes.keys()
    assert "other" in Registry().dialects
    with pytest.raises(UsageError, match="unknown pass 'sing', did you mean 'sign'"):
        Pipeline.parse("sing")


def test_passes_of_packages_that_are_not_installed() -> None:
    with pytest.raises(UsageError, match="unknown pass 'sign'"):
        Pipeline.parse("sign")
    with pytest.raises(UsageError, match=r"'other.box', which is not a registered operation"):
        Pipeline.parse("cse,other.box(cse)")
