"""Hugging Face folders: configurations in their many spellings, weights byte for byte, logits in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import (
    DTYPES,
    Config,
    config_of,
    huggingface_folder,
    random_weights,
    reference_logits,
    weight_shapes,
    write_json,
    write_safetensors,
)
from xdsl.dialects.builtin import NoneAttr

from llmir.errors import InputError
from llmir.frontends.huggingface import open_huggingface, read_config
from llmir.frontends.llama_family import LlamaConfig
from llmir.passes.pipeline import compile_numpy
from llmir.program.folder import is_huggingface
from llmir.program.program import Program

IDS = np.random.default_rng(1).integers(0, 259, 16)


def read(config: Config) -> LlamaConfig:
    decoder = read_config(config, "config.json")
    assert isinstance(decoder, LlamaConfig)
    return decoder


def assert_logits(program: Program, config: Config, dtype: str = "f32") -> None:
    ours = compile_numpy(program.module, program.weights).logits(IDS)
    theirs = reference_logits(config, random_weights(config, dtype), IDS.tolist())
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_sizes() -> None:
    config = read(config_of(hidden_size=96, head_dim=40, num_attention_heads=6, num_key_value_heads=3))
    assert (config.hidden_size, config.intermediate_size, config.layers, config.vocab_size) == (96, 256, 2, 259)
    assert (config.heads, config.kv_heads, config.head_dim, config.rms_norm_eps) == (6, 3, 40, 1e-5)
    assert dict(config.weight_shapes()) == weight_shapes(
        config_of(hidden_size=96, head_dim=40, num_attention_heads=6, num_key_value_heads=3)
    )


def test_defaults() -> None:
    """What configurations written before grouped queries and free head sizes leave out."""
    config = read(config_of(num_key_value_heads=None, head_dim=None, rope_theta=None, tie_word_embeddings=None))
    assert (config.kv_heads, config.head_dim, config.rope_theta, config.tied) == (4, 32, 10000.0, False)
    null = config_of() | {"num_key_value_heads": None, "head_dim": None, "rope_scaling": None}
    assert (read(null).kv_heads, read(null).head_dim) == (4, 32)
    assert read(config_of() | {"quantization_config": None}) == read(config_of())


@pytest.mark.parametrize(
    ("kind", "change", "biases"),
    [
        ("llama", {}, (False, False, False)),
        ("llama", {"attention_bias": True}, (True, True, False)),
        ("llama", {"mlp_bias": True}, (False, False, True)),
        ("qwen2", {}, (True, False, False)),
        ("qwen3", {}, (False, False, False)),
        ("qwen3", {"attention_bias": True}, (True, True, False)),
        ("mistral", {}, (False, False, False)),
    ],
)
def test_biases_and_norms(kind: str, change: Config, biases: tuple[bool, bool, bool]) -> None:
    config = read(config_of(kind, **change))
    assert (config.qkv_bias, config.output_bias, config.mlp_bias) == biases
    assert config.qk_norm == (kind == "qwen3")


LLAMA3 = {"factor": 8.0, "low_freq_factor": 1, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
ROPES: list[tuple[Config, float, tuple[Any, ...] | None]] = [
    ({}, 10000.0, None),
    ({"rope_theta": 5e5}, 5e5, None),
    ({"rope_theta": 500000}, 5e5, None),
    ({"rope_theta": None, "rope_parameters": {"rope_type": "default", "rope_theta": 2e4}}, 2e4, None),
    ({"rope_scaling": {"type": "linear", "factor": 4}}, 10000.0, ("linear", 4.0)),
    ({"rope_scaling": {"rope_type": "linear", "factor": 2.5}}, 10000.0, ("linear", 2.5)),
    ({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 3e4}}, 3e4, ("linear", 2.0)),
    ({"rope_scaling": {"rope_type": "llama3"} | LLAMA3}, 10000.0, ("llama3", 8.0, 1.0, 4.0, 8192)),
    ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5} | LLAMA3}, 5e5, ("llama3", 8.0, 1.0, 4.0, 8192)),
]


@pytest.mark.parametrize(("change", "theta", "scaling"), ROPES)
def test_rope(change: Config, theta: float, scaling: tuple[Any, ...] | None) -> None:
    config = read(config_of(**change))
    assert config.rope_theta == theta
    found = config.rope_scaling
    if scaling is None:
        assert found is None
        return
    assert found is not None
    said: list[Any] = [found.kind.data, found.factor.value.data]
    if not isinstance(found.original_context, NoneAttr):
        assert not isinstance(found.low_freq_factor, NoneAttr)
        assert not isinstance(found.high_freq_factor, NoneAttr)
        said += [found.low_freq_factor.value.data, found.high_freq_factor.value.data, found.original_context.data]
    assert tuple(said) == scaling


KINDS = ["sliding_attention", "full_attention"]


@pytest.mark.parametrize(
    ("kind", "change", "windows"),
    [
        ("mistral", {}, ()),
        ("mistral", {"sliding_window": 7}, (7, 7)),
        ("mistral", {"sliding_window": 7, "layer_types": KINDS}, (7, None)),
        ("llama", {"sliding_window": 7}, ()),
        ("qwen2", {"sliding_window": 7}, ()),
        ("qwen2", {"sliding_window": 7, "use_sliding_window": False}, ()),
        ("qwen2", {"sliding_window": 7, "use_sliding_window": True, "max_window_layers": 1}, (None, 7)),
        ("qwen2", {"sliding_window": 7, "use_sliding_window": True, "max_window_layers": 0}, (7, 7)),
        ("qwen2", {"sliding_window": 7, "use_sliding_window": True}, (None, None)),
        ("qwen3", {"sliding_window": 7, "use_sliding_window": True, "layer_types": KINDS}, (7, None)),
    ],
)
def test_windows(kind: str, change: Config, windows: tuple[int | None, ...]) -> None:
    """Without max_window_layers transformers' default holds, 28 layers without a window."""
    assert read(config_of(kind, **change)).windows == windows


def test_the_first_known_architecture_counts() -> None:
    config = config_of() | {"architectures": ["Unknown", "Qwen3ForCausalLM"]}
    assert read(config).qk_norm


def test_numbers_beyond_floats() -> None:
    with pytest.raises(InputError, match="needs a positive number 'rms_norm_eps', got 1000"):
        read(config_of() | {"rms_norm_eps": 10**400})


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
def test_weights(dtype: str, shards: int, tmp_path: Path) -> None:
    """Tensors come in the file's own type and bytes, whatever file they are in."""
    config = config_of(tie_word_embeddings=shards > 1)
    weights = random_weights(config, dtype)
    program = open_huggingface(huggingface_folder(tmp_path / "model", config, weights, shards=shards))
    tensors = program.stored_tensors()
    assert {name: t.read().tobytes() for name, t in tensors.items()} == {n: w.tobytes() for n, w in weights.items()}
    assert {t.dtype for t in tensors.values()} == {np.dtype(DTYPES[dtype])}
    assert_logits(program, config, dtype)


def test_types_may_differ_between_tensors(tmp_path: Path) -> None:
    config = config_of()
    weights = random_weights(config, "bf16")
    norms = {name: w.astype(np.float32) for name, w in weights.items() if "norm" in name}
    program = open_huggingface(huggingface_folder(tmp_path / "model", config, weights | norms))
    assert {str(t.dtype) for t in program.stored_tensors().values()} == {"bfloat16", "float32"}
    assert_logits(program, config, "bf16")


def test_a_tied_head_that_is_stored_too(tmp_path: Path) -> None:
    """transformers ties whatever the file says."""
    config = config_of(tie_word_embeddings=True)
    weights = random_weights(config) | {"lm_head.weight": np.zeros((259, 128), np.float32)}
    program = open_huggingface(huggingface_folder(tmp_path / "model", config, weights))
    assert program.notes == ["ignored 1 tensors that are not part of the architecture: lm_head.weight"]
    assert "lm_head.weight" not in program.stored_tensors()
    assert_logits(program, config)


def test_a_single_file_goes_before_an_index(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / "model")
    write_json(folder / "model.safetensors.index.json", {"weight_map": {"x": "absent"}})
    assert_logits(open_huggingface(folder), config_of())


def test_companions(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / "model")
    (folder / "chat_template.jinja").write_text("template")
    (folder / "generation_config.json").write_text("{}")
    program = open_huggingface(folder)
    names = {"config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"}
    assert program.files == {name: (folder / name).read_bytes() for name in names}
    assert (program.name, program.notes) == (str(folder), [])
    assert program.history == [{"source": "model", "format": "huggingface"}]


def test_is_huggingface(tmp_path: Path) -> None:
    assert is_huggingface(huggingface_folder(tmp_path / "model", weights={}))
    assert not is_huggingface(tmp_path)
    write_safetensors(tmp_path / "model.safetensors", {})
    assert not is_huggingface(tmp_path)
