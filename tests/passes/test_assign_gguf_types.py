"""`assign-gguf-types` against what llama.cpp's own choice of types gives.

data/llama_cpp_types.json was made by running that function (src/llama-quant.cpp, October 2026) on the tensors of six
models: for every mix and kind of tensor the block types by block, as [type, how many blocks in a row].
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from xdsl.dialects.builtin import ModuleOp

from llmir.dialects.context import new_context
from llmir.dialects.parser import parse_module
from llmir.errors import InputError
from llmir.passes.assign_gguf_types import BLOCK_TYPES, GGUFTypeAssignmentPass, block_scheme
from llmir.passes.assign_schemes import layers_by_name, scheme_of
from llmir.passes.remarks import remark_of
from llmir.program.context import LLMContext

TYPES: dict[str, dict[str, dict[str, list[list[Any]]]]] = json.loads(
    (Path(__file__).parent / "data" / "llama_cpp_types.json").read_text()
)
NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
EXPERTS = {
    "ffn_gate_exps": "block_sparse_moe.experts.{}.w1",
    "ffn_up_exps": "block_sparse_moe.experts.{}.w3",
    "ffn_down_exps": "block_sparse_moe.experts.{}.w2",
}
SCHEMES = {str(block_scheme(type)): type for type in BLOCK_TYPES}


def model(description: str) -> ModuleOp:
    """Layers of the shapes a description gives, computing nothing of use."""
    numbers = [int(n) for n in re.findall(r"\d+", description)]
    blocks, sharing, experts, tied, hidden, inner = numbers
    lines = ["func.func @main(%ids: tensor<?xi64>, %h: tensor<?x{0}xf32>, %i: tensor<?x{1}xf32>) {{"]
    declared: list[str] = []

    def weight(name: str, rows: int, columns: int) -> str:
        declared.append(f"llm.weight @{name}.weight : tensor<{rows}x{columns}xf32>")
        lines.append(f"%w{len(lines)} = llm.load_weight @{name}.weight : tensor<{rows}x{columns}xf32>")
        return f"%w{len(lines) - 1}"

    def linear(name: str, rows: int, columns: int, loaded: str = "") -> None:
        value = loaded or weight(name, rows, columns)
        lines.append(
            f'%y{len(lines)} = llm.linear({"%i" if columns == inner else "%h"}, {value}) {{module = "{name}"}} '
            f": (tensor<?x{columns}xf32>, tensor<{rows}x{columns}xf32>) -> tensor<?x{rows}xf32>"
        )

    table = weight("model.embed_tokens", 10, hidden)
    lines.append(
        f'%x = llm.embedding(%ids, {table}) {{module = "model.embed_tokens"}} '
        f": (tensor<?xi64>, tensor<10x{hidden}xf32>) -> tensor<?x{hidden}xf32>"
    )
    for block in range(blocks):
        for role, name in NAMES.items():
            if experts and role.startswith("ffn"):
                continue
            rows = 8 * sharing if role == "attn_q" else 8
            linear(f"model.layers.{block}.{name}", rows, inner if role == "ffn_down" else hidden)
        for role, name in EXPERTS.items():
            for expert in range(experts):
                path = f"model.layers.{block}.{name.format(expert)}"
                linear(path, 8, inner if role == "ffn_down_exps" else hidden)
    linear("lm_head", 10, hidden, table if tied else "")
    text = "\n".join([*declared, lines[0].format(hidden, inner), *lines[1:], "func.return", "}"])
    module = parse_module(new_context(), text, "test")
    module.verify()
    return module


def expected(by_role: dict[str, list[list[Any]]], experts: int, tied: bool) -> dict[str, str]:
    """The type of each layer by its name."""
    layers = {"model.embed_tokens": by_role["token_embd"][0][0]}
    layers["lm_head"] = layers["model.embed_tokens"] if tied else by_role["output"][0][0]
    for role, runs in by_role.items():
        if role in ("token_embd", "output"):
            continue
        for block, type in enumerate(t for t, count in runs for _ in range(count)):
            for expert in range(experts if role in EXPERTS else 1):
                name = EXPERTS[role].format(expert) if role in EXPERTS else NAMES[role]
                layers[f"model.layers.{block}.{name}"] = type
    return layers


@pytest.fixture(scope="module", params=list(TYPES))
def described(request: pytest.FixtureRequest) -> tuple[str, ModuleOp]:
    return request.param, model(request.param)


def test_types(described: tuple[str, ModuleOp]) -> None:
    description, module = described
    experts, tied = int(description.split("experts ")[1].split(",")[0]), "tied 1" in description
    for mix, by_role in TYPES[description].items():
        GGUFTypeAssignmentPass(type=mix).apply(LLMContext.new(), module)
        found = {name: SCHEMES[str(scheme_of(same[0]))] for name, same in layers_by_name(module).items()}
        wanted = expected(by_role, experts, tied)
        assert {n: t for n, t in found.items() if wanted[n] != t} == {}, mix
        assert set(found) == set(wanted)


def test_fallback_is_said(described: tuple[str, ModuleOp]) -> None:
    """Rows of 576 values are no super-blocks."""
    description, module = described
    GGUFTypeAssignmentPass(type="Q4_K_S").apply(LLMContext.new(), module)
    said = remark_of(layers_by_name(module)["model.layers.5.self_attn.q_proj"][0])
    if "576" in description:
        assert said == "Q5_0 instead of Q4_K: its input size 576 is no multiple of 256"
    else:
        assert said is None


def test_excluded_layers_of_a_tied_model() -> None:
    module = model("7 blocks, sharing 2, experts 0, tied 1, 256 x 512")
    with pytest.raises(InputError, match=r"assign-gguf-types: pattern 'v_proj' matches none of 51 layers; the nearest"):
        GGUFTypeAssignmentPass(type="Q6_K", exclude=("v_proj",)).apply(LLMContext.new(), module)
    both = GGUFTypeAssignmentPass(type="Q6_K", token_embedding_type="Q8_0")
    both.apply(LLMContext.new(), module)
    layers = layers_by_name(module)
    assert SCHEMES[str(scheme_of(layers["lm_head"][0]))] == "Q8_0"
    assert SCHEMES[str(scheme_of(layers["model.embed_tokens"][0]))] == "Q8_0"


def test_types_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="unknown type 'Q7_K', expected one of Q4_0, Q4_1"):
        GGUFTypeAssignmentPass(type="Q7_K")
    with pytest.raises(ValueError, match="unknown block type 'Q4_K_M', expected one of Q4_0, Q4_1"):
        GGUFTypeAssignmentPass(type="Q8_0", output_tensor_type="Q4_K_M")
