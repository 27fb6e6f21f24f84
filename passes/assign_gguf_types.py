"""`assign-gguf-types`: give every layer the GGUF block type that llama.cpp's `llama-quantize` would give its tensor.

A mix such as Q4_K_M is not one type: the output layer, attn_v and ffn_down of some blocks and, in the smaller
mixes, attn_output get more bits. Which block gets what depends on the number of blocks, on how many heads share
keys, and on the number of experts, so that this pass decides it on the model. With n blocks, block i has "more
bits" if i < n/8, i >= 7n/8 or (i - n/8) mod 3 = 2 (integer division):

| type           | rest       | attn_v                              | ffn_down                          | attn_output |
|----------------|------------|-------------------------------------|-----------------------------------|-------------|
| Q2_K           | Q2_K       | Q4_K if 4 or more heads share, else Q3_K | Q3_K                         | Q3_K        |
| Q3_K_S         | Q3_K       |                                     |                                   |             |
| Q3_K_M         | Q3_K       | Q5_K in 2 blocks, then Q4_K         | Q5_K in a first sixteenth, then Q4_K | Q4_K     |
| Q3_K_L         | Q3_K       | Q5_K                                | Q5_K                              | Q5_K        |
| Q4_K_S         | Q4_K       | Q5_K in 4 blocks                    | Q5_K in a first eighth            |             |
| Q4_K_M, Q5_K_M | Q4_K, Q5_K | Q6_K with more bits                 | Q6_K with more bits               |             |
| IQ4_NL, IQ4_XS | same       | Q5_K if 4 or more heads share       | Q5_K in a first eighth            |             |
| all others     | same       |                                     |                                   |             |

The output layer is Q8_0 if its rows are not whole blocks or the rest is Q8_0, else Q6_K; so is an embedding it is
tied to. A fused qkv projection counts as attn_v.
Models of 80 blocks whose heads share keys get at least Q5_K for attn_v; mixtures of 8 experts Q8_0 for attn_v and
attn_k, and Q5_K for attn_output in the mixes below Q5_K. Routers of experts stay floats. MXFP4_MOE is MXFP4 for the
layers of experts and Q8_0 for all others.
Rows that are not whole super-blocks of 256 fall back: Q2_K and Q3_K to Q4_0, Q4_K to Q5_0, Q5_K to Q5_1, Q6_K to
Q8_0, IQ4_XS to IQ4_NL; rows that are not whole blocks of 32 stay floats. Both leave a remark.
The codes are llama.cpp's own (method `gguf`), but for IQ4_NL and IQ4_XS, whose scales are searched by `mse`.
Source: llama.cpp, src/llama-quant.cpp and tools/quantize (October 2026), without an importance matrix.

Options:
  type         the mix: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K_S, Q3_K_M, Q3_K_L, Q4_K_S, Q4_K_M, Q5_K_S, Q5_K_M,
               Q6_K, IQ4_NL, IQ4_XS, MXFP4_MOE
  pure         give every layer the rest's type
  output-tensor-type  the block type of the output layer instead
  token-embedding-type  the block type of the embedding instead
  exclude      names, globs or `re:` patterns of layers to leave alone; each must match one
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from llmir.dialects.llm.attributes import SchemeAttr
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import QuantizedMatmulOp, shape_of
from llmir.passes.assign_schemes import (
    SCHEME,
    SchemeAssignmentPass,
    check_layer,
    kind_of,
    layers_by_name,
    match_all,
    weight_of,
)
from llmir.passes.locations import error_at, loaded_weight, module_name
from llmir.passes.remarks import NOT_QUANTIZED, REMARK, remark

SUPER_BLOCK, BLOCK = 256, 32


def _block(type: str, size: int = BLOCK, scale: str = "f16", minimum: str = "", **more: Any) -> dict[str, Any]:
    options = {"weight_type": type, "weight_group_size": size, "weight_scale": scale, "weight_method": "gguf"}
    return options | ({"weight_min": minimum} if minimum else {}) | more


def _super_block(type: str, size: int, scale: str, minimum: str = "", **more: Any) -> dict[str, Any]:
    groups = SUPER_BLOCK // size
    second = {"weight_scale_scale": "f16", "weight_scale_group_size": groups}
    if minimum:
        second |= {"weight_min_scale": "f16", "weight_min_group_size": groups}
    return _block(type, size, scale, minimum, **(second | more))


BLOCK_TYPES: dict[str, dict[str, Any]] = {
    "Q4_0": _block("i4"),
    "Q4_1": _block("ui4", minimum="f16"),
    "Q5_0": _block("i5"),
    "Q5_1": _block("ui5", minimum="f16"),
    "Q8_0": _block("i8"),
    "IQ4_NL": _block("iq4_nl", weight_method="mse"),
    "MXFP4": _block("f4E2M1FN", scale="f8E8M0FNU"),
    "Q2_K": _super_block("ui2", 16, "ui4", "ui4"),
    "Q3_K": _super_block("i3", 16, "i6"),
    "Q4_K": _super_block("ui4", 32, "ui6", "ui6"),
    "Q5_K": _super_block("ui5", 32, "ui6", "ui6"),
    "Q6_K": _super_block("i6", 16, "i8"),
    "IQ4_XS": _super_block("iq4_nl", 32, "i6", weight_method="mse"),
}
"""The `assign-schemes` options of a block type."""
SUPER = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS")
FALLBACK = {"Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "IQ4_XS": "IQ4_NL"}
MIXES: dict[str, str] = {
    **{name: name for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K")},
    **{f"Q{bits}_K_{size}": f"Q{bits}_K" for bits, sizes in ((3, "SML"), (4, "SM"), (5, "SM")) for size in sizes},
    **{name: name for name in ("Q6_K", "IQ4_NL", "IQ4_XS")},
    "MXFP4_MOE": "Q8_0",
}
"""Mixes, and the type of what a mix does not single out."""
ROLES = {
    "attn_qkv": ("qkv_proj", "query_key_value", "c_attn", "W_pack", "Wqkv"),
    "attn_v": ("v_proj",),
    "attn_k": ("k_proj",),
    "attn_output": ("o_proj", "self_attn.dense", "self_attention.dense", "attn.c_proj", "out_proj"),
    "ffn_down": ("down_proj", "w2", "fc2", "dense_4h_to_h", "mlp.c_proj"),
}
"""What layers are called in checkpoints, by llama.cpp's name of their kind."""


EXPERT = re.compile(r"\bexperts\.(\d+)\.")


@dataclass(frozen=True)
class Shape:
    """What a mix depends on: blocks, query heads for each key head, experts."""

    blocks: int
    sharing: int
    experts: int


@dataclass(frozen=True)
class GGUFTypeAssignmentPass(ModulePass):
    """Give every layer the GGUF block type that llama-quantize would give its tensor."""

    name = "assign-gguf-types"

    type: str
    pure: bool = False
    output_tensor_type: str = ""
    token_embedding_type: str = ""
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """ValueError for an unknown type."""
        if self.type not in MIXES:
            raise ValueError(f"unknown type '{self.type}', expected one of {', '.join(MIXES)}")
        for chosen in (self.output_tensor_type, self.token_embedding_type):
            if chosen and chosen not in BLOCK_TYPES:
                raise ValueError(f"unknown block type '{chosen}', expected one of {', '.join(BLOCK_TYPES)}")

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Annotate layers; InputError for a pattern without a match, or layers that multiply codes already."""
        done = [o for o in op.walk() if isinstance(o, QuantizedMatmulOp)]
        if done:
            such = f"{len(done)} layers are quantized already, such as '{module_name(done[0])}'"
            raise error_at(done[0], f"{such}; start from the original model", self.name)
        layers = layers_by_name(op)
        excluded = match_all(self.exclude, layers, self.name) if self.exclude else []
        shape, tied = shape_of_model(op), is_tied(op)
        for name, same_name in layers.items():
            for layer in same_name:
                if name in excluded:
                    remark(layer, f"{NOT_QUANTIZED}excluded by the recipe")
                elif kind_of(layer) == "router":
                    remark(layer, f"{NOT_QUANTIZED}router of a mixture of experts")
                else:
                    assign(name, layer, self.type_of(name, layer, shape, tied))

    def type_of(self, name: str, layer: LinearOp | EmbeddingOp, shape: Shape, tied: bool) -> str:
        """The block type of a layer, before its rows are looked at."""
        embedding = isinstance(layer, EmbeddingOp)
        if embedding and self.token_embedding_type:
            return self.token_embedding_type
        if not embedding and is_output(name) and tied and self.token_embedding_type:
            return self.token_embedding_type
        if is_output(name) or (embedding and tied):
            return self.output_tensor_type or self._output_type(shape_of(weight_of(layer))[-1])
        if self.pure or embedding:
            return self._rest()
        if self.type == "MXFP4_MOE" and EXPERT.search(name):
            return "MXFP4"
        return mixed_type(self.type, role_of(name), block_of(name), shape)

    def _rest(self) -> str:
        return "MXFP4" if self.pure and self.type == "MXFP4_MOE" else MIXES[self.type]

    def _output_type(self, size: int) -> str:
        rest = self._rest()
        if self.pure:
            return rest
        whole = size % (SUPER_BLOCK if rest in SUPER else BLOCK) == 0
        return "Q6_K" if whole and rest != "Q8_0" else "Q8_0"


def mixed_type(mix: str, role: str, block: int, shape: Shape) -> str:
    """The block type of a layer of a decoder block; a `role` that no mix singles out may be any text."""
    rest, n = MIXES[mix], shape.blocks
    more_bits = block < n // 8 or block >= 7 * n // 8 or (block - n // 8) % 3 == 2
    few_experts = shape.experts == 8
    match role:
        case "attn_v" | "attn_qkv":
            return _value_type(mix, block, shape, more_bits)
        case "attn_k":
            return "Q8_0" if few_experts else rest
        case "ffn_down":
            return _down_type(mix, block, n, more_bits)
        case "attn_output" if few_experts:
            return "Q5_K" if mix in ("Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M", "IQ4_NL", "IQ4_XS") else rest
        case "attn_output":
            return {"Q2_K": "Q3_K", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K"}.get(mix, rest)
        case _:
            return rest


def _value_type(mix: str, block: int, shape: Shape, more_bits: bool) -> str:
    chosen = MIXES[mix]
    match mix:
        case "Q2_K":
            chosen = "Q4_K" if shape.sharing >= 4 else "Q3_K"
        case "Q3_K_M":
            chosen = "Q5_K" if block < 2 else "Q4_K"
        case "Q3_K_L":
            chosen = "Q5_K"
        case "IQ4_NL" | "IQ4_XS" if shape.sharing >= 4:
            chosen = "Q5_K"
        case "Q4_K_M" | "Q5_K_M" if more_bits:
            chosen = "Q6_K"
        case "Q4_K_S" if block < 4:
            chosen = "Q5_K"
        case _:
            pass
    if shape.blocks == 80 and shape.sharing > 1 and chosen in ("Q3_K", "Q4_K"):
        chosen = "Q5_K"
    return "Q8_0" if shape.experts == 8 else chosen


def _down_type(mix: str, block: int, n: int, more_bits: bool) -> str:
    match mix:
        case "Q2_K":
            return "Q3_K"
        case "Q3_K_M":
            return "Q5_K" if block < n // 16 else "Q4_K"
        case "Q3_K_L":
            return "Q5_K"
        case "Q4_K_M" | "Q5_K_M" if more_bits:
            return "Q6_K"
        case "IQ4_NL" | "IQ4_XS" | "Q4_K_S" if block < n // 8:
            return "Q5_K"
        case _:
            return MIXES[mix]


def assign(name: str, layer: LinearOp | EmbeddingOp, type: str) -> None:
    """Write a block type's scheme on a layer, or that of the type its rows allow."""
    size = shape_of(weight_of(layer))[-1]
    wanted, said = type, ""
    if type in SUPER and size % SUPER_BLOCK:
        type = FALLBACK[type]
        said = f"{type} instead of {wanted}: its input size {size} is no multiple of {SUPER_BLOCK}"
    if size % BLOCK:
        remark(layer, f"{NOT_QUANTIZED}its input size {size} is no multiple of {BLOCK}, which GGUF blocks need")
        return
    scheme = block_scheme(type)
    check_layer(name, layer, scheme)
    layer.attributes[SCHEME] = scheme
    layer.attributes.pop(REMARK, None)
    if said:
        remark(layer, said)


@lru_cache(maxsize=len(BLOCK_TYPES))
def block_scheme(type: str) -> SchemeAttr:
    """The scheme of a block type."""
    return SchemeAssignmentPass(**BLOCK_TYPES[type]).scheme()


def role_of(name: str) -> str:
    """llama.cpp's name of a layer's kind, or the layer's own last name."""
    for role, names in ROLES.items():
        if any(name == n or name.endswith("." + n) for n in names):
            return role
    return name.rpartition(".")[2]


def is_output(name: str) -> bool:
    """True for the layer that makes logits."""
    return name in ("lm_head", "embed_out", "output")


def block_of(name: str) -> int:
    """The number of the decoder block a layer is in, 0 outside of them."""
    found = re.search(r"\.(\d+)\.", name)
    return int(found[1]) if found else 0


def is_tied(module: ModuleOp) -> bool:
    """True when the output layer reads the embedding's table."""
    tables = {load.symbol for load in _tables(module, EmbeddingOp)}
    return any(load.symbol in tables for load in _tables(module, LinearOp))


def _tables(module: ModuleOp, kind: type[LinearOp | EmbeddingOp]) -> Iterator[Any]:
    loads = (loaded_weight(weight_of(op)) for op in module.walk() if isinstance(op, kind))
    return (load for load in loads if load is not None)


def shape_of_model(module: ModuleOp) -> Shape:
    """Blocks, query heads for each key head, and experts, from the layers' names and shapes."""
    layers = {name: same[0] for name, same in layers_by_name(module).items()}
    blocks = {block_of(name) for name in layers if re.search(r"\.\d+\.", name)}
    experts = {found[1] for name in layers if (found := EXPERT.search(name))}
    sharing = 1
    for name, layer in layers.items():
        queries = layers.get(re.sub(r"k_proj$", "q_proj", name)) if name.endswith("k_proj") else None
        if queries is not None:
            sharing = max(sharing, shape_of(weight_of(queries))[0] // shape_of(weight_of(layer))[0])
    return Shape(len(blocks), sharing, len(experts))
