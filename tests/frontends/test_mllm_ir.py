"""Texts in the forms mllm and mllm-advanced print, and texts that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmir.dialects.llm.weights import weights
from llmir.dialects.mllm_ir import (
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
    SubGraph,
    Tensor,
    Value,
)
from llmir.errors import InputError
from llmir.exporters.mllm_ir import print_mllm_ir
from llmir.frontends.mllm_ir import open_mllm_ir, parse_mllm_ir

TRACE = """\
@main () -> () {
    graph.SubGraphOp @init <notype> [symbol:init] {
        () -> () {
            tensor.CPU.register () -> (%3:tensor<[8, 4], Float32, CPU>[@net.up.weight])[symbol:net.up.weight]
            linalg.CPU.register<LinearOp>() -> ()[symbol:net.up]
        }
    }
    graph.SubGraphOp @deinit <notype> {
        () -> () {
            
        }
    }
    graph.CallGraphOp @net (%0:tensor<[1, 4], Float32, CPU>[qnn_graph_inputs:0]) -> (%1:tensor<[1, 8], Float32, CPU>)
    graph.SubGraphOp @net <CPU> [using_qnn:true] {
        (%0:tensor<[1, 4], Float32, CPU>) -> (%1:tensor<[1, 8], Float32, CPU>) {
            linalg.CPU.LinearOp <name="net.Linear.0"> [impl:GGUF] (%0:tensor<[1, 4], Float32, CPU>) -> \
(%1:tensor<[1, 8], Float32, CPU>)
            linalg.QNN.CustomizedOp [name="topk \\"1\\""] (%1:tensor<[1, 8], Float32, CPU>) -> ()
            tensor.CPU.free (%0:tensor<[1, 4], Float32, CPU>) -> ()
            cf.ReturnOp (%1:tensor<[1, 8], Float32, CPU>) -> ()
        }
    }
}
"""
RECIPE = """\
@main () -> () {
    linalg.CPU.LinearOp <name="a"> [quant_recipe:QuantAnnotation(\
inputs_0:QuantSpec(Raw(type: Float32), uuid=1, solved=0), \
outputs_0:QuantSpec(AsymPerTensor(quant_min: 0, quant_max: 65535, quant_to_type: UInt16, scale_type: Float32, \
zero_point_type: Int32), uuid=2, solved=1), \
weight_weight:QuantSpec(LPBQ(quant_min: -8, quant_max: 7, block_size: 32, ch_axis: 0, scale_level_0_bitwidth: 4, \
quant_to_type: UInt4, scale_1_type: Float32), uuid=3, solved=0))] () -> ()
}
"""
PROGRAM = """\
@main () -> () {
    prog.fragment @__MLLM_JIT_PACKAGE_CODE_SEGMENT <CPU> <code> {
        addr:0xffffffffffffffff prog.label[symbol:net.__entry]
        addr:0x0000000000001f prog.mode_config[flag:1]
        addr:0x00000000000020 prog.bind[type:0, program_uuid:7, input_pos:0]
        addr:0x00000000000021 prog.jump net.__entry[offset:-3]
        addr:0x00000000000022 prog.kernel_launch(%0:tensor<[1], Float32, CPU>) -> (%1:tensor<[1], Float32, CPU>)\
[op_type:Linear, op_options:{"in":4,"list":[1,null,{"x":true}]}, symbol_name:net.up]
        addr:0x00000000000023 prog.kernel_symbol[symbol:net.up, op_type:1, op_options:null]
        addr:0x00000000000024 prog.entry_point
        addr:0x00000000000025 prog.free(%0:tensor<[1], Float32, CPU>) -> ()
        addr:0x00000000000026 prog.exit() -> ()
        addr:0x00000000000027 prog.ret
    }
}
"""
FLATTENED = """
@main () -> (){
    graph.CallGraphOp @<QUANT ANONYMOUS FLAT MODULE> () -> ()
    graph.SubGraphOp @<QUANT ANONYMOUS FLAT MODULE> <kCPU>{
        linalg.CPU.LinearOp() -> ()
        linalg.kCPU.LinearOp() -> ()
        ...
    }
    graph.SubGraphOp @init_params <CPU>{ () -> (){
        // a figure
        tensor.CPU.AllocGlobalOp() -> (%5:tensor<[4, 8], Fp32, CPU>[@net.norm.weight]) } }
}
"""


@pytest.mark.parametrize("text", [TRACE, RECIPE, PROGRAM], ids=["trace", "recipe", "program"])
def test_mllms_own_form_is_printed_again(text: str) -> None:
    assert print_mllm_ir(parse_mllm_ir(text, "text")) == text


def test_trace() -> None:
    body = parse_mllm_ir(TRACE, "text").region.body
    init, net = body[0], body[3]
    assert isinstance(init, SubGraph)
    assert isinstance(init.body, Region)
    weight = Value(3, Tensor((8, 4), "Float32", "CPU"), "net.up.weight")
    assert init.body.body[0] == Operation("tensor", "CPU", "register", (), (weight,), {"symbol": "net.up.weight"})
    assert init.body.body[1] == Operation("linalg", "CPU", "register", (), (), {"symbol": "net.up"}, "LinearOp")
    assert isinstance(net, SubGraph)
    assert net.attributes == {"using_qnn": True}
    assert isinstance(net.body, Region)
    linear, custom, free, end = net.body.body
    source, result = net.body.inputs, net.body.outputs
    assert linear == Operation("linalg", "CPU", "LinearOp", source, result, {"impl": "GGUF"}, label="net.Linear.0")
    assert custom == Operation("linalg", "QNN", "CustomizedOp", result, (), label='topk "1"', is_custom=True)
    assert free == Operation("tensor", "CPU", "free", source, ())
    assert end == Return(result)


def test_recipe() -> None:
    (linear,) = parse_mllm_ir(RECIPE, "text").region.body
    assert isinstance(linear, Operation)
    recipe = linear.attributes["quant_recipe"]
    assert isinstance(recipe, QuantAnnotation)
    assert recipe.specs["inputs_0"] == QuantSpec("Raw", {"type": "Float32"}, 1, 0)
    assert recipe.specs["outputs_0"].parameters["quant_max"] == 65535
    assert recipe.specs["weight_weight"].kind == "LPBQ"
    assert list(recipe.specs["weight_weight"].parameters.values()) == [-8, 7, 32, 0, 4, "UInt4", "Float32"]


def test_program() -> None:
    (fragment,) = parse_mllm_ir(PROGRAM, "text").region.body
    assert isinstance(fragment, Fragment)
    assert (fragment.device, fragment.kind) == ("CPU", "code")
    label, _, _, jump, launch, symbol, *_, end = fragment.body
    assert label == Instruction("label", 2**64 - 1, attributes={"symbol": "net.__entry"})
    assert jump == Instruction("jump", 0x21, "net.__entry", attributes={"offset": -3})
    assert isinstance(launch, Instruction)
    assert launch.attributes["op_options"] == Json({"in": 4, "list": [1, None, {"x": True}]})
    assert isinstance(symbol, Instruction)
    assert symbol.attributes["op_options"] == "null"
    assert end == Instruction("ret", 0x27)


def test_flattened_module() -> None:
    """As mllm-advanced documents it, with the device spelled both ways and no region around the operations."""
    module = parse_mllm_ir(FLATTENED, "text")
    flat, parameters = module.region.body[1:]
    assert flat == SubGraph(
        "<QUANT ANONYMOUS FLAT MODULE>",
        "kCPU",
        (Operation("linalg", "CPU", "LinearOp", (), ()), Operation("linalg", "kCPU", "LinearOp", (), ()), Elided()),
    )
    assert isinstance(parameters, SubGraph)
    assert parse_mllm_ir(print_mllm_ir(module), "again") == module


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("QuantSpec(None(, uuid=4)", QuantSpec("None", {}, 4)),
        ("QuantSpec(None(), uuid=4, solved=1)", QuantSpec("None", {}, 4, 1)),
        ("[1, 2]", (1, 2)),
        ("[0.5]", (0.5,)),
        ("<InvalidAttribute NYI>", "<InvalidAttribute NYI>"),
        ("blk.0/fc-1", "blk.0/fc-1"),
        ("two words", "two words"),
        ("007", "007"),
        ("1e-05", 1e-05),
        (
            "QuantAnnotation(inputs_0:QuantSpec(Raw(type: A), uuid=1), )",
            QuantAnnotation({"inputs_0": QuantSpec("Raw", {"type": "A"}, 1)}),
        ),
    ],
)
def test_attributes(spec: str, expected: object) -> None:
    (op,) = parse_mllm_ir(f"@main () -> () {{ linalg.CPU.X [a:{spec}, b:1] () -> () }}", "t").region.body
    assert isinstance(op, Operation)
    assert op.attributes == {"a": expected, "b": 1}


def text_with(attribute: str) -> str:
    return f"@main () -> () {{\n    linalg.CPU.X [{attribute}] () -> () }}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "t: line 1, column 1: found the end, expected '@main'"),
        ("@main () -> () { linalg.CPU.X( }", "t: line 1, column 32: found '}', expected ')' or id"),
        ("@main () -> () { $ }", "t: line 1, column 18: found '$', expected"),
        ("@main () -> ()", "found the end, expected '{'"),
        (text_with("a:QuantSpec(Rare(type: A), uuid=1)"), "t: line 2, column 51: unknown kind of QuantSpec 'Rare'"),
        (text_with("a:QuantSpec(Raw(kind: A), uuid=1)"), "Raw has kind, expected type"),
        (text_with("a:QuantSpec(Raw(type: 1), uuid=1)"), "Raw: type is 1, expected the name of a type"),
        (
            text_with("a:QuantSpec(SymPerTensor(quant_min: a, quant_max: 1, quant_to_type: A, scale_type: B), uuid=1)"),
            "SymPerTensor: quant_min is 'a', expected a whole number",
        ),
        (text_with("a:" + '{"a":' * 200), "t: line 2: more than 100 brackets are open"),
        (text_with("a:1, a:2"), "t: line 2, column 24: attribute 'a' is given twice"),
        (text_with('a:{"b": nul}'), "t: line 2, column 27: 'nul' is not JSON"),
        (text_with('a:{"b": "\\x"}'), 't: line 2, column 27: "\\x" is not a valid string'),
    ],
)
def test_refusals(text: str, expected: str) -> None:
    with pytest.raises(InputError) as error:
        parse_mllm_ir(text, "t")
    assert expected in str(error.value)


def test_programs_of_texts(tmp_path: Path) -> None:
    """The registered tensors of a trace become a flattened program without values."""
    path = tmp_path / "net.mir"
    path.write_text(TRACE)
    program = open_mllm_ir(path)
    assert "llm.weight @net.up.weight : tensor<8x4xf32>" in str(program.module)
    assert "%up = llm.linear(%x, %up.weight)" in str(program.module)
    assert not program.has_weights


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@main () -> () { }", "registers no tensors, there is nothing to plan with"),
        (TRACE.replace("[8, 4], Float32", "[8, 4], Float7"), "tensor 'net.up.weight' has unknown data type Float7"),
        (
            TRACE.replace("[8, 4], Float32", "[8, 4], GGUF_Q4_K"),
            "of shape [8, 4]: 32 elements are not whole Q4_K blocks",
        ),
        ("\udcff", "not UTF-8 text"),
    ],
)
def test_programs_that_texts_are_not(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "net.mir"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError) as error:
        open_mllm_ir(path)
    assert str(error.value).startswith(f"{path}: ")
    assert expected in str(error.value)


def test_types_of_programs(tmp_path: Path) -> None:
    text = "@main () -> () {"
    for number, dtype in enumerate(["kFp16", "GGUF_Q8_0", "Byte", "Q8_K"]):
        text += f"tensor.CPU.register () -> (%{number}:tensor<[2, 256], {dtype}, CPU>[@w{number}.weight])"
    (tmp_path / "t.mir").write_text(text + "}")
    module = str(open_mllm_ir(tmp_path / "t.mir").module)
    assert "@w0.weight : tensor<2x256xf16>" in module
    assert "@w1.weight : !llm.quantized_tensor<2x256xi8, scale=f16, symmetric=true, group_size=32>" in module
    assert '@w2.weight {llm.encoding = "Byte"' in module
    assert '@w3.weight {llm.encoding = "Q8_K", llm.encoded_shape = array<i64: 2, 256>' in module


def test_parameters_of_every_form(tmp_path: Path) -> None:
    text = """@main () -> () {
        graph.SubGraphOp @a <CPU> { tensor.CPU.register () -> (%0:tensor<[2], Fp32, CPU>[@a]) }
        prog.fragment @t <CPU> <table> { prog.value_symbol() -> (%1:tensor<[3], Float32, CPU>[@b])[symbol:b] }
    }"""
    (tmp_path / "t.mir").write_text(text)
    assert list(weights(open_mllm_ir(tmp_path / "t.mir").module)) == ["a", "b"]


def test_type_of_the_tree() -> None:
    assert isinstance(parse_mllm_ir(TRACE, "t"), Module)
