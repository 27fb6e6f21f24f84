"""A Hugging Face folder as a program: config.json, safetensors (one file or an index), tokenizer files.

Source: the file layout `transformers` writes. Architectures are read by the families beside this file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import TensorType, bf16, f16, f32

from llmir.dialects.llm.types import FLOATS, float_type
from llmir.errors import InputError, UnknownArchitecture
from llmir.frontends import gemma, gpt2, gpt_neox, llama_family, mixture, opt, phi3
from llmir.frontends.config_reader import ConfigReader
from llmir.frontends.decoder import Decoder, Source, build_module
from llmir.program.absent import absent_store, mark_absent
from llmir.program.files import read_bytes
from llmir.program.folder import CONFIG, INDEX, SINGLE, companions
from llmir.program.program import Program
from llmir.program.safetensors_file import open_safetensors
from llmir.program.store import WeightStore
from llmir.program.tensors import Tensor

ARCHITECTURES: dict[str, Callable[[ConfigReader], Decoder]] = {
    "LlamaForCausalLM": partial(llama_family.read_config, kind="llama"),
    "MistralForCausalLM": partial(llama_family.read_config, kind="mistral"),
    "Qwen2ForCausalLM": partial(llama_family.read_config, kind="qwen2"),
    "Qwen3ForCausalLM": partial(llama_family.read_config, kind="qwen3"),
    "MixtralForCausalLM": mixture.read_mixtral,
    "Qwen3MoeForCausalLM": mixture.read_qwen3_moe,
    "Phi3ForCausalLM": phi3.read_config,
    "Gemma2ForCausalLM": gemma.read_gemma2,
    "Gemma3ForCausalLM": gemma.read_gemma3,
    "Gemma3ForConditionalGeneration": gemma.read_gemma3_multimodal,
    "GPT2LMHeadModel": gpt2.read_config,
    "GPTNeoXForCausalLM": gpt_neox.read_config,
    "OPTForCausalLM": opt.read_config,
}
"""What reads the config.json of each architecture, by its class in `transformers`."""


def open_huggingface(path: Path, *, weights: bool = True) -> Program:
    """Open a Hugging Face folder; InputError names the file and what is wrong with it.

    Without `weights` only its config.json is read, and the program's weights have no values.
    """
    raw = read_bytes(path / CONFIG, "the model's configuration")
    config = _json_object(path / CONFIG, raw)
    decoder = read_config(config, str(path / CONFIG))
    history = [{"source": path.name, "format": "huggingface"}]
    if not weights:
        return _without_weights(path, decoder, config, history)
    tensors = open_tensors(path)
    sources = checkpoint_sources(path, decoder, tensors)
    found = {name: source.tensor for name, source in sources.items()} | decoder.computed_weights()
    types = {name: TensorType(float_type(found[name].dtype), shape) for name, shape in decoder.weight_shapes()}
    store = WeightStore({name: found[name] for name in types}, str(path))
    notes = ignored_tensors(set(tensors) - {source.name for source in sources.values()})
    return Program(build_module(decoder, types), store, str(path), companions(path), history, notes)


DTYPES = {"float32": f32, "float16": f16, "bfloat16": bf16}


def _without_weights(path: Path, decoder: Decoder, config: dict[str, Any], history: list[dict[str, Any]]) -> Program:
    """A program that only a config.json describes; `dtype` (before transformers 5 `torch_dtype`) is its weights'."""
    stored = ConfigReader(config, str(path / CONFIG)).choice(
        "dtype" if "dtype" in config else "torch_dtype", tuple(DTYPES), "float32"
    )
    computed = decoder.computed_weights()
    types = {n: TensorType(f32 if n in computed else DTYPES[stored], s) for n, s in decoder.weight_shapes()}
    module = build_module(decoder, types)
    mark_absent(module)
    store = absent_store(module, str(path))
    assert store is not None
    notes = [f"no weights were read, they are taken to be {stored}"]
    return Program(module, store, str(path), companions(path), history, notes)


def ignored_tensors(names: set[str]) -> list[str]:
    """A note on tensors of the file that are not part of the architecture."""
    if not names:
        return []
    return [f"ignored {len(names)} tensors that are not part of the architecture: {', '.join(sorted(names))}"]


def read_config(config: dict[str, Any], source: str) -> Decoder:
    """The architecture a config.json object describes; InputError names a missing or unsupported key."""
    read = ConfigReader(config, source)
    names: Any = config.get("architectures") or []
    known = [n for n in ARCHITECTURES if isinstance(names, list) and n in names]
    if not known:
        raise UnknownArchitecture(f"{source}: architectures is {names}, expected one of {', '.join(ARCHITECTURES)}")
    if config.get("quantization_config") is not None:
        read.fail("the model is already quantized (quantization_config); give the original float model")
    decoder = ARCHITECTURES[known[0]](read)
    if (contradiction := decoder.contradiction()) is not None:
        read.fail(contradiction)
    return decoder


def _json_object(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        value: Any = json.loads(raw)
    except (ValueError, RecursionError) as e:
        raise InputError(f"{path}: not JSON: {e}") from e
    if not isinstance(value, dict):
        raise InputError(f"{path}: not a JSON object")
    return cast(dict[str, Any], value)


def open_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a folder's weight files, mapped; InputError when its index and its files disagree."""
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


def checkpoint_sources(path: Path, decoder: Decoder, tensors: Mapping[str, Tensor]) -> dict[str, Source]:
    """Where each weight of the architecture is in a checkpoint; InputError when one is missing or does not fit."""
    sources: dict[str, Source] = {}
    computed = decoder.computed_weights()
    for name, shape in decoder.weight_shapes():
        if name in computed:
            continue
        source = decoder.find(name, tensors)
        if source is None:
            raise InputError(f"{path}: tensor '{name}' is missing, the configuration needs it with shape {list(shape)}")
        tensor = source.tensor
        if tensor.shape != shape:
            raise InputError(
                f"{path}: tensor '{source.name}' is {list(tensor.shape)}, the configuration needs {list(shape)}"
            )
        if tensor.dtype not in FLOATS.values() or tensor.dtype == np.float64:
            raise InputError(f"{path}: tensor '{source.name}' is {tensor.dtype}, expected float32, float16 or bfloat16")
        sources[name] = source
    return sources
