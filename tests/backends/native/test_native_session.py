"""Whole programs as machine code: every architecture against its float64 formula, and what a session is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import architectures
import numpy as np
import pytest
import tiny_models
from native_programs import IDS, LLAMAS, TOKENS, Float, assert_close, decoded, program

from llmir.backends.native import session
from llmir.backends.native.program_cache import ProgramCache
from llmir.backends.native.session import NativeSession
from llmir.errors import InputError, UnsupportedProgram
from llmir.evaluation.sampling import LogitKernels, Sampler, Sampling
from llmir.passes.native import compile_native
from llmir.passes.pipeline import compile_numpy

ARCHITECTURES = [
    *("opt", "opt-projected", "opt-bare", "gpt2", "gpt2-scaled", "gpt_neox", "gpt_neox-serial", "gpt_neox-tied"),
    *("gemma2", "gemma3", "phi3", "phi3-window", "phi3-short"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> ProgramCache:
    return ProgramCache(tmp_path_factory.mktemp("cache"))


def truth(name: str) -> Float:
    """Logits float64 [TOKENS, V] by the published formulas."""
    if name in LLAMAS:
        config = LLAMAS[name]
        return tiny_models.reference_logits(config, tiny_models.random_weights(config), [int(i) for i in IDS])
    config = architectures.MODELS[name]
    return architectures.reference_logits(config, architectures.random_weights(config), IDS)


@pytest.mark.parametrize("name", [*ARCHITECTURES, "llama", "mistral", "odd"])
def test_logits_are_those_of_the_formula(models: Path, cached: ProgramCache, name: str):
    opened = program(models, name)
    expected = truth(name)
    results: list[tuple[Float, Float]] = []
    for threads in (1, 3):
        with compile_native(opened.module, opened.weights, threads=threads, kv_cache="f32", cache=cached) as native:
            results.append((native.logits(IDS), decoded(native, IDS)))
    for ours in results[0]:
        assert_close(ours, expected, 2e-5)
    for one, three in zip(*results, strict=True):
        assert one.tobytes() == three.tobytes(), "results depend on the number of threads"


def test_biases_of_projections(models: Path, cached: ProgramCache):
    """Those of qwen2, which the formula of its family does not have; one table is read and multiplied by."""
    opened = program(models, "qwen2")
    expected = compile_numpy(opened.module, opened.weights).logits(IDS)
    with compile_native(opened.module, opened.weights, threads=2, kv_cache="f32", cache=cached) as native:
        assert_close(native.logits(IDS), expected, 2e-5)
        assert_close(decoded(native, IDS), expected, 2e-5)


@pytest.mark.parametrize(("element", "tolerance"), [("f32", 2e-5), ("f16", 2e-3), ("i8", 3e-2), ("f8E4M3FN", 0.2)])
def test_elements_of_the_cache(models: Path, cached: ProgramCache, element: str, tolerance: float):
    opened = program(models, "llama")
    with compile_native(opened.module, opened.weights, threads=2, kv_cache=element, cache=cached) as native:
        assert_close(native.logits(IDS), truth("llama"), tolerance)
        assert_close(decoded(native, IDS), truth("llama"), tolerance)
        room = native.new_cache(160)
        size = {"f32": 4, "f16": 2, "i8": 1 + 4 / 32, "f8E4M3FN": 1}[element]
        assert room.memory.size == room.capacity * 2 * 2 * 2 * 32 * size  # layers, keys and values, heads, elements


@pytest.fixture
def llama(models: Path, cached: ProgramCache) -> Iterator[NativeSession]:
    opened = program(models, "llama")
    with compile_native(opened.module, opened.weights, threads=2, kv_cache="f32", cache=cached) as native:
        yield native


@pytest.mark.parametrize("rows", [1, 5, 16, 36])
def test_a_prompt_in_chunks_is_the_same_prompt(llama: NativeSession, monkeypatch: pytest.MonkeyPatch, rows: int):
    whole = llama.backbone(IDS, 0, llama.new_cache(TOKENS))
    logits = llama.head(whole)
    monkeypatch.setattr(session, "CHUNK_ROWS", rows)
    assert_close(llama.backbone(IDS, 0, llama.new_cache(TOKENS)), whole, 1e-5)
    assert_close(llama.head(whole), logits, 1e-5)


def test_a_text_goes_on_where_it_was(llama: NativeSession):
    whole = llama.logits(IDS)
    text = llama.new_cache(TOKENS + 3)
    first, second = llama.backbone(IDS[:20], 0, text), llama.backbone(IDS[20:30], 20, text)
    assert_close(llama.head(np.concatenate([first, second])), whole[:30], 1e-5)
    for at in range(30, TOKENS):
        logits = llama.decode(int(IDS[at]), at, text)
        assert_close(logits, whole[at], 1e-5)


def test_sampling_by_kernels_chooses_the_same_tokens(llama: NativeSession):
    """The session is what a sampler takes for kernels."""
    logits = llama.logits(IDS)
    assert isinstance(llama, LogitKernels)
    for sampling in (Sampling(0.9), Sampling(1.3, top_k=20), Sampling(0.7, top_p=0.8, min_p=0.01)):
        plain, quick = Sampler(sampling), Sampler(sampling, llama)
        assert [plain.choose(row) for row in logits] == [quick.choose(row) for row in logits]
    assert llama.top_k(logits[0], 7).tolist() == np.argsort(-logits[0], kind="stable")[:7].tolist()
    assert_close(llama.softmax(logits[0], 0.5), tiny_models.softmax(logits[0].astype(np.float64) / 0.5), 1e-6)


def test_caches_are_apart(llama: NativeSession):
    one, other = llama.new_cache(TOKENS), llama.new_cache(TOKENS)
    whole = llama.backbone(IDS, 0, one)
    llama.backbone(IDS[::-1].copy(), 0, other)
    assert_close(llama.backbone(IDS[5:], 5, one), whole[5:], 1e-5)


def test_long_contexts_turn_heads_by_other_angles(models: Path, cached: ProgramCache):
    """A call that ends beyond the original context of 16 tokens uses the long factors, as NumPy's does."""
    opened = program(models, "phi3-long")
    numpy = compile_numpy(opened.module, opened.weights)
    with compile_native(opened.module, opened.weights, threads=2, kv_cache="f32", cache=cached) as native:
        assert_close(native.logits(IDS), truth("phi3-long"), 2e-5)
        mine, theirs = native.new_cache(TOKENS), numpy.new_cache(TOKENS)
        for at in range(20):
            hidden = numpy.backbone(IDS[at : at + 1], at, theirs)
            assert_close(native.decode(int(IDS[at]), at, mine), numpy.head(hidden)[0], 2e-5)


@pytest.mark.parametrize("id", [-1, 259, 1 << 40])
def test_ids_outside_of_the_vocabulary_are_refused(llama: NativeSession, id: int):
    text = llama.new_cache(8)
    with pytest.raises(InputError, match=rf"token id {id} is outside of a vocabulary of 259 tokens"):
        llama.backbone([3, id], 0, text)
    with pytest.raises(InputError, match=rf"token id {id} is outside"):
        llama.decode(id, 0, text)


def test_tokens_that_do_not_fit_are_refused(llama: NativeSession):
    text = llama.new_cache(16)
    assert text.capacity == 16
    with pytest.raises(InputError, match="tokens 10 to 16 do not fit into a cache for 16"):
        llama.backbone(IDS[:7], 10, text)
    with pytest.raises(InputError, match="tokens -1 to -1 do not fit"):
        llama.decode(3, -1, text)


def test_positions_that_were_not_learned_are_refused(models: Path, cached: ProgramCache):
    opened = program(models, "gpt2")
    with compile_native(opened.module, opened.weights, threads=1, kv_cache="f32", cache=cached) as native:
        text = native.new_cache(64)
        native.decode(3, 47, text)
        with pytest.raises(InputError, match="learned positions for 48 tokens, position 48 is beyond them"):
            native.decode(3, 48, text)


def test_a_closed_session_says_so(models: Path, cached: ProgramCache):
    opened = program(models, "llama")
    closed = compile_native(opened.module, opened.weights, threads=2, cache=cached)
    cache = closed.new_cache(4)
    closed.close()
    for call in (lambda: closed.logits([1, 2]), lambda: closed.decode(1, 0, cache)):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_what_has_no_kernel_is_said(models: Path, cached: ProgramCache):
    opened = program(models, "mixtral")
    with pytest.raises(UnsupportedProgram, match=r"llm\.route"):
        compile_native(opened.module, opened.weights, cache=cached)
