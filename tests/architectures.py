"""Tiny models of every architecture beyond the Llama family: configurations, tensors, and float64 logits.

The logits follow the published formulas and know nothing of our code; `tests/peers` holds ours to transformers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tiny_models import DTYPES, Array, Arrays, Config, softmax

VOCABULARY = 259

_SIZES: Config = {"vocab_size": VOCABULARY, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
_SHORT = [1.0, 1.25, 1.5, 1.75]
_LONG = [2.0, 3.0, 4.0, 5.0]
_LONGROPE: Config = {"type": "longrope", "short_factor": _SHORT, "long_factor": _LONG}


def _opt(**changes: Any) -> Config:
    base = {"architectures": ["OPTForCausalLM"], "model_type": "opt", "ffn_dim": 96, "max_position_embeddings": 48}
    return {**_SIZES, **base, "tie_word_embeddings": True, **changes}


def _gpt2(**changes: Any) -> Config:
    sizes = {"vocab_size": VOCABULARY, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 48}
    base = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "tie_word_embeddings": True}
    return {**base, **sizes, **changes}


def _gpt_neox(**changes: Any) -> Config:
    base = {"architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", "intermediate_size": 96}
    return {**_SIZES, **base, "tie_word_embeddings": False, **changes}


def _gemma2(**changes: Any) -> Config:
    base = {"architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "intermediate_size": 96, "head_dim": 32}
    window = {"num_key_value_heads": 2, "sliding_window": 7, "query_pre_attn_scalar": 20}
    return {**_SIZES, **base, **window, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0, **changes}


def _gemma3(**changes: Any) -> Config:
    base = {"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "intermediate_size": 96}
    window = {"head_dim": 32, "num_key_value_heads": 2, "sliding_window": 7, "query_pre_attn_scalar": 20}
    return {**_SIZES, **base, **window, "num_hidden_layers": 3, "sliding_window_pattern": 2, **changes}


def _phi3(**changes: Any) -> Config:
    base = {"architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "intermediate_size": 96, "rms_norm_eps": 1e-5}
    return {**_SIZES, **base, "num_key_value_heads": 2, "pad_token_id": 0, "tie_word_embeddings": False, **changes}


def _mixtral(**changes: Any) -> Config:
    base = {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "intermediate_size": 96}
    sizes = {"rms_norm_eps": 1e-5, "num_key_value_heads": 2, "num_local_experts": 4, "num_experts_per_tok": 2}
    return {**_SIZES, **base, **sizes, "tie_word_embeddings": False, **changes}


def _qwen3_moe(**changes: Any) -> Config:
    base = {"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "intermediate_size": 96}
    sizes = {"rms_norm_eps": 1e-6, "num_key_value_heads": 2, "head_dim": 32, "num_experts": 8, "num_experts_per_tok": 3}
    more = {"moe_intermediate_size": 32, "norm_topk_prob": True, "tie_word_embeddings": False}
    return {**_SIZES, **base, **sizes, **more, **changes}


MODELS: dict[str, Config] = {
    "opt": _opt(),
    "opt-projected": _opt(word_embed_proj_dim=32, do_layer_norm_before=False),
    "opt-bare": _opt(enable_bias=False, layer_norm_elementwise_affine=False, tie_word_embeddings=False),
    "opt-gelu": _opt(activation_function="gelu", _remove_final_layer_norm=True),
    "gpt2": _gpt2(),
    "gpt2-untied": _gpt2(tie_word_embeddings=False, n_inner=96, activation_function="relu"),
    "gpt2-scaled": _gpt2(scale_attn_by_inverse_layer_idx=True, scale_attn_weights=False, activation_function="gelu"),
    "gpt_neox": _gpt_neox(rotary_pct=0.25),
    "gpt_neox-serial": _gpt_neox(use_parallel_residual=False, rotary_pct=1.0, attention_bias=False),
    "gpt_neox-tied": _gpt_neox(tie_word_embeddings=True, rotary_pct=0.5, rotary_emb_base=500, hidden_act="gelu_new"),
    "gemma2": _gemma2(),
    "gemma2-bare": _gemma2(attn_logit_softcapping=None, final_logit_softcapping=None, num_key_value_heads=4),
    "gemma3": _gemma3(),
    "gemma3-scaled": _gemma3(
        rope_theta=5e4, rope_local_base_freq=300.0, rope_scaling={"rope_type": "linear", "factor": 4.0}
    ),
    "phi3": _phi3(),
    "phi3-window": _phi3(sliding_window=7, num_key_value_heads=4, tie_word_embeddings=True),
    "phi3-short": _phi3(
        rope_scaling=_LONGROPE,
        partial_rotary_factor=0.5,
        max_position_embeddings=256,
        original_max_position_embeddings=64,
    ),
    "phi3-long": _phi3(
        rope_scaling=_LONGROPE,
        partial_rotary_factor=0.5,
        max_position_embeddings=256,
        original_max_position_embeddings=16,
    ),
    "mixtral": _mixtral(),
    "mixtral-window": _mixtral(sliding_window=9, num_experts_per_tok=1, num_key_value_heads=1),
    "qwen3_moe": _qwen3_moe(),
    "qwen3_moe-dense": _qwen3_moe(norm_topk_prob=False, mlp_only_layers=[0], attention_bias=True),
    "qwen3_moe-sparse": _qwen3_moe(decoder_sparse_step=2, tie_word_embeddings=True),
}


def random_weights(config: Config, dtype: str = "f32", seed: int = 0) -> Arrays:
    """Weights with a spread that gives logits of a few units."""
    random = np.random.default_rng(seed)
    weights: Arrays = {}
    for name, shape in SHAPES[config["model_type"]](config).items():
        values = random.standard_normal(shape, np.float32)
        if len(shape) == 1:
            values /= 10
            around_one = "norm" in name or ".ln_" in name
            if around_one and name.endswith(".weight") and "gemma" not in config["model_type"]:
                values += 1
        elif config["model_type"] == "gpt2" and ".h." in name:
            values *= 1.5 / np.sqrt(shape[0])
        else:
            values *= 1.5 / np.sqrt(shape[1])
        weights[name] = values.astype(DTYPES[dtype])
    return weights


Shapes = dict[str, tuple[int, ...]]


def _linear(name: str, out: int, inp: int, bias: bool = False) -> Shapes:
    return {f"{name}.weight": (out, inp)} | ({f"{name}.bias": (out,)} if bias else {})


def _norm(name: str, size: int, bias: bool = False) -> Shapes:
    return {f"{name}.weight": (size,)} | ({f"{name}.bias": (size,)} if bias else {})


def opt_shapes(c: Config) -> Shapes:
    hidden, size = c["hidden_size"], c.get("word_embed_proj_dim", c["hidden_size"])
    bias, affine = c.get("enable_bias", True), c.get("layer_norm_elementwise_affine", True)
    d = "model.decoder"
    shapes: Shapes = {f"{d}.embed_tokens.weight": (c["vocab_size"], size)}
    shapes |= {f"{d}.embed_positions.weight": (c["max_position_embeddings"] + 2, hidden)}
    if size != hidden:
        shapes |= _linear(f"{d}.project_in", hidden, size) | _linear(f"{d}.project_out", size, hidden)
    for layer in range(c["num_hidden_layers"]):
        block = f"{d}.layers.{layer}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= _linear(f"{block}.self_attn.{part}", hidden, hidden, bias)
        shapes |= _linear(f"{block}.fc1", c["ffn_dim"], hidden, bias) | _linear(
            f"{block}.fc2", hidden, c["ffn_dim"], bias
        )
        for part in ("self_attn_layer_norm", "final_layer_norm"):
            shapes |= _norm(f"{block}.{part}", hidden, True) if affine else {}
    if affine and c.get("do_layer_norm_before", True) and not c.get("_remove_final_layer_norm"):
        shapes |= _norm(f"{d}.final_layer_norm", hidden, True)
    return shapes | ({} if c["tie_word_embeddings"] else _linear("lm_head", c["vocab_size"], size))


def gpt2_shapes(c: Config) -> Shapes:
    hidden, inner = c["n_embd"], c.get("n_inner", 4 * c["n_embd"])
    shapes: Shapes = {"transformer.wte.weight": (c["vocab_size"], hidden)}
    shapes |= {"transformer.wpe.weight": (c["n_positions"], hidden)} | _norm("transformer.ln_f", hidden, True)
    for layer in range(c["n_layer"]):
        block = f"transformer.h.{layer}"
        shapes |= _norm(f"{block}.ln_1", hidden, True) | _norm(f"{block}.ln_2", hidden, True)
        matrices = {"attn.c_attn": (hidden, 3 * hidden), "attn.c_proj": (hidden, hidden)}
        matrices |= {"mlp.c_fc": (hidden, inner), "mlp.c_proj": (inner, hidden)}
        for part, (inp, out) in matrices.items():
            shapes |= {f"{block}.{part}.weight": (inp, out), f"{block}.{part}.bias": (out,)}
    return shapes | ({} if c["tie_word_embeddings"] else _linear("lm_head", c["vocab_size"], hidden))


def gpt_neox_shapes(c: Config) -> Shapes:
    hidden, inner, bias = c["hidden_size"], c["intermediate_size"], c.get("attention_bias", True)
    shapes: Shapes = {"gpt_neox.embed_in.weight": (c["vocab_size"], hidden)}
    shapes |= _norm("gpt_neox.final_layer_norm", hidden, True)
    for layer in range(c["num_hidden_layers"]):
        block = f"gpt_neox.layers.{layer}"
        shapes |= _norm(f"{block}.input_layernorm", hidden, True)
        shapes |= _norm(f"{block}.post_attention_layernorm", hidden, True)
        shapes |= _linear(f"{block}.attention.query_key_value", 3 * hidden, hidden, bias)
        shapes |= _linear(f"{block}.attention.dense", hidden, hidden, bias)
        shapes |= _linear(f"{block}.mlp.dense_h_to_4h", inner, hidden, True)
        shapes |= _linear(f"{block}.mlp.dense_4h_to_h", hidden, inner, True)
    return shapes | ({} if c["tie_word_embeddings"] else {"embed_out.weight": (c["vocab_size"], hidden)})


def llama_like_shapes(c: Config) -> Shapes:
    """Gemma, Phi-3 and the mixtures."""
    kind, hidden, inner = c["model_type"], c["hidden_size"], c["intermediate_size"]
    size = c.get("head_dim", hidden // c["num_attention_heads"])
    queries, keys = c["num_attention_heads"] * size, c["num_key_value_heads"] * size
    bias = c.get("attention_bias", False)
    shapes: Shapes = {"model.embed_tokens.weight": (c["vocab_size"], hidden)} | _norm("model.norm", hidden)
    for layer in range(c["num_hidden_layers"]):
        block = f"model.layers.{layer}"
        shapes |= _norm(f"{block}.input_layernorm", hidden) | _norm(f"{block}.post_attention_layernorm", hidden)
        shapes |= _linear(f"{block}.self_attn.o_proj", hidden, queries, bias)
        if kind == "phi3":
            shapes |= _linear(f"{block}.self_attn.qkv_proj", queries + 2 * keys, hidden)
            shapes |= _linear(f"{block}.mlp.gate_up_proj", 2 * inner, hidden)
            shapes |= _linear(f"{block}.mlp.down_proj", hidden, inner)
            continue
        for part, rows in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
            shapes |= _linear(f"{block}.self_attn.{part}", rows, hidden, bias)
        if kind in ("gemma3_text", "qwen3_moe"):
            shapes |= _norm(f"{block}.self_attn.q_norm", size) | _norm(f"{block}.self_attn.k_norm", size)
        if "gemma" in kind:
            shapes |= _norm(f"{block}.pre_feedforward_layernorm", hidden)
            shapes |= _norm(f"{block}.post_feedforward_layernorm", hidden)
        shapes |= _mlp_shapes(c, layer)
    return shapes | ({} if tied(c) else _linear("lm_head", c["vocab_size"], hidden))


def _mlp_shapes(c: Config, layer: int) -> Shapes:
    kind, hidden, inner = c["model_type"], c["hidden_size"], c["intermediate_size"]
    block = f"model.layers.{layer}"
    if kind == "mixtral":
        shapes = _linear(f"{block}.block_sparse_moe.gate", c["num_local_experts"], hidden)
        for expert in range(c["num_local_experts"]):
            name = f"{block}.block_sparse_moe.experts.{expert}"
            shapes |= _linear(f"{name}.w1", inner, hidden) | _linear(f"{name}.w3", inner, hidden)
            shapes |= _linear(f"{name}.w2", hidden, inner)
        return shapes
    if is_sparse(c, layer):
        inner = c["moe_intermediate_size"]
        shapes = _linear(f"{block}.mlp.gate", c["num_experts"], hidden)
        names = [f"{block}.mlp.experts.{expert}" for expert in range(c["num_experts"])]
    else:
        shapes, names = {}, [f"{block}.mlp"]
    for name in names:
        shapes |= _linear(f"{name}.gate_proj", inner, hidden) | _linear(f"{name}.up_proj", inner, hidden)
        shapes |= _linear(f"{name}.down_proj", hidden, inner)
    return shapes


def is_sparse(c: Config, layer: int) -> bool:
    """Whether a layer has experts."""
    if c["model_type"] == "mixtral":
        return True
    sparse = (layer + 1) % c.get("decoder_sparse_step", 1) == 0 and layer not in c.get("mlp_only_layers", [])
    return c["model_type"] == "qwen3_moe" and sparse


def tied(c: Config) -> bool:
    """Whether the head is the embedding; Gemma's is unless it says otherwise."""
    return c.get("tie_word_embeddings", "gemma" in c["model_type"])


SHAPES: dict[str, Callable[[Config], Shapes]] = {
    "opt": opt_shapes,
    "gpt2": gpt2_shapes,
    "gpt_neox": gpt_neox_shapes,
    "gemma2": llama_like_shapes,
    "gemma3_text": llama_like_shapes,
    "phi3": llama_like_shapes,
    "mixtral": llama_like_shapes,
    "qwen3_moe": llama_like_shapes,
}


def reference_logits(config: Config, weights: Arrays, ids: Array) -> Array:
    """Logits float64 [T, V]."""
    w = {name: values.astype(np.float64) for name, values in weights.items()}
    kind = config["model_type"]
    forward = {"opt": _opt_logits, "gpt2": _gpt2_logits, "gpt_neox": _gpt_neox_logits}.get(kind, _llama_like_logits)
    return forward(config, _Weights(w), ids)


class _Weights:
    def __init__(self, w: Arrays):
        self.w = w

    def linear(self, x: Array, name: str) -> Array:
        y = x @ self.w[f"{name}.weight"].T
        return y + self.w[f"{name}.bias"] if f"{name}.bias" in self.w else y

    def layer_norm(self, x: Array, name: str) -> Array:
        y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return y * self.w[f"{name}.weight"] + self.w[f"{name}.bias"] if f"{name}.weight" in self.w else y

    def rms_norm(self, x: Array, name: str, eps: float, around: float) -> Array:
        y = x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
        return y * (around + self.w[f"{name}.weight"])


def activate(x: Array, name: str) -> Array:
    """The activations by their names in a config.json."""
    if name == "relu":
        return np.maximum(x, 0)
    if name == "silu":
        return x / (1 + np.exp(-x))
    if name == "gelu":
        return x * np.array([(1 + math.erf(v / math.sqrt(2))) / 2 for v in x.reshape(-1).tolist()]).reshape(x.shape)
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def rotate(x: Array, theta: float, turned: int, divisors: Array | float = 1.0, magnitude: float = 1.0) -> Array:
    """Rotary embedding of the first `turned` elements of x [T, heads, D], halves paired."""
    frequencies = theta ** (-np.arange(0, turned, 2) / turned) / divisors
    angles = np.outer(np.arange(len(x)), frequencies)[:, None]
    cos, sin = np.cos(angles) * magnitude, np.sin(angles) * magnitude
    a, b = x[..., : turned // 2], x[..., turned // 2 : turned]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin, x[..., turned:]], axis=-1)


def attend(q: Array, k: Array, v: Array, scale: float, window: int | None = None, cap: float | None = None) -> Array:
    """Causal attention of [T, heads, D], merged to [T, heads * D]."""
    shared, tokens = q.shape[1] // k.shape[1], len(q)
    scores = np.einsum("thd,shd->hts", q, k.repeat(shared, axis=1)) * scale
    if cap is not None:
        scores = cap * np.tanh(scores / cap)
    distance = np.arange(tokens)[:, None] - np.arange(tokens)
    seen = (distance >= 0) & (distance < (window or tokens))
    mixed = np.einsum("hts,shd->thd", softmax(np.where(seen, scores, -np.inf)), v.repeat(shared, axis=1))
    return mixed.reshape(tokens, -1)


def _opt_logits(c: Config, w: _Weights, ids: Array) -> Array:
    d, before = "model.decoder", c.get("do_layer_norm_before", True)
    heads, size = c["num_attention_heads"], c["hidden_size"] // c["num_attention_heads"]
    x = w.w[f"{d}.embed_tokens.weight"][ids]
    if f"{d}.project_in.weight" in w.w:
        x = w.linear(x, f"{d}.project_in")
    x = x + w.w[f"{d}.embed_positions.weight"][2 : 2 + len(ids)]
    for layer in range(c["num_hidden_layers"]):
        block = f"{d}.layers.{layer}"
        h = w.layer_norm(x, f"{block}.self_attn_layer_norm") if before else x
        q, k, v = (w.linear(h, f"{block}.self_attn.{p}_proj").reshape(len(ids), heads, size) for p in "qkv")
        x = x + w.linear(attend(q, k, v, size**-0.5), f"{block}.self_attn.out_proj")
        x = x if before else w.layer_norm(x, f"{block}.self_attn_layer_norm")
        h = w.layer_norm(x, f"{block}.final_layer_norm") if before else x
        x = x + w.linear(activate(w.linear(h, f"{block}.fc1"), c.get("activation_function", "relu")), f"{block}.fc2")
        x = x if before else w.layer_norm(x, f"{block}.final_layer_norm")
    if before and not c.get("_remove_final_layer_norm"):
        x = w.layer_norm(x, f"{d}.final_layer_norm")
    if f"{d}.project_out.weight" in w.w:
        x = w.linear(x, f"{d}.project_out")
    return x @ w.w[f"{d}.embed_tokens.weight" if c["tie_word_embeddings"] else "lm_head.weight"].T


def _gpt2_logits(c: Config, w: _Weights, ids: Array) -> Array:
    heads, size = c["n_head"], c["n_embd"] // c["n_head"]

    def conv(x: Array, name: str) -> Array:
        return x @ w.w[f"{name}.weight"] + w.w[f"{name}.bias"]

    x = w.w["transformer.wte.weight"][ids] + w.w["transformer.wpe.weight"][: len(ids)]
    for layer in range(c["n_layer"]):
        block = f"transformer.h.{layer}"
        qkv = conv(w.layer_norm(x, f"{block}.ln_1"), f"{block}.attn.c_attn")
        q, k, v = (part.reshape(len(ids), heads, size) for part in np.split(qkv, 3, axis=1))
        scale = size**-0.5 if c.get("scale_attn_weights", True) else 1.0
        scale = scale / (layer + 1) if c.get("scale_attn_by_inverse_layer_idx") else scale
        x = x + conv(attend(q, k, v, scale), f"{block}.attn.c_proj")
        h = conv(w.layer_norm(x, f"{block}.ln_2"), f"{block}.mlp.c_fc")
        x = x + conv(activate(h, c.get("activation_function", "gelu_new")), f"{block}.mlp.c_proj")
    x = w.layer_norm(x, "transformer.ln_f")
    return x @ w.w["transformer.wte.weight" if c["tie_word_embeddings"] else "lm_head.weight"].T


def _gpt_neox_logits(c: Config, w: _Weights, ids: Array) -> Array:
    heads, size = c["num_attention_heads"], c["hidden_size"] // c["num_attention_heads"]
    turned, theta = int(size * c["rotary_pct"]), c.get("rotary_emb_base", 10000)
    x = w.w["gpt_neox.embed_in.weight"][ids]
    for layer in range(c["num_hidden_layers"]):
        block = f"gpt_neox.layers.{layer}"
        qkv = w.linear(w.layer_norm(x, f"{block}.input_layernorm"), f"{block}.attention.query_key_value")
        q, k, v = np.split(qkv.reshape(len(ids), heads, 3 * size), 3, axis=-1)
        a = attend(rotate(q, theta, turned), rotate(k, theta, turned), v, size**-0.5)
        a = w.linear(a, f"{block}.attention.dense")
        h = w.layer_norm(x if c.get("use_parallel_residual", True) else x + a, f"{block}.post_attention_layernorm")
        h = activate(w.linear(h, f"{block}.mlp.dense_h_to_4h"), c.get("hidden_act", "gelu"))
        x = x + a + w.linear(h, f"{block}.mlp.dense_4h_to_h")
    x = w.layer_norm(x, "gpt_neox.final_layer_norm")
    return x @ w.w["gpt_neox.embed_in.weight" if c["tie_word_embeddings"] else "embed_out.weight"].T


def _llama_like_logits(c: Config, w: _Weights, ids: Array) -> Array:
    kind, gemma = c["model_type"], "gemma" in c["model_type"]
    heads, kv = c["num_attention_heads"], c["num_key_value_heads"]
    size = c.get("head_dim", c["hidden_size"] // heads)
    scale = c.get("query_pre_attn_scalar", size) ** -0.5
    cap = c.get("attn_logit_softcapping")

    def norm(x: Array, name: str) -> Array:
        return w.rms_norm(x, name, c.get("rms_norm_eps", 1e-6), 1.0 if gemma else 0.0)

    x = w.w["model.embed_tokens.weight"][ids] * (math.sqrt(c["hidden_size"]) if gemma else 1.0)
    for layer in range(c["num_hidden_layers"]):
        block = f"model.layers.{layer}"
        h = norm(x, f"{block}.input_layernorm")
        if kind == "phi3":
            qkv = w.linear(h, f"{block}.self_attn.qkv_proj")
            parts = np.split(qkv, [heads * size, (heads + kv) * size], axis=1)
        else:
            parts = [w.linear(h, f"{block}.self_attn.{p}_proj") for p in "qkv"]
        q, k, v = (part.reshape(len(ids), -1, size) for part in parts)
        if kind in ("gemma3_text", "qwen3_moe"):
            q, k = norm(q, f"{block}.self_attn.q_norm"), norm(k, f"{block}.self_attn.k_norm")
        q, k = (_rotated(c, layer, part) for part in (q, k))
        a = w.linear(attend(q, k, v, scale, _window(c, layer), cap), f"{block}.self_attn.o_proj")
        if gemma:
            x = x + norm(a, f"{block}.post_attention_layernorm")
            h = _feed_forward(c, w, layer, norm(x, f"{block}.pre_feedforward_layernorm"))
            x = x + norm(h, f"{block}.post_feedforward_layernorm")
        else:
            x = x + a
            x = x + _feed_forward(c, w, layer, norm(x, f"{block}.post_attention_layernorm"))
    head = w.w["model.embed_tokens.weight" if tied(c) else "lm_head.weight"]
    logits = norm(x, "model.norm") @ head.T
    cap = c.get("final_logit_softcapping")
    return logits if cap is None else cap * np.tanh(logits / cap)


def _window(c: Config, layer: int) -> int | None:
    pattern = {"gemma2": 2, "gemma3_text": c.get("sliding_window_pattern", 6)}.get(c["model_type"])
    if pattern is not None and (layer + 1) % pattern == 0:
        return None
    return c.get("sliding_window")


def _rotated(c: Config, layer: int, x: Array) -> Array:
    size = x.shape[-1]
    if c["model_type"] == "gemma3_text":
        if _window(c, layer) is not None:
            return rotate(x, c.get("rope_local_base_freq", 1e4), size)
        return rotate(x, c.get("rope_theta", 1e6), size, c.get("rope_scaling", {}).get("factor", 1.0))
    if "rope_scaling" not in c:
        return rotate(x, 1e6 if c["model_type"] == "mixtral" else 1e4, size)
    original, longest = c["original_max_position_embeddings"], c["max_position_embeddings"]
    divisors = np.array(_LONG if len(x) > original else _SHORT)
    magnitude = math.sqrt(1 + math.log(longest / original) / math.log(original))
    return rotate(x, 1e4, int(size * c["partial_rotary_factor"]), divisors, magnitude)


def _feed_forward(c: Config, w: _Weights, layer: int, x: Array) -> Array:
    block = f"model.layers.{layer}"
    activation = "gelu_new" if "gemma" in c["model_type"] else "silu"
    if c["model_type"] == "phi3":
        gate, up = np.split(w.linear(x, f"{block}.mlp.gate_up_proj"), 2, axis=1)
        return w.linear(activate(gate, activation) * up, f"{block}.mlp.down_proj")

    def expert(name: str, x: Array, parts: Sequence[str] = ("gate_proj", "up_proj", "down_proj")) -> Array:
        gate, up, down = (f"{name}.{part}" for part in parts)
        return w.linear(activate(w.linear(x, gate), activation) * w.linear(x, up), down)

    if not is_sparse(c, layer):
        return expert(f"{block}.mlp", x)
    mixtral = c["model_type"] == "mixtral"
    module = f"{block}.{'block_sparse_moe' if mixtral else 'mlp'}"
    probabilities = softmax(w.linear(x, f"{module}.gate"))
    y = np.zeros_like(x)
    for t in range(len(x)):
        chosen = np.argsort(-probabilities[t])[: c["num_experts_per_tok"]]
        share = probabilities[t, chosen]
        if mixtral or c["norm_topk_prob"]:
            share = share / share.sum()
        for e, weight in zip(chosen, share, strict=True):
            name = f"{module}.experts.{e}"
            y[t] += weight * (expert(name, x[t], ("w1", "w3", "w2")) if mixtral else expert(name, x[t]))
    return y
