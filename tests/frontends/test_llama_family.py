"""The module of a family member: its weights, functions and logits, against a float64 model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from tiny_models import Array, Config, config_of, random_weights, reference_logits, weight_shapes
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType

from llmir.backends.numpy.session import Session
from llmir.dialects.llm.model import AttentionOp
from llmir.dialects.llm.types import float_type
from llmir.dialects.llm.weights import weights
from llmir.dialects.parser import parse_module
from llmir.frontends.decoder import build_module
from llmir.frontends.huggingface import read_config
from llmir.passes.pipeline import compile_numpy
from llmir.program.context import LLMContext
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor

IDS = np.random.default_rng(1).integers(0, 259, 20)
KINDS: dict[str, Config] = {
    "llama": config_of(),
    "tied": config_of(tie_word_embeddings=True),
    "biases": config_of(attention_bias=True, mlp_bias=True),
    "qwen2": config_of("qwen2"),
    "qwen3": config_of("qwen3", head_dim=48),
    "mistral": config_of("mistral", sliding_window=5),
}


def module_of(config: Config, dtype: Any = np.float32) -> ModuleOp:
    types = {n: TensorType(float_type(np.dtype(dtype)), s) for n, s in weight_shapes(config).items()}
    return build_module(read_config(config, "test"), types)


def session_of(module: ModuleOp, values: Mapping[str, Array]) -> Session:
    return compile_numpy(module, WeightStore({name: MemoryTensor(v) for name, v in values.items()}))


@pytest.mark.parametrize("kind", KINDS)
def test_weights(kind: str) -> None:
    """Exactly the checkpoint's tensors, in the shapes the configuration gives."""
    config = KINDS[kind]
    module = module_of(config)
    module.verify()
    declared = {name: op.type.get_shape() for name, op in weights(module).items() if isinstance(op.type, TensorType)}
    assert declared == weight_shapes(config)


@pytest.mark.parametrize("kind", KINDS)
def test_text(kind: str) -> None:
    """The module prints, parses and prints the same; its values carry the checkpoint's names."""
    text = str(module_of(KINDS[kind]))
    parsed = parse_module(LLMContext.new(), text, "test")
    parsed.verify()
    assert str(parsed) == text
    for name in ("%q_proj", "%up_proj", "%lm_head", "%input_layernorm"):
        assert name in text


def test_functions() -> None:
    """One for each block, and the entry functions, each with its role."""
    roles = {
        op.sym_name.data: role.data
        for op in module_of(config_of(num_hidden_layers=3)).body.ops
        if isinstance(op, func.FuncOp) and isinstance(role := op.attributes["llm.role"], StringAttr)
    }
    blocks = {f"model.layers.{layer}": "block" for layer in range(3)}
    assert roles == blocks | {name: name for name in ("embed", "head", "backbone", "forward")}


@pytest.mark.parametrize("kind", ["llama", "tied"])
def test_logits(kind: str) -> None:
    config, values = KINDS[kind], random_weights(KINDS[kind])
    ours, theirs = session_of(module_of(config), values).logits(IDS), reference_logits(config, values, IDS.tolist())
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("kind", KINDS)
def test_cache(kind: str) -> None:
    """A prefill in parts and token by token gives the logits of one pass."""
    config = KINDS[kind]
    session = session_of(module_of(config), random_weights(config))
    expected = session.logits(IDS)
    caches = session.new_cache(len(IDS))
    parts = [session.head(session.backbone(IDS[:8], 0, caches)), session.head(session.backbone(IDS[8:15], 8, caches))]
    parts += [session.head(session.backbone(IDS[at : at + 1], at, caches)) for at in range(15, len(IDS))]
    assert np.abs(np.concatenate(parts) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_forward_is_backbone_and_head() -> None:
    session = session_of(module_of(KINDS["llama"]), random_weights(KINDS["llama"]))
    logits, *caches = session.call("forward", IDS, 0, *session.new_cache(len(IDS)))
    assert np.array_equal(logits, session.logits(IDS))
    assert len(caches) == 4


def test_window() -> None:
    """With one layer a token sees the last five tokens and no others; with a window of all, everything."""
    config = config_of("mistral", sliding_window=5, num_hidden_layers=1)
    values = random_weights(config)
    changed = IDS.copy()
    changed[10] = (changed[10] + 1) % 259
    session = session_of(module_of(config), values)
    differs = np.abs(session.logits(IDS) - session.logits(changed)).max(axis=1) > 0
    assert np.flatnonzero(differs).tolist() == [10, 11, 12, 13, 14]
    wide = session_of(module_of(config | {"sliding_window": len(IDS)}), values).logits(IDS)
    full = session_of(module_of(config_of(num_hidden_layers=1)), values).logits(IDS)
    assert np.allclose(wide, full, atol=1e-5)


def test_windows_of_some_layers() -> None:
    config = config_of("qwen2", use_sliding_window=True, sliding_window=5, max_window_layers=1)
    attentions = [op for op in module_of(config).walk() if isinstance(op, AttentionOp)]
    assert [op.window is not None for op in attentions] == [False, True]


def test_rounded_weights_are_used_as_they_are() -> None:
    config = KINDS["llama"]
    values = random_weights(config, "bf16")
    ours = session_of(module_of(config, values["lm_head.weight"].dtype), values).logits(IDS)
    theirs = reference_logits(config, values, IDS.tolist())
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()
