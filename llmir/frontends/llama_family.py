"""The Llama family: Llama, Mistral, Qwen2, Qwen3. Other families of this folder build on it.

Source: the models' code in `transformers`, whose config.json keys `read_config` reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xdsl.ir import SSAValue

from llmir.dialects.llm.attributes import RopeScalingAttr
from llmir.dialects.llm.model import AttentionOp, RopeOp
from llmir.frontends.config_reader import SLIDING, ConfigReader, rope_parameters, rope_scaling
from llmir.frontends.decoder import (
    HEAD,
    Decoder,
    FunctionBody,
    LayerCache,
    Shapes,
    linear_shapes,
)

EMBEDDING, NORM = "model.embed_tokens", "model.norm"
ROPE_FACTORS = "model.rope_factors"


@dataclass(frozen=True, kw_only=True)
class LlamaConfig(Decoder):
    """The sizes and switches that tell members of the family apart."""

    intermediate_size: int
    rms_norm_eps: float
    rope_theta: float
    rope_scaling: RopeScalingAttr | None = None
    rope_factors: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    windows: tuple[int | None, ...] = ()
    activation: str = "silu"

    def contradiction(self) -> str | None:
        """Why no model can have these sizes, None if one can."""
        if self.head_dim % 2:
            return f"head_dim is {self.head_dim}, rotary embeddings need an even one"
        return super().contradiction()

    def window(self, layer: int) -> int | None:
        """How many keys a layer's queries see, None for all."""
        return self.windows[layer] if self.windows else None

    def weight_shapes(self) -> Shapes:
        """Every weight of the model with its shape, in the order it is used."""
        yield f"{EMBEDDING}.weight", (self.vocab_size, self.hidden_size)
        if self.rope_factors:
            yield ROPE_FACTORS, (self.head_dim // 2,)
        for layer in range(self.layers):
            yield from self.block_shapes(layer)
        yield f"{NORM}.weight", (self.hidden_size,)
        if not self.tied:
            yield f"{HEAD}.weight", (self.vocab_size, self.hidden_size)

    def block_shapes(self, layer: int) -> Shapes:
        """The weights of a block."""
        block = f"model.layers.{layer}"
        yield f"{block}.input_layernorm.weight", (self.hidden_size,)
        yield from self.attention_shapes(f"{block}.self_attn")
        yield f"{block}.post_attention_layernorm.weight", (self.hidden_size,)
        yield from self.mlp_shapes(layer)

    def attention_shapes(self, module: str) -> Shapes:
        """The weights of an attention module."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        for name, size in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
            yield from linear_shapes(f"{module}.{name}", size, self.hidden_size, self.qkv_bias)
        if self.qk_norm:
            yield f"{module}.q_norm.weight", (self.head_dim,)
            yield f"{module}.k_norm.weight", (self.head_dim,)
        yield from linear_shapes(f"{module}.o_proj", self.hidden_size, queries, self.output_bias)

    def mlp_shapes(self, layer: int) -> Shapes:
        """The weights of a feed-forward module."""
        module = f"model.layers.{layer}.mlp"
        yield from linear_shapes(f"{module}.gate_proj", self.intermediate_size, self.hidden_size, self.mlp_bias)
        yield from linear_shapes(f"{module}.up_proj", self.intermediate_size, self.hidden_size, self.mlp_bias)
        yield from linear_shapes(f"{module}.down_proj", self.hidden_size, self.intermediate_size, self.mlp_bias)

    def embed(self, body: FunctionBody, ids: SSAValue, position: SSAValue | None) -> SSAValue:
        """The hidden states of ids."""
        return body.embedding(ids, EMBEDDING)

    def block(self, body: FunctionBody, layer: int, x: SSAValue, cache: LayerCache) -> SSAValue:
        """Attention and feed-forward, each behind a norm and added to what comes in."""
        name = f"model.layers.{layer}"
        normed = self.norm(body, x, f"{name}.input_layernorm")
        x = body.add_floats(x, self.attention(body, layer, normed, cache), "attention_residual")
        normed = self.norm(body, x, f"{name}.post_attention_layernorm")
        return body.add_floats(x, self.mlp(body, layer, normed), "mlp_residual")

    def norm(self, body: FunctionBody, x: SSAValue, module: str) -> SSAValue:
        """A norm of the model."""
        return body.rms_norm(x, module, self.rms_norm_eps)

    def attention(self, body: FunctionBody, layer: int, x: SSAValue, cache: LayerCache) -> SSAValue:
        """What attention adds to the hidden states."""
        name = f"model.layers.{layer}.self_attn"
        query, key, value = self.projections(body, name, x)
        if self.qk_norm:
            query = self.norm(body, query, f"{name}.q_norm")
            key = self.norm(body, key, f"{name}.k_norm")
        query = self.rotate(body, layer, query, cache.position, "rotated_query")
        key = self.rotate(body, layer, key, cache.position, "rotated_key")
        cache.update(body, key, value)
        attention = body.add(self.attend(layer, query, cache), "attention")
        return body.linear(body.merge_heads(attention, self.heads * self.head_dim), f"{name}.o_proj")

    def projections(self, body: FunctionBody, name: str, x: SSAValue) -> list[SSAValue]:
        """Query, key and value, [T, heads, D] each."""
        tokens = body.tokens(x)
        counts = {"q_proj": self.heads, "k_proj": self.kv_heads, "v_proj": self.kv_heads}
        return [
            body.heads(body.linear(x, f"{name}.{part}"), tokens, heads, self.head_dim) for part, heads in counts.items()
        ]

    def rotate(self, body: FunctionBody, layer: int, x: SSAValue, position: SSAValue, name: str) -> SSAValue:
        """Queries or keys with their positions."""
        factors = body.weight(ROPE_FACTORS) if self.rope_factors else None
        return body.add(RopeOp(x, position, self.rope_theta, self.rope_scaling, factors), name)

    def attend(self, layer: int, query: SSAValue, cache: LayerCache) -> AttentionOp:
        """Attention proper."""
        return AttentionOp(query, cache.keys, cache.values, cache.position, self.head_dim**-0.5, self.window(layer))

    def mlp(self, body: FunctionBody, layer: int, x: SSAValue) -> SSAValue:
        """What the feed-forward module adds to the hidden states."""
        names = [f"model.layers.{layer}.mlp.{part}_proj" for part in ("gate", "up", "down")]
        return self.gated_mlp(body, x, *names)

    def gated_mlp(self, body: FunctionBody, x: SSAValue, gate: str, up: str, down: str) -> SSAValue:
        """down(activation(gate(x)) * up(x))."""
        activated = body.activation(body.linear(x, gate), self.activation)
        return body.linear(body.multiply(activated, body.linear(x, up), "gated"), down)

    def head(self, body: FunctionBody, x: SSAValue) -> SSAValue:
        """The logits of hidden states."""
        return body.linear(self.norm(body, x, NORM), HEAD, EMBEDDING if self.tied else None)


def read_config(read: ConfigReader, kind: str) -> LlamaConfig:
    """The configuration of a llama, mistral, qwen2 or qwen3."""
    bias = read.flag("attention_bias")
    sizes = read_sizes(read, kind)
    return LlamaConfig(
        **sizes,
        **read_rope(read),
        qkv_bias=kind == "qwen2" or bias,
        output_bias=kind != "qwen2" and bias,
        mlp_bias=read.flag("mlp_bias"),
        qk_norm=kind == "qwen3",
        windows=_windows(read, kind, sizes["layers"]),
    )


def read_sizes(read: ConfigReader, kind: str) -> dict[str, Any]:
    """What every config.json of the family says: sizes, epsilon, tied embeddings; silu is checked."""
    if read.config.get("hidden_act", "silu") != "silu":
        read.fail(f"hidden_act is {read.config['hidden_act']!r}, the {kind} architecture here has silu")
    heads, hidden = read.positive("num_attention_heads"), read.positive("hidden_size")
    return {
        "hidden_size": hidden,
        "intermediate_size": read.positive("intermediate_size"),
        "layers": read.layers(),
        "heads": heads,
        "kv_heads": read.positive("num_key_value_heads", heads),
        "head_dim": read.positive("head_dim", hidden // heads),
        "vocab_size": read.positive("vocab_size"),
        "rms_norm_eps": read.number("rms_norm_eps"),
        "tied": read.flag("tie_word_embeddings"),
    }


def read_rope(read: ConfigReader, theta: float = 10000.0) -> dict[str, Any]:
    """theta and scaling of heads that are rotated whole."""
    scale = rope_parameters(read)
    partial = scale.config.get("partial_rotary_factor", read.config.get("partial_rotary_factor", 1.0))
    if partial != 1.0:
        read.fail(f"partial_rotary_factor is {partial}, only whole heads (1.0) can be rotated")
    return {
        "rope_theta": scale.number("rope_theta", read.number("rope_theta", theta)),
        "rope_scaling": rope_scaling(scale),
    }


def windows(read: ConfigReader, layers: int, first: int = 0) -> tuple[int | None, ...]:
    """Each layer's sliding window, from layer `first` on if `layer_types` does not say; () when there is none."""
    if read.config.get("sliding_window") is None:
        return ()
    window = read.positive("sliding_window")
    kinds = read.layer_types(layers)
    if kinds is None:
        return tuple(window if layer >= first else None for layer in range(layers))
    return tuple(window if kind == SLIDING else None for kind in kinds)


def _windows(read: ConfigReader, kind: str, layers: int) -> tuple[int | None, ...]:
    if kind == "mistral":
        return windows(read, layers)
    if kind == "llama" or not read.flag("use_sliding_window"):
        return ()
    return windows(read, layers, read.whole("max_window_layers", 28))
