"""What a token costs, against sums over a model's shapes."""

from __future__ import annotations

import math
from pathlib import Path

import architectures
import pytest
from tiny_models import config_of, huggingface_folder, weight_shapes

from llmir.frontends.registry import open_model
from llmir.passes.pipeline import Pipeline
from llmir.reports.work import token_work

EMBEDDING = "model.embed_tokens.weight"


@pytest.mark.parametrize("tied", [False, True])
def test_dense(tied: bool, tmp_path: Path) -> None:
    """Every weight is read once, of an embedding that is no head too only a row."""
    config = config_of(tie_word_embeddings=tied)
    work = token_work(open_model(str(huggingface_folder(tmp_path / "model", config))))
    shapes = weight_shapes(config)
    read = {name: math.prod(shape) for name, shape in shapes.items() if tied or name != EMBEDDING}
    assert work.weight_bytes == 4 * sum(read.values())
    assert work.products == sum(size for name, size in read.items() if len(shapes[name]) == 2)
    heads = 2 * 11 * config["num_hidden_layers"] * config["num_key_value_heads"]
    sizes = {"f32": 4 * 32, "f16": 2 * 32, "i8": 32 + 4, "f8E4M3FN": 32}
    assert {element: work.cache_bytes(10, element) for element in sizes} == {e: heads * s for e, s in sizes.items()}


def test_quantized(tmp_path: Path) -> None:
    config = config_of()
    program = open_model(str(huggingface_folder(tmp_path / "model", config)))
    Pipeline.parse(
        "assign-schemes{exclude=lm_head weight-type=i4 weight-scale=f16 weight-group-size=32},quantize-weights"
    ).run(program)
    before = token_work(program)
    Pipeline.parse("fuse-quantized-ops").run(program)
    assert token_work(program) == before
    sizes = {name: math.prod(shape) for name, shape in weight_shapes(config).items() if name != EMBEDDING}
    linear = sum(size for name, size in sizes.items() if "proj" in name)
    others = sum(size for name, size in sizes.items() if "proj" not in name)
    assert before.weight_bytes == linear * 4.5 / 8 + others * 4


@pytest.mark.parametrize("name", ["mixtral-window", "qwen3_moe"])
def test_mixture(name: str, tmp_path: Path) -> None:
    """Of the experts only those a token visits, on average; of the cache no more than the window."""
    config = architectures.MODELS[name]
    weights = architectures.random_weights(config)
    work = token_work(open_model(str(huggingface_folder(tmp_path / "model", config, weights))))
    experts = config.get("num_local_experts") or config["num_experts"]
    visited = config["num_experts_per_tok"] / experts
    shares = {n: visited if ".experts." in n else 1 for n in weights if n != EMBEDDING}
    assert work.weight_bytes == sum(4 * weights[n].size * share for n, share in shares.items())
    assert work.products == sum(weights[n].size * share for n, share in shares.items() if weights[n].ndim == 2)
    seen = config.get("sliding_window", 21)
    size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    cached = 2 * seen * config["num_hidden_layers"] * config["num_key_value_heads"] * size
    assert work.cache_bytes(20, "f16") == 2 * cached
