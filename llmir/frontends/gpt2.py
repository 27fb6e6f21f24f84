"""GPT-2: learned positions, layer norms, query, key and value in one layer.

Its files hold the matrices of a block as [in, out]; they are read transposed, as [out, in] like all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.dialects.llm.model import AttentionOp
from llmir.frontends.config_reader import ConfigReader
from llmir.frontends.decoder import (
    ACTIVATIONS,
    HEAD,
    Decoder,
    FunctionBody,
    LayerCache,
    Shapes,
    Source,
    linear_shapes,
    norm_shapes,
    transposed,
)
from llmir.program.tensors import Tensor

TOKENS, POSITIONS, NORM = "transformer.wte", "transformer.wpe", "transformer.ln_f"


@dataclass(frozen=True, kw_only=True)
class GPT2Config(Decoder):
    """The sizes and switches of a GPT-2."""

    BLOCKS = "transformer.h"
    PREFIXES = (("transformer.", ""),)
    EMBEDS_POSITIONS = True

    inner_size: int
    positions: int
    epsilon: float
    activation: str
    scale_scores: bool
    scale_by_layer: bool

    def weight_shapes(self) -> Shapes:
        """Every weight of the model with its shape, in the order it is used."""
        yield f"{TOKENS}.weight", (self.vocab_size, self.hidden_size)
        yield f"{POSITIONS}.weight", (self.positions, self.hidden_size)
        for layer in range(self.layers):
            block, hidden = f"{self.BLOCKS}.{layer}", self.hidden_size
            yield from norm_shapes(f"{block}.ln_1", hidden, bias=True)
            yield from linear_shapes(f"{block}.attn.c_attn", 3 * hidden, hidden, bias=True)
            yield from linear_shapes(f"{block}.attn.c_proj", hidden, hidden, bias=True)
            yield from norm_shapes(f"{block}.ln_2", hidden, bias=True)
            yield from linear_shapes(f"{block}.mlp.c_fc", self.inner_size, hidden, bias=True)
            yield from linear_shapes(f"{block}.mlp.c_proj", hidden, self.inner_size, bias=True)
        yield from norm_shapes(NORM, self.hidden_size, bias=True)
        if not self.tied:
            yield f"{HEAD}.weight", (self.vocab_size, self.hidden_size)

    def find(self, name: str, tensors: Mapping[str, Tensor]) -> Source | None:
        """A weight's tensor, the matrices of a block transposed."""
        source = super().find(name, tensors)
        if source is None or len(source.tensor.shape) != 2 or not name.startswith(self.BLOCKS):
            return source
        return Source(source.name, transposed(source.tensor))

    def embed(self, body: FunctionBody, ids: SSAValue, position: SSAValue | None) -> SSAValue:
        """Token plus position embeddings."""
        assert position is not None
        places = body.learned_positions(ids, position, POSITIONS, self.positions)
        return body.add_floats(body.embedding(ids, TOKENS), places, "x")

    def block(self, body: FunctionBody, layer: int, x: SSAValue, cache: LayerCache) -> SSAValue:
        """Attention and feed-forward, each behind a norm and added to what comes in."""
        name = f"{self.BLOCKS}.{layer}"
        normed = body.layer_norm(x, f"{name}.ln_1", self.epsilon)
        x = body.add_floats(x, self.attention(body, layer, normed, cache), "attention_residual")
        normed = body.layer_norm(x, f"{name}.ln_2", self.epsilon)
        inner = body.activation(body.linear(normed, f"{name}.mlp.c_fc"), self.activation)
        return body.add_floats(x, body.linear(inner, f"{name}.mlp.c_proj"), "mlp_residual")

    def attention(self, body: FunctionBody, layer: int, x: SSAValue, cache: LayerCache) -> SSAValue:
        """What attention adds to the hidden states."""
        name = f"{self.BLOCKS}.{layer}.attn"
        merged = body.linear(x, f"{name}.c_attn")
        tokens = body.tokens(merged)
        query, key, value = (
            body.heads(part, tokens, self.heads, self.head_dim)
            for part in body.split(merged, [self.hidden_size] * 3, ["query", "key", "value"])
        )
        cache.update(body, key, value)
        scale = self.head_dim**-0.5 if self.scale_scores else 1.0
        if self.scale_by_layer:
            scale /= layer + 1
        attention = body.add(AttentionOp(query, cache.keys, cache.values, cache.position, scale), "attention")
        return body.linear(body.merge_heads(attention, self.hidden_size), f"{name}.c_proj")

    def head(self, body: FunctionBody, x: SSAValue) -> SSAValue:
        """The logits of hidden states."""
        return body.linear(body.layer_norm(x, NORM, self.epsilon), HEAD, TOKENS if self.tied else None)


def read_config(read: ConfigReader) -> GPT2Config:
    """The configuration of a GPT-2."""
    read.only("add_cross_attention", False)
    hidden, heads = read.positive("n_embd"), read.positive("n_head")
    if hidden % heads:
        read.fail(f"n_embd is {hidden}, which {heads} heads cannot share evenly")
    return GPT2Config(
        hidden_size=hidden,
        layers=read.layers("n_layer"),
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        vocab_size=read.positive("vocab_size"),
        tied=read.flag("tie_word_embeddings", True),
        inner_size=read.positive("n_inner", 4 * hidden),
        positions=read.positive("n_positions", 1024),
        epsilon=read.number("layer_norm_epsilon", 1e-5),
        activation=read.choice("activation_function", tuple(ACTIVATIONS), "gelu_new"),
        scale_scores=read.flag("scale_attn_weights", True),
        scale_by_layer=read.flag("scale_attn_by_inverse_layer_idx"),
    )
