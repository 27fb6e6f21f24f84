"""The Llama family (Llama, Mistral, Qwen2, Qwen3) as a module of the `llm` dialect.

Functions: `@embed`, ids to the first hidden states; one for each decoder block, named like the checkpoint's
module (`@model.layers.0`); `@head`, hidden states to logits; `@backbone`, embed and all blocks; `@forward`,
backbone and head. Blocks take and return their key and value cache; `position` is the number of tokens
already in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    IndexType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    f32,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue, TypeAttribute
from xdsl.rewriter import InsertPoint

from llmir.dialects.llm.attributes import RopeScalingAttr
from llmir.dialects.llm.model import (
    AttentionOp,
    EmbeddingOp,
    LinearOp,
    RMSNormOp,
    RopeOp,
    SiluOp,
    UpdateCacheOp,
    result_like,
)
from llmir.dialects.llm.quantization import DequantizeOp, shape_of
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp

EMBEDDING, NORM, HEAD = "model.embed_tokens", "model.norm", "lm_head"
ROPE_FACTORS = "model.rope_factors"
MAX_LAYERS = 10_000
"""More decoder blocks than any model has; a file that claims more is refused before anything is built for them."""


@dataclass(frozen=True)
class LlamaConfig:
    """The sizes and switches that tell members of the family apart."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    rms_norm_eps: float
    rope_theta: float
    rope_scaling: RopeScalingAttr | None = None
    rope_factors: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    tied: bool = False
    windows: tuple[int | None, ...] = ()

    def contradiction(self) -> str | None:
        """Why no model can have these sizes, None if one can."""
        if self.heads % self.kv_heads:
            return f"{self.heads} attention heads cannot share {self.kv_heads} key heads evenly"
        if self.head_dim % 2:
            return f"head_dim is {self.head_dim}, rotary embeddings need an even one"
        return None

    def window(self, layer: int) -> int | None:
        """How many keys a layer's queries see, None for all."""
        return self.windows[layer] if self.windows else None

    def weight_shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Every weight of the model with its shape, in the order it is used."""
        yield f"{EMBEDDING}.weight", (self.vocab_size, self.hidden_size)
        if self.rope_factors:
            yield ROPE_FACTORS, (self.head_dim // 2,)
        for layer in range(self.layers):
            yield from self._block_shapes(f"model.layers.{layer}")
        yield f"{NORM}.weight", (self.hidden_size,)
        if not self.tied:
            yield f"{HEAD}.weight", (self.vocab_size, self.hidden_size)

    def _block_shapes(self, block: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        hidden, inner = self.hidden_size, self.intermediate_size
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        yield f"{block}.input_layernorm.weight", (hidden,)
        for name, size in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
            yield from _linear_shapes(f"{block}.self_attn.{name}", size, hidden, self.qkv_bias)
        if self.qk_norm:
            yield f"{block}.self_attn.q_norm.weight", (self.head_dim,)
            yield f"{block}.self_attn.k_norm.weight", (self.head_dim,)
        yield from _linear_shapes(f"{block}.self_attn.o_proj", hidden, queries, self.output_bias)
        yield f"{block}.post_attention_layernorm.weight", (hidden,)
        yield from _linear_shapes(f"{block}.mlp.gate_proj", inner, hidden, self.mlp_bias)
        yield from _linear_shapes(f"{block}.mlp.up_proj", inner, hidden, self.mlp_bias)
        yield from _linear_shapes(f"{block}.mlp.down_proj", hidden, inner, self.mlp_bias)


def _linear_shapes(name: str, out: int, inp: int, bias: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (out, inp)
    if bias:
        yield f"{name}.bias", (out,)


def build_module(config: LlamaConfig, types: Mapping[str, TypeAttribute]) -> ModuleOp:
    """The module of a model whose weights have the given types (float or quantized tensors)."""
    return _ModuleBuilder(config, types).build()


class _ModuleBuilder:
    def __init__(self, config: LlamaConfig, types: Mapping[str, TypeAttribute]):
        self.config, self.types = config, types
        self.hidden = TensorType(f32, [DYNAMIC_INDEX, config.hidden_size])
        self.logits = TensorType(f32, [DYNAMIC_INDEX, config.vocab_size])
        self.cache = TensorType(f32, [DYNAMIC_INDEX, config.kv_heads, config.head_dim])
        self.caches = [self.cache, self.cache] * config.layers
        self.ids = TensorType(i64, [DYNAMIC_INDEX])

    def build(self) -> ModuleOp:
        weights = [WeightOp(name, self.types[name]) for name, _ in self.config.weight_shapes()]
        blocks = [self.block(layer) for layer in range(self.config.layers)]
        functions: list[Operation] = [
            self.embed(),
            *blocks,
            self.head(),
            self.backbone(blocks),
            self.forward(),
        ]
        return ModuleOp([*weights, *functions])

    def embed(self) -> func.FuncOp:
        body = _Body(self.types, [("ids", self.ids)])
        table = body.weight(f"{EMBEDDING}.weight")
        x = body.add(EmbeddingOp(body.arguments[0], table, self.hidden), "embedded")
        return body.function("embed", "embed", [x])

    def block(self, layer: int) -> func.FuncOp:
        name = f"model.layers.{layer}"
        inputs = [("x", self.hidden), ("position", IndexType()), ("key_cache", self.cache), ("value_cache", self.cache)]
        body = _Body(self.types, inputs)
        x, position, keys, values = body.arguments
        attention, keys, values = self.attention(body, f"{name}.self_attn", layer, x, position, keys, values)
        x = body.add_floats(x, attention, "attention_residual")
        x = body.add_floats(x, self.mlp(body, name, x), "mlp_residual")
        return body.function(name, "block", [x, keys, values])

    def attention(
        self,
        body: _Body,
        name: str,
        layer: int,
        x: SSAValue,
        position: SSAValue,
        key_cache: SSAValue,
        value_cache: SSAValue,
    ) -> tuple[SSAValue, SSAValue, SSAValue]:
        c = self.config
        x = body.rms_norm(x, f"model.layers.{layer}.input_layernorm", c.rms_norm_eps)
        tokens = body.tokens(x)
        query = body.heads(body.linear(x, f"{name}.q_proj"), tokens, c.heads, c.head_dim)
        key = body.heads(body.linear(x, f"{name}.k_proj"), tokens, c.kv_heads, c.head_dim)
        value = body.heads(body.linear(x, f"{name}.v_proj"), tokens, c.kv_heads, c.head_dim)
        if c.qk_norm:
            query = body.rms_norm(query, f"{name}.q_norm", c.rms_norm_eps)
            key = body.rms_norm(key, f"{name}.k_norm", c.rms_norm_eps)
        factors = body.weight(ROPE_FACTORS) if c.rope_factors else None
        query = body.add(RopeOp(query, position, c.rope_theta, c.rope_scaling, factors), "rotated_query")
        key = body.add(RopeOp(key, position, c.rope_theta, c.rope_scaling, factors), "rotated_key")
        keys = body.add(UpdateCacheOp(key_cache, key, position), "keys")
        values = body.add(UpdateCacheOp(value_cache, value, position), "values")
        scores = AttentionOp(query, keys, values, position, c.head_dim**-0.5, c.window(layer))
        merged = body.merge_heads(body.add(scores, "attention"), c.heads * c.head_dim)
        return body.linear(merged, f"{name}.o_proj"), keys, values

    def mlp(self, body: _Body, block: str, x: SSAValue) -> SSAValue:
        x = body.rms_norm(x, f"{block}.post_attention_layernorm", self.config.rms_norm_eps)
        gate = body.add(SiluOp(body.linear(x, f"{block}.mlp.gate_proj")), "activated")
        up = body.linear(x, f"{block}.mlp.up_proj")
        return body.linear(body.add(arith.MulfOp(gate, up), "gated"), f"{block}.mlp.down_proj")

    def backbone(self, blocks: Sequence[func.FuncOp]) -> func.FuncOp:
        body = _Body(self.types, self.entry_inputs())
        ids, position, *caches = body.arguments
        x = body.add(func.CallOp("embed", [ids], [self.hidden]), "x")
        updated: list[SSAValue] = []
        for layer, block in enumerate(blocks):
            arguments = [x, position, caches[2 * layer], caches[2 * layer + 1]]
            call = body.builder.insert(func.CallOp(block.sym_name.data, arguments, block.function_type.outputs.data))
            x, keys, values = call.results
            x.name_hint, keys.name_hint, values.name_hint = "x", f"k{layer}", f"v{layer}"
            updated += [keys, values]
        return body.function("backbone", "backbone", [x, *updated])

    def head(self) -> func.FuncOp:
        body = _Body(self.types, [("x", self.hidden)])
        x = body.rms_norm(body.arguments[0], NORM, self.config.rms_norm_eps)
        logits = body.linear(x, HEAD, EMBEDDING if self.config.tied else None)
        return body.function("head", "head", [logits])

    def forward(self) -> func.FuncOp:
        body = _Body(self.types, self.entry_inputs())
        backbone = func.CallOp("backbone", body.arguments, [self.hidden, *self.caches])
        body.builder.insert(backbone)
        head = body.builder.insert(func.CallOp("head", [backbone.results[0]], [self.logits]))
        return body.function("forward", "forward", [head.results[0], *backbone.results[1:]])

    def entry_inputs(self) -> list[tuple[str, Attribute]]:
        caches = [(f"{kind}{layer}_cache", self.cache) for layer in range(self.config.layers) for kind in "kv"]
        return [("ids", self.ids), ("position", IndexType()), *caches]


class _Body:
    """The body of one function under construction."""

    def __init__(self, types: Mapping[str, TypeAttribute], inputs: Sequence[tuple[str, Attribute]]):
        self.types = types
        self.block = Block(arg_types=[type for _, type in inputs])
        for argument, (name, _) in zip(self.block.args, inputs, strict=True):
            argument.name_hint = name
        self.arguments: list[SSAValue] = list(self.block.args)
        self.builder = Builder(InsertPoint.at_end(self.block))

    def add(self, op: Operation, name: str) -> SSAValue:
        """Append an operation with one result; the result's name."""
        self.builder.insert(op)
        op.results[0].name_hint = name
        return op.results[0]

    def function(self, name: str, role: str, results: Sequence[SSAValue]) -> func.FuncOp:
        """The finished function."""
        self.builder.insert(func.ReturnOp(*results))
        type = ([a.type for a in self.block.args], [r.type for r in results])
        op = func.FuncOp(name, type, Region(self.block))
        op.attributes["llm.role"] = StringAttr(role)
        return op

    def weight(self, name: str) -> SSAValue:
        """The real values of a weight, dequantized if need be."""
        type = self.types[name]
        value = self.builder.insert(LoadWeightOp(name, type)).result
        if not isinstance(type, QuantizedTensorType):
            return value
        real = TensorType(f32, type.get_shape())
        return self.add(DequantizeOp(value, real), "dequantized")

    def linear(self, x: SSAValue, module: str, stored_as: str | None = None) -> SSAValue:
        """A linear layer of the checkpoint; `stored_as` when it shares another module's weight."""
        weight = self.weight(f"{stored_as or module}.weight")
        bias = self.weight(f"{module}.bias") if f"{module}.bias" in self.types else None
        out = shape_of(weight)[0]
        name = StringAttr(module) if stored_as else None
        return self.add(LinearOp(x, weight, result_like(x, out), bias, name), module.rsplit(".", 1)[-1])

    def rms_norm(self, x: SSAValue, module: str, epsilon: float) -> SSAValue:
        """A norm of the checkpoint."""
        return self.add(RMSNormOp(x, self.weight(f"{module}.weight"), epsilon), module.rsplit(".", 1)[-1])

    def add_floats(self, a: SSAValue, b: SSAValue, name: str) -> SSAValue:
        """a + b."""
        return self.add(arith.AddfOp(a, b), name)

    def tokens(self, x: SSAValue) -> SSAValue:
        """The number of tokens, dimension 0 of x."""
        zero = self.add(arith.ConstantOp(IntegerAttr(0, IndexType())), "c0")
        return self.add(tensor.DimOp(x, zero), "tokens")

    def heads(self, x: SSAValue, tokens: SSAValue, heads: int, size: int) -> SSAValue:
        """[T, heads * size] as [T, heads, size]."""
        type = TensorType(f32, [DYNAMIC_INDEX, heads, size])
        shape = [DYNAMIC_INDEX, heads, size]
        return self.add(tensor.ExpandShapeOp(x, [tokens], _HEADS, shape, type), "heads")

    def merge_heads(self, x: SSAValue, size: int) -> SSAValue:
        """[T, heads, size] as [T, heads * size]."""
        type = TensorType(f32, [DYNAMIC_INDEX, size])
        op = tensor.CollapseShapeOp.build(operands=[x], result_types=[type], properties={"reassociation": _HEADS})
        return self.add(op, "merged")


_HEADS = ArrayAttr(
    [
        ArrayAttr([IntegerAttr(0, i64)]),
        ArrayAttr([IntegerAttr(1, i64), IntegerAttr(2, i64)]),
    ]
)
