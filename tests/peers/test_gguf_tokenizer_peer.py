"""Token ids against llama.cpp: recorded ids always, a live llama.cpp (package xllamacpp) where installed.

The byte-pair vocabulary holds every pair of bytes as a merge, in a fixed shuffled order, so that moving
almost any word boundary changes the ids; vocabularies of real models hide most of such differences.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from gguf import GGUFWriter
from tokenizers import Tokenizer, pre_tokenizers

from llmir.frontends.gguf_file import GGUFFile, GGUFValue
from llmir.frontends.gguf_pretokenizers import PRE_TOKENIZERS
from llmir.frontends.gguf_tokenizer import special_tokens, tokenizer_from_fields

# Written by record_ids() below with llama.cpp build 11549.
RECORD: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "llamacpp_ids.json").read_text())
TEXTS: list[str] = RECORD["texts"]

REPOSITORY = Path(__file__).parents[2]
SMOLLM2 = Path(os.environ.get("LLMIR_SMOLLM2_GGUF", REPOSITORY / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"))

Fields = Mapping[str, GGUFValue]
Encode = Callable[[str, bool], list[int]]
Serve = Callable[[Fields], Encode]


def byte_pair_fields(pre: str) -> dict[str, GGUFValue]:
    letters: list[str] = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [(left, right) for left in letters for right in letters]
    order = np.random.default_rng(0).permutation(len(pairs))
    merges = [" ".join(pairs[int(index)]) for index in order]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "  \t", "<unk>"]
    whole_words = ["hello", "Ġhello", "World", "123", "ĊĊĊ", "'LL"]
    tokens = special + letters + [merge.replace(" ", "") for merge in merges] + whole_words
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 3, 1, 4, 2] + [1] * (len(tokens) - len(special)),
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }


def sentence_piece_fields(add_space_prefix: bool) -> dict[str, GGUFValue]:
    """Every substring of up to four characters of some texts, with distinct scores in shuffled order."""
    marked = [text.replace(" ", "\u2581") for text in TEXTS if "<" not in text and "\0" not in text]
    pieces = sorted({text[i : i + n] for text in marked[::2] for n in (1, 2, 3, 4) for i in range(len(text))})
    runs = ["\u2581" * n for n in (2, 3, 4, 5, 8, 16)]
    normal = sorted({*pieces, *runs} - {""})
    scores = np.random.default_rng(1).permutation(len(normal))
    head = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tail = ["<|user|>", "<|end|>", "<|endoftext|>"]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": head + normal + tail,
        "tokenizer.ggml.scores": [0.0] * len(head) + [-float(score) for score in scores] + [0.0] * len(tail),
        "tokenizer.ggml.token_type": [2, 3, 3] + [6] * 256 + [1] * len(normal) + [4, 3, 3],
        "tokenizer.ggml.add_space_prefix": add_space_prefix,
    }


def random_texts(count: int, seed: int) -> list[str]:
    """Shuffled fragments of the recorded texts, which puts their odd characters next to each other."""
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    for _ in range(count):
        fragments: list[str] = []
        for index in rng.integers(0, len(TEXTS), int(rng.integers(1, 8))):
            text = TEXTS[int(index)]
            start = int(rng.integers(0, len(text)))
            fragments.append(text[start : start + int(rng.integers(1, 6))])
        texts.append("".join(fragments))
    return texts


def write_model(path: Path, fields: Fields) -> None:
    """A one-layer Llama model of width 32 around a vocabulary: the least that llama.cpp will serve."""
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(32)
    for key, value in fields.items():
        _add_field(writer, key, value)
    vocabulary = len(cast("list[str]", fields["tokenizer.ggml.tokens"]))
    writer.add_tensor("token_embd.weight", np.zeros((vocabulary, 32), np.float16))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(32, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((32, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_field(writer: GGUFWriter, key: str, value: GGUFValue) -> None:
    if isinstance(value, list):
        writer.add_array(key, value)
    elif isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    else:
        writer.add_string(key, str(value))


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Start llama.cpp on a vocabulary; the answer gives (text, add_special) -> ids."""
    xllamacpp: Any = pytest.importorskip("xllamacpp")

    def start(fields: Fields) -> Encode:
        path = tmp_path / "model.gguf"
        write_model(path, fields)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = 64
        parameters.n_parallel = 1
        parameters.warmup = False
        parameters.cpuparams.n_threads = 1
        server = xllamacpp.Server(parameters)

        def encode(text: str, add_special: bool) -> list[int]:
            request = {"content": text, "add_special": add_special, "parse_special": True}
            address = f"{server.listening_address}/tokenize"
            with urllib.request.urlopen(address, json.dumps(request).encode()) as answer:
                return json.load(answer)["tokens"]

        return encode

    return start


def assert_agreement(tokenizer: Tokenizer, encode: Encode, texts: list[str]) -> None:
    for text in texts:
        assert (text, tokenizer.encode(text).ids) == (text, encode(text, False))


def record_ids(serve: Serve, pres: list[str]) -> dict[str, list[list[int]]]:
    """What llama.cpp answers for the recorded texts: how the file under data/ was made."""
    record: dict[str, list[list[int]]] = {}
    for pre in pres:
        encode = serve(byte_pair_fields(pre))
        record[pre] = [encode(text, False) for text in TEXTS]
    return record


def test_every_family_is_recorded() -> None:
    recorded = {PRE_TOKENIZERS[pre].patterns for pre in RECORD["ids"]}
    assert recorded == {pre_tokenizer.patterns for pre_tokenizer in PRE_TOKENIZERS.values()}


@pytest.mark.parametrize("pre", RECORD["ids"])
def test_ids_recorded_from_llama_cpp(pre: str) -> None:
    tokenizer = tokenizer_from_fields(byte_pair_fields(pre), "recorded")
    for text, expected in zip(TEXTS, RECORD["ids"][pre], strict=True):
        assert (text, tokenizer.encode(text).ids) == (text, expected)


def test_families_differ_on_the_recorded_texts() -> None:
    ids = [json.dumps(ids) for ids in RECORD["ids"].values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("pre", sorted(PRE_TOKENIZERS))
def test_byte_pairs_live(pre: str, serve: Serve) -> None:
    fields = byte_pair_fields(pre)
    encode = serve(fields)
    assert_agreement(tokenizer_from_fields(fields, pre), encode, TEXTS + random_texts(100, seed=2))
    assert encode("x", True) == [1] * special_tokens(fields, pre).add_bos + encode("x", False)


def test_the_record_is_what_llama_cpp_says(serve: Serve) -> None:
    assert record_ids(serve, list(RECORD["ids"])) == RECORD["ids"]


@pytest.mark.parametrize(
    "extra",
    [{}, {"tokenizer.ggml.remove_extra_whitespaces": True}, {"general.name": "Phi-3 mini"}],
    ids=["plain", "extra_whitespaces", "phi3"],
)
@pytest.mark.parametrize("add_space_prefix", [True, False])
def test_sentence_piece_live(add_space_prefix: bool, extra: dict[str, GGUFValue], serve: Serve) -> None:
    fields = {**sentence_piece_fields(add_space_prefix), **extra}
    encode = serve(fields)
    spaces = [f"a{' ' * count}b" for count in range(1, 40)]
    specials = ["x <|user|> hi <|end|>\n \t<s> a</s>  c<|endoftext|>  d<unk> <0x41>e", "<s>  <s>", "</s> "]
    tokenizer = tokenizer_from_fields(fields, "synthetic")
    assert_agreement(tokenizer, encode, TEXTS + random_texts(300, seed=3) + spaces + specials)
    assert encode("x", True) == [1, *encode("x", False)]


def test_smollm2_live(serve: Serve) -> None:
    if not SMOLLM2.exists():
        pytest.skip("SmolLM2 file not found; set LLMIR_SMOLLM2_GGUF")
    with GGUFFile.open(SMOLLM2) as file:
        fields = {key: value for key, value in file.fields.items() if key.startswith("tokenizer.")}
    encode = serve(fields)
    tokenizer = tokenizer_from_fields(fields, str(SMOLLM2))
    assert_agreement(tokenizer, encode, TEXTS + random_texts(1000, seed=4))
    assert encode("x", True) == encode("x", False)
    assert special_tokens(fields, str(SMOLLM2)).add_bos is False
