"""A Hugging Face folder as a program: config.json, safetensors (one file or an index), tokenizer files.

Source: the file layout `transformers` writes; config keys of Llama, Mistral, Qwen2 and Qwen3.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
from xdsl.dialects.builtin import TensorType
from xdsl.ir import TypeAttribute

from llmir.dialects.llm.attributes import RopeScalingAttr
from llmir.dialects.llm.types import FLOATS, float_type
from llmir.errors import InputError
from llmir.frontends.llama_family import MAX_LAYERS, LlamaConfig, build_module
from llmir.program.files import read_bytes
from llmir.program.program import CONFIG, Program, companions
from llmir.program.safetensors_file import open_safetensors
from llmir.program.store import WeightStore
from llmir.program.tensors import Tensor

ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}
INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"


def is_huggingface(path: Path) -> bool:
    """True for a folder with a config.json."""
    return (path / CONFIG).is_file()


def open_huggingface(path: Path) -> Program:
    """Open a Hugging Face folder; InputError names the file and what is wrong with it."""
    raw = read_bytes(path / CONFIG, "the model's configuration")
    config = read_config(_json_object(path / CONFIG, raw), str(path / CONFIG))
    tensors = _open_tensors(path)
    types: dict[str, TypeAttribute] = {}
    for name, shape in config.weight_shapes():
        types[name] = _weight_type(path, name, shape, tensors)
    files = companions(path)
    store = WeightStore({n: tensors[n] for n in types}, str(path))
    notes = ignored_tensors(set(tensors) - set(types))
    history = [{"source": path.name, "format": "huggingface"}]
    return Program(build_module(config, types), store, str(path), files, history, notes)


def ignored_tensors(names: set[str]) -> list[str]:
    """A note on tensors of the file that are not part of the architecture."""
    if not names:
        return []
    return [f"ignored {len(names)} tensors that are not part of the architecture: {', '.join(sorted(names))}"]


def read_config(config: dict[str, Any], source: str) -> LlamaConfig:
    """The family's configuration from a config.json object; InputError names a missing or unsupported key."""
    read = _Reader(config, source)
    names: Any = config.get("architectures") or []
    kind = next((k for n, k in ARCHITECTURES.items() if isinstance(names, list) and n in names), None)
    if kind is None:
        read.fail(f"architectures is {names}, expected one of {', '.join(ARCHITECTURES)}")
    if config.get("hidden_act", "silu") != "silu":
        read.fail(f"hidden_act is {config['hidden_act']!r}, the {kind} architecture here has silu")
    if config.get("quantization_config") is not None:
        read.fail("the model is already quantized (quantization_config); give the original float model")
    heads, layers = read.positive("num_attention_heads"), read.positive("num_hidden_layers")
    if layers > MAX_LAYERS:
        read.fail(f"num_hidden_layers is {layers}, at most {MAX_LAYERS} are read")
    hidden = read.positive("hidden_size")
    theta, scaling = _rope(read)
    attention_bias = bool(config.get("attention_bias", False))
    result = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=read.positive("intermediate_size"),
        layers=layers,
        heads=heads,
        kv_heads=read.positive("num_key_value_heads", heads),
        head_dim=read.positive("head_dim", hidden // heads),
        vocab_size=read.positive("vocab_size"),
        rms_norm_eps=read.number("rms_norm_eps"),
        rope_theta=theta,
        rope_scaling=scaling,
        qkv_bias=kind == "qwen2" or attention_bias,
        output_bias=kind != "qwen2" and attention_bias,
        mlp_bias=bool(config.get("mlp_bias", False)),
        qk_norm=kind == "qwen3",
        tied=bool(config.get("tie_word_embeddings", False)),
        windows=_windows(read, kind, layers),
    )
    if (contradiction := result.contradiction()) is not None:
        read.fail(contradiction)
    return result


def _rope(read: _Reader) -> tuple[float, RopeScalingAttr | None]:
    """theta and scaling, from `rope_theta`/`rope_scaling` or, since transformers 5, `rope_parameters`."""
    given: Any = read.config.get("rope_parameters") or read.config.get("rope_scaling") or {}
    if not isinstance(given, dict):
        read.fail(f"rope_scaling is {given!r}, expected an object")
    parameters = cast(dict[str, Any], given)
    scale = _Reader(parameters, f"{read.source}: rope_scaling")
    theta = scale.number("rope_theta", read.number("rope_theta", 10000.0))
    partial = parameters.get("partial_rotary_factor", read.config.get("partial_rotary_factor", 1.0))
    if partial != 1.0:
        read.fail(f"partial_rotary_factor is {partial}, only whole heads (1.0) can be rotated")
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    if kind == "default":
        return theta, None
    if kind == "linear":
        return theta, RopeScalingAttr("linear", scale.number("factor"))
    if kind == "llama3":
        return theta, RopeScalingAttr(
            "llama3",
            scale.number("factor"),
            scale.number("low_freq_factor"),
            scale.number("high_freq_factor"),
            scale.positive("original_max_position_embeddings"),
        )
    return read.fail(f"rope type {kind!r} is not supported, expected default, linear or llama3")


def _windows(read: _Reader, kind: str, layers: int) -> tuple[int | None, ...]:
    """Each layer's sliding window, or nothing when no layer has one."""
    used = kind == "mistral" or (kind != "llama" and read.config.get("use_sliding_window"))
    if not used or read.config.get("sliding_window") is None:
        return ()
    window = read.positive("sliding_window")
    kinds: Any = read.config.get("layer_types")
    if kinds is None:
        first = 0 if kind == "mistral" else read.whole("max_window_layers", 28)
        return tuple(window if layer >= first else None for layer in range(layers))
    known = ("sliding_attention", "full_attention")
    if (
        not isinstance(kinds, list)
        or len(cast(list[Any], kinds)) != layers
        or not all(k in known for k in cast(list[Any], kinds))
    ):
        read.fail(f"layer_types must name {' or '.join(known)} for each of {layers} layers")
    return tuple(window if k == "sliding_attention" else None for k in cast(list[str], kinds))


class _Reader:
    """Reads numbers of a JSON object, or says what is wrong."""

    def __init__(self, config: dict[str, Any], source: str):
        self.config, self.source = config, source

    def fail(self, message: str) -> NoReturn:
        """Refuse the file."""
        raise InputError(f"{self.source}: {message}")

    def number(self, key: str, default: float | None = None) -> float:
        """A positive number."""
        value = self.config.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
            self.fail(f"needs a positive number '{key}', got {value!r}")
        return float(value)

    def positive(self, key: str, default: int | None = None) -> int:
        """A positive whole number."""
        value = self.whole(key, default)
        if value < 1:
            self.fail(f"needs a positive whole number '{key}', got {value!r}")
        return value

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number."""
        value = self.config.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(f"needs a positive whole number '{key}', got {value!r}")
        return value


def _json_object(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        value: Any = json.loads(raw)
    except (ValueError, RecursionError) as e:
        raise InputError(f"{path}: not JSON: {e}") from e
    if not isinstance(value, dict):
        raise InputError(f"{path}: not a JSON object")
    return cast(dict[str, Any], value)


def _open_tensors(path: Path) -> dict[str, Tensor]:
    if (path / SINGLE).is_file():
        return dict(open_safetensors(path / SINGLE))
    if not (path / INDEX).is_file():
        raise InputError(f"{path}: has neither {SINGLE} nor {INDEX}; weights must be safetensors")
    index = _json_object(path / INDEX, read_bytes(path / INDEX, "the list of weight files"))
    given = index.get("weight_map")
    if not isinstance(given, dict) or not all(isinstance(f, str) for f in cast(dict[str, Any], given).values()):
        raise InputError(f"{path / INDEX}: needs an object 'weight_map' from tensor names to files")
    places = cast(dict[str, str], given)
    shards: dict[str, dict[str, Any]] = {}
    for file in sorted(set(places.values())):
        if Path(file).name != file or not (path / file).is_file():
            raise InputError(f"{path / INDEX}: shard {file} is missing from {path}")
        shards[file] = dict(open_safetensors(path / file))
    for name, file in places.items():
        if name not in shards[file]:
            raise InputError(f"{path / INDEX}: tensor '{name}' is not in {file}, where the index says it is")
    return {name: shards[file][name] for name, file in places.items()}


def _weight_type(path: Path, name: str, shape: tuple[int, ...], tensors: dict[str, Tensor]) -> TypeAttribute:
    if name not in tensors:
        raise InputError(f"{path}: tensor '{name}' is missing, the configuration needs it with shape {list(shape)}")
    tensor = tensors[name]
    if tensor.shape != shape:
        raise InputError(f"{path}: tensor '{name}' is {list(tensor.shape)}, the configuration needs {list(shape)}")
    if tensor.dtype not in FLOATS.values() or tensor.dtype == np.float64:
        raise InputError(f"{path}: tensor '{name}' is {tensor.dtype}, expected float32, float16 or bfloat16")
    return TensorType(float_type(tensor.dtype), shape)
