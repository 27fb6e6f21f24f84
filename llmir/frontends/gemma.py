"""Gemma 2 and Gemma 3 (the text model).

Norms stand before and behind each module and store their weight less one; embeddings are scaled by the square
root of the hidden size, rounded to the type they are stored in; some layers see a sliding window only. Gemma 2
caps attention scores and logits; Gemma 3 normalizes queries and keys, and rotates them by another theta where
there is a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from llmir.dialects.llm.attributes import RopeScalingAttr
from llmir.dialects.llm.model import AttentionOp, RopeOp, ScaleOp, SoftcapOp
from llmir.dialects.llm.types import as_tensor, float_dtype
from llmir.frontends.config_reader import FULL, SLIDING, ConfigReader, rope_parameters, rope_scaling
from llmir.frontends.decoder import ACTIVATIONS, FunctionBody, LayerCache, Shapes
from llmir.frontends.llama_family import EMBEDDING, LlamaConfig

GELUS = tuple(name for name in ACTIVATIONS if name.startswith("gelu"))


@dataclass(frozen=True, kw_only=True)
class GemmaConfig(LlamaConfig):
    """A Llama with Gemma's norms, scales and caps; `rope_theta` and scaling are those of layers without a window."""

    PREFIXES = (("model.", "language_model.model."), ("model.", "model.language_model."), ("", "language_model."))

    score_scale: float
    score_cap: float | None
    logit_cap: float | None
    local_theta: float
    local_scaling: RopeScalingAttr | None = None
    whole_norms: bool = False
    """True for weights of norms that are stored as they are, not less one."""
    embedding_factor: float | None = None
    """What embeddings are multiplied by, where it is not the rounded square root."""

    def block_shapes(self, layer: int) -> Shapes:
        """The weights of a block."""
        block = f"model.layers.{layer}"
        yield f"{block}.input_layernorm.weight", (self.hidden_size,)
        yield from self.attention_shapes(f"{block}.self_attn")
        yield f"{block}.post_attention_layernorm.weight", (self.hidden_size,)
        yield f"{block}.pre_feedforward_layernorm.weight", (self.hidden_size,)
        yield from self.mlp_shapes(layer)
        yield f"{block}.post_feedforward_layernorm.weight", (self.hidden_size,)

    def embed(self, body: FunctionBody, ids: SSAValue, position: SSAValue | None) -> SSAValue:
        """The hidden states of ids, scaled."""
        factor = self.embedding_factor
        if factor is None:
            stored = as_tensor(body.types[f"{EMBEDDING}.weight"])
            dtype = np.dtype(np.float32) if stored is None else float_dtype(stored.element_type)
            factor = float(np.array(self.hidden_size**0.5).astype(dtype))
        return body.add(ScaleOp(super().embed(body, ids, position), factor), "scaled")

    def norm(self, body: FunctionBody, x: SSAValue, module: str) -> SSAValue:
        """A norm of the model."""
        return (body.rms_norm if self.whole_norms else body.rms_norm_around_one)(x, module, self.rms_norm_eps)

    def block(self, body: FunctionBody, layer: int, x: SSAValue, cache: LayerCache) -> SSAValue:
        """Attention and feed-forward, each between two norms and added to what comes in."""
        name = f"model.layers.{layer}"
        normed = self.norm(body, x, f"{name}.input_layernorm")
        attention = self.attention(body, layer, normed, cache)
        x = body.add_floats(x, self.norm(body, attention, f"{name}.post_attention_layernorm"), "attention_residual")
        normed = self.norm(body, x, f"{name}.pre_feedforward_layernorm")
        mlp = self.mlp(body, layer, normed)
        return body.add_floats(x, self.norm(body, mlp, f"{name}.post_feedforward_layernorm"), "mlp_residual")

    def rotate(self, body: FunctionBody, layer: int, x: SSAValue, position: SSAValue, name: str) -> SSAValue:
        """Queries or keys with their positions."""
        if self.window(layer) is None:
            return body.add(RopeOp(x, position, self.rope_theta, self.rope_scaling), name)
        return body.add(RopeOp(x, position, self.local_theta, self.local_scaling), name)

    def attend(self, layer: int, query: SSAValue, cache: LayerCache) -> AttentionOp:
        """Attention proper."""
        keys, values, position = cache.keys, cache.values, cache.position
        return AttentionOp(query, keys, values, position, self.score_scale, self.window(layer), self.score_cap)

    def head(self, body: FunctionBody, x: SSAValue) -> SSAValue:
        """The logits of hidden states."""
        logits = super().head(body, x)
        return logits if self.logit_cap is None else body.add(SoftcapOp(logits, self.logit_cap), "capped")


def read_gemma2(read: ConfigReader) -> GemmaConfig:
    """The configuration of a Gemma 2."""
    scale = rope_parameters(read)
    theta = scale.number("rope_theta", read.number("rope_theta", 10000.0))
    return GemmaConfig(
        **_common(read, pattern=2),
        rope_theta=theta,
        rope_scaling=rope_scaling(scale),
        local_theta=theta,
        local_scaling=rope_scaling(scale),
        score_cap=read.optional_number("attn_logit_softcapping", 50.0),
        logit_cap=read.optional_number("final_logit_softcapping", 30.0),
    )


def read_gemma3(read: ConfigReader) -> GemmaConfig:
    """The configuration of a Gemma 3 text model."""
    both = rope_parameters(read)
    nested = FULL in both.config or SLIDING in both.config
    full, local = (both.part(FULL), both.part(SLIDING)) if nested else (both, ConfigReader({}, both.source))
    return GemmaConfig(
        **_common(read, pattern=read.positive("sliding_window_pattern", read.positive("_sliding_window_pattern", 6))),
        rope_theta=full.number("rope_theta", read.number("rope_theta", 1e6)),
        rope_scaling=rope_scaling(full),
        local_theta=local.number("rope_theta", read.number("rope_local_base_freq", 10000.0)),
        local_scaling=rope_scaling(local),
        score_cap=read.optional_number("attn_logit_softcapping"),
        logit_cap=read.optional_number("final_logit_softcapping"),
        qk_norm=True,
    )


def read_gemma3_multimodal(read: ConfigReader) -> GemmaConfig:
    """The text model of a Gemma 3 that also sees images; what belongs to images is left out."""
    if "text_config" not in read.config:
        read.fail("needs an object 'text_config', the language model of this architecture")
    text = read.part("text_config")
    return read_gemma3(ConfigReader({"vocab_size": 262208, **text.config}, text.source))


def _common(read: ConfigReader, pattern: int) -> dict[str, Any]:
    """What both generations say; a file may leave out what is at its default. Every `pattern`-th layer sees all."""
    heads, layers = read.positive("num_attention_heads", 8), read.layers()
    if read.config.get("use_bidirectional_attention"):
        read.fail("use_bidirectional_attention is true, only causal attention is supported")
    bias = read.flag("attention_bias")
    head_dim = read.positive("head_dim", 256)
    return {
        "hidden_size": read.positive("hidden_size"),
        "intermediate_size": read.positive("intermediate_size"),
        "layers": layers,
        "heads": heads,
        "kv_heads": read.positive("num_key_value_heads", 4),
        "head_dim": head_dim,
        "vocab_size": read.positive("vocab_size"),
        "rms_norm_eps": read.number("rms_norm_eps", 1e-6),
        "tied": read.flag("tie_word_embeddings", True),
        "qkv_bias": bias,
        "output_bias": bias,
        "activation": read.choice("hidden_activation", GELUS, "gelu_pytorch_tanh"),
        "score_scale": read.number("query_pre_attn_scalar", 256) ** -0.5,
        "windows": _windows(read, layers, pattern),
    }


def _windows(read: ConfigReader, layers: int, pattern: int) -> tuple[int | None, ...]:
    if "sliding_window" in read.config and read.config["sliding_window"] is None:
        return ()
    window = read.positive("sliding_window", 4096)
    kinds = read.layer_types(layers)
    if kinds is None:
        kinds = [SLIDING if (layer + 1) % pattern else FULL for layer in range(layers)]
    return tuple(window if kind == SLIDING else None for kind in kinds)
