"""`quantizedMatMul` in a shared library against float64, between guard pages, and with arguments in any state.

The errors of a thread lie in memory that only the system's loader makes, so the code is linked first.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native import Array, Guarded, Place
from native_kernels import HERE

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.last_error import LastError
from llmir.backends.native.kernels.plain_matmul import QuantizedMatMul
from llmir.backends.native.linker import find_linker, link
from llmir.errors import InputError
from llmir.targets.machine import Machine

try:
    find_linker(HERE[0])
except InputError as e:
    pytest.skip(str(e), allow_module_level=True)

ERROR = "llmir_last_error"
here = pytest.mark.parametrize("chosen", HERE, ids=lambda m: m.name)


@cache
def code(chosen: Machine) -> Any:
    """The library; libm, which the scalar machine's code calls, is in the process."""
    ctypes.CDLL("libm.so.6", ctypes.RTLD_GLOBAL)
    module = ModuleBuilder(chosen)
    name = QuantizedMatMul().emit(module)
    assert QuantizedMatMul().emit(module) == name
    LastError(ERROR).emit(module)
    module.module.verify()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "q.o"
        path.write_bytes(jit.compile_text(jit.module_text(module), chosen))
        link(find_linker(chosen), path, path.with_name("libq.so"))
        library = ctypes.CDLL(str(path.with_name("libq.so")))
    library[ERROR].restype = ctypes.c_char_p
    library.llmir_last_error.restype = ctypes.c_char_p
    library.quantizedMatMul.argtypes = [ctypes.c_void_p] * 5 + [ctypes.c_int] * 5
    library.quantizedMatMul.restype = None
    return library


def product(
    x: Array, w: Array, s: Array, z: Array | None, group: int, bits: int, chosen: Machine, place: Place = "end"
) -> Array:
    """What the function writes, every array between guard pages."""
    m, n, k = len(x), len(w), x.shape[1]
    y = np.full((m, n), np.nan, np.float32)
    out, inputs = Guarded(y, place), [Guarded(a, place) for a in (x, w, s, z) if a is not None]
    addresses = [*(g.address for g in inputs), *([] if z is not None else [None]), out.address]
    code(chosen).quantizedMatMul(*addresses, m, n, k, group, bits)
    assert code(chosen).llmir_last_error() == b""
    out.copy_back()
    for g in (*inputs, out):
        g.free()
    return y


def check(m: int, n: int, groups: int, group: int, bits: int, zero_points: bool, chosen: Machine, seed: int) -> None:
    """Against float64; the error of k products in float32 is bounded by that of their magnitudes."""
    rng = np.random.default_rng(seed)
    k, low = groups * group, -(1 << (bits - 1))
    x = rng.standard_normal((m, k), np.float32)
    w = rng.integers(low, -low, (n, k)).astype(np.int8)
    s = (rng.random((n, groups), np.float32) + np.float32(0.01)) * rng.choice([-1, 1], (n, groups)).astype(np.float32)
    z = rng.integers(low, -low, (n, groups)).astype(np.int8) if zero_points else None
    spread = [np.repeat(a.astype(np.float64), group, axis=1) for a in (s, np.zeros_like(s) if z is None else z)]
    real = (w - spread[1]) * spread[0]
    expected = x.astype(np.float64) @ real.T
    bound = (k + 4) * 2.0**-24 * (np.abs(x).astype(np.float64) @ np.abs(real).T) + 1e-30
    for place in ("start", "end"):
        assert (np.abs(product(x, w, s, z, group, bits, chosen, place) - expected) <= bound).all()


@here
@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("zero_points", [False, True])
def test_every_width(bits: int, zero_points: bool, chosen: Machine) -> None:
    check(6, 7, 3, 32, bits, zero_points, chosen, bits)


@settings(max_examples=60, deadline=None)
@given(
    *(st.integers(1, top) for top in (11, 11, 5, 70)),
    st.integers(2, 8),
    st.booleans(),
    st.sampled_from(HERE),
    st.integers(0, 99),
)
def test_any_shape(
    m: int, n: int, groups: int, group: int, bits: int, points: bool, chosen: Machine, seed: int
) -> None:
    check(m, n, groups, group, bits, points, chosen, seed)


def test_many_inputs_go_by_in_runs() -> None:
    """More than one run of inputs, with rows left over."""
    check(67, 3, 1, 4096, 4, True, HERE[0], 0)


def test_group_size_zero_is_one_scale_for_each_row() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 40), np.float32), rng.integers(-8, 8, (5, 40)).astype(np.int8)
    s = rng.random((5, 1), np.float32)
    assert np.array_equal(product(x, w, s, None, 0, 4, HERE[0]), product(x, w, s, None, 40, 4, HERE[0]))


def test_zeros_of_inputs_are_not_mixed_up() -> None:
    """y[m, n] is of input row m and weight row n; s and z of row n and group k / group."""
    x = np.zeros((5, 8), np.float32)
    x[3, 6] = 1
    w = np.arange(48, dtype=np.int8).reshape(6, 8)
    s, z = np.arange(1, 13, dtype=np.float32).reshape(6, 2), np.arange(12, dtype=np.int8).reshape(6, 2)
    y = product(x, w, s, z, 4, 8, HERE[0])
    assert np.array_equal(y[3], [(8 * n + 6 - (2 * n + 1)) * (2 * n + 2) for n in range(6)])
    assert not y[[0, 1, 2, 4]].any()


def said(*arguments: Any) -> str:
    code(HERE[0]).quantizedMatMul(*arguments)
    return code(HERE[0]).llmir_last_error().decode()


@pytest.mark.parametrize(
    ("sizes", "error"),
    [
        ((-1, 1, 8, 8, 4), "M is -1, expected at least 0"),
        ((1, -2147483648, 8, 8, 4), "N is -2147483648, expected at least 0"),
        ((1, 1, 0, 8, 4), "K is 0, expected at least 1"),
        ((1, 1, 8, -1, 4), "groupSize is -1, expected at least 0"),
        ((1, 1, 8, 3, 4), "groupSize 3 does not divide K, which is 8"),
        ((1, 1, 8, 16, 4), "groupSize 16 does not divide K, which is 8"),
        ((1, 1, 8, 8, 1), "bits is 1, expected 2 to 8"),
        ((1, 1, 8, 8, 9), "bits is 9, expected 2 to 8"),
    ],
)
def test_sizes_are_checked_before_anything_is_touched(sizes: tuple[int, ...], error: str) -> None:
    assert said(1, 1, 1, 1, 1, *sizes) == f"quantizedMatMul: {error}"


def test_null_is_refused() -> None:
    for at, name in enumerate(("input", "weights", "scales", None, "output")):
        pointers: list[int | None] = [1] * 5
        pointers[at] = None
        if name is not None:
            assert said(*pointers, 1, 1, 8, 8, 4) == f"quantizedMatMul: {name} is NULL"


def test_nothing_is_nothing() -> None:
    assert said(None, None, None, None, None, 0, 5, 8, 8, 4) == ""
    assert said(None, None, None, None, None, 5, 0, 8, 8, 4) == ""


def test_errors_are_the_threads_own() -> None:
    assert said(None, None, None, None, None, -1, 1, 8, 8, 4) != ""
    others: list[bytes] = []
    thread = threading.Thread(target=lambda: others.append(code(HERE[0]).llmir_last_error()))
    thread.start()
    thread.join()
    assert others == [b""]
    assert code(HERE[0]).llmir_last_error() != b""
    assert said(None, None, None, None, None, 0, 1, 8, 8, 4) == ""
