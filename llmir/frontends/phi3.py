"""Phi-3: query, key and value in one layer, gate and up in one layer, part of a head rotated, LongRoPE.

With LongRoPE a call whose last token stands beyond the original context uses the long factors, any other the
short ones, as `transformers` does. A cache filled within the original context is not computed again when the
text grows beyond it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.dialects.llm.model import RopeOp
from llmir.frontends.config_reader import ConfigReader, rope_kind, rope_parameters, rope_scaling
from llmir.frontends.decoder import FunctionBody, Shapes, computed_vector, linear_shapes
from llmir.frontends.llama_family import LlamaConfig, read_sizes, windows
from llmir.program.tensors import Tensor

SHORT_FACTORS, LONG_FACTORS = "model.rope_short_factors", "model.rope_long_factors"


@dataclass(frozen=True)
class LongRope:
    """Frequency divisors for contexts up to `original_context` tokens and beyond, and what cos and sin are times."""

    short: tuple[float, ...]
    long: tuple[float, ...]
    original_context: int
    magnitude: float


@dataclass(frozen=True, kw_only=True)
class Phi3Config(LlamaConfig):
    """A Llama with fused layers and its own rotary embedding."""

    rotated: int
    """Elements of a head that are rotated."""
    long_rope: LongRope | None = None

    def contradiction(self) -> str | None:
        """Why no model can have these sizes, None if one can."""
        if self.rotated % 2 or not 0 < self.rotated <= self.head_dim:
            return f"{self.rotated} elements of a head of {self.head_dim} are rotated, expected an even number"
        return super().contradiction()

    def computed_weights(self) -> dict[str, Tensor]:
        """LongRoPE's factors, which stand in the config.json."""
        if self.long_rope is None:
            return {}
        return {
            SHORT_FACTORS: computed_vector(self.long_rope.short),
            LONG_FACTORS: computed_vector(self.long_rope.long),
        }

    def weight_shapes(self) -> Shapes:
        """Every weight of the model with its shape."""
        for name in self.computed_weights():
            yield name, (self.rotated // 2,)
        yield from super().weight_shapes()

    def attention_shapes(self, module: str) -> Shapes:
        """The weights of an attention module."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        yield from linear_shapes(f"{module}.qkv_proj", queries + 2 * keys, self.hidden_size)
        yield from linear_shapes(f"{module}.o_proj", self.hidden_size, queries)

    def mlp_shapes(self, layer: int) -> Shapes:
        """The weights of a feed-forward module."""
        module = f"model.layers.{layer}.mlp"
        yield from linear_shapes(f"{module}.gate_up_proj", 2 * self.intermediate_size, self.hidden_size)
        yield from linear_shapes(f"{module}.down_proj", self.hidden_size, self.intermediate_size)

    def projections(self, body: FunctionBody, name: str, x: SSAValue) -> list[SSAValue]:
        """Query, key and value, [T, heads, D] each."""
        counts = [self.heads, self.kv_heads, self.kv_heads]
        merged = body.linear(x, f"{name}.qkv_proj")
        parts = body.split(merged, [n * self.head_dim for n in counts], ["query", "key", "value"])
        tokens = body.tokens(merged)
        return [body.heads(part, tokens, n, self.head_dim) for part, n in zip(parts, counts, strict=True)]

    def rotate(self, body: FunctionBody, layer: int, x: SSAValue, position: SSAValue, name: str) -> SSAValue:
        """Queries or keys with their positions."""
        dimensions = None if self.rotated == self.head_dim else self.rotated
        rope = self.long_rope
        if rope is None:
            op = RopeOp(x, position, self.rope_theta, self.rope_scaling, dimensions=dimensions)
        else:
            op = RopeOp(
                x,
                position,
                self.rope_theta,
                factors=body.weight(SHORT_FACTORS),
                long_factors=body.weight(LONG_FACTORS),
                dimensions=dimensions,
                original_context=rope.original_context,
                magnitude=rope.magnitude,
            )
        return body.add(op, name)

    def mlp(self, body: FunctionBody, layer: int, x: SSAValue) -> SSAValue:
        """What the feed-forward module adds to the hidden states."""
        name = f"model.layers.{layer}.mlp"
        merged = body.linear(x, f"{name}.gate_up_proj")
        gate, up = body.split(merged, [self.intermediate_size] * 2, ["gate", "up"])
        gated = body.multiply(body.activation(gate, self.activation), up, "gated")
        return body.linear(gated, f"{name}.down_proj")


def read_config(read: ConfigReader) -> Phi3Config:
    """The configuration of a Phi-3."""
    sizes = read_sizes(read, "phi3")
    read.only("attention_bias", False)
    scale = rope_parameters(read)
    partial = scale.number("partial_rotary_factor", read.number("partial_rotary_factor", 1.0))
    rotated = int(sizes["head_dim"] * partial)
    long = rope_kind(scale) in ("longrope", "su", "yarn")  # the names earlier files have for it
    return Phi3Config(
        **sizes,
        rope_theta=scale.number("rope_theta", read.number("rope_theta", 10000.0)),
        rope_scaling=None if long else rope_scaling(scale),
        rotated=rotated,
        long_rope=_long_rope(read, scale, rotated) if long else None,
        windows=windows(read, sizes["layers"]),
    )


def _long_rope(read: ConfigReader, scale: ConfigReader, rotated: int) -> LongRope:
    """LongRoPE; the magnitude is sqrt(1 + ln factor / ln original_context) unless it is given."""
    original = read.positive(
        "original_max_position_embeddings", scale.positive("original_max_position_embeddings", 4096)
    )
    factor = scale.number("factor", read.number("max_position_embeddings", 4096) / original)
    magnitude = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))
    return LongRope(
        short=scale.numbers("short_factor", rotated // 2),
        long=scale.numbers("long_factor", rotated // 2),
        original_context=original,
        magnitude=scale.number("attention_factor", magnitude),
    )
