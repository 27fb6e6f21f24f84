"""What code needs of a processor, as Linux calls it, and words in a text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native import library, run_code
from native_kernels import HERE

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.processor import CAPABILITIES, CONTAINS, emit_contains, x86_words
from llmir.backends.native.vector_types import I64, PTR
from llmir.targets.host import host_triple, machine, required_features


def found(text: str, word: str) -> bool:
    own = ModuleBuilder(HERE[0])
    emit_contains(own)
    pointers = [("text", PTR), ("n", I64), ("word", PTR), ("out", PTR)]
    with own.function("run", pointers, public=True) as f:
        f.store(f.call(CONTAINS, [f.args["text"], f.args["n"], f.args["word"]])[0], f.args["out"])
    out = np.zeros(1, np.int32)
    arrays = [np.frombuffer(t, np.uint8).copy() for t in (text.encode(), word.encode() + b"\0")]
    run_code(library(jit.module_text(own), HERE[0]), "run", arrays[0], len(text), arrays[1], out)
    return bool(out[0])


@pytest.mark.parametrize(
    ("text", "word", "there"),
    [
        ("flags\t: fpu avx2 fma\n", "avx2", True),
        ("flags\t: fpu avx2 fma\n", "flags", True),
        ("flags\t: fpu avx2 fma", "fma", True),
        ("fpu", "fpu", True),
        ("flags: avx512_vnni avx512f", "avx512", False),
        ("flags: avx512_vnni avx512f", "vnni", False),
        ("flags: avx512_vnni avx512f", "avx512f", True),
        ("avx2avx2 avx", "avx2", False),
        ("a", "abc", False),
    ],
)
def test_words(text: str, word: str, there: bool) -> None:
    assert found(text, word) == there


@pytest.mark.skipif(not host_triple().startswith("x86_64"), reason="/proc/cpuinfo has these words on x86-64")
def test_this_processors_words_are_in_cpuinfo() -> None:
    """What LLVM says this processor has, Linux says too, by the names the check looks for."""
    flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")).split()
    for chosen in HERE:
        assert set(x86_words(chosen)) <= set(flags), chosen.name


def test_every_feature_of_arm_machines_is_looked_for() -> None:
    for name in ("arm-neon-dotprod", "arm-i8mm"):
        assert set(required_features(machine(name))) <= set(CAPABILITIES)
