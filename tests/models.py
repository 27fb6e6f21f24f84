"""Writes tiny random models: Hugging Face folders, GGUF files and tokenizers. The same arguments, the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import ml_dtypes
import numpy as np
import safetensors
import tokenizers
from gguf import GGMLQuantizationType, GGUFWriter
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]
Config = dict[str, Any]

CODES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int32": "I32"}
DTYPES: dict[str, Any] = {
    "f64": np.float64,
    "f32": np.float32,
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "i32": np.int32,
}
SPECIAL = ["<s>", "</s>"]
BOS, EOS = 0, 1
VOCABULARY = len(SPECIAL) + 256
CHAT_TEMPLATE = (
    "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
GGUF_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def config_of(kind: str = "llama", **changes: Any) -> Config:
    """A config.json that admits every scheme: 2 layers, all linear inputs multiples of 128; None removes a key."""
    config: Config = {
        "architectures": [ARCHITECTURES[kind]],
        "model_type": kind,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "vocab_size": VOCABULARY,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "hidden_act": "silu",
        **changes,
    }
    return {key: value for key, value in config.items() if value is not None}


def weight_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Every tensor of a checkpoint with this configuration."""
    hidden, inner, size = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * size, config["num_key_value_heads"] * size
    kind = config["model_type"]
    attention_bias = bool(config.get("attention_bias"))
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (config["vocab_size"], hidden)}
    for layer in range(config["num_hidden_layers"]):
        block = f"model.layers.{layer}"
        linears = {
            "self_attn.q_proj": (queries, hidden, attention_bias or kind == "qwen2"),
            "self_attn.k_proj": (keys, hidden, attention_bias or kind == "qwen2"),
            "self_attn.v_proj": (keys, hidden, attention_bias or kind == "qwen2"),
            "self_attn.o_proj": (hidden, queries, attention_bias),
            "mlp.gate_proj": (inner, hidden, bool(config.get("mlp_bias"))),
            "mlp.up_proj": (inner, hidden, bool(config.get("mlp_bias"))),
            "mlp.down_proj": (hidden, inner, bool(config.get("mlp_bias"))),
        }
        for name, (out, inp, bias) in linears.items():
            shapes[f"{block}.{name}.weight"] = (out, inp)
            if bias:
                shapes[f"{block}.{name}.bias"] = (out,)
        norms = {"input_layernorm": hidden, "post_attention_layernorm": hidden}
        if kind == "qwen3":
            norms |= {"self_attn.q_norm": size, "self_attn.k_norm": size}
        shapes |= {f"{block}.{name}.weight": (length,) for name, length in norms.items()}
    shapes["model.norm.weight"] = (hidden,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)
    return shapes


def random_weights(config: Config, dtype: str = "f32", seed: int = 0) -> Arrays:
    """Weights with a spread that gives logits of a few units; norms near 1."""
    random = np.random.default_rng(seed)
    weights: Arrays = {}
    for name, shape in weight_shapes(config).items():
        values = random.standard_normal(shape, np.float32)
        if "norm" in name:
            values = 1 + values / 10
        elif len(shape) == 2:
            values *= 1.5 / np.sqrt(shape[1])
        weights[name] = values.astype(DTYPES[dtype])
    return weights


def write_safetensors(path: Path, weights: Mapping[str, Array]) -> None:
    """A safetensors file, by the format's own package."""
    entries: dict[str, Any] = {
        name: {"dtype": CODES[w.dtype.name].replace("BF16", "bfloat16"), "shape": w.shape, "data": w.tobytes()}
        for name, w in weights.items()
    }
    for entry, array in zip(entries.values(), weights.values(), strict=True):
        entry["dtype"] = array.dtype.name
    library: Any = safetensors
    library.serialize_file(entries, str(path), {"format": "pt"})
