"""Every operation of the builder, run on random values on every machine this processor is, against NumPy."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any, cast

import emulator
import ml_dtypes
import numpy as np
import pytest
from native import ends_of, run
from xdsl.dialects import arith
from xdsl.ir import Attribute

from llmir.backends.native import jit
from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.operations.values import Value
from llmir.backends.native.vector_types import BF16, F16, F32, I8, I16, I32, I64, PTR, vec
from llmir.errors import InputError
from llmir.targets.host import host_machine, machine, missing_features
from llmir.targets.machine import Machine

BF = np.dtype(ml_dtypes.bfloat16)
DTYPES: dict[Attribute, Any] = {
    I8: np.int8, I16: np.int16, I32: np.int32, I64: np.int64, F16: np.float16, BF16: BF, F32: np.float32,
}  # fmt: skip
Array = np.ndarray[Any, np.dtype[Any]]

MACHINES = [
    name
    for name in ("x86-avx512-vnni+bf16", "x86-avx512-vnni", "x86-avx2", "scalar")
    if not missing_features(machine(name))
]


@pytest.fixture(params=MACHINES)
def here(request: pytest.FixtureRequest) -> Machine:
    """A machine whose code runs in this process."""
    return host_machine(request.param)


@pytest.fixture(params=[*MACHINES, "arm-neon-dotprod", "arm-i8mm+bf16"])
def on(request: pytest.FixtureRequest) -> Machine:
    """A machine whose code runs here, or in an emulator."""
    if request.param in MACHINES:
        return host_machine(request.param)
    if emulator.MISSING:
        pytest.skip(f"no {', '.join(emulator.MISSING)} for Arm code")
    return machine(request.param)


Operation = Callable[..., Value]


def apply(on: Machine, write: Operation, result: Attribute, lanes: int, *inputs: Array) -> Array:
    """What an operation gives on arrays, `lanes` at a time (0: one by one, as scalars)."""
    return apply_each(on, {"f": write}, result, lanes, *inputs)["f"]


def apply_each(
    on: Machine, writes: dict[str, Operation], result: Attribute, lanes: int, *inputs: Array
) -> dict[str, Array]:
    """The same for several operations by name, compiled together."""
    kinds = {np.dtype(dtype): element for element, dtype in DTYPES.items()}
    elements = [kinds[x.dtype] for x in inputs]
    module = ModuleBuilder(on)
    arguments = [*((f"x{i}", PTR) for i in range(len(inputs))), ("out", PTR), ("n", I64)]

    def shaped(element: Attribute) -> Attribute:
        return vec(element, lanes) if lanes else element

    def size(element: Attribute) -> int:
        return np.dtype(DTYPES[element]).itemsize

    for name, write in writes.items():
        with module.function(name, arguments, public=True) as f:

            def body(i: Value, _: list[Value], f: Function = f, write: Operation = write) -> None:
                loaded = [f.load(f.args[f"x{n}"], shaped(e), f.mul(i, size(e))) for n, e in enumerate(elements)]
                f.store(write(f, *loaded), f.args["out"], f.mul(i, size(result)))

            f.for_(0, f.args["n"], max(lanes, 1), [], body)
    module.module.verify()
    found = {name: np.zeros(inputs[0].size, DTYPES[result]) for name in writes}
    assert inputs[0].size % max(lanes, 1) == 0
    for name, out in found.items():
        run(module, name, *inputs, out, out.size)
    return found


def method(name: str, *constants: Any) -> Operation:
    """The builder's method of a name."""

    def write(f: Function, *operands: Value) -> Value:
        return getattr(f, name)(*operands, *constants)

    return write


def integers(element: Attribute, seed: int, count: int = 192) -> Array:
    dtype = DTYPES[element]
    bounds = np.iinfo(dtype)
    rng = np.random.default_rng(seed)
    values = cast(Array, rng.integers(bounds.min, bounds.max, count, dtype=dtype, endpoint=True))
    values[:5] = [bounds.min, bounds.max, 0, 1, -1][:count]
    return rng.permutation(values)


def floats(seed: int, count: int = 192, element: Attribute = F32) -> Array:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(count) * 10.0 ** rng.integers(-3, 4, count)).astype(DTYPES[element])


def unsigned(x: Array) -> Array:
    return x.view(np.dtype(x.dtype.str.replace("i", "u")))


INTEGER: dict[str, Callable[[Array, Array], Array]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "and_": lambda a, b: a & b,
    "or_": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "smin": np.minimum,
    "smax": np.maximum,
    "umin": lambda a, b: np.minimum(unsigned(a), unsigned(b)).view(a.dtype),
    "umax": lambda a, b: np.maximum(unsigned(a), unsigned(b)).view(a.dtype),
}


@pytest.mark.parametrize(("element", "lanes"), [(I8, 64), (I16, 32), (I32, 16), (I64, 8), (I32, 4), (I32, 0), (I64, 0)])
def test_integers(on: Machine, element: Attribute, lanes: int) -> None:
    a, b = integers(element, 1), integers(element, 2)
    found = apply_each(on, {name: method(name) for name in INTEGER}, element, lanes, a, b)
    for name, expected in INTEGER.items():
        with np.errstate(over="ignore"):
            assert np.array_equal(found[name], expected(a, b)), name


@pytest.mark.parametrize("lanes", [0, 16])
def test_shifts(on: Machine, lanes: int) -> None:
    a = integers(I32, 3)
    counts = np.resize(np.arange(32, dtype=np.int32), a.shape)
    shifts: dict[str, Callable[[Array, Any], Array]] = {
        "shl": lambda a, n: a << n,
        "lshr": lambda a, n: (unsigned(a) >> n).view(np.int32),
        "ashr": lambda a, n: a >> n,
    }
    found = apply_each(on, {name: method(name) for name in shifts}, I32, lanes, a, counts)
    for name, expected in shifts.items():
        shifted = expected(a, unsigned(counts) if name == "lshr" else counts)
        assert np.array_equal(found[name], shifted), name
    for bits in (0, 5, 31):
        found = apply_each(on, {name: method(name, bits) for name in shifts}, I32, lanes, a)
        for name, expected in shifts.items():
            assert np.array_equal(found[name], expected(a, np.uint32(bits) if name == "lshr" else bits)), name


def signed_quotient(f: Function, a: Value, b: Value) -> Value:
    return f.emit(arith.DivSIOp, (a, b), a.type)


@pytest.mark.parametrize("lanes", [0, 8])
def test_division(on: Machine, lanes: int) -> None:
    a, b = integers(I32, 4), integers(I32, 5)
    a, b = np.where(a == -(2**31), 7, a), np.where((b == 0) | (b == -1), 3, b)
    operations = {name: method(name) for name in ("udiv", "urem")}
    operations["signed"] = signed_quotient
    found = apply_each(on, operations, I32, lanes, a, b)
    assert np.array_equal(found["signed"], np.trunc(a.astype(np.float64) / b).astype(np.int32))
    assert np.array_equal(unsigned(found["udiv"]), unsigned(a) // unsigned(b))
    assert np.array_equal(unsigned(found["urem"]), unsigned(a) % unsigned(b))


@pytest.mark.parametrize("lanes", [0, 4, 16, 64])
def test_floats(on: Machine, lanes: int) -> None:
    a, b = floats(6), floats(7)
    expected = {"fadd": a + b, "fsub": a - b, "fmul": a * b, "fdiv": a / b}
    found = apply_each(on, {name: method(name) for name in expected}, F32, lanes, a, b)
    for name, values in expected.items():
        assert np.array_equal(found[name], values), name
    unary = {"fneg": -a, "fabs": np.abs(a), "round": np.round(a), "floor": np.floor(a)}
    found = apply_each(on, {name: method(name) for name in unary}, F32, lanes, a)
    for name, values in unary.items():
        assert np.array_equal(found[name], values), name
    assert np.array_equal(apply(on, method("sqrt"), F32, lanes, np.abs(a)), np.sqrt(np.abs(a)))


def test_rounding_of_halves(on: Machine) -> None:
    halves = np.arange(-16, 16, dtype=np.float32) + np.float32(0.5)
    assert np.array_equal(apply(on, method("round"), F32, 16, halves), np.round(halves))
    assert np.array_equal(apply(on, method("round"), F32, 0, halves), np.round(halves))


@pytest.mark.parametrize("lanes", [0, 16])
def test_fma_rounds_once(on: Machine, lanes: int) -> None:
    a, b = floats(8, 64), floats(9, 64)
    c = (-a * b + np.float32(1e-6) * floats(10, 64)).astype(np.float32)
    found = apply(on, method("fma"), F32, lanes, a, b, c)
    for x, y, z, r in zip(a, b, c, found, strict=True):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        error = abs(Fraction(float(r)) - exact)
        for other in (np.nextafter(r, np.float32(-np.inf)), np.nextafter(r, np.float32(np.inf))):
            assert error <= abs(Fraction(float(other)) - exact)
    assert np.any(found != a * b + c)


@pytest.mark.parametrize("lanes", [0, 16])
def test_fmin_and_fmax_give_the_second_where_one_is_nan(on: Machine, lanes: int) -> None:
    a, b = floats(11), floats(12)
    a[3::7], b[5::7] = np.nan, np.nan
    assert np.array_equal(apply(on, method("fmin"), F32, lanes, a, b), np.where(a < b, a, b), equal_nan=True)
    assert np.array_equal(apply(on, method("fmax"), F32, lanes, a, b), np.where(a > b, a, b), equal_nan=True)


COMPARE: dict[str, Callable[[Array, Array], Array]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "slt": np.less,
    "sle": np.less_equal,
    "sgt": np.greater,
    "sge": np.greater_equal,
    "ult": lambda a, b: unsigned(a) < unsigned(b),
    "ule": lambda a, b: unsigned(a) <= unsigned(b),
    "ugt": lambda a, b: unsigned(a) > unsigned(b),
    "uge": lambda a, b: unsigned(a) >= unsigned(b),
}


def either(a: Array, b: Array) -> Array:
    return np.isnan(a) | np.isnan(b)


FLOAT_COMPARE: dict[str, Callable[[Array, Array], Array]] = {
    "false": lambda a, _: np.zeros(a.shape, bool),
    "oeq": np.equal,
    "ogt": np.greater,
    "oge": np.greater_equal,
    "olt": np.less,
    "ole": np.less_equal,
    "one": lambda a, b: (a != b) & ~either(a, b),
    "ord": lambda a, b: ~either(a, b),
    "ueq": lambda a, b: (a == b) | either(a, b),
    "ugt": lambda a, b: (a > b) | either(a, b),
    "uge": lambda a, b: (a >= b) | either(a, b),
    "ult": lambda a, b: (a < b) | either(a, b),
    "ule": lambda a, b: (a <= b) | either(a, b),
    "une": np.not_equal,
    "uno": either,
    "true": lambda a, _: np.ones(a.shape, bool),
}


@pytest.mark.parametrize("lanes", [0, 16])
def test_comparisons_and_select(on: Machine, lanes: int) -> None:
    a, b = integers(I32, 13), integers(I32, 14)
    b[::3] = a[::3]
    x, y = floats(15), floats(16)
    y[::3] = x[::3]
    x[1::5], y[3::5] = np.nan, np.nan

    def choose(name: str) -> Operation:
        def write(f: Function, p: Value, q: Value) -> Value:
            return f.select(f.cmp(name, p, q), p, q)

        return write

    def choose_by_floats(name: str) -> Operation:
        def write(f: Function, p: Value, q: Value, r: Value, s: Value) -> Value:
            return f.select(f.fcmp(name, r, s), p, q)

        return write

    found = apply_each(on, {name: choose(name) for name in COMPARE}, I32, lanes, a, b)
    for name, compare in COMPARE.items():
        assert np.array_equal(found[name], np.where(compare(a, b), a, b)), name
    found = apply_each(on, {name: choose_by_floats(name) for name in FLOAT_COMPARE}, I32, lanes, a, b, x, y)
    for name, compare in FLOAT_COMPARE.items():
        assert np.array_equal(found[name], np.where(compare(x, y), a, b)), name


@pytest.mark.parametrize("lanes", [0, 16])
def test_integer_conversions(on: Machine, lanes: int) -> None:
    small, wide = integers(I8, 17), integers(I32, 18)
    assert np.array_equal(apply(on, method("sext", I32), I32, lanes, small), small.astype(np.int32))
    assert np.array_equal(apply(on, method("zext", I32), I32, lanes, small), small.view(np.uint8).astype(np.int32))
    assert np.array_equal(apply(on, method("trunc", I8), I8, lanes, wide), wide.astype(np.int8))
    assert np.array_equal(apply(on, method("sitofp", F32), F32, lanes, wide), wide.astype(np.float32))
    assert np.array_equal(apply(on, method("uitofp", F32), F32, lanes, wide), unsigned(wide).astype(np.float32))
    x = floats(19)
    assert np.array_equal(apply(on, method("fptosi", I32), I32, lanes, x), np.trunc(x).astype(np.int32))


@pytest.mark.parametrize("lanes", [0, 16])
def test_every_f16_widens(on: Machine, lanes: int) -> None:
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    found = apply(on, method("fpext", F32), F32, lanes, every)
    assert np.array_equal(found, every.astype(np.float32), equal_nan=True)
    assert np.array_equal(np.signbit(found), np.signbit(every))


@pytest.mark.parametrize("lanes", [0, 16])
def test_every_bf16_widens(on: Machine, lanes: int) -> None:
    every = np.arange(65536, dtype=np.uint16).view(BF)
    found = apply(on, method("fpext", F32), F32, lanes, every)
    assert np.array_equal(found, every.astype(np.float32), equal_nan=True)


def close_to_halves(narrow: Any) -> Array:
    """Every number of 16 bits, the middles between neighbours, and what is just beside them."""
    every = np.arange(65536, dtype=np.uint16).view(narrow).astype(np.float32)
    following = np.roll(every, -1)
    with np.errstate(invalid="ignore", over="ignore"):
        middles = ((every.astype(np.float64) + following) / 2).astype(np.float32)
    parts = [every, middles, np.nextafter(middles, np.float32(np.inf)), np.nextafter(middles, np.float32(-np.inf))]
    return np.concatenate(parts)


@pytest.mark.parametrize("lanes", [0, 16])
def test_f32_narrows_to_f16(on: Machine, lanes: int) -> None:
    x = close_to_halves(np.float16)
    found = apply(on, method("fptrunc", F16), F16, lanes, x)
    with np.errstate(over="ignore"):
        assert np.array_equal(found, x.astype(np.float16), equal_nan=True)


@pytest.mark.parametrize("lanes", [0, 16])
def test_f32_narrows_to_bf16(on: Machine, lanes: int) -> None:
    x = close_to_halves(BF)
    if on.dot2 is not None:  # the instruction takes subnormal numbers for zeros
        x = np.where(np.abs(x) < np.finfo(np.float32).tiny, np.float32(1), x)
    found = apply(on, method("fptrunc", BF16), BF16, lanes, x)
    with np.errstate(invalid="ignore"):
        assert np.array_equal(found.astype(np.float32), x.astype(BF).astype(np.float32), equal_nan=True)


def test_bitcasts_keep_the_bytes(on: Machine) -> None:
    words = integers(I32, 20)
    module = ModuleBuilder(on)
    with module.function("f", [("x", PTR), ("out", PTR)], public=True) as f:
        x = f.load(f.args["x"], vec(I32, 16))
        bytes = f.add(f.bitcast(x, vec(I8, 64)), 1)
        halves = f.add(f.bitcast(bytes, vec(I16, 32)), 1)
        f.store(f.bitcast(f.bitcast(halves, vec(F32, 16)), vec(I32, 16)), f.args["out"])
    out = np.zeros(16, np.int32)
    run(module, "f", words[:16].copy(), out)
    with np.errstate(over="ignore"):
        expected = ((words[:16].view(np.int8) + np.int8(1)).view(np.int16) + np.int16(1)).view(np.int32)
    assert np.array_equal(out, expected)


# -- memory --


@pytest.mark.parametrize(("element", "lanes"), [(F32, 16), (F32, 4), (I8, 64), (I8, 16), (F16, 16), (I32, 8), (I64, 8)])
@pytest.mark.parametrize("constant", [False, True])
def test_partial_access_touches_only_the_first_lanes(
    on: Machine, element: Attribute, lanes: int, constant: bool
) -> None:
    dtype = np.dtype(DTYPES[element])
    module = ModuleBuilder(on)
    counts = sorted({-1, 0, 1, lanes // 2 + 1, lanes - 1, lanes, lanes + 1, 1 << 40})
    for count in counts:
        with module.function(f"f{count}", [("x", PTR), ("y", PTR), ("out", PTR), ("n", I64)], public=True) as f:
            n = count if constant else f.args["n"]
            loaded = f.load_partial(f.args["x"], vec(element, lanes), n)
            f.store(loaded, f.args["out"])
            f.store_partial(f.load(f.args["out"], vec(element, lanes)), f.args["y"], n)
    for count in counts:
        inside = min(max(count, 0), lanes)
        x = np.arange(1, inside + 1).astype(dtype)
        y = np.zeros(inside, dtype)
        out = np.full(lanes, 7).astype(dtype)
        run(module, f"f{count}", x, y, out, count)
        assert np.array_equal(y, x)
        assert np.array_equal(out, np.concatenate([x, np.zeros(lanes - inside, dtype)]))


def test_an_access_out_of_bounds_ends_the_process(here: Machine) -> None:
    module = ModuleBuilder(here)
    with module.function("f", [("x", PTR), ("n", I64)], public=True) as f:
        f.store(f.load(f.args["x"], vec(F32, 16), f.args["n"]), f.args["x"])
    x = np.zeros(16, np.float32)
    assert ends_of(lambda: run(module, "f", x, 0)) == 0
    assert ends_of(lambda: run(module, "f", x, 4)) == signal.SIGSEGV
    assert ends_of(lambda: run(module, "f", x, -4)) == signal.SIGSEGV


def test_offsets_and_prefetches(on: Machine) -> None:
    x = floats(21, 64)
    module = ModuleBuilder(on)
    with module.function("f", [("x", PTR), ("out", PTR), ("n", I64)], public=True) as f:
        at = f.at(f.args["x"], f.args["n"])
        for locality in range(4):
            f.prefetch(at, 1 << 40, locality)
        f.prefetch(f.args["x"], f.args["n"])
        f.store(f.load(at, vec(F32, 4), 8, align=4), f.at(f.args["out"], 4), f.args["n"], align=4)
        f.store(f.load(f.at(at, 0), F32), f.args["out"])
    out = np.zeros(64, np.float32)
    run(module, "f", x, out, 16)
    expected = np.zeros(64, np.float32)
    expected[0], expected[5:9] = x[4], x[6:10]
    assert np.array_equal(out, expected)


# -- vectors --


def test_lanes(on: Machine) -> None:
    a, b = floats(22, 16), floats(23, 16)
    module = ModuleBuilder(on)
    mask = [0, 31, 5, 16, 7, 7, 2, 20]
    with module.function("f", [("a", PTR), ("b", PTR), ("out", PTR)], public=True) as f:
        x, y = f.load(f.args["a"], vec(F32, 16)), f.load(f.args["b"], vec(F32, 16))
        f.store(f.shuffle(x, y, mask), f.args["out"])
        f.store(f.broadcast(f.extract(x, 11), 16), f.args["out"], 32)
        f.store(f.insert(f.extract(y, 3), x, 9), f.args["out"], 96)
        f.store(f.vector([float(n) for n in range(8)], F32), f.args["out"], 160)
        f.store(f.splat(-2.5, F32, 8), f.args["out"], 192)
    out = np.zeros(56, np.float32)
    run(module, "f", a, b, out)
    inserted = a.copy()
    inserted[9] = b[3]
    expected = [np.concatenate([a, b])[mask], np.full(16, a[11]), inserted, np.arange(8), np.full(8, -2.5)]
    assert np.array_equal(out, np.concatenate(expected).astype(np.float32))


REDUCE: dict[str, Callable[[Array], Any]] = {
    "add": lambda x: np.add.reduce(x, dtype=x.dtype),
    "mul": lambda x: np.multiply.reduce(x, dtype=x.dtype),
    "and": np.bitwise_and.reduce,
    "or": np.bitwise_or.reduce,
    "xor": np.bitwise_xor.reduce,
    "smin": np.min,
    "smax": np.max,
    "umin": lambda x: unsigned(x).min().view(x.dtype),
    "umax": lambda x: unsigned(x).max().view(x.dtype),
}


def halves(x: Array, combine: Callable[[Array, Array], Array]) -> Array:
    """The order float reductions have."""
    while x.size > 1:
        x = combine(x[: x.size // 2], x[x.size // 2 :])
    return x


@pytest.mark.parametrize("lanes", [4, 16, 64])
def test_reductions(on: Machine, lanes: int) -> None:
    x, y = integers(I32, 24, lanes), floats(25, lanes)
    module = ModuleBuilder(on)
    float_kinds: dict[str, Callable[[Array, Array], Array]] = {
        "fadd": np.add,
        "fmin": lambda a, b: np.where(a < b, a, b),
        "fmax": lambda a, b: np.where(a > b, a, b),
    }
    with module.function("f", [("x", PTR), ("y", PTR), ("ints", PTR), ("floats", PTR)], public=True) as f:
        a, b = f.load(f.args["x"], vec(I32, lanes)), f.load(f.args["y"], vec(F32, lanes))
        for n, kind in enumerate(REDUCE):
            f.store(f.reduce(kind, a), f.args["ints"], 4 * n)
        for n, kind in enumerate(float_kinds):
            f.store(f.reduce(kind, b), f.args["floats"], 4 * n)
    module.module.verify()
    found, found_floats = np.zeros(len(REDUCE), np.int32), np.zeros(3, np.float32)
    run(module, "f", x, y, found, found_floats)
    with np.errstate(over="ignore"):
        assert found.tolist() == [int(reduce(x)) for reduce in REDUCE.values()]
    assert np.array_equal(found_floats, np.concatenate([halves(y, c) for c in float_kinds.values()]))


# -- what machines have instructions for --


@pytest.mark.parametrize("lanes", [4, 8, 16, 32, 2])
@pytest.mark.parametrize("largest", [15, 127, 128, 129, 240, 255])
def test_dot4(on: Machine, lanes: int, largest: int) -> None:
    rng = np.random.default_rng(26)
    u = rng.integers(0, largest, (3, 4 * lanes), dtype=np.uint8, endpoint=True)
    s = rng.integers(-128, 127, (3, 4 * lanes), dtype=np.int8, endpoint=True)
    u[1], s[1] = largest, -128
    u[2], s[2] = largest, 127
    total = integers(I32, 27, 3 * lanes).reshape(3, lanes)
    module = ModuleBuilder(on)
    arguments = [("acc", PTR), ("u", PTR), ("s", PTR)]
    with module.function("f", arguments, public=True) as f:
        for row in range(3):
            acc = f.load(f.args["acc"], vec(I32, lanes), 4 * lanes * row)
            unsigned_bytes = f.load(f.args["u"], vec(I8, 4 * lanes), 4 * lanes * row)
            signed_words = f.load(f.args["s"], vec(I32, lanes), 4 * lanes * row)
            f.store(f.dot4(acc, unsigned_bytes, signed_words, largest), f.args["acc"], 4 * lanes * row)
    module.module.verify()
    products = (u.astype(np.int32) * s).reshape(3, lanes, 4).sum(2, dtype=np.int32)
    with np.errstate(over="ignore"):
        expected = total + products
    run(module, "f", total, u, s)
    assert np.array_equal(total, expected)


@pytest.mark.parametrize("largest", [3, 7, 15, 31, 63, 127, 240])
def test_dot4_after_dot4(on: Machine, largest: int) -> None:
    """The largest and the smallest sums: nothing saturates on the way, and a result that is used twice is whole."""
    lanes, steps = 8, 40
    signed = np.array([[127], [-128]], np.int8).repeat(4 * lanes, 1)
    unsigned_bytes = np.full(4 * lanes, largest, np.uint8)
    module = ModuleBuilder(on)
    with module.function("f", [("u", PTR), ("s", PTR), ("out", PTR)], public=True) as f:
        u = f.load(f.args["u"], vec(I8, 4 * lanes))
        for row in range(2):
            s = f.load(f.args["s"], vec(I8, 4 * lanes), 4 * lanes * row)
            total = f.splat(row, I32, lanes)
            for step in range(steps):
                total = f.dot4(total, u, s, largest)
                if step == steps // 2:
                    f.store(total, f.args["out"], 4 * lanes * (2 + row))
            f.store(total, f.args["out"], 4 * lanes * row)
    module.module.verify()
    out = np.zeros((4, lanes), np.int32)
    run(module, "f", unsigned_bytes, signed, out)
    one = [4 * largest * 127, 4 * largest * -128]
    counts = [steps, steps, steps // 2 + 1, steps // 2 + 1]
    assert out.tolist() == [[n % 2 + one[n % 2] * count] * lanes for n, count in enumerate(counts)]


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_mmla(on: Machine, lanes: int) -> None:
    rng = np.random.default_rng(35)
    u = rng.integers(0, 255, 4 * lanes, dtype=np.uint8, endpoint=True)
    s = rng.integers(-128, 127, 4 * lanes, dtype=np.int8, endpoint=True)
    u[:16], s[:8] = 255, -128
    total = integers(I32, 36, lanes)
    blocks = lanes // 4
    products = np.einsum("bik,bjk->bij", u.reshape(blocks, 2, 8).astype(int), s.reshape(blocks, 2, 8).astype(int))
    with np.errstate(over="ignore"):
        expected = total + products.reshape(lanes).astype(np.int32)
    module = ModuleBuilder(on)
    with module.function("f", [("acc", PTR), ("u", PTR), ("s", PTR)], public=True) as f:
        acc = f.load(f.args["acc"], vec(I32, lanes))
        unsigned_bytes, signed_words = f.load(f.args["u"], vec(I8, 4 * lanes)), f.load(f.args["s"], vec(I32, lanes))
        f.store(f.mmla(acc, unsigned_bytes, signed_words), f.args["acc"])
    module.module.verify()
    run(module, "f", total, u, s)
    assert np.array_equal(total, expected)


@pytest.mark.parametrize("lanes", [4, 8, 16, 32])
def test_dot2(on: Machine, lanes: int) -> None:
    a, b = floats(28, 2 * lanes, BF16), floats(29, 2 * lanes, BF16)
    total = floats(30, lanes)
    before = total.copy()
    module = ModuleBuilder(on)
    with module.function("f", [("acc", PTR), ("a", PTR), ("b", PTR)], public=True) as f:
        acc = f.load(f.args["acc"], vec(F32, lanes))
        x, y = f.load(f.args["a"], vec(BF16, 2 * lanes)), f.load(f.args["b"], vec(I32, lanes))
        f.store(f.dot2(acc, x, y), f.args["acc"])
    module.module.verify()
    run(module, "f", total, a, b)
    products = a.astype(np.float64) * b.astype(np.float64)
    exact = before + products.reshape(lanes, 2).sum(1)
    size = np.abs(before) + np.abs(products).reshape(lanes, 2).sum(1)
    assert np.all(np.abs(total - exact) <= 2.0**-22 * size)  # two additions, which bfdot rounds to odd


@pytest.mark.parametrize(
    ("element", "index", "lanes"),
    [*((F32, I32, lanes) for lanes in (4, 8, 16, 32)), *((BF16, I16, lanes) for lanes in (16, 32, 64))],
)
def test_lookup_ignores_all_but_four_bits(on: Machine, element: Attribute, index: Attribute, lanes: int) -> None:
    table, numbers = floats(31, 16, element), integers(index, 32, lanes)
    out = np.zeros(lanes, DTYPES[element])
    module = ModuleBuilder(on)
    with module.function("f", [("table", PTR), ("numbers", PTR), ("out", PTR)], public=True) as f:
        entries, which = f.load(f.args["table"], vec(element, 16)), f.load(f.args["numbers"], vec(index, lanes))
        f.store(f.lookup(entries, which), f.args["out"])
    module.module.verify()
    run(module, "f", table, numbers, out)
    assert out.tobytes() == table[numbers & 15].tobytes()


@pytest.mark.parametrize("lanes", [16, 32, 64, 128])
def test_byte_lookup(on: Machine, lanes: int) -> None:
    table = integers(I8, 33, 16)
    numbers = np.random.default_rng(34).integers(0, 16, lanes, dtype=np.int8)
    out = np.zeros(lanes, np.int8)
    module = ModuleBuilder(on)
    with module.function("f", [("table", PTR), ("numbers", PTR), ("out", PTR)], public=True) as f:
        entries, which = f.load(f.args["table"], vec(I8, 16)), f.load(f.args["numbers"], vec(I8, lanes))
        f.store(f.byte_lookup(entries, which), f.args["out"])
    run(module, "f", table, numbers, out)
    assert np.array_equal(out, table[numbers])


# -- control --


def test_loops_and_branches(on: Machine) -> None:
    """The Collatz steps of numbers, summed over rows: loops in loops, a while in a branch."""
    module = ModuleBuilder(on)
    with module.function("steps", [("n", I64)], [I64]) as f:
        one = f.i64(1)

        def next_number(carried: list[Value]) -> list[Value]:
            n, count = carried
            odd = f.cmp("eq", f.and_(n, 1), 1)
            following = f.if_(odd, lambda: f.add(f.mul(n, 3), 1), lambda: f.lshr(n, 1), [I64])
            return [following[0], f.add(count, 1)]

        _, count = f.while_([f.args["n"], f.i64(0)], lambda c: f.cmp("ugt", c[0], one), next_number)
        f.ret(count)
    with module.function("f", [("out", PTR), ("rows", I64), ("columns", I64)], public=True) as f:

        def row(r: Value, _: list[Value]) -> None:
            def column(c: Value, total: list[Value]) -> Value:
                n = f.add(f.add(f.mul(r, f.args["columns"]), c), 1)
                return f.add(total[0], f.call("steps", [n])[0])

            (total,) = f.for_(0, f.args["columns"], 1, [f.i64(0)], column)
            f.if_(f.cmp("sgt", total, 20), lambda: f.store(total, f.args["out"], f.mul(r, 8)))

        f.for_(0, f.args["rows"], 1, [], row)
    module.module.verify()

    def steps(n: int) -> int:
        return 0 if n <= 1 else 1 + steps(3 * n + 1 if n % 2 else n // 2)

    out = np.full(4, -1, np.int64)
    run(module, "f", out, 4, 5)
    totals = [sum(steps(r * 5 + c + 1) for c in range(5)) for r in range(4)]
    assert totals[0] <= 20 < min(totals[1:])
    assert out.tolist() == [-1, *totals[1:]]
    run(module, "f", out, 0, 5)
    assert out.tolist() == [-1, *totals[1:]]


@pytest.mark.parametrize(("lower", "upper", "step"), [(0, 10, 3), (0, 1, 5), (2, 2, 1), (3, 0, 1), (-4, 5, 4)])
def test_a_loop_runs_as_often_as_range(on: Machine, lower: int, upper: int, step: int) -> None:
    module = ModuleBuilder(on)
    for name, bounds in (("known", (lower, upper, step)), ("unknown", None)):
        with module.function(name, [("out", PTR), ("lower", I64), ("upper", I64), ("step", I64)], public=True) as f:
            low, high, by = bounds or (f.args["lower"], f.args["upper"], f.args["step"])

            def body(i: Value, carried: list[Value], f: Function = f) -> list[Value]:
                return [f.add(carried[0], i), f.add(carried[1], 1)]

            total, count = f.for_(low, high, by, [f.i64(100), f.i64(0)], body)
            f.store(total, f.args["out"])
            f.store(count, f.args["out"], 8)
    expected = list(range(lower, upper, step))
    for name in ("known", "unknown"):
        out = np.zeros(2, np.int64)
        run(module, name, out, lower, upper, step)
        assert out.tolist() == [100 + sum(expected), len(expected)]


@pytest.mark.parametrize("inline", [False, True])
def test_inlined_functions_are_gone(on: Machine, inline: bool) -> None:
    module = ModuleBuilder(on)
    with module.function("square", [("x", F32)], [F32], inline=inline) as f:
        f.ret(f.fmul(f.args["x"], f.args["x"]))
    with module.function("f", [("out", PTR), ("x", F32)], public=True) as f:
        f.store(f.call("square", [f.args["x"]])[0], f.args["out"])
    out = np.zeros(1, np.float32)
    run(module, "f", out, 1.5)
    assert out[0] == 2.25
    assert ("square" in jit.assembly(jit.module_text(module), on)) != inline


def test_functions_of_the_process_can_be_called(here: Machine) -> None:
    module = ModuleBuilder(here)
    module.declare("getpgid", [I32], [I32])
    with module.function("f", [("out", PTR)], public=True) as f:
        f.store(f.call("getpgid", [0])[0], f.args["out"])
    out = np.zeros(1, np.int32)
    run(module, "f", out)
    assert out[0] == os.getpgid(0)


# -- threads --


def test_atomic_additions_of_two_threads_are_all_there(here: Machine) -> None:
    module = ModuleBuilder(here)
    with module.function("f", [("counter", PTR), ("ready", PTR), ("n", I64)], public=True) as f:
        f.atomic_add(f.args["ready"], 1, "acq_rel", I32)

        def wait(_: list[Value]) -> None:
            f.pause()

        def waiting(_: list[Value]) -> Value:
            return f.cmp("slt", f.atomic_load(f.args["ready"], I32, "acquire"), 2)

        def count(*_: object) -> None:
            f.atomic_add(f.args["counter"], 3, "monotonic")

        f.while_([], waiting, wait)
        f.for_(0, f.args["n"], 1, [], count)
        f.atomic_store(f.i32(5), f.at(f.args["ready"], 4), "release")
    counter, ready = np.zeros(1, np.int64), np.zeros(2, np.int32)
    call = jit.compile_module(module, here).function("f", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    threads = [threading.Thread(target=call, args=(counter.ctypes.data, ready.ctypes.data, 20_000)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter[0] == 2 * 3 * 20_000
    assert ready.tolist() == [2, 5]


@pytest.mark.parametrize("ordering", ["monotonic", "acquire", "release", "acq_rel", "seq_cst"])
def test_atomic_addition_gives_what_was_there(on: Machine, ordering: str) -> None:
    module = ModuleBuilder(on)
    with module.function("f", [("x", PTR), ("out", PTR)], public=True) as f:
        f.store(f.atomic_add(f.args["x"], 7, ordering), f.args["out"])
    x, out = np.full(1, 35, np.int64), np.zeros(1, np.int64)
    run(module, "f", x, out)
    assert (x[0], out[0]) == (42, 35)


# -- what a generator may do wrong --


def nothing(*_: object) -> None:
    """A body that gives nothing."""


def test_mistakes_of_generators_are_errors() -> None:
    module = ModuleBuilder(host_machine())
    with module.function("f", [("x", I64)]) as f:
        with pytest.raises(ValueError, match="no predicate"):
            f.cmp("lt", f.args["x"], 1)
        with pytest.raises(ValueError, match="no function 'g'"):
            f.call("g", [])
        with pytest.raises(ValueError, match="gives 0 values, expected 1"):
            f.for_(0, 1, 1, [f.args["x"]], nothing)
        with pytest.raises(ValueError, match="needs both bodies"):
            f.if_(f.cmp("eq", f.args["x"], 1), lambda: f.args["x"], None, [I64])
        f.ret()
    with pytest.raises(ValueError, match="already is a function 'f'"):
        module.function("f", [])
    with pytest.raises(ValueError, match="takes 1 arguments, got 2"), module.function("g", []) as g:
        g.call("f", [1, 2])
    assert module.has("f")
    assert not module.has("g")


def test_a_function_has_at_most_one_result() -> None:
    module = ModuleBuilder(host_machine())
    with module.function("f", [("x", I64)], [I64, I64]) as f:
        f.ret(f.args["x"], f.args["x"])
    with pytest.raises(InputError, match=r"'func\.func' @f returns 2 values, expected at most one"):
        jit.module_text(module)
