"""A GGUF file as a program: llama, qwen2, qwen3 and those of `gguf_architectures`, every tensor type `gguf` decodes.

Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0 tensors become `!llm.quantized_tensor`s that hold exactly the file's codes,
scales and minima; other block types have no such type and are dequantized to float32, which is noted. With
`dequantize`, all of them are. Rows of q and k that the file holds in interleaved order (llama only) are put
back in the order of the checkpoint.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import ml_dtypes
import numpy as np
from gguf import GGMLQuantizationType
from numpy.typing import NDArray
from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import TypeAttribute

from llmir.dialects.llm.attributes import RopeScalingAttr
from llmir.dialects.llm.types import float_type, quantized_tensor_type
from llmir.errors import InputError, UnknownArchitecture
from llmir.formats import gguf_blocks
from llmir.frontends import huggingface
from llmir.frontends.config_reader import MAX_LAYERS, ConfigReader
from llmir.frontends.decoder import HEAD, Decoder, build_module
from llmir.frontends.gguf_architectures import ARCHITECTURES as MORE_ARCHITECTURES
from llmir.frontends.gguf_architectures import (
    GGUFArchitecture,
    Place,
    adapted,
    architecture_of,
    interleaved_rows,
)
from llmir.frontends.gguf_file import GGUFFile, GGUFTensor
from llmir.frontends.gguf_tokenizer import SpecialTokens, special_tokens, tokenizer_from_fields
from llmir.frontends.huggingface import ignored_tensors
from llmir.frontends.llama_family import EMBEDDING, NORM, ROPE_FACTORS, LlamaConfig
from llmir.program.folder import CONFIG, TOKENIZER, TOKENIZER_CONFIG
from llmir.program.program import Program
from llmir.program.store import WeightStore
from llmir.program.tensors import ComputedTensor, Tensor
from llmir.program.weight_parts import pack_parts, part_layouts

ARCHITECTURES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}

FLOATS: dict[GGMLQuantizationType, np.dtype[Any]] = {
    GGMLQuantizationType.F32: np.dtype(np.float32),
    GGMLQuantizationType.F16: np.dtype(np.float16),
    GGMLQuantizationType.BF16: np.dtype(ml_dtypes.bfloat16),
}

BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OTHER_NAMES = {
    "token_embd.weight": f"{EMBEDDING}.weight",
    "output_norm.weight": f"{NORM}.weight",
    "output.weight": f"{HEAD}.weight",
    "rope_freqs.weight": ROPE_FACTORS,
}


def open_gguf(path: Path, dequantize: bool = False) -> Program:
    """Open a GGUF file; InputError names the file and what is wrong with it or not supported."""
    file = GGUFFile.open(path)
    files = _tokenizer_files(file)
    reader = _TensorReader(file, dequantize)
    architecture = architecture_of(file)
    if architecture is None:
        decoder: Decoder = (family := read_config(file))
        config, ignored = huggingface_config(file, family), reader.add_family(family)
    else:
        config = architecture.config(ConfigReader(cast(dict[str, Any], file.fields), str(path)), file)
        decoder = adapted(huggingface.read_config(config, str(path)))
        ignored = reader.add_all(decoder, architecture)
    files[CONFIG] = json.dumps(config, indent=2).encode()
    store = WeightStore(reader.tensors, str(path))
    notes = reader.notes() + ignored_tensors(ignored)
    history = [{"source": path.name, "format": "gguf", "dequantize": dequantize}]
    return Program(build_module(decoder, reader.types), store, str(path), files, history, notes)


def checkpoint_name(name: str) -> str:
    """The checkpoint's name of a GGUF tensor; names that are not the family's are returned as they are."""
    if name in OTHER_NAMES:
        return OTHER_NAMES[name]
    parts = name.split(".")
    if len(parts) == 4 and parts[0] == "blk" and parts[2] in BLOCK_NAMES:
        return f"model.layers.{parts[1]}.{BLOCK_NAMES[parts[2]]}.{parts[3]}"
    return name


def read_config(file: GGUFFile) -> LlamaConfig:
    """The family's configuration from metadata; InputError names a missing key or unsupported value."""
    fields = _Fields(file)
    kind = fields.text("general.architecture")
    if kind not in ARCHITECTURES:
        raise UnknownArchitecture(
            f"{file.path}: general.architecture is '{kind}', "
            f"expected one of {', '.join((*ARCHITECTURES, *MORE_ARCHITECTURES))}"
        )
    hidden, heads = fields.size(f"{kind}.embedding_length"), fields.size(f"{kind}.attention.head_count")
    head_dim = fields.size(f"{kind}.attention.key_length", hidden // heads)
    rotated = fields.size(f"{kind}.rope.dimension_count", head_dim)
    if rotated != head_dim:
        fields.fail(f"{kind}.rope.dimension_count is {rotated}, only whole heads ({head_dim}) can be rotated")
    if file.fields.get(f"{kind}.expert_count"):
        fields.fail(
            f"{kind}.expert_count is {file.fields[f'{kind}.expert_count']}, "
            f"mixtures of experts of this architecture are not supported"
        )
    embedding = file.tensors.get("token_embd.weight")
    if embedding is None:
        fields.fail("tensor 'token_embd.weight' is missing")
    layers = fields.size(f"{kind}.block_count")
    if layers > MAX_LAYERS:
        fields.fail(f"{kind}.block_count is {layers}, at most {MAX_LAYERS} are read")
    window = None
    if kind == "llama" and file.fields.get(f"{kind}.attention.sliding_window"):
        window = fields.size(f"{kind}.attention.sliding_window")
    result = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=fields.size(f"{kind}.feed_forward_length"),
        layers=layers,
        heads=heads,
        kv_heads=fields.size(f"{kind}.attention.head_count_kv", heads),
        head_dim=head_dim,
        vocab_size=cast(GGUFTensor, embedding).shape[0],
        rms_norm_eps=fields.number(f"{kind}.attention.layer_norm_rms_epsilon"),
        rope_theta=fields.number(f"{kind}.rope.freq_base", 10000.0),
        rope_scaling=_rope_scaling(fields, kind),
        rope_factors="rope_freqs.weight" in file.tensors,
        qkv_bias="blk.0.attn_q.bias" in file.tensors,
        output_bias="blk.0.attn_output.bias" in file.tensors,
        mlp_bias="blk.0.ffn_gate.bias" in file.tensors,
        qk_norm="blk.0.attn_q_norm.weight" in file.tensors,
        tied="output.weight" not in file.tensors,
        windows=(window,) * layers if window else (),
    )
    if (contradiction := result.contradiction()) is not None:
        fields.fail(contradiction)
    return result


def _rope_scaling(fields: _Fields, kind: str) -> RopeScalingAttr | None:
    scaling = fields.file.fields.get(f"{kind}.rope.scaling.type", "none")
    if scaling == "none":
        return None
    if scaling == "linear":
        return RopeScalingAttr("linear", fields.number(f"{kind}.rope.scaling.factor"))
    fields.fail(f"{kind}.rope.scaling.type is '{scaling}', expected none or linear")
    return None


def huggingface_config(file: GGUFFile, config: LlamaConfig) -> dict[str, Any]:
    """The same configuration as a config.json; llama3's frequency factors have no closed form there."""
    kind = cast(str, file.fields["general.architecture"])
    written: dict[str, Any] = {
        "architectures": [ARCHITECTURES[kind]],
        "model_type": kind,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "vocab_size": config.vocab_size,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": config.tied,
        "attention_bias": config.qkv_bias and kind != "qwen2",
        "mlp_bias": config.mlp_bias,
        "hidden_act": "silu",
    }
    context = file.fields.get(f"{kind}.context_length")
    if context is not None:
        written["max_position_embeddings"] = context
    if config.rope_scaling is not None:
        written["rope_scaling"] = {"rope_type": "linear", "factor": config.rope_scaling.factor.value.data}
    return written


NO_TOKENIZER = "no_vocab"
"""What llama.cpp's files say that have no tokenizer."""


def _tokenizer_files(file: GGUFFile) -> dict[str, bytes]:
    """The tokenizer as the files a Hugging Face folder has; nothing when the file has no tokenizer."""
    if file.fields.get("tokenizer.ggml.model", NO_TOKENIZER) == NO_TOKENIZER:
        return {}
    tokenizer = tokenizer_from_fields(file.fields, str(file.path))
    special = special_tokens(file.fields, str(file.path))
    config = tokenizer_config(special, cast(Callable[[int], str | None], tokenizer.id_to_token))
    return {
        TOKENIZER: tokenizer.to_str().encode(),
        TOKENIZER_CONFIG: json.dumps(config, indent=2, ensure_ascii=False).encode(),
    }


def tokenizer_config(special: SpecialTokens, text_of: Callable[[int], str | None]) -> dict[str, Any]:
    """A tokenizer_config.json; `stop_token_ids` is ours, the other keys are Hugging Face's."""
    config: dict[str, Any] = {
        "add_bos_token": special.add_bos,
        "add_eos_token": special.add_eos,
        "stop_token_ids": sorted(special.stop_ids),
    }
    named = {
        "bos_token": special.bos_id,
        "eos_token": special.eos_id,
        "unk_token": special.unk_id,
        "pad_token": special.pad_id,
    }
    config |= {key: text_of(id) for key, id in named.items() if id is not None}
    if special.chat_template is not None:
        config["chat_template"] = special.chat_template
    return config


class _TensorReader:
    """Turns a file's tensors into typed tensors of a store."""

    def __init__(self, file: GGUFFile, dequantize: bool):
        self.file, self.dequantize = file, dequantize
        self.tensors: dict[str, Tensor] = {}
        self.types: dict[str, TypeAttribute] = {}
        self._dequantized: dict[str, int] = {}

    def add_family(self, config: LlamaConfig) -> set[str]:
        """Add every weight of the Llama family; the tensors, by their names in a checkpoint, that are none."""
        permuted = self.file.fields["general.architecture"] == "llama"
        places = {checkpoint_name(name): name for name in self.file.tensors}
        shapes = dict(config.weight_shapes())
        for name, shape in shapes.items():
            order = interleaved_rows(config, name, shape[0]) if permuted else None
            self.add(name, shape, Place(places.get(name, ""), order=order))
        return set(places) - set(shapes)

    def add_all(self, decoder: Decoder, architecture: GGUFArchitecture) -> set[str]:
        """Add every weight of another architecture; the tensors of the file that are none."""
        computed = decoder.computed_weights()
        self.tensors |= computed
        left = {name for name in self.file.tensors if not name.startswith("rope_factors_")}
        for name, shape in decoder.weight_shapes():
            if name in computed:
                self.types[name] = TensorType(f32, shape)
                continue
            place = architecture.place(decoder, name, shape[0])
            self.add(name, shape, place)
            left.discard(place.tensor)
        return left

    def add(self, name: str, shape: tuple[int, ...], place: Place) -> None:
        """Add one weight of the architecture."""
        source = self.file.tensors.get(place.tensor)
        if source is None:
            raise InputError(f"{self.file.path}: tensor for '{name}' is missing, expected shape {list(shape)}")
        found = source.shape if place.expert is None else source.shape[1:]
        if found != shape or (place.expert is not None and not place.expert < source.shape[0]):
            raise InputError(
                f"{self.file.path}: tensor '{source.name}' is {list(source.shape)}, the metadata needs {list(shape)}"
                + ("" if place.expert is None else f" for each expert, of which there is a number {place.expert}")
            )
        rows = _Rows(self.file, source, place)
        if source.type in FLOATS:
            dtype = FLOATS[source.type]
            self.types[name] = TensorType(float_type(dtype), shape)
            self.tensors[name] = rows.computed(dtype, shape, lambda raw: raw.view(dtype))
        elif source.type in gguf_blocks.DECODABLE and not self.dequantize:
            self._add_codes(name, shape, source, rows)
        else:
            self._dequantized[source.type.name] = self._dequantized.get(source.type.name, 0) + 1
            self.types[name] = TensorType(f32, shape)
            self.tensors[name] = rows.computed(
                np.dtype(np.float32), shape, lambda raw: gguf_blocks.dequantize(source.type, raw)
            )

    def _add_codes(self, name: str, shape: tuple[int, ...], source: GGUFTensor, rows: _Rows) -> None:
        form = gguf_blocks.format_of(source.type)
        for suffix, (dtype, part_shape) in part_layouts(shape, form).items():
            self.tensors[name + suffix] = rows.computed(
                dtype,
                part_shape,
                lambda raw, suffix=suffix: pack_parts(gguf_blocks.decode(source.type, raw), form)[suffix],
            )
        self.types[name] = quantized_tensor_type(shape, form)

    def notes(self) -> list[str]:
        """Which quantized tensors became floats."""
        why = "" if self.dequantize else ", no quantized tensor holds their codes"
        return [
            f"{count} tensors of type {kind} were dequantized to float32{why}"
            for kind, count in sorted(self._dequantized.items())
        ]


class _Rows:
    """The rows of a GGUF tensor in the checkpoint's order."""

    def __init__(self, file: GGUFFile, source: GGUFTensor, place: Place):
        self.file, self.source, self.expert, self.order = file, source, place.expert, place.order

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Encoded rows `start` to `stop`; a tensor of one dimension is one row, cut if need be."""
        raw = self.file.raw(self.source.name)
        if self.expert is not None:
            raw = raw[self.expert]
        if len(self.source.shape) > 1:
            return raw[start:stop] if self.order is None else raw[self.order[start:stop]]
        if self.order is None:
            return raw
        width = raw.nbytes // math.prod(self.source.shape)
        return raw.reshape(-1, width)[self.order].reshape(-1)

    def computed(
        self,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        decode: Callable[[NDArray[np.uint8]], NDArray[Any]],
    ) -> ComputedTensor:
        """A tensor whose rows are decoded when read."""

        def rows(start: int, stop: int) -> NDArray[Any]:
            values = decode(self.read(start, stop))
            return values if len(shape) > 1 else values[start:stop]

        return ComputedTensor(dtype, shape, rows, self)

    def release(self) -> None:
        """Drop the tensor's pages."""
        self.file.release(self.source.name)


class _Fields:
    """Typed access to metadata."""

    def __init__(self, file: GGUFFile):
        self.file = file

    def fail(self, message: str) -> None:
        """Refuse the file."""
        raise InputError(f"{self.file.path}: {message}")

    def text(self, key: str) -> str:
        """A string."""
        value = self.file.fields.get(key)
        if not isinstance(value, str):
            self.fail(f"metadata '{key}' must be a string, got {value!r}")
        return cast(str, value)

    def size(self, key: str, default: int | None = None) -> int:
        """A positive whole number."""
        value = self.file.fields.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.fail(f"metadata '{key}' must be a positive whole number, got {value!r}")
        return cast(int, value)

    def number(self, key: str, default: float | None = None) -> float:
        """A positive number."""
        value = self.file.fields.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
            self.fail(f"metadata '{key}' must be a positive number, got {value!r}")
        return float(cast(float, value))
