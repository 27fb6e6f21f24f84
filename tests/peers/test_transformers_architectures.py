"""Tiny random models of every architecture, saved by transformers: our logits are its (float32, eager attention)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from architectures import MODELS
from numpy.typing import NDArray
from tiny_models import Array, Config, read_json

from llmir.backends.numpy.session import Session
from llmir.dialects.llm.model import ScaleOp
from llmir.frontends.registry import open_model
from llmir.passes.pipeline import compile_numpy

torch: Any = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")

LENGTH = 40
TOLERANCE = 1e-5
"""Of the largest |logit|: float32 sums of a few hundred products in another order."""
IDS = np.random.default_rng(1).integers(0, 258, LENGTH)


def peer_of(config: Config, seed: int = 0) -> Any:
    """transformers' model with random weights of a spread that gives logits of a few units."""
    known = {k: v for k, v in config.items() if k not in ("architectures", "model_type")}
    peer_config = transformers.AutoConfig.for_model(config["model_type"], **known)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(peer_config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += torch.randn_like(parameter) / 10
            else:
                parameter.copy_(torch.randn_like(parameter) * 1.5 / parameter.shape[-1] ** 0.5)
    model.tie_weights()
    return model


def peer_logits(model: Any, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    with torch.no_grad():
        return model(torch.from_numpy(tokens)[None]).logits[0].numpy()


def peer_steps(model: Any, tokens: NDArray[np.int64], prefill: int) -> NDArray[np.float32]:
    """Logits of a prefill and then one token at a time, with transformers' own cache."""
    ids: Any = torch.from_numpy(tokens)[None]
    parts: list[NDArray[np.float32]] = []
    cache: Any = None
    with torch.no_grad():
        for start, stop in [(0, prefill), *((at, at + 1) for at in range(prefill, len(tokens)))]:
            out = model(ids[:, start:stop], past_key_values=cache, use_cache=True)
            cache = out.past_key_values if hasattr(out, "past_key_values") else out.cache
            parts.append(out.logits[0].numpy())
    return np.concatenate(parts)


def steps(session: Session, tokens: NDArray[np.int64], prefill: int) -> Array:
    """Logits of a prefill and then one token at a time."""
    caches = session.new_cache(len(tokens))
    parts = [session.head(session.backbone(tokens[:prefill], 0, caches))]
    for at in range(prefill, len(tokens)):
        parts.append(session.head(session.backbone(tokens[at : at + 1], at, caches)))
    return np.concatenate(parts)


def session_of(path: Path) -> Session:
    program = open_model(str(path))
    assert program.notes == []
    return compile_numpy(program.module, program.weights)


def assert_close(ours: Array, theirs: Array) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(theirs).max() > 1
    assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()


@pytest.mark.parametrize("name", MODELS)
def test_saved_by_transformers(name: str, tmp_path: Path) -> None:
    model = peer_of(MODELS[name])
    model.save_pretrained(tmp_path / "model")
    session = session_of(tmp_path / "model")
    assert_close(session.logits(IDS), peer_logits(model, IDS))


@pytest.mark.parametrize("name", MODELS)
def test_token_by_token(name: str, tmp_path: Path) -> None:
    """With a cache; LongRoPE's switch from short to long factors is then where transformers has it too."""
    model = peer_of(MODELS[name], seed=1)
    model.save_pretrained(tmp_path / "model")
    assert_close(steps(session_of(tmp_path / "model"), IDS, 11), peer_steps(model, IDS, 11))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["opt", "gpt2", "gpt_neox", "gemma2", "gemma3", "phi3", "mixtral", "qwen3_moe"])
def test_shards_and_types(name: str, dtype: str, tmp_path: Path) -> None:
    model = peer_of(MODELS[name]).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path / "model", max_shard_size="100KB")
    assert (tmp_path / "model" / "model.safetensors.index.json").exists()
    assert read_json(tmp_path / "model" / "config.json")["dtype"] == dtype
    reloaded = model.__class__.from_pretrained(tmp_path / "model", dtype="float32", attn_implementation="eager")
    assert_close(session_of(tmp_path / "model").logits(IDS), peer_logits(reloaded, IDS))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["gemma2", "gemma3"])
def test_embedding_scale(name: str, dtype: str, tmp_path: Path) -> None:
    """The factor is what transformers multiplies by in the type the embeddings are stored in."""
    model = peer_of({**MODELS[name], "hidden_size": 96}).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path / "model")
    (scale,) = [op for op in open_model(str(tmp_path / "model")).module.walk() if isinstance(op, ScaleOp)]
    table = model.model.embed_tokens
    one = torch.tensor([3])
    with torch.no_grad():
        expected = table(one).float() / table.weight[one].float()
    factor = table.scalar_embed_scale if dtype == "float32" else float(table.embed_scale.to(table.weight.dtype))
    assert abs(scale.factor.value.data - factor) <= 1e-6 * factor
    assert abs(expected.mean().item() - factor) < 1e-2


def test_text_model_of_gemma3(tmp_path: Path) -> None:
    """A multimodal model saved whole gives the logits of its text model."""
    text = {k: v for k, v in MODELS["gemma3"].items() if k != "architectures"}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 28, "patch_size": 14, "model_type": "siglip_vision_model"}
    config = transformers.Gemma3Config(text_config=text, vision_config=vision)
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    model = transformers.Gemma3ForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) / 8)
    model.tie_weights()
    model.save_pretrained(tmp_path / "model")
    program = open_model(str(tmp_path / "model"))
    assert all("vision_tower" in note or "multi_modal" in note for note in program.notes)
    session = compile_numpy(program.module, program.weights)
    assert_close(session.logits(IDS), peer_logits(model, IDS))
