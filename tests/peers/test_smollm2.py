"""Greedy text of a real model, SmolLM2-135M-Instruct as GGUF Q4_1: the tokens other programs generate.

llama.cpp rounds activations to 8 bits where weights are Q4_1; the float32 comparison is with transformers, which
decodes the same file to float32. llama.cpp is held to the float32 tokens on an F32 copy of the file's weights.
"""

from __future__ import annotations

import importlib
import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from llmir.evaluation.generation import generate
from llmir.frontends.registry import open_model
from llmir.passes.pipeline import compile_numpy
from llmir.program.chat import prompting

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL = Path(os.environ.get("LLMIR_SMOLLM2_GGUF") or Path(__file__).parents[2] / "models" / FILE)
PROMPT = "Explain step by step how a rainbow forms, and why its colours always have the same order."
TOKENS = 64

pytestmark = pytest.mark.skipif(
    not MODEL.is_file(), reason=f"needs {FILE}: set LLMIR_SMOLLM2_GGUF or put it under models/"
)


@pytest.fixture(scope="module")
def transformers() -> Any:
    pytest.importorskip("torch")
    return pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def xllamacpp() -> Any:
    return pytest.importorskip("xllamacpp")


@pytest.fixture(scope="module")
def ours() -> tuple[list[int], list[int]]:
    """Prompt ids and the ids generated after them."""
    program = open_model(str(MODEL))
    conventions = prompting(program)
    prompt = conventions.encode(conventions.chat(PROMPT))
    session = compile_numpy(program.module, program.weights)
    produced = list(generate(session, prompt, TOKENS))
    assert len(produced) == TOKENS
    return prompt, produced


def agreement(ours: list[int], theirs: list[int]) -> int:
    """Tokens before the first difference."""
    pairs = zip(ours, theirs, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))


def test_transformers(transformers: Any, ours: tuple[list[int], list[int]]) -> None:
    torch: Any = importlib.import_module("torch")
    prompt, produced = ours
    model = transformers.AutoModelForCausalLM.from_pretrained(
        MODEL.parent, gguf_file=MODEL.name, dtype=torch.float32
    ).eval()
    with torch.no_grad():
        output = model.generate(torch.tensor([prompt]), max_new_tokens=TOKENS, do_sample=False)
        logits = model(torch.tensor([prompt])).logits[0].numpy()
    theirs = output[0, len(prompt) :].tolist()
    print(f"transformers: {agreement(produced, theirs)} of {TOKENS} tokens agree")
    assert produced == theirs
    program = open_model(str(MODEL))
    own = compile_numpy(program.module, program.weights).logits(np.array(prompt))
    assert np.abs(own - logits).max() <= 1e-4 * np.abs(logits).max()


def test_tokenizer_of_transformers(transformers: Any, ours: tuple[list[int], list[int]]) -> None:
    """The chat prompt's ids are those of transformers' own tokenizer for the file."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL.parent, gguf_file=MODEL.name)
    messages = [{"role": "user", "content": PROMPT}]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert tokenizer.encode(text, add_special_tokens=False) == ours[0]


def test_llama_cpp_on_float32(xllamacpp: Any, ours: tuple[list[int], list[int]], tmp_path: Path) -> None:
    prompt, produced = ours
    path = tmp_path / "float32.gguf"
    write_float32(path)
    theirs = llama_cpp_tokens(xllamacpp, path, prompt)
    print(f"llama.cpp, F32: {agreement(produced, theirs)} of {TOKENS} tokens agree")
    assert produced == theirs


def test_llama_cpp_on_the_file(xllamacpp: Any, ours: tuple[list[int], list[int]]) -> None:
    """With activations rounded to 8 bits its text becomes another one, but each token is among our likeliest."""
    prompt, produced = ours
    theirs = llama_cpp_tokens(xllamacpp, MODEL, prompt)
    program = open_model(str(MODEL))
    session = compile_numpy(program.module, program.weights)
    logits = session.logits(np.array(prompt + theirs[:-1]))[len(prompt) - 1 :]
    behind = logits.max(axis=1) - logits[np.arange(TOKENS), theirs]
    print(f"llama.cpp, Q4_1: {agreement(produced, theirs)} of {TOKENS} tokens agree before the first difference;")
    print(f"after its own tokens {np.sum(behind == 0)} of {TOKENS} agree, the worst is {behind.max():.3f} behind")
    assert np.sum(behind == 0) >= 0.9 * TOKENS
    assert behind.max() < 0.5


def write_float32(path: Path) -> None:
    """A copy of the model whose tensors are all F32, by the `gguf` package."""
    reader: Any = gguf.GGUFReader(MODEL)
    writer: Any = gguf.GGUFWriter(path, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        element = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], element)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        writer.add_tensor(tensor.name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama_cpp_tokens(xllamacpp: Any, path: Path, prompt: list[int]) -> list[int]:
    """What llama.cpp generates greedily after a prompt of ids."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = len(prompt) + TOKENS + 8
    parameters.n_parallel = 1
    parameters.warmup = False
    parameters.cpuparams.n_threads = 1
    server = xllamacpp.Server(parameters)
    request = {
        "prompt": prompt,
        "n_predict": TOKENS,
        "temperature": 0,
        "samplers": ["top_k"],
        "top_k": 1,
        "return_tokens": True,
        "cache_prompt": False,
    }
    address = f"{server.listening_address}/completion"
    with urllib.request.urlopen(address, json.dumps(request).encode()) as answer:
        return json.load(answer)["tokens"]
