"""mllm's textual IR: what is printed is read back as the same objects, and our modules become flattened modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp

from llmir.dialects.llm.flattened import encoded
from llmir.dialects.llm.weights import WeightOp
from llmir.dialects.mllm_ir import (
    INVALID,
    KINDS,
    Call,
    Elided,
    Fragment,
    Instruction,
    Json,
    Module,
    Operation,
    QuantAnnotation,
    QuantSpec,
    Region,
    Return,
    Statement,
    SubGraph,
    Tensor,
    Value,
)
from llmir.exporters.mllm_ir import flattened_ir, print_mllm_ir
from llmir.frontends.mllm_ir import parameters, parse_mllm_ir
from llmir.frontends.tensor_file import StoredTensor, flattened_program, plain
from llmir.program.tensors import MemoryTensor

# trees of every construct

words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,8}", fullmatch=True)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,8}", fullmatch=True)
symbols = words.filter(lambda w: w != "main") | st.from_regex(r"<[A-Za-z ]{1,20}>", fullmatch=True)
labels = st.text(max_size=10)
numbers = st.integers(-(10**12), 10**12)
floats = st.floats(allow_nan=False, allow_infinity=False)
texts = words.filter(lambda w: w not in ("true", "false", "QuantSpec", "QuantAnnotation")) | st.just(INVALID)
scalars = numbers | floats | st.booleans() | texts


def spec_of(kind: str) -> st.SearchStrategy[QuantSpec]:
    parameters = {key: (words if key == "type" or key.endswith("_type") else numbers) for key in KINDS[kind]}
    solved = st.none() | st.sampled_from([0, 1])
    return st.builds(QuantSpec, st.just(kind), st.fixed_dictionaries(parameters), st.integers(0, 99), solved)


specs = st.sampled_from(sorted(KINDS)).flatmap(spec_of)
annotations = st.builds(QuantAnnotation, st.dictionaries(words, specs, max_size=3))
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | floats | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
objects = st.builds(Json, st.dictionaries(st.text(max_size=4), json_values, max_size=3))
values = scalars | st.lists(numbers | floats | words, max_size=3).map(tuple) | specs | annotations | objects
attributes = st.dictionaries(words, values, max_size=3)
tensors = st.builds(Tensor, st.lists(st.integers(0, 9999), max_size=4).map(tuple), words, names)
operands = st.lists(st.builds(Value, st.integers(0, 9999), tensors, st.none() | symbols, attributes), max_size=2).map(
    tuple
)
computations = st.builds(
    Operation,
    st.just("linalg"),
    names,
    names.filter(lambda n: n != "register"),
    operands,
    operands,
    attributes,
    st.none(),
    labels,
    st.booleans(),
) | st.builds(
    Operation, st.just("linalg"), names, names.filter(lambda n: n != "register"), operands, operands, attributes
)
memory = st.builds(Operation, st.just("tensor"), names, names, operands, operands, attributes) | st.builds(
    Operation, st.just("linalg"), names, st.just("register"), operands, operands, attributes, st.none() | names
)
instruction_names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(lambda n: n != "fragment")
with_results = st.builds(
    Instruction,
    instruction_names,
    st.none() | st.integers(0, 2**64 - 1),
    st.none() | words,
    operands,
    operands,
    attributes,
)
without_results = st.builds(
    Instruction, instruction_names, st.none(), st.none() | words, st.none() | operands, st.none(), attributes
)
leaves: st.SearchStrategy[Statement] = (
    computations
    | memory
    | with_results
    | without_results
    | st.builds(Return, operands, operands)
    | st.builds(Call, symbols, operands, operands, attributes)
    | st.just(Elided())
)


def nested(inner: st.SearchStrategy[Statement]) -> st.SearchStrategy[Statement]:
    bodies = st.lists(inner, max_size=3).map(tuple)
    regions = st.builds(Region, operands, operands, bodies)
    # a body without a region must not be empty: `{ }` alone says neither
    bare = bodies.filter(bool)
    return st.builds(SubGraph, symbols, words, regions | bare, attributes) | st.builds(
        Fragment, symbols, words, st.sampled_from(["code", "data", "table"]), bodies
    )


modules = st.builds(
    Module,
    st.builds(Region, operands, operands, st.lists(st.recursive(leaves, nested, max_leaves=6), max_size=3).map(tuple)),
)


@given(modules)
@settings(max_examples=15, deadline=None)
def test_what_is_printed_is_read_back(module: Module) -> None:
    text = print_mllm_ir(module)
    read = parse_mllm_ir(text, "text")
    assert read == module
    assert print_mllm_ir(read) == text


# our modules


def test_flattened_module() -> None:
    weights = {
        "a.embed.weight": np.zeros((8, 4), np.float16),
        "a.fc.weight": np.zeros((3, 4), np.float32),
        "a.fc.bias": np.zeros(3, np.float32),
        "a.norm.weight": np.zeros(4, np.float16),
        "ids": np.zeros((2, 3), np.int64),
    }
    tensors = {name: plain(MemoryTensor(values)) for name, values in weights.items()}
    raw = plain(MemoryTensor(np.zeros(36, np.uint8)))
    tensors["packed"] = StoredTensor(raw.type, raw.parts, "Q4_0", (64,))
    module = flattened_program(Path("m"), tensors, "test").module
    text = print_mllm_ir(flattened_ir(module))
    assert (
        text
        == """\
@main () -> () {
    graph.CallGraphOp @<QUANT ANONYMOUS FLAT MODULE> () -> ()
    graph.SubGraphOp @<QUANT ANONYMOUS FLAT MODULE> <CPU> {
        () -> () {
            linalg.CPU.EmbeddingOp <name="a.embed"> () -> ()
            linalg.CPU.LinearOp <name="a.fc"> () -> ()
        }
    }
    graph.SubGraphOp @init_params <CPU> {
        () -> () {
            tensor.CPU.AllocGlobalOp() -> (%0:tensor<[4], Fp16, CPU>[@a.norm.weight])
            tensor.CPU.AllocGlobalOp() -> (%1:tensor<[2, 3], Int64, CPU>[@ids])
            tensor.CPU.AllocGlobalOp() -> (%2:tensor<[64], Q4_0, CPU>[@packed])
        }
    }
}
"""
    )
    assert [name for name, _ in parameters(parse_mllm_ir(text, "text"))] == ["a.norm.weight", "ids", "packed"]


def test_empty_module() -> None:
    weight = encoded(WeightOp("w", plain(MemoryTensor(np.zeros(3, np.uint8))).type), "Byte")
    module = flattened_ir(ModuleOp([weight]))
    (parameter,) = list(parameters(module))
    assert parameter == ("w", Tensor((3,), "Byte", "CPU"))
