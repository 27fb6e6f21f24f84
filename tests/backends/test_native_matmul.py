"""Matrix kernels in native code, against float64 and exact integers, on guard pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_combinations import BOUND, check, combination
from native_matmul import Case, activation_format, expected, multiply
from native_weights import CHANNEL, F32, FORMS, formats, group, random_weight, unit_scales

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.kernels.matmul_spec import Schedule, spread_stride
from llmir.backends.numpy.quantized_kernels import integer_matmul
from llmir.formats.elements import Integer, element
from llmir.formats.gguf_layouts import BLOCKS
from llmir.formats.native_tiles import BFLOAT16, TileLayout
from llmir.formats.quantized import QuantizedArray
from llmir.semantics.model import gelu, silu
from llmir.semantics.quantization import integer_product
from llmir.semantics.quantization import quantize as definition
from llmir.targets.host import host_machine

INTEGER_FORMS = [n for n in FORMS if not n.startswith(("nf4", "f8", "f6", "book", "e"))]


def activations(rows: int, k: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((rows, k)).astype(np.float32)


def case_of(
    name: str, rows: int, n: int, k: int, activation: str = "i8", act_group: int | None = 32, **more: Any
) -> Case:
    form = FORMS[name]
    weight = random_weight(form, n, k, np.random.default_rng(rows + n + k))
    layout = TileLayout(n, k, form, 2 * host_machine().lanes)
    options: dict[str, Any] = {"schedule": Schedule(2, 2, 4), **more}
    spec = Matmul(layout, activation, act_group, **options)
    return Case(spec, weight, activations(rows, k), activation_format(act_group))


@pytest.mark.parametrize("name", FORMS)
def test_every_form(name: str) -> None:
    m = ModuleBuilder(host_machine())
    act_group = (None, 32)[list(FORMS).index(name) % 2]  # tests/native_combinations.py has both for every form
    for activation in ("f32", "bf16", "i8"):
        if activation == "i8" and name not in INTEGER_FORMS and name != "nvfp4":
            continue
        if activation == "bf16" and FORMS[name].granularity.group_size in (None, 32) and name.startswith("i"):
            continue  # test_combinations has them
        check(m, case_of(name, 3, 40, 300, activation, act_group if activation == "i8" else None))


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_combinations(seed: int) -> None:
    """The first of the 10,000 that tests/native_combinations.py runs."""
    check(ModuleBuilder(host_machine()), combination(np.random.default_rng(seed)))


@pytest.mark.parametrize("name", [n for n in INTEGER_FORMS if "_" in n and n[:2] not in ("q2", "q3", "q4", "q5", "q6")])
def test_integers_are_exact(name: str) -> None:
    """With scales of 1 the result is the integer sum, to the bit."""
    form = FORMS[name]
    if form.minimum is not None or not isinstance(form.scale, np.dtype) or not isinstance(form.element, Integer):
        pytest.skip("sums are no integers")
    if form.zero_point is not None and not isinstance(form.zero_point, Integer):
        pytest.skip("sums are no integers")
    case = case_of(name, 3, 40, 96)
    case = replace(case, weight=unit_scales(case.weight))
    case.x = np.random.default_rng(1).integers(-128, 127, (3, 96)).astype(np.float32)
    case.x[:, ::32] = -128  # then the scales of activations are 1
    y, quantized = multiply(ModuleBuilder(host_machine()), case)
    assert quantized is not None
    assert (quantized.scale == 1).all()
    codes = case.weight.codes.astype(np.int64)
    if case.weight.zero_point is not None:
        codes = codes - case.weight.granularity.expand(case.weight.zero_point, codes.shape).astype(np.int64)
    np.testing.assert_array_equal(y, quantized.q.astype(np.int64) @ codes.T)


@pytest.mark.parametrize("act_group", [32, None])
def test_agrees_with_the_numpy_backend(act_group: int | None) -> None:
    case = case_of("ui4_g32_zp4", 4, 64, 256, act_group=act_group)
    y, _ = multiply(ModuleBuilder(host_machine()), case)
    assert case.form is not None
    codes = definition(case.x, result=case.form)
    assert isinstance(codes, QuantizedArray)
    numpy = integer_matmul(codes, case.weight, exact_run=32)
    np.testing.assert_allclose(y, numpy, rtol=1e-5, atol=1e-5 * float(np.abs(numpy).max()))


def test_one_run_is_the_definition_to_the_bit() -> None:
    """Scales for channels and rows: float32(sum) * s_x * s_w."""
    form = formats("i8", CHANNEL, F32)
    weight = random_weight(form, 50, 200, np.random.default_rng(5))
    spec = Matmul(TileLayout(50, 200, form, 32), "i8", None, schedule=Schedule(4, 2, 8))
    case = Case(spec, weight, activations(7, 200), activation_format(None))
    y, _ = multiply(ModuleBuilder(host_machine()), case)
    codes = definition(case.x, result=activation_format(None))
    assert isinstance(codes, QuantizedArray)
    np.testing.assert_array_equal(y, integer_product(codes, weight, None))


@pytest.mark.parametrize("name", ["i4_g32", "ui4_g32_zp4", "i8_channel", "q4_k", "q3_k", "i4_g128"])
@pytest.mark.parametrize("act_group", [32, None])
def test_zero_points_of_activations(name: str, act_group: int | None) -> None:
    for kind in ("i8", "ui8"):
        case = case_of(name, 3, 40, 300, act_group=act_group, zero_points=True)
        case.form = activation_format(act_group, kind, zero_point=Integer(8, kind == "i8"))
        check(ModuleBuilder(host_machine()), case)


def test_rows_do_not_depend_on_blocks_or_splits() -> None:
    """A row has the same bits in every block of rows, and however rows and tiles are divided."""
    m = ModuleBuilder(host_machine())
    for name, activation in (("i4_g32", "i8"), ("ui4_g32_min", "f32")):
        whole, _ = multiply(m, case_of(name, 11, 100, 256, activation, schedule=Schedule(6, 2, 8)))
        parts = [(0, 3, 0, 2), (3, 11, 0, 1), (3, 11, 1, 2), (0, 11, 2, 4)]
        split, _ = multiply(m, case_of(name, 11, 100, 256, activation, schedule=Schedule(6, 2, 8)), parts)
        np.testing.assert_array_equal(whole, split)
        one, _ = multiply(m, case_of(name, 11, 100, 256, activation, schedule=Schedule(4, 1, 16, 1024)))
        np.testing.assert_array_equal(whole, one)


@pytest.mark.parametrize("tile_vectors", [1, 2, 3, 4])
def test_widths_of_tiles(tile_vectors: int) -> None:
    m = ModuleBuilder(host_machine())
    for name in ("ui4_g32_zp4", "i3_g16", "i8_channel", "q5_k"):
        case = case_of(name, 5, 77, 128)
        layout = replace(case.spec.layout, tile=tile_vectors * host_machine().lanes)
        check(m, replace(case, spec=replace(case.spec, layout=layout, schedule=Schedule(3, 2, 8))))


@pytest.mark.parametrize("activation", ["i8", "f32"])
@pytest.mark.parametrize("n", [64, 50])
def test_epilogues(activation: str, n: int) -> None:
    rng = np.random.default_rng(3)
    m = ModuleBuilder(host_machine())
    bias = rng.standard_normal(n).astype(np.float32)
    before = rng.standard_normal((5, n)).astype(np.float32)
    for epilogue in ("store", "add"):
        case = case_of("i4_g32", 5, n, 96, activation, epilogue=epilogue, bias=True, out_stride=n + 3)
        case.bias, case.before = bias, before
        y, quantized = multiply(m, case)
        exact, size = expected(case, quantized)
        exact = exact + bias + (before if epilogue == "add" else 0)
        assert (np.abs(y - exact) <= BOUND * (size + np.abs(bias) + np.abs(before))).all()


@pytest.mark.parametrize(("name", "function"), [("silu", silu), ("gelu", gelu)])
@pytest.mark.parametrize("columns", [64, 45])
@pytest.mark.parametrize("activation", ["i8", "f32"])
def test_gates(name: str, function: Any, columns: int, activation: str) -> None:
    """Tiles of gate and up in turn, both filled up to whole tiles."""
    lanes = 2 * host_machine().lanes
    rng = np.random.default_rng(columns)
    m, form, tiles = ModuleBuilder(host_machine()), FORMS["i4_g32"], -(-columns // lanes)
    gate, up = (random_weight(form, columns, 64, rng) for _ in range(2))

    def interleaved(a: Any, b: Any) -> Any:
        filled = [np.concatenate([p, np.zeros((tiles * lanes - columns, p.shape[1]), p.dtype)]) for p in (a, b)]
        return np.stack([p.reshape(tiles, lanes, -1) for p in filled], 1).reshape(2 * tiles * lanes, -1)

    scale = interleaved(gate.scale, up.scale)
    weight = QuantizedArray(interleaved(gate.codes, up.codes), scale, form)
    bias = rng.standard_normal((2, columns)).astype(np.float32)
    layout = TileLayout(2 * tiles * lanes, 64, form, lanes)
    spec = Matmul(
        layout, activation, 32, epilogue=f"gated_{name}", bias=True, columns=columns, schedule=Schedule(2, 1, 8)
    )
    case = Case(spec, weight, activations(5, 64), activation_format(32), bias)
    y, quantized = multiply(m, case)
    g, u = (
        expected(Case(replace(spec, epilogue="store"), w, case.x, case.form), quantized)[0] + b
        for w, b in zip((gate, up), bias, strict=True)
    )
    np.testing.assert_allclose(y, function(g.astype(np.float32)).astype(np.float64) * u, rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, BFLOAT16], ids=str)
@pytest.mark.parametrize("k", [1, 7, 64, 301])
def test_floats(dtype: Any, k: int) -> None:
    weight = np.random.default_rng(k).standard_normal((40, k)).astype(dtype)
    for activation in ("f32", "bf16"):
        spec = Matmul(TileLayout(40, k, np.dtype(dtype), 32), activation, schedule=Schedule(4, 2, 8))
        check(ModuleBuilder(host_machine()), Case(spec, weight, activations(6, k)))


@pytest.mark.parametrize("type", BLOCKS, ids=lambda t: t.name)
def test_gguf_types(type: Any) -> None:
    form = BLOCKS[type].format
    weight = random_weight(form, 33, 512, np.random.default_rng(7))
    layout = TileLayout(33, 512, form, 32)
    for activation in ("i8", "f32"):
        spec = Matmul(layout, activation, 32, schedule=Schedule(2, 1, 8))
        check(ModuleBuilder(host_machine()), Case(spec, weight, activations(3, 512), activation_format(32)))


def test_spread_rows() -> None:
    """q_stride puts rows of codes apart."""
    from native import run
    from native_matmul import public

    from llmir.backends.native.kernels.quantize_rows import QuantizeRows

    m, form, stride = ModuleBuilder(host_machine()), FORMS["i4_g32"], spread_stride(128, 1)
    assert stride == 192
    weight, x = random_weight(form, 32, 128, np.random.default_rng(1)), activations(5, 128)
    spec = Matmul(TileLayout(32, 128, form, 32), "i8", 32, q_stride=stride, schedule=Schedule(4, 1, 8))
    rows = QuantizeRows(128, 32, activation_format(32), q_stride=stride)
    q, s, sums = np.full(4 * stride + 128, 99, np.int8), np.zeros((5, 4), np.float32), np.zeros((5, 4), np.int32)
    run(m, public(m, rows.emit(m)), x, q, s, sums, 0, 5)
    assert (q[128:stride] == 99).all()
    out = np.zeros((5, 32), np.float32)
    run(m, public(m, spec.emit(m)), spec.layout.pack(weight), q, s, sums, None, out, 0, 5, 0, 1)
    near, _ = multiply(m, Case(replace(spec, q_stride=None), weight, x, activation_format(32)))
    np.testing.assert_array_equal(out, near)


def test_every_rank_of_zero_rows_or_tiles() -> None:
    """Empty ranges write nothing."""
    case = case_of("i4_g32", 3, 64, 64)
    m = ModuleBuilder(host_machine())
    whole, _ = multiply(m, case)
    parts, _ = multiply(m, case, [(0, 3, 0, 2), (1, 1, 0, 2), (0, 3, 1, 1)])
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "i4"}, "no activations 'i4', expected i8, f32, bf16"),
        ({"epilogue": "subtract"}, "no epilogue 'subtract', expected store, add or gated_..."),
        ({"epilogue": "gated_sine"}, "no activation 'sine', expected one of silu, "),
        ({"epilogue": "gated_silu"}, "gated tiles come in pairs, got 1"),
        ({"layout": TileLayout(32, 64, F32, 32)}, "i8 activations need an integer weight, not float32"),
        ({"layout": TileLayout(32, 64, FORMS["nf4_g64"], 32)}, "nf4 codes are no multiples of one number and need f32"),
        (
            {"layout": TileLayout(32, 64, formats("i4", group(18)), 32), "activation": "bf16"},
            "of whole fours, not of 18",
        ),
        (
            {"layout": TileLayout(32, 64, formats("i4", group(18)), 32)},
            "groups of 18 and 32 share runs of 2, no whole f",
        ),
        (
            {"layout": TileLayout(32, 1 << 18, formats("i8", CHANNEL, F32), 32), "act_group": None},
            "sums of 262144 products of 8 and 8 bits do not fit int32",
        ),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"layout": TileLayout(32, 64, formats("i4", group(32)), 32), "act_group": 32, **options}
    with pytest.raises(ValueError, match=message):
        Matmul(**given)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("act_group", [None, 32])
def test_refuses_groups_that_are_no_whole_fours(size: int, act_group: int | None) -> None:
    """Four products are summed at a time, which then are of several groups."""
    layout = TileLayout(32, 64, formats("i4", group(size)), 32)
    with pytest.raises(ValueError, match=f"groups of {size} and .* share runs of {size}, no whole fours"):
        Matmul(layout, act_group=act_group)


def test_refuses_tiles_that_are_no_registers() -> None:
    spec = Matmul(TileLayout(32, 64, formats("i4", group(32)), 4), "i8", 32)
    with pytest.raises(ValueError, match=f"tiles of 4 columns are no whole registers of {host_machine().lanes}"):
        spec.emit(ModuleBuilder(host_machine()))


@pytest.mark.parametrize(("k", "act_group"), [(65, 128), (65, 32), (301, 48), (30, 20), (7, 32)])
def test_groups_of_activations_that_do_not_divide(k: int, act_group: int) -> None:
    """With scales for channels a run is a group of the activations, the last one short."""
    for name in ("i6_tensor", "i8_channel", "i3_channel"):
        check(ModuleBuilder(host_machine()), case_of(name, 3, 40, k, act_group=act_group))


@pytest.mark.parametrize("name", ["ui4_g64_zpf", "ui8_tensor_min", "ui8_channel_zp", "ui4_g32_zp4"])
def test_a_single_group(name: str) -> None:
    """All of K in one group: offsets that are floats are added too."""
    case = case_of(name, 3, 40, 26, act_group=None)
    check(ModuleBuilder(host_machine()), case)


def test_extreme_sums_are_exact() -> None:
    """The largest products there are, over a long K."""
    form, k = formats("i8", CHANNEL, F32), 11008
    codes = np.full((4, k), -128, np.int8)
    codes[1], codes[2, ::2] = 127, 127
    weight = QuantizedArray(codes, np.ones(4, np.float32), form)
    x = np.full((1, k), -128, np.float32)
    spec = Matmul(TileLayout(4, k, form, 32), "i8", None)
    y, _ = multiply(ModuleBuilder(host_machine()), Case(spec, weight, x, activation_format(None)))
    exact = (np.full((1, k), -128, np.int64) @ codes.astype(np.int64).T).astype(np.float32)
    np.testing.assert_array_equal(y, exact)
    assert element("i8").magnitude == 128
