"""Whole programs as machine code: every architecture against its float64 formula, quantized ones against NumPy."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import architectures
import numpy as np
import pytest
import tiny_models
from native import ends_of
from numpy.typing import NDArray

from llmir.backends.native import packed_file, program_cache, session
from llmir.backends.native.program_cache import ProgramCache
from llmir.backends.native.session import NativeCache, NativeSession
from llmir.errors import InputError, UnsupportedProgram
from llmir.frontends.registry import open_runnable
from llmir.passes.native import compile_native
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.program import Program

Float = NDArray[Any]
TOKENS = 37
ARCHITECTURES = [
    *("opt", "opt-projected", "opt-bare", "gpt2", "gpt2-scaled", "gpt_neox", "gpt_neox-serial", "gpt_neox-tied"),
    *("gemma2", "gemma3", "phi3", "phi3-window", "phi3-short"),
]
LLAMAS = {
    "llama": tiny_models.config_of(),
    "mistral": tiny_models.config_of("mistral", num_key_value_heads=1, sliding_window=None),
    "qwen2": tiny_models.config_of("qwen2", tie_word_embeddings=True),
    "odd": tiny_models.config_of(
        hidden_size=96, intermediate_size=72, num_attention_heads=3, num_key_value_heads=3, head_dim=20, vocab_size=261
    ),
}
IDS = np.random.default_rng(1).integers(0, 250, TOKENS)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> ProgramCache:
    return ProgramCache(tmp_path_factory.mktemp("cache"))


def program(folder: Path, name: str) -> Program:
    path = folder / name
    config = LLAMAS.get(name) or architectures.MODELS[name]
    if not path.exists():
        kind = tiny_models if name in LLAMAS else architectures
        tiny_models.huggingface_folder(path, config, kind.random_weights(config), tokenizer=False)
    return open_runnable(str(path))


def truth(name: str) -> Float:
    """Logits float64 [TOKENS, V] by the published formulas."""
    if name in LLAMAS:
        config = LLAMAS[name]
        if config["model_type"] == "qwen2":
            pytest.skip("has biases, which tiny_models' formula does not know")
        return tiny_models.reference_logits(config, tiny_models.random_weights(config), [int(i) for i in IDS])
    config = architectures.MODELS[name]
    return architectures.reference_logits(config, architectures.random_weights(config), IDS)


def assert_close(ours: Float, theirs: Float, tolerance: float) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


def decoded(native: NativeSession, ids: NDArray[np.int64]) -> Float:
    """Logits [T, V], token by token."""
    text = native.new_cache(len(ids))
    return np.array([native.decode(int(id), at, text).copy() for at, id in enumerate(ids)])


@pytest.mark.parametrize("name", [*ARCHITECTURES, *(n for n in LLAMAS if n != "qwen2")])
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


QUANTIZED = {
    "w4a32_g32": "assign-schemes{weight_type=i4 weight_scale=f16 weight_group_size=32},quantize-weights",
    "w4a8_g32": "assign-schemes{weight_type=i4 weight_scale=f16 weight_group_size=32 input_type=i8 "
    "input_granularity=per_group input_group_size=32 input_dynamic=true},quantize-weights,quantize-activations",
    "w8a8_token": "assign-schemes{weight_type=i8 weight_granularity=per_channel input_type=i8 "
    "input_granularity=per_token input_dynamic=true},quantize-weights,quantize-activations",
    "w8a8_tensor": "assign-schemes{weight_type=i8 weight_granularity=per_channel input_type=i8 "
    "input_granularity=per_tensor input_dynamic=true},quantize-weights,quantize-activations",
    "w4a8_zero_points_g32": "assign-schemes{weight_type=i4 weight_scale=f16 weight_group_size=32 input_type=ui8 "
    "input_zero_point=ui8 input_granularity=per_group input_group_size=32 input_dynamic=true},quantize-weights,"
    "quantize-activations",
    "w8a8_zero_points_tensor": "assign-schemes{weight_type=i8 weight_granularity=per_channel input_type=ui8 "
    "input_zero_point=ui8 input_granularity=per_tensor input_dynamic=true},quantize-weights,quantize-activations",
    "w4_zero_points": "assign-schemes{weight_type=ui4 weight_zero_point=ui4 weight_group_size=64},quantize-weights",
    "nf4": "assign-schemes{weight_type=nf4 weight_group_size=64},quantize-weights",
    "f8": "assign-schemes{weight_type=f8E4M3FN weight_granularity=per_channel},quantize-weights",
}


@cache
def quantized(folder: Path, scheme: str) -> Program:
    made = program(folder, "llama")
    Pipeline.parse(QUANTIZED[scheme]).run(made)
    return made


@pytest.mark.parametrize("scheme", QUANTIZED)
def test_quantized_programs_agree_with_numpy(models: Path, cached: ProgramCache, scheme: str):
    """Codes of inputs that round the other way are a step of theirs away, so those logits agree less."""
    made = quantized(models, scheme)
    numpy = compile_numpy(made.module, made.weights)
    expected, text = numpy.logits(IDS), numpy.new_cache(TOKENS)
    one_by_one = expected
    if "tensor" in scheme:  # tokens of a call have a scale in common
        one_by_one = np.array([numpy.head(numpy.backbone(IDS[i : i + 1], i, text))[0] for i in range(TOKENS)])
    results: list[tuple[Float, Float]] = []
    for threads in (1, 2):
        with compile_native(made.module, made.weights, threads=threads, kv_cache="f32", cache=cached) as native:
            results.append((native.logits(IDS), decoded(native, IDS)))
    for ours, theirs in zip(results[0], (expected, one_by_one), strict=True):
        assert_close(ours, theirs, 3e-2 if "a8" in scheme else 2e-5)
    for one, two in zip(*results, strict=True):
        assert one.tobytes() == two.tobytes(), "results depend on the number of threads"


@pytest.mark.parametrize("scheme", ["w4a32_g32", "nf4"])
def test_inputs_rounded_to_bf16(models: Path, cached: ProgramCache, scheme: str):
    """Each product rounds its inputs and weights to 8 bits of precision, and no more than that."""
    made = quantized(models, scheme)
    expected = compile_numpy(made.module, made.weights).logits(IDS)
    results: list[tuple[Float, Float]] = []
    for threads in (1, 2):
        with compile_native(
            made.module, made.weights, threads=threads, kv_cache="f32", activation="bf16", cache=cached
        ) as native:
            results.append((native.logits(IDS), decoded(native, IDS)))
    for ours in results[0]:
        assert_close(ours, expected, 3e-2)
        assert np.abs(ours - expected).max() > 1e-4 * np.abs(expected).max()
    for one, two in zip(*results, strict=True):
        assert one.tobytes() == two.tobytes(), "results depend on the number of threads"


@pytest.mark.parametrize("scheme", ["w8a8_tensor", "w8a8_zero_points_tensor"])
def test_a_prompt_whose_tokens_share_a_scale_goes_through_at_once(models: Path, cached: ProgramCache, scheme: str):
    """Also one longer than the chunks of others. A very large value in the last token moves the codes of the first."""
    made = quantized(models, scheme)
    ids = np.random.default_rng(2).integers(0, 250, 300)
    numpy = compile_numpy(made.module, made.weights)
    with compile_native(made.module, made.weights, threads=2, kv_cache="f32", cache=cached) as native:
        ours, theirs = native.logits(ids), numpy.logits(ids)
        assert np.sum(ours * theirs) > 0.99 * np.sqrt(np.sum(ours**2) * np.sum(theirs**2))
        hidden = numpy.backbone(ids, 0, numpy.new_cache(300))
        hidden[-1, 3] *= 1e3
        assert_close(native.head(hidden), numpy.head(hidden), 1e-5)
        assert np.abs(native.head(hidden[:299]) - native.head(hidden)[:299]).max() > 1e-3
        assert native.decode(5, 0, native.new_cache(4)).shape == (259,)


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
        assert llama.most_probable(int(IDS[at]), at, text) == int(logits.argmax())


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
    opened = program(models, "llama-gqa" if "llama-gqa" in LLAMAS else next(iter(LLAMAS)))
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


class GuardedMemory:
    """As `Memory`, but what is behind its end, up to a whole cache line, and before its start must not be touched."""

    def __init__(self, size: int):
        page = mmap.PAGESIZE
        whole = -(-size // page) * page
        self._map = mmap.mmap(-1, whole + 2 * page, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        everything = np.frombuffer(self._map, np.uint8)
        base = everything.ctypes.data
        for guard in (base, base + page + whole):
            assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(guard), page, 0) == 0
        start = page + (whole - size) // 64 * 64
        self.size, self.array = size, everything[start : start + size]
        self.address = self.array.ctypes.data

    def close(self) -> None:
        """The child process ends soon."""


def test_guards_are_guards():
    """The test below can fail."""
    memory = GuardedMemory(640)
    assert ends_of(lambda: ctypes.memset(memory.address, 0, 640)) == 0
    assert ends_of(lambda: ctypes.memset(memory.address + 640, 0, 1)) == 11
    assert ends_of(lambda: ctypes.memset(memory.address - mmap.PAGESIZE, 0, 1)) == 11


@pytest.mark.parametrize("name", ["llama", "odd", "w4a8_g32", "w4_zero_points", "gpt2"])
@pytest.mark.parametrize("element", ["f16", "i8"])
def test_no_byte_outside_of_any_memory_is_touched(models: Path, cached: ProgramCache, name: str, element: str):
    opened = quantized(models, name) if name in QUANTIZED else program(models, name)

    def use() -> None:
        for module in (session, packed_file, program_cache):
            module.Memory = GuardedMemory  # pyright: ignore
        native = compile_native(opened.module, opened.weights, threads=2, kv_cache=element, cache=cached)
        text: NativeCache = native.new_cache(48)
        for start, end in ((0, 1), (1, 31), (31, 37)):
            native.head(native.backbone(IDS[start:end], start, text))
        for at in range(37, 48):
            native.decode(5, at, text)

    compile_native(opened.module, opened.weights, threads=1, kv_cache=element, cache=cached).close()
    assert ends_of(use) == 0
