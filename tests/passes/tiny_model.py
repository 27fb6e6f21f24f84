"""A model of two tiny Llama blocks with random weights, as programs for the tests of passes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import TypeAttribute

from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.types import float_type
from llmir.dialects.parser import parse_module
from llmir.frontends.decoder import build_module
from llmir.frontends.llama_family import LlamaConfig
from llmir.passes.assign_schemes import quantizable
from llmir.passes.locations import module_name
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.context import LLMContext
from llmir.program.program import Program
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor

HIDDEN, INNER, HEADS, KV_HEADS, HEAD_DIM, VOCABULARY, LAYERS = 32, 48, 4, 2, 8, 40, 2


def tiny_program(*, tied: bool = False, dtype: Any = np.float32, seed: int = 0) -> Program:
    """The model with weights of `dtype`, a different one for each seed."""
    config = LlamaConfig(
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        layers=LAYERS,
        heads=HEADS,
        kv_heads=KV_HEADS,
        head_dim=HEAD_DIM,
        vocab_size=VOCABULARY,
        rms_norm_eps=1e-5,
        rope_theta=1e4,
        tied=tied,
        qkv_bias=True,
    )
    rng = np.random.default_rng(seed)
    store = WeightStore()
    types: dict[str, TypeAttribute] = {}
    for name, shape in config.weight_shapes():
        around = 1.0 if len(shape) == 1 and "norm" in name else 0.0
        values = around + rng.standard_normal(shape) * (0.2 if len(shape) == 2 else 0.1)
        store.add(name, MemoryTensor(values.astype(dtype)))
        types[name] = TensorType(float_type(np.dtype(dtype)), shape)
    return Program(build_module(config, types), store, "tiny")


def passed(pipeline: str, program: Program | None = None) -> Program:
    """A program after a pipeline."""
    program = program or tiny_program()
    Pipeline.parse(pipeline).run(program)
    return program


def program_of(text: str, **weights: NDArray[Any]) -> Program:
    """A program of MLIR text."""
    module = parse_module(LLMContext.new(), text)
    return Program(module, WeightStore({n: MemoryTensor(w) for n, w in weights.items()}), "text")


def layers(module: ModuleOp) -> dict[str, LinearOp | EmbeddingOp]:
    """Linear and embedding layers by name."""
    return {module_name(op): op for op in quantizable(module)}


def logits(program: Program, ids: list[int]) -> NDArray[np.float32]:
    """What the program says on the NumPy backend."""
    return compile_numpy(program.module, program.weights).logits(ids)


def read(program: Program) -> dict[str, NDArray[Any]]:
    """Every stored tensor."""
    return {name: tensor.read() for name, tensor in program.stored_tensors().items()}


def reference_inputs(program: Program, ids: list[int]) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """The input of every linear layer of the float model and the logits, in float64, one token after another."""
    w = {name: value.astype(np.float64) for name, value in read(program).items()}
    inputs: dict[str, NDArray[np.float64]] = {}

    def linear(x: NDArray[np.float64], layer: str) -> NDArray[np.float64]:
        inputs[layer] = x
        weight = w.get(f"{layer}.weight", w["model.embed_tokens.weight"])
        return x @ weight.T + w.get(f"{layer}.bias", 0.0)

    def norm(x: NDArray[np.float64], layer: str) -> NDArray[np.float64]:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * w[f"{layer}.weight"]

    x = w["model.embed_tokens.weight"][ids]
    for layer in range(LAYERS):
        block = f"model.layers.{layer}"
        n = norm(x, f"{block}.input_layernorm")
        q, k, v = (linear(n, f"{block}.self_attn.{p}_proj").reshape(len(ids), -1, HEAD_DIM) for p in "qkv")
        mixed = _attention(_turned(q), _turned(k), v)
        x = x + linear(mixed, f"{block}.self_attn.o_proj")
        n = norm(x, f"{block}.post_attention_layernorm")
        gate, up = linear(n, f"{block}.mlp.gate_proj"), linear(n, f"{block}.mlp.up_proj")
        x = x + linear(gate / (1 + np.exp(-gate)) * up, f"{block}.mlp.down_proj")
    return inputs, linear(norm(x, "model.norm"), "lm_head")


def _turned(x: NDArray[np.float64]) -> NDArray[np.float64]:
    half = HEAD_DIM // 2
    angles = np.arange(len(x))[:, None] * 1e4 ** (-np.arange(half) / half)
    turn = np.exp(1j * angles)[:, None, :]
    turned = (x[..., :half] + 1j * x[..., half:]) * turn
    return np.concatenate([turned.real, turned.imag], axis=-1)


def _attention(q: NDArray[np.float64], k: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    tokens = len(q)
    k, v = (np.repeat(a, HEADS // KV_HEADS, axis=1) for a in (k, v))
    scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(HEAD_DIM)
    scores[:, np.triu(np.ones((tokens, tokens), bool), 1)] = -np.inf
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("hts,shd->thd", e / e.sum(-1, keepdims=True), v).reshape(tokens, -1)
