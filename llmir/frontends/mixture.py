"""Mixtures of experts: Mixtral and Qwen3-MoE.

A router chooses a few experts for each token; only those compute it. Each expert's linear layers keep the
names they have in the checkpoint (`model.layers.0.block_sparse_moe.experts.3.w1`), also where a file holds all
experts of a block in one tensor: `experts.gate_up_proj` [E, 2 I, H] and `experts.down_proj` [E, H, I].
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from llmir.dialects.llm.mixture import CombineOp, DispatchOp, RouteOp
from llmir.frontends.config_reader import MAX_EXPERTS, ConfigReader
from llmir.frontends.decoder import FunctionBody, Shapes, Source, linear_shapes
from llmir.frontends.llama_family import LlamaConfig, read_rope, read_sizes, windows
from llmir.program.tensors import ComputedTensor, Tensor


@dataclass(frozen=True, kw_only=True)
class MixtureConfig(LlamaConfig):
    """A Llama whose feed-forward modules are mixtures of experts, except in `dense_layers`."""

    experts: int
    top_k: int
    expert_size: int
    normalize: bool
    module: str
    parts: tuple[str, str, str]
    """An expert's gate, up and down layers."""
    dense_layers: frozenset[int] = frozenset()

    def contradiction(self) -> str | None:
        """Why no model can have these sizes, None if one can."""
        if self.top_k > self.experts:
            return f"{self.top_k} experts are chosen for a token, but there are {self.experts}"
        return super().contradiction()

    def mlp_shapes(self, layer: int) -> Shapes:
        """The weights of a feed-forward module."""
        if layer in self.dense_layers:
            yield from super().mlp_shapes(layer)
            return
        module = f"model.layers.{layer}.{self.module}"
        yield f"{module}.gate.weight", (self.experts, self.hidden_size)
        gate, up, down = self.parts
        for expert in range(self.experts):
            name = f"{module}.experts.{expert}"
            yield from linear_shapes(f"{name}.{gate}", self.expert_size, self.hidden_size)
            yield from linear_shapes(f"{name}.{up}", self.expert_size, self.hidden_size)
            yield from linear_shapes(f"{name}.{down}", self.hidden_size, self.expert_size)

    def mlp(self, body: FunctionBody, layer: int, x: SSAValue) -> SSAValue:
        """Each expert on the tokens routed to it, added up with the router's weights."""
        if layer in self.dense_layers:
            return super().mlp(body, layer, x)
        module = f"model.layers.{layer}.{self.module}"
        route = body.builder.insert(RouteOp(body.linear(x, f"{module}.gate"), self.top_k, self.normalize))
        experts, weights = route.results
        experts.name_hint, weights.name_hint = "experts", "expert_weights"
        total: SSAValue | None = None
        for expert in range(self.experts):
            routed = body.add(DispatchOp(x, experts, expert), "routed")
            names = [f"{module}.experts.{expert}.{part}" for part in self.parts]
            y = self.gated_mlp(body, routed, *names)
            total = body.add(CombineOp(y, experts, weights, total, expert), "combined")
        assert total is not None
        return total

    def find(self, name: str, tensors: Mapping[str, Tensor]) -> Source | None:
        """A weight's tensor, cut out of the tensor of all experts where the file has that."""
        return super().find(name, tensors) or self._find_fused(name, tensors)

    def _find_fused(self, name: str, tensors: Mapping[str, Tensor]) -> Source | None:
        match = re.fullmatch(rf"(model\.layers\.\d+)\.{re.escape(self.module)}\.experts\.(\d+)\.(\w+)\.weight", name)
        if match is None:
            return None
        place = self.parts.index(match[3])
        fused = "down_proj" if place == 2 else "gate_up_proj"
        size = self.hidden_size if place == 2 else self.expert_size
        for module in (self.module, "mlp"):
            stored = f"{match[1]}.{module}.experts.{fused}"
            whole = tensors.get(stored)
            if whole is not None and len(whole.shape) == 3 and whole.shape[0] == self.experts:
                start = size if place == 1 else 0
                if place < 2 and whole.shape[1] != 2 * size:
                    return Source(stored, whole)  # refused for its shape
                return Source(stored, expert_rows(whole, int(match[2]), start, size if place < 2 else whole.shape[1]))
        return None


def expert_rows(source: Tensor, expert: int, first: int, count: int) -> ComputedTensor:
    """Rows `first` on of one expert's matrix in a tensor [E, rows, columns]."""

    def read(start: int, stop: int) -> NDArray[Any]:
        return np.ascontiguousarray(source.rows(expert, expert + 1)[0, first + start : first + stop])

    return ComputedTensor(source.dtype, (count, source.shape[2]), read, source)


def read_mixtral(read: ConfigReader) -> MixtureConfig:
    """The configuration of a Mixtral."""
    sizes = read_sizes(read, "mixtral")
    return MixtureConfig(
        **sizes,
        **read_rope(read, 1e6),
        windows=windows(read, sizes["layers"]),
        experts=_experts(read, ("num_local_experts", "num_experts"), 8),
        top_k=read.positive("num_experts_per_tok", 2),
        expert_size=sizes["intermediate_size"],
        normalize=True,
        module="block_sparse_moe",
        parts=("w1", "w3", "w2"),
    )


def read_qwen3_moe(read: ConfigReader) -> MixtureConfig:
    """The configuration of a Qwen3-MoE."""
    sizes = read_sizes(read, "qwen3_moe")
    layers, bias = sizes["layers"], read.flag("attention_bias")
    return MixtureConfig(
        **sizes,
        **read_rope(read),
        qkv_bias=bias,
        output_bias=bias,
        qk_norm=True,
        windows=windows(read, layers) if read.flag("use_sliding_window") else (),
        experts=_experts(read, ("num_experts", "num_local_experts"), 128),
        top_k=read.positive("num_experts_per_tok", 8),
        expert_size=read.positive("moe_intermediate_size", 768),
        normalize=read.flag("norm_topk_prob"),
        module="mlp",
        parts=("gate_proj", "up_proj", "down_proj"),
        dense_layers=_dense_layers(read, layers),
    )


def _experts(read: ConfigReader, keys: tuple[str, str], default: int) -> int:
    key = next((k for k in keys if read.config.get(k) is not None), keys[0])
    experts = read.positive(key, default)
    if experts > MAX_EXPERTS:
        read.fail(f"{key} is {experts}, at most {MAX_EXPERTS} are read")
    return experts


def _dense_layers(read: ConfigReader, layers: int) -> frozenset[int]:
    """Layers without experts: those named, and all but every `decoder_sparse_step`-th."""
    step = read.positive("decoder_sparse_step", 1)
    named: Any = read.config.get("mlp_only_layers") or []
    if not isinstance(named, list) or any(not isinstance(n, int) for n in cast(list[Any], named)):
        read.fail(f"mlp_only_layers is {named!r}, expected a list of layer numbers")
    return frozenset(layer for layer in range(layers) if layer in named or (layer + 1) % step)
