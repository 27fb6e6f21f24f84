"""Data in a module's memory: what is in it, who may write it, and names."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from native import run
from native_kernels import HERE
from xdsl.dialects.builtin import f64

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.vector_types import F32, I8, I32, I64, PTR


def test_constants_are_what_was_given() -> None:
    m = ModuleBuilder(HERE[0])
    m.data("bytes", b"a\xff\0", I8)
    m.data("floats", [1.5, -2.0, 3e300], f64, align=8)
    m.data("words", [-(2**31), 2**31 - 1], I32, align=64)
    with m.function("copy", [("out", PTR)], public=True) as f:
        out = f.args["out"]
        f.store(f.sext(f.load(f.address("bytes"), I8, 1), I64), out)
        f.store(f.load(f.address("floats"), f64, 16), out, 8)
        for i in range(2):
            f.store(f.sext(f.load(f.address("words"), I32, 4 * i), I64), out, 16 + 8 * i)
    m.module.verify()
    out = np.zeros(4, np.int64)
    run(m, "copy", out)
    assert out[[0, 2, 3]].tolist() == [-1, -(2**31), 2**31 - 1]
    assert out[1:2].view(np.float64).tolist() == [3e300]


def test_addresses_of_functions_and_null() -> None:
    """A function's address is that of the function; null is 0."""
    m = ModuleBuilder(HERE[0])
    with m.function("answer", [], [I32], public=True) as f:
        f.ret(f.i32(42))
    with m.function("places", [("out", PTR)], public=True) as f:
        f.store(f.integer_of(f.address("answer")), f.args["out"])
        f.store(f.integer_of(f.null()), f.args["out"], 8)
    m.module.verify()
    library = jit.compile_module(m, HERE[0])
    out = np.ones(2, np.int64)
    library.function("places", ctypes.c_void_p)(out.ctypes.data)
    assert out.tolist() == [library.address("answer"), 0]


def test_names() -> None:
    m = ModuleBuilder(HERE[0])
    m.data("a", [0.0], F32)
    with pytest.raises(ValueError, match="there already is data 'a'"):
        m.data("a", [1.0], F32)
    with (
        pytest.raises(ValueError, match="there is neither data nor a function 'b'"),
        m.function("f", []) as f,
    ):
        f.address("b")
