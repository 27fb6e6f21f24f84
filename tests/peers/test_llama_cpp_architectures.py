"""GGUF files of every architecture: llama.cpp generates what we generate (float32 tensors, greedy)."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf_files import SAID, add_tokenizer, write
from tiny_models import Config

from llmir.frontends.gguf import open_gguf
from llmir.passes.pipeline import compile_numpy

xllamacpp: Any = pytest.importorskip("xllamacpp")

PROMPT: list[int] = np.random.default_rng(3).integers(2, 258, 20).tolist()
TOKENS = 16
MODELS: dict[str, Config] = {
    **SAID,
    # llama.cpp chooses LongRoPE's factors by the size of the whole context, of which it takes 256 tokens at least
    "phi3-short": {**SAID["phi3-short"], "original_max_position_embeddings": 512, "max_position_embeddings": 1024},
}


def llama_cpp_tokens(path: Path) -> list[int]:
    """What llama.cpp generates greedily after the prompt."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = len(PROMPT) + TOKENS
    parameters.n_parallel = 1
    parameters.warmup = False
    parameters.cpuparams.n_threads = 1
    server = xllamacpp.Server(parameters)
    request: dict[str, Any] = {"prompt": PROMPT, "n_predict": TOKENS, "temperature": 0, "top_k": 1}
    request |= {"samplers": ["top_k"], "return_tokens": True, "cache_prompt": False, "ignore_eos": True}
    address = f"{server.listening_address}/completion"
    with urllib.request.urlopen(address, json.dumps(request).encode()) as answer:
        return json.load(answer)["tokens"]


@pytest.mark.parametrize("name", MODELS)
def test_generates_the_same(name: str, tmp_path: Path) -> None:
    """Each token it chooses, with a cache of float16, is our likeliest, or next to it."""
    path = write(tmp_path / "model.gguf", MODELS[name], more=add_tokenizer)
    theirs = llama_cpp_tokens(path)
    assert len(theirs) == TOKENS
    program = open_gguf(path)
    session = compile_numpy(program.module, program.weights)
    logits = session.logits(np.array(PROMPT + theirs[:-1]))[len(PROMPT) - 1 :]
    behind = logits.max(axis=1) - logits[np.arange(TOKENS), theirs]
    assert behind.max() < 0.02
    spread = logits.max(axis=1) - np.sort(logits, axis=1)[:, -2]
    assert np.median(spread) > 0.1  # so that agreement says something
