"""Whole programs touch nothing but what is theirs: every buffer, weight and argument ends at a forbidden page."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path
from signal import SIGSEGV

import numpy as np
import pytest
from fenced_session import Apart, FencedSession
from native import ends_of
from native_programs import IDS, QUANTIZED, TOKENS, Float, assert_close, program, quantized

from llmir.backends.native.session import NativeSession
from llmir.passes.pipeline import compile_numpy


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def logits(native: NativeSession) -> Float:
    """Of a text that is read in parts of one row and of many, its last tokens one by one."""
    text, parts = native.new_cache(TOKENS), ((0, 1), (1, 22), (22, 30))
    hidden = [native.backbone(IDS[a:b], a, text) for a, b in parts]
    last = [native.decode(int(IDS[at]), at, text).copy() for at in range(30, TOKENS)]
    return np.concatenate([*map(native.head, hidden), last])


PROGRAMS = [
    ("llama", "f16", "f32"),
    ("odd", "f8E4M3FN", "f32"),
    ("gpt2", "i8", "f32"),
    ("w4a32_g32", "i8", "bf16"),
    ("w8a8_tensor", "f16", "f32"),
    ("w4a8_zero_points_g32", "f32", "f32"),
    ("offsets", "f16", "f32"),
    ("q4_k_q6_k", "f8E4M3FN", "f32"),
    ("q4_k_q6_k_a8_g32", "i8", "f32"),
]


@pytest.mark.parametrize(("name", "kv_cache", "activation"), PROGRAMS)
def test_no_byte_but_their_own_is_touched(models: Path, name: str, kv_cache: str, activation: str):
    """Neither read nor written. What comes out is about what NumPy says, which rounds other things."""
    opened = quantized(models, name) if name in QUANTIZED else program(models, name)
    expected = compile_numpy(opened.module, opened.weights).logits(IDS)
    fenced = Apart.of(opened, kv_cache, activation)

    def use() -> None:
        assert_close(logits(FencedSession(fenced, threads=2)), expected, 0.2)

    assert ends_of(use) == 0


EACH = 4
"""Of so many buffers one is tried, as each takes a process."""


@pytest.fixture(scope="module")
def fenced(models: Path) -> Apart:
    return Apart.of(program(models, "odd"), "f16")


@pytest.mark.parametrize(("beyond", "ends"), [(0, 0), (1, SIGSEGV), (-mmap.PAGESIZE, SIGSEGV)])
def test_fences_are_fences(fenced: Apart, beyond: int, ends: int):
    """The test above can fail: bytes behind the end of anything, and those of the page before it, are forbidden."""

    def touch(start: int, end: int) -> None:
        assert ends_of(lambda: ctypes.memset(min(start, start + beyond), 0, end - start + abs(beyond))) == ends

    def use() -> None:
        native = FencedSession(fenced, threads=2)
        text = native.new_cache(48)
        native.backbone(IDS[:5], 0, text)
        for _, start, end in native.buffers("prefill", 5)[::EACH]:
            touch(start, end)
        native.decode(3, 6, text)
        for _, start, end in native.buffers("decode", 1)[::EACH]:
            touch(start, end)
        weights = fenced.fenced_weights()
        for start, end in fenced.weight_places(weights)[::EACH]:
            touch(start, end)
        touch(text.memory.address, text.memory.address + text.memory.size)

    assert ends_of(use) == 0
