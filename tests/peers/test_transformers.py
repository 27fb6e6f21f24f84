"""Tiny random models of every architecture: our logits are transformers' (float32, eager attention)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray
from tiny_models import (
    ARCHITECTURES,
    Array,
    Arrays,
    Config,
    Encode,
    config_of,
    float32_tensors,
    gguf_name,
    quantized_tensors,
    random_weights,
    read_json,
    write_gguf,
)

from llmir.backends.numpy.session import Session
from llmir.frontends.registry import open_model
from llmir.passes.pipeline import compile_numpy

torch: Any = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")

LENGTH = 40
TOLERANCE = 1e-4
"""Of the largest |logit|: float32 sums of a few hundred products in another order."""

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
MODELS: dict[str, Config] = {
    "llama": config_of(),
    "llama-tied": config_of(tie_word_embeddings=True),
    "llama-biases": config_of(attention_bias=True, mlp_bias=True),
    "llama-linear-rope": config_of(rope_scaling={"rope_type": "linear", "factor": 4.0}),
    "llama-llama3-rope": config_of(rope_theta=500.0, rope_scaling=LLAMA3),
    "llama-wide-heads": config_of(head_dim=48),
    "llama-one-kv-head": config_of(num_key_value_heads=1),
    "mistral-window": config_of("mistral", sliding_window=7),
    "mistral-no-window": config_of("mistral", sliding_window=None),
    "qwen2": config_of("qwen2"),
    "qwen2-tied": config_of("qwen2", tie_word_embeddings=True),
    "qwen2-window": config_of("qwen2", use_sliding_window=True, sliding_window=6, max_window_layers=1),
    "qwen3": config_of("qwen3"),
    "qwen3-biases": config_of("qwen3", attention_bias=True, head_dim=64),
}


def ids() -> NDArray[np.int64]:
    return np.random.default_rng(1).integers(0, 258, LENGTH)


def peer_of(config: Config, weights: Arrays) -> Any:
    """transformers' model with these weights."""
    kind = config["model_type"]
    names = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}
    known = {k: v for k, v in config.items() if k not in ("architectures", "model_type")}
    peer_config = getattr(transformers, f"{names[kind]}Config")(**known, attn_implementation="eager")
    model = getattr(transformers, ARCHITECTURES[kind])(peer_config).eval()
    state = {name: torch.from_numpy(np.array(w, np.float32)) for name, w in weights.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    assert set(missing) <= {"lm_head.weight"}
    model.tie_weights()
    return model


def peer_logits(model: Any, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    with torch.no_grad():
        return model(torch.from_numpy(tokens)[None]).logits[0].numpy()


def session_of(path: Path, *, dequantize: bool = False) -> Session:
    program = open_model(str(path), dequantize=dequantize)
    return compile_numpy(program.module, program.weights)


def assert_close(ours: Array, theirs: Array) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()


def decoded(session: Session, tokens: NDArray[np.int64], prefill: int) -> Array:
    """Logits of a prefill and then one token at a time."""
    caches = session.new_cache(len(tokens))
    parts = [session.head(session.backbone(tokens[:prefill], 0, caches))]
    for at in range(prefill, len(tokens)):
        parts.append(session.head(session.backbone(tokens[at : at + 1], at, caches)))
    return np.concatenate(parts)


@pytest.mark.parametrize("name", MODELS)
def test_saved_by_transformers(name: str, tmp_path: Path) -> None:
    model = peer_of(MODELS[name], random_weights(MODELS[name]))
    model.save_pretrained(tmp_path / "model")
    session = session_of(tmp_path / "model")
    expected = peer_logits(model, ids())
    assert_close(session.logits(ids()), expected)
    assert_close(decoded(session, ids(), 11), expected)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["llama", "llama-tied", "qwen3"])
def test_shards_and_types(name: str, dtype: str, tmp_path: Path) -> None:
    model = peer_of(MODELS[name], random_weights(MODELS[name])).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path / "model", max_shard_size="200KB")
    assert (tmp_path / "model" / "model.safetensors.index.json").exists()
    assert read_json(tmp_path / "model" / "config.json")["dtype"] == dtype
    reloaded = model.__class__.from_pretrained(tmp_path / "model", dtype="float32", attn_implementation="eager")
    assert_close(session_of(tmp_path / "model").logits(ids()), peer_logits(reloaded, ids()))


def k_quants(kind: Type) -> Encode:
    """Random blocks of a type that gguf can only decode, with float16 fields that keep values small."""
    places = {Type.Q6_K: (208,), Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q3_K: (108,), Type.Q2_K: (80, 82)}

    def encode(name: str, values: Array) -> tuple[Array, Type | None]:
        if values.ndim == 1:
            return float32_tensors(name, values)
        block, size = gguf.GGML_QUANT_SIZES[kind]
        random = np.random.default_rng(len(name))
        blocks = random.integers(0, 256, (values.size // block, size), np.uint8)
        for at in places[kind]:
            blocks[:, at : at + 2] = np.array([1e-4], np.float16).view(np.uint8)
        return blocks.reshape(values.shape[0], -1), kind

    return encode


def stored_as(dtype: Any) -> Encode:
    return lambda _name, values: (values.astype(dtype if values.ndim == 2 else np.float32), None)


ENCODINGS: dict[str, Encode] = {
    "F32": float32_tensors,
    "F16": stored_as(np.float16),
    "BF16": quantized_tensors(Type.BF16),
    **{k.name: quantized_tensors(k) for k in (Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1)},
    **{k.name: k_quants(k) for k in (Type.Q6_K, Type.Q5_K, Type.Q4_K, Type.Q3_K, Type.Q2_K)},
}
ROPE = "rope_scaling"


def decoded_weights(path: Path, config: Config, weights: Arrays) -> Arrays:
    """What gguf's own reader and decoder make of the file, llama's q and k rows put back in order."""
    reader: Any = gguf.GGUFReader(path)
    tensors = {t.name: t for t in reader.tensors}
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    result: Arrays = {}
    for name, original in weights.items():
        tensor = tensors[gguf_name(name)]
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(original.shape)
        projection = name.split(".")[-2]
        if config["model_type"] == "llama" and projection in heads:
            size = original.shape[0] // heads[projection]
            halves = values.reshape(heads[projection], size // 2, 2, *original.shape[1:])
            values = np.concatenate([halves[:, :, 0], halves[:, :, 1]], axis=1).reshape(original.shape)
        result[name] = values
    return result


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_gguf_encodings(encoding: str, tmp_path: Path) -> None:
    config = config_of(hidden_size=256, head_dim=64)
    weights = random_weights(config)
    path = write_gguf(tmp_path / "model.gguf", config, weights, ENCODINGS[encoding])
    expected = peer_logits(peer_of(config, decoded_weights(path, config, weights)), ids())
    assert_close(session_of(path).logits(ids()), expected)
    assert_close(session_of(path, dequantize=True).logits(ids()), expected)


@pytest.mark.parametrize(
    "name", [n for n, c in MODELS.items() if ROPE not in c and c["model_type"] != "mistral" and "window" not in n]
)
def test_gguf_architectures(name: str, tmp_path: Path) -> None:
    config = MODELS[name]
    weights = random_weights(config)
    path = write_gguf(tmp_path / "model.gguf", config, weights, quantized_tensors(Type.Q4_1))
    expected = peer_logits(peer_of(config, decoded_weights(path, config, weights)), ids())
    session = session_of(path)
    assert_close(session.logits(ids()), expected)
    assert_close(decoded(session, ids(), 3), expected)


def test_gguf_linear_rope(tmp_path: Path) -> None:
    config = MODELS["llama-linear-rope"]
    weights = random_weights(config)
    path = tmp_path / "model.gguf"

    def fields(writer: Any) -> None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config[ROPE]["factor"])

    write_gguf(path, config, weights, more=fields)
    assert_close(session_of(path).logits(ids()), peer_logits(peer_of(config, weights), ids()))


def test_gguf_rope_factors(tmp_path: Path) -> None:
    """Llama 3's scaling, as llama.cpp's converter writes it: each frequency's divisor."""
    config = MODELS["llama-llama3-rope"]
    weights = random_weights(config)
    peer = peer_of(config, weights)
    size: int = config["head_dim"]
    plain = np.power(float(config["rope_theta"]), -np.arange(0, size, 2, dtype=np.float64) / size)
    factors = (plain / peer.model.rotary_emb.inv_freq.numpy()).astype(np.float32)
    path = write_gguf(tmp_path / "model.gguf", config, weights, extra={"rope_freqs.weight": factors})
    assert_close(session_of(path).logits(ids()), peer_logits(peer, ids()))


def test_chat_template_saved_by_transformers(tmp_path: Path) -> None:
    """`--chat` gives what apply_chat_template gives, from a folder transformers 5 wrote."""
    from tiny_models import CHAT_TEMPLATE, byte_tokenizer, huggingface_folder

    from llmir.program.chat import prompting

    folder = huggingface_folder(tmp_path / "model", tokenizer=False)
    peer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer(), bos_token="<s>", eos_token="</s>", chat_template=CHAT_TEMPLATE
    )
    peer.save_pretrained(folder)
    messages = [{"role": "user", "content": "Hi"}]
    expected = peer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    conventions = prompting(open_model(str(folder)))
    assert conventions.chat("Hi") == expected == "[user] Hi\n[assistant] "
    assert conventions.stop_ids == {1}
