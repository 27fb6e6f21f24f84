"""OPT: learned positions (behind two rows that stand for none), layer norms before or after each module, relu."""

from __future__ import annotations

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
    linear_shapes,
    norm_shapes,
)

DECODER = "model.decoder"
TOKENS, POSITIONS, NORM = f"{DECODER}.embed_tokens", f"{DECODER}.embed_positions", f"{DECODER}.final_layer_norm"
INTO, OUT_OF = f"{DECODER}.project_in", f"{DECODER}.project_out"
OFFSET = 2
"""Rows of the position table before that of position 0."""
EPSILON = 1e-5


@dataclass(frozen=True, kw_only=True)
class OPTConfig(Decoder):
    """The sizes and switches of an OPT; embeddings of another size than hidden states are projected."""

    BLOCKS = f"{DECODER}.layers"
    PREFIXES = (("model.decoder.", "decoder."),)
    EMBEDS_POSITIONS = True

    inner_size: int
    embedding_size: int
    positions: int
    activation: str
    bias: bool
    norm_weights: bool
    norm_before: bool
    final_norm: bool

    def weight_shapes(self) -> Shapes:
        """Every weight of the model with its shape, in the order it is used."""
        hidden, embedded = self.hidden_size, self.embedding_size
        yield f"{TOKENS}.weight", (self.vocab_size, embedded)
        yield f"{POSITIONS}.weight", (self.positions + OFFSET, hidden)
        if embedded != hidden:
            yield from linear_shapes(INTO, hidden, embedded)
        for layer in range(self.layers):
            yield from self._block_shapes(f"{self.BLOCKS}.{layer}")
        if self.final_norm:
            yield from self._norm_shapes(NORM)
        if embedded != hidden:
            yield from linear_shapes(OUT_OF, embedded, hidden)
        if not self.tied:
            yield f"{HEAD}.weight", (self.vocab_size, embedded)

    def _block_shapes(self, block: str) -> Shapes:
        hidden = self.hidden_size
        yield from self._norm_shapes(f"{block}.self_attn_layer_norm")
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from linear_shapes(f"{block}.self_attn.{part}", hidden, hidden, self.bias)
        yield from self._norm_shapes(f"{block}.final_layer_norm")
        yield from linear_shapes(f"{block}.fc1", self.inner_size, hidden, self.bias)
        yield from linear_shapes(f"{block}.fc2", hidden, self.inner_size, self.bias)

    def _norm_shapes(self, name: str) -> Shapes:
        if self.norm_weights:
            yield from norm_shapes(name, self.hidden_size, bias=True)

    def embed(self, body: FunctionBody, ids: SSAValue, position: SSAValue | None) -> SSAValue:
        """Token plus position embeddings."""
        assert position is not None
        x = body.embedding(ids, TOKENS)
        if self.embedding_size != self.hidden_size:
            x = body.linear(x, INTO)
        return body.add_floats(x, body.learned_positions(ids, position, POSITIONS, self.positions, OFFSET), "x")

    def block(self, body: FunctionBody, layer: int, x: SSAValue, cache: LayerCache) -> SSAValue:
        """Attention and feed-forward, each with a norm before it or after its sum with what comes in."""
        name = f"{self.BLOCKS}.{layer}"
        normed = self._norm(body, x, f"{name}.self_attn_layer_norm", before=True)
        x = body.add_floats(x, self.attention(body, f"{name}.self_attn", normed, cache), "attention_residual")
        x = self._norm(body, x, f"{name}.self_attn_layer_norm", before=False)
        normed = self._norm(body, x, f"{name}.final_layer_norm", before=True)
        inner = body.activation(body.linear(normed, f"{name}.fc1"), self.activation)
        x = body.add_floats(x, body.linear(inner, f"{name}.fc2"), "mlp_residual")
        return self._norm(body, x, f"{name}.final_layer_norm", before=False)

    def _norm(self, body: FunctionBody, x: SSAValue, module: str, *, before: bool) -> SSAValue:
        """The norm if this model has it at this place, else x."""
        return body.layer_norm(x, module, EPSILON) if before == self.norm_before else x

    def attention(self, body: FunctionBody, name: str, x: SSAValue, cache: LayerCache) -> SSAValue:
        """What attention adds to the hidden states."""
        tokens = body.tokens(x)
        query, key, value = (
            body.heads(body.linear(x, f"{name}.{part}"), tokens, self.heads, self.head_dim)
            for part in ("q_proj", "k_proj", "v_proj")
        )
        cache.update(body, key, value)
        op = AttentionOp(query, cache.keys, cache.values, cache.position, self.head_dim**-0.5)
        merged = body.merge_heads(body.add(op, "attention"), self.hidden_size)
        return body.linear(merged, f"{name}.out_proj")

    def head(self, body: FunctionBody, x: SSAValue) -> SSAValue:
        """The logits of hidden states."""
        if self.final_norm:
            x = body.layer_norm(x, NORM, EPSILON)
        if self.embedding_size != self.hidden_size:
            x = body.linear(x, OUT_OF)
        return body.linear(x, HEAD, TOKENS if self.tied else None)


def read_config(read: ConfigReader) -> OPTConfig:
    """The configuration of an OPT."""
    hidden, heads = read.positive("hidden_size"), read.positive("num_attention_heads")
    if hidden % heads:
        read.fail(f"hidden_size is {hidden}, which {heads} heads cannot share evenly")
    norm_before = read.flag("do_layer_norm_before", True)
    return OPTConfig(
        hidden_size=hidden,
        layers=read.layers(),
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        vocab_size=read.positive("vocab_size"),
        tied=read.flag("tie_word_embeddings", True),
        inner_size=read.positive("ffn_dim"),
        embedding_size=read.positive("word_embed_proj_dim", hidden),
        positions=read.positive("max_position_embeddings", 2048),
        activation=read.choice("activation_function", tuple(ACTIVATIONS), "relu"),
        bias=read.flag("enable_bias", True),
        norm_weights=read.flag("layer_norm_elementwise_affine", True),
        norm_before=norm_before,
        final_norm=norm_before and not read.flag("_remove_final_layer_norm"),
    )
