"""Writes tiny random models (Hugging Face folders, GGUF files, tokenizers) and runs `llmir` on them.

The same arguments write the same bytes.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import ml_dtypes
import numpy as np
import pytest
import tokenizers
from gguf import GGMLQuantizationType, GGUFWriter
from numpy.typing import NDArray

from llmir.tools.llmir import main

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
MERGE = "\u0100 \u0101"
"""The one merge, of bytes 0 and 1, since GGUF files cannot hold an empty list of them."""
VOCABULARY = len(SPECIAL) + 256 + 1
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


def safetensors_bytes(header: Any, data: bytes) -> bytes:
    """A safetensors file of any header: u64 length, JSON padded to 8 bytes, data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def write_safetensors(path: Path, weights: Mapping[str, Array]) -> None:
    """A safetensors file, written from the format's specification."""
    header: dict[str, Any] = {}
    at = 0
    for name, array in weights.items():
        end = at + array.nbytes
        entry = {"dtype": CODES[array.dtype.name], "shape": list(array.shape), "data_offsets": [at, end]}
        header[name], at = entry, end
    path.write_bytes(safetensors_bytes(header, b"".join(a.tobytes() for a in weights.values())))


def huggingface_folder(
    path: Path,
    config: Config | None = None,
    weights: Mapping[str, Array] | None = None,
    *,
    shards: int = 1,
    tokenizer: bool = True,
) -> Path:
    """A Hugging Face folder: random float32 weights unless given, as one file or as shards with an index."""
    config = config_of() if config is None else config
    weights = random_weights(config) if weights is None else weights
    path.mkdir(parents=True)
    write_json(path / "config.json", config)
    if tokenizer:
        write_tokenizer(path)
    if shards == 1:
        write_safetensors(path / "model.safetensors", weights)
        return path
    places: dict[str, str] = {}
    per_shard = math.ceil(len(weights) / shards)
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        names = list(weights)[shard * per_shard : (shard + 1) * per_shard]
        write_safetensors(path / file, {name: weights[name] for name in names})
        places |= dict.fromkeys(names, file)
    write_json(path / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})
    return path


def write_json(path: Path, value: Any) -> None:
    """A JSON file."""
    path.write_text(json.dumps(value, indent=2))


def read_json(path: Path) -> Any:
    """What a JSON file says."""
    return json.loads(path.read_text())


def byte_tokenizer() -> Any:
    """A byte-level tokenizer: ids 0 and 1 are `<s>` and `</s>`, id 2 + b is byte b, 258 is bytes 0 and 1."""
    library: Any = tokenizers
    ids = {token: id for id, token in enumerate(vocabulary())}
    merges = [tuple(MERGE.split())]
    tokenizer = library.Tokenizer(library.models.BPE(vocab=ids, merges=merges))
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def vocabulary() -> list[str]:
    """The tokens of `byte_tokenizer` by id."""
    return [*SPECIAL, *byte_letters(), MERGE.replace(" ", "")]


def byte_letters() -> list[str]:
    """GPT-2's letter for each byte: itself if printable, else the next unused code point from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def byte_ids(text: str) -> list[int]:
    """What `byte_tokenizer` gives for a text without special tokens and bytes 0 and 1."""
    return [len(SPECIAL) + byte for byte in text.encode()]


def write_tokenizer(path: Path, **changes: Any) -> None:
    """tokenizer.json and tokenizer_config.json in a folder; `changes` replace or (None) remove config keys."""
    (path / "tokenizer.json").write_text(byte_tokenizer().to_str())
    config = {"bos_token": "<s>", "eos_token": "</s>", "chat_template": CHAT_TEMPLATE, **changes}
    write_json(path / "tokenizer_config.json", {k: v for k, v in config.items() if v is not None})


def gguf_name(name: str) -> str:
    """The name of a checkpoint's tensor in a GGUF file."""
    module, _, part = name.rpartition(".")
    if module.startswith("model.layers."):
        _, _, layer, rest = module.split(".", 3)
        return f"blk.{layer}.{GGUF_NAMES[rest]}.{part}"
    return f"{GGUF_NAMES[module]}.{part}"


def interleave(rows: Array, heads: int) -> Array:
    """q or k rows (or bias) in GGUF's order for llama: of each head, row 2j is row j and row 2j + 1 is row j + D/2."""
    size = rows.shape[0] // heads
    places = [half * size // 2 + j for j in range(size // 2) for half in (0, 1)]
    order = [head * size + place for head in range(heads) for place in places]
    return np.ascontiguousarray(rows[order])


Encode = Callable[[str, Array], tuple[Array, GGMLQuantizationType | None]]


def float32_tensors(_name: str, values: Array) -> tuple[Array, GGMLQuantizationType | None]:
    """Every tensor as F32."""
    return values.astype(np.float32), None


def quantized_tensors(kind: GGMLQuantizationType) -> Encode:
    """Matrices in a block type, by the `gguf` package's own quantizer; vectors as F32."""

    def encode(name: str, values: Array) -> tuple[Array, GGMLQuantizationType | None]:
        if values.ndim == 1:
            return float32_tensors(name, values)
        return gguf.quants.quantize(values.astype(np.float32), kind), kind

    return encode


def write_gguf(
    path: Path,
    config: Config,
    weights: Mapping[str, Array],
    encode: Encode = float32_tensors,
    *,
    tokenizer: bool = True,
    extra: Mapping[str, Array] | None = None,
    more: Callable[[Any], None] = lambda _writer: None,
) -> Path:
    """A GGUF file of a checkpoint, by the `gguf` package, with `extra` tensors and what `more` tells the writer."""
    kind = config["model_type"]
    writer: Any = GGUFWriter(path, kind)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_context_length(512)
    more(writer)
    if tokenizer:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_list(vocabulary())
        writer.add_token_types([3] * len(SPECIAL) + [1] * (VOCABULARY - len(SPECIAL)))
        writer.add_token_merges([MERGE])
        writer.add_bos_token_id(BOS)
        writer.add_eos_token_id(EOS)
        writer.add_chat_template(CHAT_TEMPLATE)
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for name, values in weights.items():
        projection = name.split(".")[-2]
        ordered = interleave(values, heads[projection]) if kind == "llama" and projection in heads else values
        data, type = encode(name, ordered)
        writer.add_tensor(gguf_name(name), data, raw_dtype=type)
    for name, values in (extra or {}).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def reference_logits(config: Config, weights: Mapping[str, Array], ids: Sequence[int]) -> Array:
    """Logits float64 [T, V] of a llama without biases, written from the published architecture."""
    w = {name: values.astype(np.float64) for name, values in weights.items()}
    size: int = config["head_dim"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    frequencies = np.power(float(config["rope_theta"]), -np.arange(0, size, 2, dtype=np.float64) / size)
    angles = np.outer(np.arange(len(ids)), frequencies)[:, None]
    past = np.tril(np.ones((len(ids), len(ids)), bool))

    def norm(x: Array, name: str) -> Array:
        return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + config["rms_norm_eps"]) * w[f"{name}.weight"]

    def rotated(x: Array) -> Array:
        a, b = x[..., : size // 2], x[..., size // 2 :]
        return np.concatenate(
            [a * np.cos(angles) - b * np.sin(angles), b * np.cos(angles) + a * np.sin(angles)], axis=-1
        )

    x = w["model.embed_tokens.weight"][list(ids)]
    for layer in range(config["num_hidden_layers"]):
        block = f"model.layers.{layer}"
        h = norm(x, f"{block}.input_layernorm")
        q, k, v = ((h @ w[f"{block}.self_attn.{name}_proj.weight"].T).reshape(len(ids), -1, size) for name in "qkv")
        q, k = rotated(q), rotated(k).repeat(heads // kv_heads, axis=1)
        scores = np.where(past, np.einsum("thd,shd->hts", q, k) / np.sqrt(size), -np.inf)
        attended = np.einsum("hts,shd->thd", softmax(scores), v.repeat(heads // kv_heads, axis=1))
        x = x + attended.reshape(len(ids), -1) @ w[f"{block}.self_attn.o_proj.weight"].T
        h = norm(x, f"{block}.post_attention_layernorm")
        gate, up = (h @ w[f"{block}.mlp.{name}_proj.weight"].T for name in ("gate", "up"))
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w[f"{block}.mlp.down_proj.weight"].T
    head = "model.embed_tokens" if config["tie_word_embeddings"] else "lm_head"
    return norm(x, "model.norm") @ w[f"{head}.weight"].T


def softmax(scores: Array) -> Array:
    """Probabilities along the last dimension, in float64."""
    raised = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


@dataclass(frozen=True)
class Done:
    """What a run of `llmir` in this process gave."""

    status: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """The one object on standard output of a run that went well."""
        assert (self.status, self.err) == (0, "")
        return json.loads(self.out, parse_constant=_no_constant)

    def error(self, status: int = 1) -> str:
        """The one line on standard error of a run that failed, without the program's name."""
        assert (self.status, self.out) == (status, ""), (self.status, self.out, self.err)
        (line,) = self.err.splitlines()
        assert line.startswith("llmir: error: ")
        return line.removeprefix("llmir: error: ")


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def llmir(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Done:
    """Run the command line in this process."""
    capsys.readouterr()
    status = status_of([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return Done(status, out, err)


def status_of(arguments: list[str]) -> int:
    """What the process would exit with."""
    try:
        return main(arguments)
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else -1


def tree(path: Path) -> list[str]:
    """Everything under a folder, hidden files too."""
    return sorted(str(p.relative_to(path)) for p in path.rglob("*"))


def folder_bytes(path: Path) -> dict[str, bytes]:
    """The contents of a folder's files by name."""
    return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}


def stored(path: Path) -> Arrays:
    """The tensors of a safetensors file, read from the format's specification; 8-bit floats as bytes."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    dtypes = {code: np.dtype(DTYPES[name]) for name, code in (("f64", "F64"), ("f32", "F32"), ("f16", "F16"))}
    dtypes |= {"BF16": np.dtype(ml_dtypes.bfloat16)}
    dtypes |= dict.fromkeys(("U8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), np.dtype(np.uint8))
    return {
        name: np.frombuffer(content[8 + length :], np.uint8)[slice(*e["data_offsets"])]
        .view(dtypes[e["dtype"]])
        .reshape(e["shape"])
        for name, e in header.items()
        if name != "__metadata__"
    }
