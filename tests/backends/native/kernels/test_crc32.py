"""CRC-32 against zlib."""

from __future__ import annotations

import zlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from native import library, run_code
from native_kernels import HERE

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.crc32 import Crc32
from llmir.backends.native.vector_types import I64, PTR
from llmir.targets.machine import Machine


def check_of(data: bytes, chosen: Machine) -> int:
    module = ModuleBuilder(chosen)
    name = Crc32().emit(module)
    assert Crc32().emit(module) == name
    with module.function("run", [("data", PTR), ("n", I64), ("out", PTR)], public=True) as f:
        f.store(f.call(name, [f.args["data"], f.args["n"]])[0], f.args["out"])
    module.module.verify()
    out = np.zeros(1, np.uint32)
    array = np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)
    run_code(library(jit.module_text(module), chosen), "run", array, len(data), out)
    return int(out[0])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=100), st.sampled_from(HERE))
def test_against_zlib(data: bytes, chosen: Machine) -> None:
    assert check_of(data, chosen) == zlib.crc32(data)


def test_the_published_check() -> None:
    assert check_of(b"123456789", HERE[0]) == 0xCBF43926
