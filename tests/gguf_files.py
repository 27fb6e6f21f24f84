"""Writes GGUF files of every architecture beyond the Llama family.

By the `gguf` package, with the names it maps a checkpoint's modules to, and with what llama.cpp's converter does to
values: one added to Gemma's norms, q and k rows of Mixtral interleaved, the rows of GPT-NeoX's fused layer sorted,
GPT-2's matrices transposed, experts stacked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from architectures import MODELS, random_weights
from tiny_models import (
    BOS,
    EOS,
    MERGE,
    SPECIAL,
    VOCABULARY,
    Array,
    Arrays,
    Config,
    Encode,
    float32_tensors,
    interleave,
    vocabulary,
)

KINDS = {
    "gpt2": "gpt2",
    "gpt_neox": "gptneox",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
    "phi3": "phi3",
    "mixtral": "llama",
    "qwen3_moe": "qwen3moe",
}
SAID = {
    "gpt2": MODELS["gpt2"],
    "gpt2-untied": {**MODELS["gpt2-untied"], "activation_function": "gelu_new"},
    "gpt_neox": MODELS["gpt_neox"],
    "gpt_neox-serial": {**MODELS["gpt_neox-serial"], "attention_bias": True},
    "gemma2": {**MODELS["gemma2"], "query_pre_attn_scalar": 32},
    "gemma3": {**MODELS["gemma3"], "query_pre_attn_scalar": 32, "sliding_window_pattern": 6, "num_hidden_layers": 7},
    "gemma3-scaled": {**MODELS["gemma3-scaled"], "query_pre_attn_scalar": 32, "sliding_window_pattern": 6}
    | {"num_hidden_layers": 6, "rope_local_base_freq": 1e4},
    "phi3": MODELS["phi3"],
    "phi3-long": MODELS["phi3-long"],
    "phi3-short": MODELS["phi3-short"],
    "mixtral": {**MODELS["mixtral"], "rope_theta": 1e6},
    "qwen3_moe": MODELS["qwen3_moe"],
}
"""Configurations that a GGUF file can say."""


def stored_values(config: Config, values: Arrays) -> Arrays:
    """A checkpoint's tensors under their names in the file, as llama.cpp's converter has them."""
    kind = config["model_type"]
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[KINDS[kind].upper()], 8)
    stacks: dict[str, list[Array]] = {}
    stored: Arrays = {}
    for name, array in values.items():
        module, _, part = name.rpartition(".")
        if (expert := re.fullmatch(r"(.*\.experts)\.\d+\.(\w+)", module)) is not None:
            stacks.setdefault(f"{names.get_name(f'{expert[1]}.{expert[2]}')}.weight", []).append(array)
            continue
        if kind == "gpt2" and ".h." in name and array.ndim == 2:
            array = array.T
        if "gemma" in kind and "norm" in name:
            array = array.astype(np.float32) + 1
        if kind == "mixtral" and re.search(r"\.[qk]_proj", name):
            array = interleave(array, config["num_attention_heads" if ".q_" in name else "num_key_value_heads"])
        if "query_key_value" in name:
            heads = config["num_attention_heads"]
            parts = array.reshape(heads, 3, -1, *array.shape[1:])
            array = np.concatenate([parts[:, i].reshape(-1, *array.shape[1:]) for i in range(3)])
        stored[f"{names.get_name(module)}.{part}"] = np.ascontiguousarray(array)
    return stored | {name: np.stack(arrays) for name, arrays in stacks.items()}


def write(
    path: Path, config: Config, encode: Encode = float32_tensors, more: Callable[[Any], None] = lambda _writer: None
) -> Path:
    """A GGUF file without a tokenizer."""
    kind = config["model_type"]
    writer: Any = gguf.GGUFWriter(path, KINDS[kind])
    hidden: int = config["n_embd" if kind == "gpt2" else "hidden_size"]
    heads: int = config.get("num_attention_heads", 4)
    writer.add_block_count(config.get("num_hidden_layers", config.get("n_layer")))
    writer.add_embedding_length(hidden)
    writer.add_head_count(heads)
    writer.add_context_length(config.get("max_position_embeddings", config.get("n_positions", 512)))
    writer.add_feed_forward_length(config.get("intermediate_size", config.get("n_inner", 4 * hidden)))
    size = config.get("head_dim", hidden // heads)
    if kind in ("gpt2", "gpt_neox"):
        writer.add_layer_norm_eps(1e-5)
    else:
        writer.add_layer_norm_rms_eps(config.get("rms_norm_eps", 1e-6))
        writer.add_head_count_kv(config["num_key_value_heads"])
        writer.add_key_length(size)
        writer.add_value_length(size)
        writer.add_rope_freq_base(config.get("rope_theta", 1e6 if "gemma3" in kind else 1e4))
    if "sliding_window" in config:
        writer.add_sliding_window(config["sliding_window"])
    if kind == "gpt_neox":
        writer.add_rope_dimension_count(int(size * config["rotary_pct"]))
        writer.add_parallel_residual(config.get("use_parallel_residual", True))
    if kind == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if "num_experts_per_tok" in config:
        writer.add_expert_count(config.get("num_experts", config.get("num_local_experts")))
        writer.add_expert_used_count(config["num_experts_per_tok"])
    if kind == "qwen3_moe":
        writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    scaling = config.get("rope_scaling", {})
    if scaling.get("rope_type") == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(scaling["factor"])
    if scaling.get("type") == "longrope":
        original = config["original_max_position_embeddings"]
        factor = np.log(config["max_position_embeddings"] / original) / np.log(original)
        writer.add_rope_dimension_count(int(size * config["partial_rotary_factor"]))
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(float(np.sqrt(1 + factor)))
        for length in ("short", "long"):
            writer.add_tensor(f"rope_factors_{length}.weight", np.array(scaling[f"{length}_factor"], np.float32))
    more(writer)
    for name, array in stored_values(config, random_weights(config)).items():
        data, type = encode(name, array) if array.ndim == 2 else float32_tensors(name, array)
        if array.ndim == 3:
            encoded = [encode(name, matrix) for matrix in array]
            data, type = np.stack([matrix for matrix, _ in encoded]), encoded[0][1]
        writer.add_tensor(name, data, raw_dtype=type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_tokenizer(writer: Any) -> None:
    """The byte-level tokenizer of `tiny_models`, its BOS not put in front of texts."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary())
    writer.add_token_types([3] * len(SPECIAL) + [1] * (VOCABULARY - len(SPECIAL)))
    writer.add_token_merges([MERGE])
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(False)
