"""The shipped files agree with the grammar, with each other and with the size they may have."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import tokenizers

from llmir.demo import MODEL, TEXT
from llmir.demo.corpus import END_OF_TEXT, EVALUATION_DOCUMENTS, EVALUATION_SEED, encode, train_tokenizer
from llmir.demo.grammar import sample_corpus

MAXIMUM_BYTES = 4_000_000


def read(name: str) -> dict[str, Any]:
    return json.loads((MODEL / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    library: Any = tokenizers
    return library.Tokenizer.from_file(str(MODEL / "tokenizer.json"))


def ids_of(tokenizer: Any, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


def test_all_demo_data_is_small() -> None:
    files = [path for path in (*MODEL.iterdir(), TEXT) if path.is_file()]
    assert len(files) >= 6
    assert sum(path.stat().st_size for path in files) <= MAXIMUM_BYTES


def test_config_is_a_tied_llama_with_grouped_queries_and_an_odd_width() -> None:
    config = read("config.json")
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert 1 < config["num_key_value_heads"] < config["num_attention_heads"]
    assert config["num_attention_heads"] % config["num_key_value_heads"] == 0
    assert config["tie_word_embeddings"] is True
    assert not math.log2(config["hidden_size"]).is_integer()
    assert config["rope_theta"] == 10000
    assert config["rms_norm_eps"] == 1e-5
    assert config["max_position_embeddings"] >= 512


def test_tensors_have_the_shapes_of_the_config_and_are_finite_halves() -> None:
    config = read("config.json")
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    query = config["num_attention_heads"] * config["head_dim"]
    key = config["num_key_value_heads"] * config["head_dim"]
    expected = {"model.embed_tokens.weight": [config["vocab_size"], hidden], "model.norm.weight": [hidden]}
    for layer in range(config["num_hidden_layers"]):
        shapes = {
            "input_layernorm": [hidden],
            "post_attention_layernorm": [hidden],
            "self_attn.q_proj": [query, hidden],
            "self_attn.k_proj": [key, hidden],
            "self_attn.v_proj": [key, hidden],
            "self_attn.o_proj": [hidden, query],
            "mlp.gate_proj": [inner, hidden],
            "mlp.up_proj": [inner, hidden],
            "mlp.down_proj": [hidden, inner],
        }
        expected |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in shapes.items()}
    library: Any = safetensors
    with library.safe_open(str(MODEL / "model.safetensors"), framework="numpy") as handle:
        tensors: dict[str, Any] = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == expected
    for name, tensor in tensors.items():
        assert tensor.dtype == np.float16, name
        assert np.isfinite(tensor).all(), name


def test_tokenizer_round_trips_the_text_and_any_utf8(tokenizer: Any) -> None:
    text = TEXT.read_text(encoding="utf-8")
    for sample in (text, "naïve 日本語 \U0001f600\t\r\n  two  spaces", "\x00\x7f"):
        assert tokenizer.decode(ids_of(tokenizer, sample), skip_special_tokens=False) == sample


def test_the_text_encodes_the_same_with_special_tokens_on(tokenizer: Any) -> None:
    text = TEXT.read_text(encoding="utf-8")
    ids = ids_of(tokenizer, text)
    assert tokenizer.encode(text).ids == ids
    assert tokenizer.token_to_id(END_OF_TEXT) == 0
    assert 0 not in ids
    assert encode(tokenizer, text).tolist() == ids


def test_tokenizer_fits_the_config(tokenizer: Any) -> None:
    config = read("config.json")
    assert tokenizer.get_vocab_size() == config["vocab_size"]
    assert config["eos_token_id"] == tokenizer.token_to_id(read("tokenizer_config.json")["eos_token"])


def test_tokenizer_is_what_its_recipe_makes() -> None:
    assert json.loads(train_tokenizer().to_str()) == read("tokenizer.json")


def test_text_count_and_floor_are_what_grammar_and_tokenizer_give(tokenizer: Any) -> None:
    facts = read("demo.json")
    text, nats = sample_corpus(EVALUATION_SEED, EVALUATION_DOCUMENTS)
    assert TEXT.read_bytes() == text.encode("utf-8")
    tokens = len(ids_of(tokenizer, text))
    assert 15_000 <= tokens <= 25_000
    assert facts["evaluation_text_tokens"] == tokens
    assert math.isclose(facts["evaluation_text_nats"], nats, rel_tol=1e-12)
    assert math.isclose(facts["floor_perplexity"], math.exp(nats / tokens), rel_tol=1e-12)


def test_the_model_is_above_the_floor_and_near_it() -> None:
    facts = read("demo.json")
    assert 3 < facts["floor_perplexity"] < 8
    assert facts["floor_perplexity"] < facts["trained_perplexity"] < 1.05 * facts["floor_perplexity"]


def test_importing_the_paths_and_the_grammar_loads_nothing_heavy() -> None:
    check = (
        "import sys, llmir.demo, llmir.demo.grammar\n"
        "print(sorted({'numpy', 'torch', 'tokenizers', 'xdsl'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
