"""GPT-NeoX (Pythia): layer norms, part of a head rotated, attention and feed-forward side by side.

`query_key_value` holds head after head, each with its query, key and value rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.dialects.llm.attributes import RopeScalingAttr
from llmir.dialects.llm.model import AttentionOp, RopeOp
from llmir.frontends.config_reader import ConfigReader, rope_parameters, rope_scaling
from llmir.frontends.decoder import (
    ACTIVATIONS,
    HEAD,
    Decoder,
    FunctionBody,
    LayerCache,
    Shapes,
    linear_shapes,
    norm_shapes,
)

EMBEDDING, NORM, OUTPUT = "gpt_neox.embed_in", "gpt_neox.final_layer_norm", "embed_out"


@dataclass(frozen=True, kw_only=True)
class GPTNeoXConfig(Decoder):
    """The sizes and switches of a GPT-NeoX."""

    BLOCKS = "gpt_neox.layers"
    PREFIXES = (("embed_out", "lm_head"), ("gpt_neox.", ""))

    inner_size: int
    epsilon: float
    activation: str
    parallel: bool
    attention_bias: bool
    rope_theta: float
    rope_scaling: RopeScalingAttr | None
    rotated: int
    """Elements of a head that are rotated."""

    def contradiction(self) -> str | None:
        """Why no model can have these sizes, None if one can."""
        if self.rotated % 2 or self.head_dim % 2 or not 0 < self.rotated <= self.head_dim:
            return f"{self.rotated} elements of a head of {self.head_dim} are rotated, expected even numbers"
        return super().contradiction()

    def weight_shapes(self) -> Shapes:
        """Every weight of the model with its shape, in the order it is used."""
        yield f"{EMBEDDING}.weight", (self.vocab_size, self.hidden_size)
        for layer in range(self.layers):
            block, hidden = f"{self.BLOCKS}.{layer}", self.hidden_size
            yield from norm_shapes(f"{block}.input_layernorm", hidden, bias=True)
            yield from norm_shapes(f"{block}.post_attention_layernorm", hidden, bias=True)
            yield from linear_shapes(f"{block}.attention.query_key_value", 3 * hidden, hidden, self.attention_bias)
            yield from linear_shapes(f"{block}.attention.dense", hidden, hidden, self.attention_bias)
            yield from linear_shapes(f"{block}.mlp.dense_h_to_4h", self.inner_size, hidden, bias=True)
            yield from linear_shapes(f"{block}.mlp.dense_4h_to_h", hidden, self.inner_size, bias=True)
        yield from norm_shapes(NORM, self.hidden_size, bias=True)
        if not self.tied:
            yield f"{OUTPUT}.weight", (self.vocab_size, self.hidden_size)

    def embed(self, body: FunctionBody, ids: SSAValue, position: SSAValue | None) -> SSAValue:
        """The hidden states of ids."""
        return body.embedding(ids, EMBEDDING)

    def block(self, body: FunctionBody, layer: int, x: SSAValue, cache: LayerCache) -> SSAValue:
        """Attention and feed-forward, both of what comes in or the second of what the first leaves."""
        name = f"{self.BLOCKS}.{layer}"
        normed = body.layer_norm(x, f"{name}.input_layernorm", self.epsilon)
        after = body.add_floats(x, self.attention(body, name, normed, cache), "attention_residual")
        normed = body.layer_norm(x if self.parallel else after, f"{name}.post_attention_layernorm", self.epsilon)
        inner = body.activation(body.linear(normed, f"{name}.mlp.dense_h_to_4h"), self.activation)
        return body.add_floats(after, body.linear(inner, f"{name}.mlp.dense_4h_to_h"), "mlp_residual")

    def attention(self, body: FunctionBody, block: str, x: SSAValue, cache: LayerCache) -> SSAValue:
        """What attention adds to the hidden states."""
        merged = body.linear(x, f"{block}.attention.query_key_value")
        by_head = body.heads(merged, body.tokens(merged), self.heads, 3 * self.head_dim)
        query, key, value = body.split(by_head, [self.head_dim] * 3, ["query", "key", "value"])
        query, key = (
            body.add(RopeOp(part, cache.position, self.rope_theta, self.rope_scaling, dimensions=self.rotated), name)
            for part, name in ((query, "rotated_query"), (key, "rotated_key"))
        )
        cache.update(body, key, value)
        op = AttentionOp(query, cache.keys, cache.values, cache.position, self.head_dim**-0.5)
        merged = body.merge_heads(body.add(op, "attention"), self.hidden_size)
        return body.linear(merged, f"{block}.attention.dense")

    def head(self, body: FunctionBody, x: SSAValue) -> SSAValue:
        """The logits of hidden states."""
        return body.linear(body.layer_norm(x, NORM, self.epsilon), HEAD, EMBEDDING if self.tied else OUTPUT)


def read_config(read: ConfigReader) -> GPTNeoXConfig:
    """The configuration of a GPT-NeoX."""
    hidden, heads = read.positive("hidden_size"), read.positive("num_attention_heads")
    if hidden % heads:
        read.fail(f"hidden_size is {hidden}, which {heads} heads cannot share evenly")
    scale = rope_parameters(read)
    partial = scale.number("partial_rotary_factor", read.number("rotary_pct", 0.25))
    return GPTNeoXConfig(
        hidden_size=hidden,
        layers=read.layers(),
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        vocab_size=read.positive("vocab_size"),
        tied=read.flag("tie_word_embeddings"),
        inner_size=read.positive("intermediate_size"),
        epsilon=read.number("layer_norm_eps", 1e-5),
        activation=read.choice("hidden_act", tuple(ACTIVATIONS), "gelu"),
        parallel=read.flag("use_parallel_residual", True),
        attention_bias=read.flag("attention_bias", True),
        rope_theta=scale.number("rope_theta", read.number("rotary_emb_base", 10000.0)),
        rope_scaling=rope_scaling(scale),
        rotated=int(hidden // heads * partial),
    )
