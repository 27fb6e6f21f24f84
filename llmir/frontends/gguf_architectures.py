"""GGUF files of architectures beyond the Llama family: their metadata as a config.json, and where weights are.

| GGUF              | architecture | what the file holds in another way                                            |
|-------------------|--------------|-------------------------------------------------------------------------------|
| llama, experts    | Mixtral      | a block's experts in one tensor [E, rows, columns]; rows of q and k interleaved |
| qwen3moe          | Qwen3-MoE    | a block's experts in one tensor                                               |
| gemma2, gemma3    | Gemma 2, 3   | norm weights with one added                                                   |
| phi3              | Phi-3        | LongRoPE's factors as tensors                                                 |
| gpt2              | GPT-2        | matrices as [out, in]                                                         |
| gptneox           | GPT-NeoX     | rows of q, k and v one after the other, not head by head                      |

What a file does not say is what llama.cpp takes it to be: gelu of GPT-2 is the tanh approximation, every second
layer of Gemma 2 and every sixth of Gemma 3 sees all keys, and 27B models scale scores by hidden size over heads.
Source: the tensor names and keys of the `gguf` package, and llama.cpp's converter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.frontends.config_reader import ConfigReader
from llmir.frontends.decoder import Decoder
from llmir.frontends.gemma import GemmaConfig
from llmir.frontends.gguf_file import GGUFFile


@dataclass(frozen=True)
class Place:
    """Where a weight is: a tensor of the file, one expert of it, and which of its rows is row i."""

    tensor: str
    expert: int | None = None
    order: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class GGUFArchitecture:
    """`config` makes a config.json of a file; `names` are the modules of a block, `others` those outside of blocks.

    `rows` says which row of the file is row i of a weight, None for all in order.
    """

    config: Callable[[ConfigReader, GGUFFile], dict[str, Any]]
    names: Mapping[str, str]
    others: Mapping[str, str]
    rows: Callable[[Decoder, str, int], NDArray[np.int64] | None] = lambda _decoder, _name, _count: None

    def place(self, decoder: Decoder, name: str, rows: int) -> Place:
        """Where a weight with so many rows is."""
        module, _, part = name.rpartition(".")
        if module in self.others:
            return Place(f"{self.others[module]}.{part}")
        layer, _, inner = module.removeprefix(f"{decoder.BLOCKS}.").partition(".")
        before, experts, after = inner.partition(".experts.")
        if not experts:
            return Place(f"blk.{layer}.{self.names[inner]}.{part}", order=self.rows(decoder, name, rows))
        expert, _, matrix = after.partition(".")
        return Place(f"blk.{layer}.{self.names[f'{before}.experts.{matrix}']}.{part}", int(expert))


def architecture_of(file: GGUFFile) -> GGUFArchitecture | None:
    """The architecture of a file, None when it is not one of these."""
    kind = file.fields.get("general.architecture")
    if kind == "llama" and file.fields.get("llama.expert_count"):
        return MIXTRAL
    return ARCHITECTURES.get(kind) if isinstance(kind, str) else None


def adapted(decoder: Decoder) -> Decoder:
    """A decoder for weights as the file holds them."""
    if not isinstance(decoder, GemmaConfig):
        return decoder
    return replace(decoder, whole_norms=True, embedding_factor=math.sqrt(decoder.hidden_size))


def _common(read: ConfigReader, file: GGUFFile, kind: str, name: str) -> dict[str, Any]:
    """What all files say."""
    table = file.tensors.get("token_embd.weight")
    if table is None:
        read.fail("tensor 'token_embd.weight' is missing")
    config: dict[str, Any] = {
        "architectures": [name],
        "vocab_size": table.shape[0],
        "hidden_size": read.positive(f"{kind}.embedding_length"),
        "num_hidden_layers": read.layers(f"{kind}.block_count"),
        "num_attention_heads": read.positive(f"{kind}.attention.head_count"),
        "intermediate_size": read.positive(f"{kind}.feed_forward_length"),
        "tie_word_embeddings": "output.weight" not in file.tensors,
    }
    if f"{kind}.context_length" in read.config:
        config["max_position_embeddings"] = read.positive(f"{kind}.context_length")
    return config


def _llama_like(read: ConfigReader, file: GGUFFile, kind: str, name: str) -> dict[str, Any]:
    """What files of models with RMS norms and rotary embeddings say too."""
    config = _common(read, file, kind, name)
    heads = config["num_attention_heads"]
    config |= {
        "num_key_value_heads": read.positive(f"{kind}.attention.head_count_kv", heads),
        "head_dim": read.positive(f"{kind}.attention.key_length", config["hidden_size"] // heads),
        "rms_norm_eps": read.number(f"{kind}.attention.layer_norm_rms_epsilon"),
        "rope_theta": read.number(f"{kind}.rope.freq_base", 10000.0),
    }
    if read.config.get(f"{kind}.attention.sliding_window"):
        config["sliding_window"] = read.positive(f"{kind}.attention.sliding_window")
    scaling = read.choice(f"{kind}.rope.scaling.type", ("none", "linear", "longrope"), "none")
    if scaling == "linear":
        config["rope_scaling"] = {"rope_type": "linear", "factor": read.number(f"{kind}.rope.scaling.factor")}
    return config


def _mixtral(read: ConfigReader, file: GGUFFile) -> dict[str, Any]:
    if "rope_freqs.weight" in file.tensors:
        read.fail("a mixture of experts with rope_freqs.weight is not supported")
    return _llama_like(read, file, "llama", "MixtralForCausalLM") | {
        "model_type": "mixtral",
        "num_local_experts": read.positive("llama.expert_count"),
        "num_experts_per_tok": read.positive("llama.expert_used_count"),
    }


def _qwen3_moe(read: ConfigReader, file: GGUFFile) -> dict[str, Any]:
    return _llama_like(read, file, "qwen3moe", "Qwen3MoeForCausalLM") | {
        "model_type": "qwen3_moe",
        "num_experts": read.positive("qwen3moe.expert_count"),
        "num_experts_per_tok": read.positive("qwen3moe.expert_used_count"),
        "moe_intermediate_size": read.positive("qwen3moe.expert_feed_forward_length"),
        "norm_topk_prob": True,
    }


def _gemma(read: ConfigReader, file: GGUFFile, kind: str, name: str, large: int) -> dict[str, Any]:
    config = _llama_like(read, file, kind, name)
    layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
    config["query_pre_attn_scalar"] = config["hidden_size"] // heads if layers == large else config["head_dim"]
    config.setdefault("sliding_window", None)
    return config


def _gemma2(read: ConfigReader, file: GGUFFile) -> dict[str, Any]:
    return _gemma(read, file, "gemma2", "Gemma2ForCausalLM", 46) | {
        "model_type": "gemma2",
        "attn_logit_softcapping": read.number("gemma2.attn_logit_softcapping", 50.0),
        "final_logit_softcapping": read.number("gemma2.final_logit_softcapping", 30.0),
    }


def _gemma3(read: ConfigReader, file: GGUFFile) -> dict[str, Any]:
    config = _gemma(read, file, "gemma3", "Gemma3ForCausalLM", 62)
    return config | {"model_type": "gemma3_text", "rope_local_base_freq": 10000.0}


def _phi3(read: ConfigReader, file: GGUFFile) -> dict[str, Any]:
    config = _llama_like(read, file, "phi3", "Phi3ForCausalLM")
    head: int = config["head_dim"]
    config["model_type"] = "phi3"
    config["partial_rotary_factor"] = read.positive("phi3.rope.dimension_count", head) / head
    if "rope_factors_long.weight" in file.tensors:
        config["original_max_position_embeddings"] = read.positive("phi3.rope.scaling.original_context_length")
        config["rope_scaling"] = {
            "rope_type": "longrope",
            "short_factor": _vector(read, file, "rope_factors_short.weight"),
            "long_factor": _vector(read, file, "rope_factors_long.weight"),
            "attention_factor": read.number("phi3.rope.scaling.attn_factor", 1.0),
        }
    return config


def _vector(read: ConfigReader, file: GGUFFile, name: str) -> list[float]:
    tensor = file.tensors.get(name)
    if tensor is None or tensor.type.name != "F32" or len(tensor.shape) != 1:
        read.fail(f"tensor '{name}' must be a vector of float32")
    return file.raw(name).view(np.float32).tolist()


def _gpt2(read: ConfigReader, file: GGUFFile) -> dict[str, Any]:
    config = _common(read, file, "gpt2", "GPT2LMHeadModel")
    keys = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}
    keys |= {"intermediate_size": "n_inner", "max_position_embeddings": "n_positions"}
    return {keys.get(k, k): v for k, v in config.items()} | {
        "model_type": "gpt2",
        "layer_norm_epsilon": read.number("gpt2.attention.layer_norm_epsilon"),
        "activation_function": "gelu_new",
    }


def _gpt_neox(read: ConfigReader, file: GGUFFile) -> dict[str, Any]:
    config = _common(read, file, "gptneox", "GPTNeoXForCausalLM")
    head = config["hidden_size"] // config["num_attention_heads"]
    return config | {
        "model_type": "gpt_neox",
        "layer_norm_eps": read.number("gptneox.attention.layer_norm_epsilon"),
        "use_parallel_residual": read.flag("gptneox.use_parallel_residual", True),
        "rotary_pct": read.positive("gptneox.rope.dimension_count", head) / head,
        "rotary_emb_base": read.number("gptneox.rope.freq_base", 10000.0),
        "attention_bias": "blk.0.attn_qkv.bias" in file.tensors,
    }


def interleaved_rows(decoder: Decoder, name: str, count: int) -> NDArray[np.int64] | None:
    """Rows of q and k as llama files hold them: of a head, row j next to row j + D / 2."""
    if ".self_attn.q_proj" not in name and ".self_attn.k_proj" not in name:
        return None
    return np.arange(count).reshape(-1, decoder.head_dim // 2, 2).swapaxes(1, 2).reshape(-1)


def rows_by_head(decoder: Decoder, name: str, count: int) -> NDArray[np.int64] | None:
    """Rows of query_key_value, head by head, in a file that holds all of q, then k, then v."""
    if ".query_key_value." not in name:
        return None
    return np.arange(count).reshape(3, decoder.heads, -1).swapaxes(0, 1).reshape(-1)


_ATTENTION = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
}
_LLAMA_LIKE = {**_ATTENTION, "post_attention_layernorm": "ffn_norm"}
_OTHERS = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
_GEMMA_NAMES = {
    **_ATTENTION,
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}

MIXTRAL = GGUFArchitecture(
    _mixtral,
    {
        **_LLAMA_LIKE,
        "block_sparse_moe.gate": "ffn_gate_inp",
        "block_sparse_moe.experts.w1": "ffn_gate_exps",
        "block_sparse_moe.experts.w3": "ffn_up_exps",
        "block_sparse_moe.experts.w2": "ffn_down_exps",
    },
    _OTHERS,
    interleaved_rows,
)
ARCHITECTURES: dict[str, GGUFArchitecture] = {
    "qwen3moe": GGUFArchitecture(
        _qwen3_moe,
        {
            **_LLAMA_LIKE,
            "mlp.gate": "ffn_gate_inp",
            "mlp.experts.gate_proj": "ffn_gate_exps",
            "mlp.experts.up_proj": "ffn_up_exps",
            "mlp.experts.down_proj": "ffn_down_exps",
        },
        _OTHERS,
    ),
    "gemma2": GGUFArchitecture(_gemma2, _GEMMA_NAMES, _OTHERS),
    "gemma3": GGUFArchitecture(_gemma3, _GEMMA_NAMES, _OTHERS),
    "phi3": GGUFArchitecture(
        _phi3, {**_LLAMA_LIKE, "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}, _OTHERS
    ),
    "gpt2": GGUFArchitecture(
        _gpt2,
        {
            "ln_1": "attn_norm",
            "attn.c_attn": "attn_qkv",
            "attn.c_proj": "attn_output",
            "ln_2": "ffn_norm",
            "mlp.c_fc": "ffn_up",
            "mlp.c_proj": "ffn_down",
        },
        {
            "transformer.wte": "token_embd",
            "transformer.wpe": "position_embd",
            "transformer.ln_f": "output_norm",
            "lm_head": "output",
        },
    ),
    "gptneox": GGUFArchitecture(
        _gpt_neox,
        {
            "input_layernorm": "attn_norm",
            "post_attention_layernorm": "ffn_norm",
            "attention.query_key_value": "attn_qkv",
            "attention.dense": "attn_output",
            "mlp.dense_h_to_4h": "ffn_up",
            "mlp.dense_4h_to_h": "ffn_down",
        },
        {
            "gpt_neox.embed_in": "token_embd",
            "gpt_neox.final_layer_norm": "output_norm",
            "embed_out": "output",
        },
        rows_by_head,
    ),
}
