"""Steps of whole programs against the reference backend, run by teams whose threads come in any order."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import architectures
import numpy as np
import pytest
import tiny_models
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_interpreter import KernelInterpreter, operations
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import VerifyException

from llmir.backends.reference.interpreter import Reference
from llmir.dialects.context import new_context
from llmir.dialects.kernel_products import MatmulOp
from llmir.dialects.kernel_steps import BarrierOp, BufferOp, LoopOp, StepOp
from llmir.dialects.kernel_symbols import WeightOp
from llmir.dialects.kernel_types import RowsAttr, TilesType
from llmir.dialects.llm.weights import weights
from llmir.dialects.parser import parse_module
from llmir.errors import InputError, UnsupportedProgram
from llmir.frontends.registry import open_model
from llmir.passes.convert_llm_to_kernel import KernelConversionPass, convert
from llmir.passes.pipeline import Pipeline
from llmir.passes.steps.memory_plan import plan_memory
from llmir.program.program import Program

TARGET = "x86-avx512-vnni"
IDS = np.array([5, 17, 2, 200, 31, 8, 90, 90, 41], np.int64)
DENSE = [n for n, c in architectures.MODELS.items() if "moe" not in n and c["model_type"] != "mixtral"]
Array = np.ndarray[Any, np.dtype[Any]]


def model_program(folder: Path, name: str, pipeline: str = "") -> Program:
    """A tiny model of an architecture, after a pipeline."""
    if name in architectures.MODELS:
        config = architectures.MODELS[name]
        values = architectures.random_weights(config)
    else:
        config = tiny_models.config_of(name)
        values = tiny_models.random_weights(config)
    program = open_model(str(tiny_models.huggingface_folder(folder / name, config, values)))
    if pipeline:
        Pipeline.parse(pipeline).run(program)
    return program


def steps(program: Program, **options: Any) -> ModuleOp:
    """The program's module as steps, verified; the program keeps its own."""
    module = program.module.clone()
    convert(module, options.pop("target", TARGET), **options)
    module.verify()
    return module


class Expected:
    """What the reference backend gives for the program."""

    def __init__(self, program: Program, capacity: int):
        self.reference = Reference(program.module, program.weights)
        types = self.reference.function("backbone").function_type.inputs.data[2:]
        self.caches = [np.zeros((capacity, *t.get_shape()[1:]), np.float32) for t in types]  # type: ignore[attr-defined]

    def hidden(self, ids: Array, position: int) -> Array:
        hidden, *self.caches = self.reference.run("backbone", ids, position, *self.caches)
        return hidden

    def logits(self, hidden: Array) -> Array:
        return self.reference.run("head", hidden)[0]


def check(program: Program, *, threads: int, seed: int = 0, tolerance: float = 2e-5, **options: Any) -> ModuleOp:
    """Prefill of some tokens, then their logits, then three tokens one by one: all as the reference has them."""
    options.setdefault("kv_cache", "f32")
    module = steps(program, **options)
    capacity = len(IDS) + 3
    expected = Expected(program, capacity)
    team = KernelInterpreter(module, program.weights, capacity, threads=threads, seed=seed)
    want = expected.hidden(IDS, 0)
    hidden = np.full(want.shape, np.nan, np.float32)
    team.run("prefill", ids=IDS, position=0, hidden=hidden)
    near(hidden, want, tolerance)
    want = expected.logits(want)
    logits = np.full(want.shape, np.nan, np.float32)
    team.run("head", hidden=hidden, logits=logits)
    near(logits, want, tolerance)
    token = int(np.argmax(want[-1]))
    for position in range(len(IDS), capacity):
        want = expected.logits(expected.hidden(np.array([token], np.int64), position))
        logits, chosen = np.full(want.shape, np.nan, np.float32), np.full(1, -1, np.int64)
        team.run("decode", ids=np.array([token], np.int64), position=position, logits=logits, token=chosen)
        near(logits, want, tolerance)
        assert chosen[0] == np.argmax(logits[0])
        token = int(np.argmax(want[0]))
    return module


def near(found: Array, want: Array, tolerance: float) -> None:
    """Equal but for so much of the largest value."""
    assert found.shape == want.shape
    assert np.isfinite(found).all()
    assert np.abs(found - want).max() <= tolerance * np.abs(want).max()


@pytest.mark.parametrize("name", [*DENSE, *tiny_models.ARCHITECTURES])
def test_architectures(tmp_path: Path, name: str) -> None:
    check(model_program(tmp_path, name), threads=3, seed=1)


def scheme(options: str, *, inputs: str = "") -> str:
    """The pipeline of a scheme; `inputs` is what is said of inputs, which are quantized at run time."""
    dynamic = f' input_type="i8" input_dynamic=true {inputs}' if inputs else ""
    passes = ["quantize-weights", *(["quantize-activations"] if inputs else []), "fuse-quantized-ops"]
    return ",".join([f'assign-schemes{{exclude="lm_head" {options}{dynamic}}}', *passes])


TOKENS = 'input_granularity="per_token"'
TENSOR = 'input_granularity="per_tensor"'
GROUPS = 'input_granularity="per_group" input_group_size=32'
I4 = 'weight_type="i4" weight_scale="f16" weight_group_size=32'
QUANTIZED = {
    "w4a8": scheme(I4, inputs=TOKENS),
    "w4a8 in groups": scheme(I4, inputs=GROUPS),
    "w4 with zero points": scheme(I4.replace("i4", "ui4") + ' weight_zero_point="ui4"'),
    "w8 by channel": scheme('weight_type="i8" weight_granularity="per_channel"', inputs=TOKENS),
    "w8 by tensor": scheme('weight_type="i8" weight_granularity="per_tensor"', inputs=TOKENS),
    "nf4": scheme('weight_type="nf4" weight_group_size=16'),
    "inputs with zero points": scheme(I4, inputs=f'{GROUPS} input_zero_point="i8"'),
    "inputs with unsigned zero points": scheme(I4, inputs=f'{TOKENS} input_zero_point="ui8"').replace(
        'input_type="i8"', 'input_type="ui8"'
    ),
    "inputs of 4 bits with zero points": scheme(
        'weight_type="i8" weight_granularity="per_channel"', inputs=f'{GROUPS} input_zero_point="ui4"'
    ).replace('input_type="i8"', 'input_type="ui4"'),
    "one scale for all rows": scheme(I4, inputs=TENSOR),
    "one scale and zero point for all rows": scheme(I4, inputs=f'{TENSOR} input_zero_point="ui8"').replace(
        'input_type="i8"', 'input_type="ui8"'
    ),
}


@pytest.mark.parametrize("kind", QUANTIZED)
def test_schemes(tmp_path: Path, kind: str) -> None:
    check(model_program(tmp_path, "llama", QUANTIZED[kind]), threads=2, seed=3)


@pytest.mark.parametrize("name", ["gpt2", "phi3", "opt-gelu", "gemma3"])
def test_quantized_architectures(tmp_path: Path, name: str) -> None:
    check(model_program(tmp_path, name, QUANTIZED["w4a8 in groups"]), threads=2, seed=4)


@pytest.mark.parametrize("element", ["f16", "f8E4M3FN"])
def test_cache_elements(tmp_path: Path, element: str) -> None:
    """A narrower cache rounds keys and values, and only those."""
    program = model_program(tmp_path, "llama")
    check(program, threads=2, kv_cache=element, tolerance={"f16": 2e-3, "f8E4M3FN": 0.1}[element])
    with pytest.raises(AssertionError):
        check(program, threads=2, kv_cache=element, tolerance=1e-6)


def test_activation(tmp_path: Path) -> None:
    """Inputs of float products are rounded to bf16."""
    program = model_program(tmp_path, "llama")
    module = check(program, threads=2, target=f"{TARGET}+bf16", activation="bf16", tolerance=3e-2)
    assert {op.activation.data for op in matmuls(module)} == {"bf16"}
    with pytest.raises(AssertionError):
        check(program, threads=2, activation="bf16", tolerance=1e-4)


def matmuls(module: ModuleOp) -> list[MatmulOp]:
    return [op for op in module.walk() if isinstance(op, MatmulOp)]


STATIC = (
    'assign-schemes{exclude="lm_head" weight_type="i8" weight_granularity="per_channel" input_type="i8" '
    'input_granularity="per_tensor"},calibrate{tokens=64},quantize-weights,quantize-activations,fold-norm-scales{rounded=true},fuse-quantized-ops'
)


def test_static_inputs(tmp_path: Path) -> None:
    """Constant scales, some of them folded into norms, whose values then are in units of the scale."""
    text = tmp_path / "text.txt"
    text.write_text("Any text will do, as long as there is enough of it for a few windows of tokens. " * 20)
    program = model_program(tmp_path, "llama", STATIC.replace("tokens=64", f'text="{text}"'))
    module = check(program, threads=2)
    quantized = operations(next(op for op in module.body.ops if isinstance(op, StepOp)), "kernel.quantize_rows")
    assert all("scale" in op.properties for op in quantized)
    assert {"encoded" in op.properties for op in quantized} == {True, False}


def test_inputs_of_quantized_weights(tmp_path: Path) -> None:
    """What `quantize-matmul-inputs` adds is what the reference computes too."""
    program = model_program(tmp_path, "llama", f"{scheme(I4)},quantize-matmul-inputs{{group-size=32}}")
    module = check(program, threads=2)
    assert {op.activation.data for op in matmuls(module)} == {"i8", "f32"}  # f32: lm_head


@settings(max_examples=12)
@given(threads=st.integers(1, 5), seed=st.integers(0, 1000))
def test_any_team_gives_the_same_bits(tmp_path_factory: pytest.TempPathFactory, threads: int, seed: int) -> None:
    """However many threads, however they come and whatever their shares."""
    program, module = _shared_program(tmp_path_factory)
    results: list[Array] = []
    for count, order in ((1, 0), (threads, seed)):
        team = KernelInterpreter(module, program.weights, 16, threads=count, seed=order)
        hidden = np.zeros((6, 64), np.float32)
        team.run("prefill", ids=IDS[:6], position=0, hidden=hidden)
        logits, token = np.zeros((1, 259), np.float32), np.zeros(1, np.int64)
        team.run("decode", ids=IDS[6:7], position=6, logits=logits, token=token)
        results.append(np.concatenate([hidden.reshape(-1), logits.reshape(-1), token.astype(np.float32)]))
    assert (results[0] == results[1]).all()


_PROGRAMS: list[tuple[Program, ModuleOp]] = []


def _shared_program(folders: pytest.TempPathFactory) -> tuple[Program, ModuleOp]:
    if not _PROGRAMS:
        program = model_program(folders.mktemp("shared"), "gemma3")
        _PROGRAMS.append((program, steps(program)))
    return _PROGRAMS[0]


@pytest.mark.parametrize("name", ["llama", "gpt_neox", "opt-projected", "gemma3"])
def test_every_barrier_is_needed(tmp_path: Path, name: str) -> None:
    module = steps(model_program(tmp_path, name))
    for step in [op for op in module.body.ops if isinstance(op, StepOp)]:
        for barrier in [op for op in step.walk() if isinstance(op, BarrierOp)]:
            block, after = barrier.parent, barrier.next_op
            assert block is not None
            assert after is not None
            barrier.detach()
            with pytest.raises(VerifyException, match=r"a kernel\.barrier is missing between them"):
                step.verify()
            block.insert_op_before(barrier, after)
        step.verify()


def test_barriers_of_a_layer(tmp_path: Path) -> None:
    """Five a layer, three where attention and the other half of the block read the same value."""
    for name, count in (("llama", 5), ("gpt_neox", 3)):
        module = steps(model_program(tmp_path, name))
        decode = next(op for op in module.body.ops if isinstance(op, StepOp))
        loop = next(op for op in decode.walk() if isinstance(op, LoopOp))
        assert sum(isinstance(op, BarrierOp) for op in loop.body.block.ops) == count


def test_buffers_share_memory(tmp_path: Path) -> None:
    """A step needs less than all its buffers together, and no more for many layers than for one."""
    module = steps(model_program(tmp_path, "llama", QUANTIZED["w4a8"]))
    decode = next(op for op in module.body.ops if isinstance(op, StepOp))
    buffers = [op for op in decode.walk() if isinstance(op, BufferOp) and op.space == "private"]
    ends = [op.offset.value.data + 64 for op in buffers]
    assert max(ends) < sum(_bytes(op) for op in buffers)


def _bytes(op: BufferOp) -> int:
    from llmir.dialects.kernel_access import memref, row_bytes

    type = memref(op.output)
    assert type is not None
    return row_bytes(type)


@pytest.mark.parametrize("name", ["llama", "gpt_neox", "phi3", "gemma3"])
def test_every_weight_is_packed_once(tmp_path: Path, name: str) -> None:
    """Slots do not overlap, and hold every row of every weight a step needs exactly once."""
    program = model_program(tmp_path, name, QUANTIZED["w4a8"])
    module = steps(program)
    rows: dict[str, list[int]] = {}
    taken: list[tuple[int, int]] = []
    for slot in [op for op in module.body.ops if isinstance(op, WeightOp)]:
        size = slot.type.size if isinstance(slot.type, TilesType) else 4 * slot.type.get_shape()[0]
        for number, layer in enumerate(slot.layers):
            start = slot.offset.value.data + number * slot.stride.value.data
            taken.append((start, start + size))
            for member in layer:
                symbol = member.weight if isinstance(member, RowsAttr) else member
                type = weights(module)[symbol.root_reference.data].type
                whole = range(type.get_shape()[0])  # type: ignore[union-attr]
                indices = member.indices if isinstance(member, RowsAttr) else whole
                rows.setdefault(symbol.root_reference.data, []).extend(indices)
    ordered = sorted(taken)
    assert all(end <= start for (_, end), (start, _) in pairwise(ordered))
    for symbol, found in rows.items():
        assert sorted(found) == list(range(weights(module)[symbol].type.get_shape()[0])), symbol  # type: ignore[union-attr]
    unused = {s for s in weights(module) if s not in rows}
    assert unused <= {s for s in unused if "factors" in s}


def test_mixtures_are_refused(tmp_path: Path) -> None:
    program = model_program(tmp_path, "mixtral")
    with pytest.raises(UnsupportedProgram, match=r"'llm\.route'.* has no native kernel"):
        convert(program.module, TARGET)


def test_options() -> None:
    assert KernelConversionPass() == KernelConversionPass(target=TARGET, kv_cache="f16", activation="f32")


def test_refused_program_is_left_as_it_is(tmp_path: Path) -> None:
    program = model_program(tmp_path, "mixtral")
    before = str(program.module)
    with pytest.raises(InputError):
        convert(program.module, TARGET)
    assert str(program.module) == before


X = "tensor<?x128xf32>"
CALL = "%x_2, %k1, %v1 = func.call @model.layers.1(%x_1,"
REFUSALS_OF_CALLS = {
    "returns": (
        "func.return %x_2, %k0",
        "func.return %x_1, %k0",
        "@backbone does not return what its last block gives",
    ),
    "no call": (
        CALL,
        f"%s = llm.silu(%x_1) : ({X}) -> {X}\n    {CALL.replace('%x_1', '%s')}",
        "@backbone has 'llm.silu', expected calls of @embed and of a block for each layer",
    ),
    "unknown": (CALL, CALL.replace("layers.1", "layers.9"), "@backbone calls @model.layers.9, which is no function"),
    "other value": (CALL, CALL.replace("%x_1", "%x"), "with something else than the result of the call before it"),
    "roles": ('llm.role = "embed"', 'llm.role = "table"', "@backbone calls functions of the roles table, block, block"),
    "no position": (
        "%rotated_query = llm.rope(%heads, %position)",
        "%rotated_query = llm.rope(%heads)",
        "'llm.rope' has no native kernel: it has no position",
    ),
    "no cache": (
        "llm.attention(%rotated_query, %keys, %values, %position)",
        "llm.attention(%rotated_query, %rotated_key, %heads_2, %position)",
        "'llm.attention' has no native kernel: it reads no cache",
    ),
    "norm weight": (
        "%input_layernorm = llm.rms_norm(%x, %input_layernorm.weight)",
        "%scaled = llm.scale(%input_layernorm.weight) {factor = 2.0 : f32} : (tensor<128xf32>) -> tensor<128xf32>\n"
        "    %input_layernorm = llm.rms_norm(%x, %scaled)",
        "'llm.scale' has no native kernel: it computes with a weight",
    ),
}


NORM = "%input_layernorm = llm.rms_norm(%x, %input_layernorm.weight)"
QUERY = "%rotated_query = llm.rope(%heads, %position)"
HEAD = "%lm_head = llm.linear(%norm, %lm_head.weight) : (tensor<?x128xf32>, tensor<259x128xf32>) -> tensor<?x259xf32>"
EMBED = "%embed_tokens.weight = llm.load_weight @model.embed_tokens.weight : tensor<259x128xf32>"
SCALED = "%scaled = llm.scale(%lm_head.weight) {factor = 2.0 : f32} : (tensor<259x128xf32>) -> tensor<259x128xf32>"
ROPE = "%rotated_key = llm.rope(%heads_1, %position) {theta = 1.000000e+04 : f64} : ("
FACTORS = "tensor<?x2x32xf32>, index"
REFUSALS = REFUSALS_OF_CALLS | {
    "no backbone": (
        "func.func @backbone(",
        "func.func @spine(",
        "the module has no function @backbone: native code is",
    ),
    "argument": (
        "llm.rope(%heads_1, %position)",
        "llm.rope(%key_cache, %position)",
        "@model.layers.0 uses %key_cache in a way no native kernel has",
    ),
    "rows": (
        NORM,
        "%cut = tensor.extract_slice %x[1, 0] [3, 128] [1, 1] : tensor<?x128xf32> to tensor<3x128xf32>\n"
        f"%s = llm.silu(%cut) : (tensor<3x128xf32>) -> tensor<3x128xf32>\n    {NORM}",
        "'tensor.extract_slice' has no native kernel: only slices of columns have one",
    ),
    "every other column": (
        QUERY,
        "%cut = tensor.extract_slice %x[0, 0] [%tokens, 64] [1, 2] : tensor<?x128xf32> to tensor<?x64xf32>\n"
        f"%s = llm.silu(%cut) : (tensor<?x64xf32>) -> tensor<?x64xf32>\n    {QUERY}",
        "'tensor.extract_slice' has no native kernel: only slices of columns have one",
    ),
    "fewer rows": (
        NORM,
        "%cut = tensor.extract_slice %x[0, 0] [1, 128] [1, 1] : tensor<?x128xf32> to tensor<1x128xf32>\n"
        f"%s = llm.silu(%cut) : (tensor<1x128xf32>) -> tensor<1x128xf32>\n    {NORM}",
        "'tensor.extract_slice' has no native kernel: only slices of columns have one",
    ),
    "rows made of columns": (
        QUERY,
        "%cut = tensor.collapse_shape %heads [[0 : i64, 1 : i64], [2 : i64]] : "
        "tensor<?x4x32xf32> into tensor<?x32xf32>\n"
        f"%s = llm.silu(%cut) : (tensor<?x32xf32>) -> tensor<?x32xf32>\n    {QUERY}",
        "'tensor.collapse_shape' has no native kernel: only reshapes that leave the rows alone have one",
    ),
    "constant norm weight": (
        "%input_layernorm.weight = llm.load_weight @model.layers.0.input_layernorm.weight : tensor<128xf32>",
        "%input_layernorm.weight = arith.constant dense<2.0> : tensor<128xf32>",
        "'llm.rms_norm' has no native kernel: its weight is not loaded as it is",
    ),
    "constant table": (
        EMBED,
        "%embed_tokens.weight = arith.constant dense<2.0> : tensor<259x128xf32>",
        "'llm.embedding' has no native kernel: its table is not loaded as it is",
    ),
    "scaled weight": (
        HEAD,
        f"{SCALED}\n    {HEAD.replace('%lm_head.weight', '%scaled')}",
        "its weight is llm.scale, native kernels need a weight that is loaded as it is",
    ),
    "half floats": (
        HEAD,
        f"%h = {HEAD.removeprefix('%lm_head = ').replace('x259xf32>', 'x259xf16>')}\n"
        f"%s = llm.silu(%h) : (tensor<?x259xf16>) -> tensor<?x259xf16>\n    {HEAD}",
        "'llm.silu' has no native kernel: its result is tensor<?x259xf16>, activations are f32",
    ),
    "frequency factors": (
        f"{ROPE}{FACTORS})",
        f"%f = arith.constant dense<2.0> : tensor<16xf32>\n    "
        f"{ROPE.replace('%position)', '%position) factors(%f)')}{FACTORS}, tensor<16xf32>)",
        "frequency factors that are no weight have no native kernel",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(tmp_path: Path, name: str) -> None:
    old, new, message = REFUSALS[name]
    text = str(model_program(tmp_path, "llama").module)
    assert old in text
    changed = text.replace(old, new, 1)
    if "(%heads)" in new:
        changed = re.sub(r"(llm\.rope\(%heads\) .*?: \(tensor<\?x4x32xf32>), index\)", r"\1)", changed, count=1)
    module = parse_module(new_context(), changed)
    with pytest.raises(UnsupportedProgram, match=re.escape(message)):
        convert(module, TARGET)


def test_blocks_of_another_kind() -> None:
    x = "tensor<?x8xf32>"
    text = f"""
func.func @embed(%ids: tensor<?xi64>) -> {x} attributes {{llm.role = "embed"}} {{
  %w = llm.load_weight @w : tensor<16x8xf32>
  %x = llm.embedding(%ids, %w) : (tensor<?xi64>, tensor<16x8xf32>) -> {x}
  func.return %x : {x}
}}
func.func @block(%x: {x}) -> {x} attributes {{llm.role = "block"}} {{
  func.return %x : {x}
}}
func.func @head(%x: {x}) -> tensor<?x4x4xf32> attributes {{llm.role = "head"}} {{
  %w = llm.load_weight @w : tensor<16x8xf32>
  %y = llm.linear(%x, %w) : ({x}, tensor<16x8xf32>) -> tensor<?x16xf32>
  %c0 = arith.constant 0 : index
  %n = tensor.dim %y, %c0 : tensor<?x16xf32>
  %z = tensor.expand_shape %y [[0], [1, 2]] output_shape [%n, 4, 4] : tensor<?x16xf32> into tensor<?x4x4xf32>
  func.return %z : tensor<?x4x4xf32>
}}
func.func @backbone(%ids: tensor<?xi64>, %position: index) -> {x} attributes {{llm.role = "backbone"}} {{
  %x = func.call @embed(%ids) : (tensor<?xi64>) -> {x}
  %y = func.call @block(%x) : ({x}) -> {x}
  func.return %y : {x}
}}
llm.weight @w : tensor<16x8xf32>
"""
    with pytest.raises(UnsupportedProgram, match=re.escape("expected (hidden, position, key cache, value cache) -> ")):
        convert(parse_module(new_context(), text), TARGET)
    without = text.replace(f"%y = func.call @block(%x) : ({x}) -> {x}", "").replace(
        "return %y : tensor<?x8", "return %x : tensor<?x8"
    )
    with pytest.raises(
        InputError, match=re.escape("@head is given or returns tensor<?x4x4xf32>, expected [tokens, col")
    ):
        convert(parse_module(new_context(), without), TARGET)


@pytest.mark.parametrize("name", ["backbone", "head", "embed"])
@pytest.mark.parametrize(
    "body", ["() { func.return }", "() -> index { %c = arith.constant 1 : index func.return %c : index }"]
)
def test_functions_that_are_given_or_return_nothing(tmp_path: Path, name: str, body: str) -> None:
    module = model_program(tmp_path, "llama").module
    other = parse_module(new_context(), f"func.func @{name}{body}").body.ops.first
    assert other is not None
    old = next(op for op in module.body.ops if isinstance(op, func.FuncOp) and op.sym_name.data == name)
    other.detach()
    module.body.block.insert_op_before(other, old)
    old.detach()
    with pytest.raises(UnsupportedProgram, match="expected one block that takes a value and returns one"):
        convert(module, TARGET)


@pytest.mark.parametrize(("option", "known"), [("kv_cache", "f16, f32, f8E4M3FN, i8"), ("activation", "f32, bf16")])
def test_unknown_options(option: str, known: str) -> None:
    name = option.replace("_", "-")
    with pytest.raises(InputError, match=f"unknown {name} 'f7', expected one of {known}"):
        convert(ModuleOp([]), TARGET, **cast(Any, {option: "f7"}))


def test_refused_products() -> None:
    """Products that functions of a program may have, but no architecture does."""
    x, codes = "tensor<?x8xf32>", "!llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>"
    weight = "!llm.quantized_tensor<16x8xi8, scale=f32, symmetric=true>"
    out = "!llm.quantized_tensor<?x16xi8, scale=f32, symmetric=true>"
    scale = "{scale = dense<0.1> : tensor<1xf32>}"
    mixed = "!llm.mixed_quantized_tensor<16x8x!llm.mixed<i8,i4>, scale=f32>"
    columns = codes.replace("true>", "true, axis=1>")
    bodies = {
        f"its weight is {mixed}": f"""
  %w = llm.load_weight @m : {mixed}
  %z = llm.linear(%x, %w) : ({x}, {mixed}) -> tensor<?x16xf32>""",
        "tiles of floats are float32, float16, bfloat16, not float64": f"""
  %w = llm.load_weight @d : tensor<16x8xf64>
  %z = llm.linear(%x, %w) : ({x}, tensor<16x8xf64>) -> tensor<?x16xf32>""",
        "its codes are not made by a quantize": f"""
  %w = llm.load_weight @q : {weight}
  %y = llm.quantized_matmul(%w, %w) : ({weight}, {weight}) -> tensor<16x16xf32>
  %z = tensor.cast %y : tensor<16x16xf32> to tensor<?x16xf32>""",
        "constant scales are one for the whole input": f"""
  %w = llm.load_weight @q : {weight}
  %c = llm.quantize(%x) {{scale = dense<0.1> : tensor<8xf32>}} : ({x}) -> {columns}
  %z = llm.quantized_matmul(%c, %w) : ({columns}, {weight}) -> tensor<?x16xf32>""",
        "a product whose result is codes has no native kernel": f"""
  %w = llm.load_weight @q : {weight}
  %c = llm.quantize(%x) {scale} : ({x}) -> {codes}
  %y = llm.quantized_matmul(%c, %w) {{out_scale = dense<0.1> : tensor<1xf32>}} : ({codes}, {weight}) -> {out}
  %z = llm.dequantize(%y) : ({out}) -> tensor<?x16xf32>""",
        "a weight of codes in a plain tensor has no native kernel": f"""
  %w = llm.load_weight @p : tensor<16x8xi8>
  %s = llm.load_weight @s : tensor<16xf32>
  %z = llm.quantized_matmul(%x, %w, %s) {{bits = 8 : i32, group_size = 8 : i32}} :
    ({x}, tensor<16x8xi8>, tensor<16xf32>) -> tensor<?x16xf32>""",
        "an input of 3 dimensions has no native kernel": f"""
  %w = llm.load_weight @w : tensor<16x8xf32>
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : {x}
  %h = tensor.expand_shape %x [[0], [1, 2]] output_shape [%n, 1, 8] : {x} into tensor<?x1x8xf32>
  %y = llm.linear(%h, %w) : (tensor<?x1x8xf32>, tensor<16x8xf32>) -> tensor<?x1x16xf32>
  %z = tensor.collapse_shape %y [[0], [1, 2]] : tensor<?x1x16xf32> into tensor<?x16xf32>""",
        "scales that are powers of two are rounded as the MX formats' only": f"""
  %w = llm.load_weight @q : {weight}
  %c = llm.quantize(%x) {{scale_rounding = "floor"}} : ({x}) -> {codes.replace("f32", "f8E8M0FNU")}
  %z = llm.quantized_matmul(%c, %w) : ({codes.replace("f32", "f8E8M0FNU")}, {weight}) -> tensor<?x16xf32>""",
    }
    for message, body in bodies.items():
        text = f"""
llm.weight @q : {weight}
llm.weight @m : {mixed}
llm.weight @d : tensor<16x8xf64>
llm.weight @p : tensor<16x8xi8>
llm.weight @s : tensor<16xf32>
llm.weight @w : tensor<16x8xf32>
func.func @embed(%ids: tensor<?xi64>) -> {x} attributes {{llm.role = "embed"}} {{
  %w = llm.load_weight @w : tensor<16x8xf32>
  %x = llm.embedding(%ids, %w) : (tensor<?xi64>, tensor<16x8xf32>) -> {x}
  func.return %x : {x}
}}
func.func @head(%x: {x}) -> tensor<?x16xf32> attributes {{llm.role = "head"}} {{{body}
  func.return %z : tensor<?x16xf32>
}}
func.func @backbone(%ids: tensor<?xi64>, %position: index) -> {x} attributes {{llm.role = "backbone"}} {{
  %x = func.call @embed(%ids) : (tensor<?xi64>) -> {x}
  func.return %x : {x}
}}
"""
        with pytest.raises(UnsupportedProgram, match=re.escape(message)):
            convert(parse_module(new_context(), text), TARGET)


def test_refused_table(tmp_path: Path) -> None:
    """Scales along a row do not fit into tiles."""
    text = str(model_program(tmp_path, "llama").module)
    table = "@model.embed_tokens.weight : tensor<259x128xf32>"
    assert f"llm.weight {table}" in text
    assert EMBED.endswith(table)
    stored = "!llm.quantized_tensor<259x128xi8, scale=f32, symmetric=true, axis=1>"
    changed = text.replace(table, table.replace("tensor<259x128xf32>", stored)).replace(
        "(tensor<?xi64>, tensor<259x128xf32>)", f"(tensor<?xi64>, {stored})"
    )
    message = "'llm.embedding' has no native kernel: tiles need parameters that do not change along K"
    with pytest.raises(UnsupportedProgram, match=re.escape(message)):
        convert(parse_module(new_context(), changed), TARGET)


INPUTS = {
    "f8E4M3FN, scale=f32": "inputs are quantized to integers of 2 to 8 bits, not f8E4M3FN",
    "i8, scale=f32, zp=f32": "inputs have zero points that are integers, or none",
    "i8, scale=f32, min=f32": "inputs have zero points that are integers, or none",
    "i8, scale=f64, symmetric=true": "scales of inputs are f32, f16, bf16 or f8E8M0FNU, not f64",
    "ui8, scale=f32, symmetric=true": "scales alone are found at run time for signed codes; give zero points",
    "i8, scale=f8E8M0FNU, zp=i8": "with zero points scales are no powers of two",
    "i8, scale=f32, symmetric=true, axis=1": "inputs have scales for groups of columns, for tokens or for all of them",
    "i8, scale=f32, symmetric=true, group_size=48, pad=16": "groups of 48 do not divide its input of 128",
}


@pytest.mark.parametrize("type", INPUTS)
def test_refused_inputs(tmp_path: Path, type: str) -> None:
    text = str(model_program(tmp_path, "llama", scheme(I4, inputs=TOKENS)).module)
    old = "!llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>"
    assert old in text
    where = "" if "axis" in type or "group" in type else ", axis=0"
    module = parse_module(new_context(), text.replace(old, f"!llm.quantized_tensor<?x128x{type}{where}>"))
    with pytest.raises(UnsupportedProgram, match=re.escape(INPUTS[type])):
        convert(module, TARGET)


def test_target_without_schedules(tmp_path: Path) -> None:
    text = Path(str(files("llmir.targets") / f"{TARGET}.toml")).read_text()
    chip = tmp_path / "chip.toml"
    chip.write_text(text[: text.index("[[schedule]]")])
    program = model_program(tmp_path, "llama")
    with pytest.raises(InputError, match=r"has no \[\[schedule\]\] for f32 inputs and a weight of 259 rows of 32 bits"):
        convert(program.module, str(chip))


def test_memory_of_a_loop_that_does_not_begin_with_a_barrier() -> None:
    """What a loop's end still uses is not given to its beginning: no barrier lies between the two."""
    rows, columns = (
        "{cap = 1.0 : f32, split = #kernel.split<rows>}",
        "{cap = 1.0 : f32, split = #kernel.split<columns 8>}",
    )
    x = 'memref<?x32xf32, "shared">'
    buffers = "\n".join(f"%{n} = kernel.buffer {{offset = {128 * i} : i64}} : {x}" for i, n in enumerate("abc"))
    phases = [
        f"kernel.softcap(%{a}) into(%{b}) {how} : ({x}, {x}) -> ()"
        for a, b, how in (("hidden", "a", rows), ("a", "b", columns), ("b", "c", rows), ("c", "hidden", rows))
    ]
    body = "\nkernel.barrier\n".join(phases[:3]) + f"\n{phases[3]}"
    module = parse_module(
        new_context(),
        f"kernel.step @head(%hidden: {x}, %logits: {x}) {{\nkernel.loop %l = 0 to 2 {{\n{buffers}\n{body}\n}}\n}}",
    )
    step = next(op for op in module.body.ops if isinstance(op, StepOp))
    step.verify()
    plan_memory(step)
    step.verify()
    offsets = {op.output.name_hint: op.offset.value.data for op in step.walk() if isinstance(op, BufferOp)}
    assert offsets["a"] != offsets["c"]


def schedules_text(*entries: str) -> str:
    return f"builtin.module attributes {{kernel.schedules = [{', '.join(entries)}]}} {{}}"


def schedule_of(kind: str, columns: int) -> str:
    one, many = (
        f"#kernel.schedule<rows={rows}, columns={columns}, n_block=3, k_unroll=4, prefetch=128>" for rows in (1, 5)
    )
    return f"#kernel.schedule_of<{kind}, one_row={one}, many_rows={many}>"


def test_given_schedules(tmp_path: Path) -> None:
    """The text's schedules are taken, and steps still compute what the program does."""
    program = model_program(tmp_path, "llama", QUANTIZED["w4a8 in groups"])
    kinds = {str(op.kind) for op in steps(program).walk() if isinstance(op, MatmulOp)}
    text = schedules_text(*(schedule_of(kind, 1 + i % 3) for i, kind in enumerate(sorted(kinds))))
    program.module.attributes |= parse_module(new_context(), text, "given").attributes
    module = check(program, threads=2, seed=5)
    assert "kernel.schedules" not in module.attributes
    products = [op for op in module.walk() if isinstance(op, MatmulOp)]
    assert {op.schedule.schedule.n_block for op in products} == {3}
    assert {op.schedule.schedule.columns for op in products} == {1 + i % 3 for i in range(len(kinds))}
    assert {op.schedule.schedule.rows for op in products} == {1, 5}


GIVEN = {
    "no array": ("kernel.schedules = 3 : i64", "kernel.schedules is 3 : i64, expected an array of #kernel.schedule_of"),
    "something else": ("kernel.schedules = [3 : i64]", "expected an array of #kernel.schedule_of"),
    "twice": (
        f"kernel.schedules = [{schedule_of('tensor<8x32xf32>, activation=f32', 1)}, "
        f"{schedule_of('tensor<8x32xf32>, activation=f32', 2)}]",
        "kernel.schedules has two schedules for tensor<8x32xf32>, activation=f32, expected one",
    ),
    "no product": (
        f"kernel.schedules = [{schedule_of('tensor<8x32xf32>, activation=f32', 1)}]",
        "kernel.schedules has schedules for tensor<8x32xf32>, activation=f32, which no product is; there are:\n  "
        "tensor<",
    ),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_given_schedules_that_are_none(tmp_path: Path, kind: str) -> None:
    """An error, and the program is left as it was."""
    text, message = GIVEN[kind]
    program = model_program(tmp_path, "llama")
    module = program.module
    given_text = f"builtin.module attributes {{{text}}} {{}}"
    module.attributes |= parse_module(new_context(), given_text, "given").attributes
    before = str(module)
    with pytest.raises(InputError, match=re.escape(message)):
        convert(module, TARGET)
    assert str(module) == before
