"""`rename-weights`: the name changes in the text and in the store, or a copy gets a layer of its own."""

from __future__ import annotations

import numpy as np
import pytest
from flat_program import flat_program
from tiny_model import passed, tiny_program

from llmir.dialects.llm.model import LinearOp
from llmir.dialects.llm.weights import loads, weights
from llmir.errors import InputError
from llmir.passes.locations import module_name
from llmir.passes.pipeline import Pipeline, compile_numpy

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_rename() -> None:
    program = flat_program(a__weight=VALUES)
    Pipeline.parse('rename-weights{weight="a.weight" to="b.weight"}').run(program)
    assert list(weights(program.module)) == list(program.weights) == ["b.weight"]
    assert [load.symbol for load in loads(program.module)] == ["b.weight"]
    assert np.array_equal(program.weights["b.weight"].read(), VALUES)


def test_rename_quantized() -> None:
    """All parts of a quantized weight are renamed."""
    program = flat_program(a__weight=VALUES)
    Pipeline.parse('assign-schemes{weight-type=i8},quantize-weights,rename-weights{weight="a.weight" to=b}').run(
        program
    )
    assert set(program.weights) == {"b.codes", "b.scale"}
    program.stored_tensors()


def test_a_program_computes_the_same() -> None:
    before = tiny_program()
    after = passed('rename-weights{weight="model.norm.weight" to="final_norm"}', tiny_program())
    ids = np.array([1, 2, 3])
    hidden = [compile_numpy(p.module, p.weights) for p in (before, after)]
    logits = [s.call("head", s.backbone(ids, 0, s.new_cache(3))) for s in hidden]
    assert np.array_equal(logits[0], logits[1])


def test_keep() -> None:
    program = flat_program(a__weight=VALUES, a__bias=np.ones(2, np.float32))
    Pipeline.parse('rename-weights{weight="a.weight" to="b.weight" keep=true}').run(program)
    assert set(program.weights) == {"a.weight", "a.bias", "b.weight"}
    layers = [op for op in program.module.walk() if isinstance(op, LinearOp)]
    assert [module_name(op) for op in layers] == ["a", "b"]
    assert all(op.bias is not None for op in layers)
    # each can be changed alone
    Pipeline.parse("assign-schemes{modules=b weight-type=i8},quantize-weights").run(program)
    assert {"a.weight", "b.weight.codes"} <= set(program.weights)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('weight="a.wieght" to=b', "rename-weights: there is no weight 'a.wieght', the nearest is 'a.weight'"),
        ('weight="a.weight" to="c.weight"', "rename-weights: 'c.weight' is the name of another weight already"),
    ],
)
def test_refusals(options: str, expected: str) -> None:
    program = flat_program(a__weight=VALUES, c__weight=VALUES)
    with pytest.raises(InputError, match=expected):
        Pipeline.parse(f"rename-weights{{{options}}}").run(program)


def test_copies_need_a_flattened_module() -> None:
    with pytest.raises(InputError, match="a copy 'x' would be used by no layer, keep is for flattened modules"):
        passed('rename-weights{weight="model.norm.weight" to=x keep=true}')
