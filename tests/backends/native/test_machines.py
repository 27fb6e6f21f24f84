"""Matrix kernels for every machine: the same bits as here, by the instructions the machine has.

Code for Arm runs in an emulator. Where no processor and no emulator runs a machine's code, its kernels are interpreted
at the `vk` level, and its assembly is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import ml_dtypes
import native_matmul
import numpy as np
import pytest
from native_combinations import check
from native_kernels import HERE, other_machines
from native_matmul import Case, activation_format, multiply, public
from native_weights import FORMS, random_weight
from vk_interpreter import interpret

from llmir.backends.native import jit, matrix_registers
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.kernels.matmul_spec import Schedule
from llmir.backends.native.vector_types import PTR
from llmir.dialects.vk.tiles import TILE_DOTS
from llmir.errors import InputError
from llmir.formats.elements import Integer
from llmir.formats.native_tiles import BFLOAT16, TileLayout
from llmir.formats.quantized import QuantizedFormat
from llmir.targets.host import machine, missing_features
from llmir.targets.machine import Machine

Array = np.ndarray[Any, np.dtype[Any]]


SMALL, LARGE = Schedule(2, 2, 4), Schedule(4, 2, 8)


@dataclass(frozen=True)
class Product:
    """A weight by its form's name, K, and activations: groups that share a scale, rows, codes.

    Codes are `i8`, `i8_zp` or `ui8_zp` with zero points, `tensor` with one scale for all rows, `static` with a constant
    one, or none: activations are f32 then.
    """

    weight: str
    k: int
    act_group: int | None
    rows: int
    codes: str = "i8"
    schedule: Schedule = SMALL

    def __str__(self) -> str:
        return f"{self.weight}-{self.rows}-{self.codes}"

    @property
    def activations(self) -> tuple[QuantizedFormat | None, dict[str, Any]]:
        """Their format, and constants of it."""
        match self.codes:
            case "f32":
                return None, {}
            case "i8":
                return activation_format(self.act_group), {}
            case "tensor":
                return activation_format(None, tensor=True), {}
            case "static":
                point = Integer(8, True)
                return activation_format(None, tensor=True, zero_point=point), {"scale": 0.03, "zero_point": -7}
            case _:
                name = self.codes.removesuffix("_zp")
                return activation_format(self.act_group, name, zero_point=Integer(8, name == "i8")), {}


CASES = (
    Product("i4_g32", 96, 32, 1, schedule=LARGE),
    Product("i4_g32", 96, 32, 7, schedule=LARGE),
    Product("i4_channel", 200, None, 6, schedule=LARGE),
    Product("i8_channel", 200, None, 5, schedule=LARGE),
    Product("i8_g64_zp", 128, 32, 4, schedule=LARGE),
    Product("ui4_g32_zp4", 96, None, 4, schedule=LARGE),
    Product("ui4_g32_min", 96, 32, 2, schedule=LARGE),
    Product("iq4_nl_g32", 96, 32, 2, schedule=LARGE),
    Product("i5_g20", 100, 20, 2, schedule=LARGE),
    Product("q3_k", 256, 32, 2, schedule=LARGE),
    Product("q6_k", 256, 32, 3, schedule=LARGE),
    Product("i2_g16", 64, 32, 3),
    Product("i3_g32", 66, 32, 3),
    Product("i7_g32", 64, 64, 1),
    Product("mxfp4", 96, 32, 3),
    Product("nvfp4", 64, 32, 2),
    Product("q2_k", 256, 32, 3),
    Product("q4_k", 320, 32, 3),
    Product("q5_k", 256, None, 1),
    Product("i8_tensor", 73, None, 3),
    Product("i4_g32", 96, 32, 3, "i8_zp"),
    Product("i8_channel", 71, None, 3, "ui8_zp"),
    Product("ui4_g32_zp4", 96, 32, 1, "ui8_zp"),
    Product("ui5_g32_min", 64, 32, 2, "i8_zp"),
    Product("i4_channel", 66, None, 3, "tensor"),
    Product("i6_tensor", 70, None, 2, "static"),
    Product("nf4_g64", 128, None, 3, "f32"),
)
"""What all machines compute."""
COLUMNS = 40


def case_for(chosen: Machine, product: Product) -> Case:
    """The same weight and activations for every machine, in tiles of two registers."""
    form, (codes, constants) = FORMS[product.weight], product.activations
    weight = random_weight(form, COLUMNS, product.k, np.random.default_rng(product.rows + product.k))
    spec = Matmul(
        TileLayout(COLUMNS, product.k, form, 2 * chosen.lanes),
        "f32" if codes is None else "i8",
        product.act_group,
        codes is not None and codes.zero_point is not None,
        schedule=product.schedule,
    )
    x = np.random.default_rng(product.k).standard_normal((product.rows, product.k)).astype(np.float32)
    return Case(spec, weight, x, codes, constants=constants)


@cache
def here(product: Product) -> bytes:
    """What the best machine here gives, which is right."""
    module, case = ModuleBuilder(HERE[0]), case_for(HERE[0], product)
    check(module, case)
    return multiply(module, case)[0].tobytes()


def counting(counts: dict[str, int]) -> Callable[..., None]:
    """`tests.native.run` by the interpreter; how often each operation ran goes into `counts`."""

    def run(module: ModuleBuilder, name: str, *arguments: Array | None) -> None:
        counts.update(interpret(module, name, *arguments))

    return run


@pytest.mark.parametrize("product", CASES, ids=str)
@other_machines
def test_bits_are_the_same(chosen: Machine, product: Product) -> None:
    found, _ = multiply(ModuleBuilder(chosen), case_for(chosen, product))
    assert found.tobytes() == here(product)


@pytest.mark.parametrize(
    "product",
    [
        Product("i8_channel", 200, None, 33),  # 64 and 8 k in registers of 16 and 1 rows
        Product("i8_g64_zp", 128, 32, 8),
        Product("i4_g32", 96, 32, 27),
        Product("i4_channel", 200, None, 16),
        Product("ui4_g32_zp4", 96, None, 12),
        Product("q4_k", 256, 32, 8),
        Product("mxfp4", 96, 32, 9),
        Product("i3_g32", 64, 32, 17),
    ],
    ids=str,
)
def test_matrix_registers(monkeypatch: pytest.MonkeyPatch, product: Product) -> None:
    """Interpreted, kernels for AMX give the bits of those that run here."""
    expected = here(product)
    counts: dict[str, int] = {}

    monkeypatch.setattr(native_matmul, "run", counting(counts))
    amx = machine("x86-amx")
    found, _ = multiply(ModuleBuilder(amx), case_for(amx, replace(product, schedule=Schedule(32, 2, 8))))
    assert found.tobytes() == expected
    assert counts["vk.tile_dot"] > 0


@pytest.mark.parametrize(
    ("name", "k", "rows"),
    [("bfloat16", 71, 17), ("i4_g32", 96, 9), ("nf4_g64", 128, 8), ("q6_k", 256, 8), ("i8_channel", 72, 16)],
)
def test_matrix_registers_multiply_bf16(monkeypatch: pytest.MonkeyPatch, name: str, k: int, rows: int) -> None:
    """Within the bound of float64, of all bf16 kernels."""
    counts: dict[str, int] = {}
    rng = np.random.default_rng(k)
    if name == "bfloat16":
        form: Any = BFLOAT16
        weight: Any = rng.standard_normal((COLUMNS, k)).astype(BFLOAT16)
    else:
        form = FORMS[name]
        weight = random_weight(form, COLUMNS, k, rng)
    monkeypatch.setattr(native_matmul, "run", counting(counts))
    spec = Matmul(TileLayout(COLUMNS, k, form, 32), "bf16", schedule=Schedule(32, 2, 8))
    x = rng.standard_normal((rows, k)).astype(np.float32)
    check(ModuleBuilder(machine("x86-amx")), Case(spec, weight, x))
    assert counts["vk.tile_dot"] > 0


def test_registers_take_what_they_unpack_once() -> None:
    """4-bit codes of a block of 32 rows go to the stack as often as those of one of 16."""
    amx = machine("x86-amx")
    texts: list[str] = []
    for rows in (16, 32):
        case = case_for(amx, Product("i4_channel", 64, None, rows, schedule=Schedule(rows, 1, 8)))
        module = ModuleBuilder(amx)
        case.spec.emit(module)
        texts.append(str(module.functions[f"{case.spec.name}_rows{rows}"]))
    stores = [len(re.findall(r"vk\.store .* : vector<16xi32>", text)) for text in texts]
    assert stores == [32, 32]


@pytest.mark.parametrize("kind", TILE_DOTS)
@pytest.mark.parametrize(("rows", "columns", "steps"), [(16, 16, 16), (5, 3, 7), (1, 1, 1)])
def test_products_of_registers(kind: str, rows: int, columns: int, steps: int) -> None:
    """c + a b of the matrices that the registers stand for."""
    rng = np.random.default_rng(rows)
    module = ModuleBuilder(machine("x86-amx"))
    with module.function("f", [("a", PTR), ("b", PTR), ("c", PTR)], public=True) as f:
        a = f.tile_load(f.args["a"], 4 * steps, rows, 4 * steps)
        b = f.tile_load(f.args["b"], 4 * columns, steps, 4 * columns)
        c = f.tile_load(f.args["c"], 4 * columns, rows, 4 * columns)
        f.tile_store(f.tile_dot(kind, c, a, b), f.args["c"], 4 * columns)
    module.module.verify()
    if kind == "bf16":
        a, b = (rng.integers(-8, 9, (m, 2 * n)).astype(np.float32) for m, n in ((rows, steps), (steps, columns)))
        c = rng.integers(-9, 9, (rows, columns)).astype(np.float32)
        product = c + a @ b.reshape(steps, columns, 2).transpose(0, 2, 1).reshape(2 * steps, columns)
        stored = [x.astype(ml_dtypes.bfloat16) for x in (a, b)]
    else:
        kinds = [np.int8 if kind[n] == "s" else np.uint8 for n in (0, 2)]
        shapes = (rows, 4 * steps), (steps, 4 * columns)
        stored = [
            rng.integers(np.iinfo(t).min, np.iinfo(t).max, s, t, endpoint=True)
            for t, s in zip(kinds, shapes, strict=True)
        ]
        a, b = (x.astype(np.int64) for x in stored)
        c = rng.integers(-1000, 1000, (rows, columns), np.int32)
        product = c + a @ b.reshape(steps, columns, 4).transpose(0, 2, 1).reshape(4 * steps, columns)
    interpret(module, "f", *stored, c)
    assert np.array_equal(c, product)


# -- assembly --


def assembly(name: str, form: str, rows: int, activation: str = "i8") -> str:
    """The code of a matmul for a machine."""
    chosen = machine(name)
    act_group = None if "channel" in form else 32
    spec = case_for(chosen, Product(form, 128, act_group, rows, schedule=Schedule(rows, 1, 8))).spec
    spec = replace(spec, activation=activation, act_group=spec.act_group if activation == "i8" else None)
    module = ModuleBuilder(chosen)
    public(module, spec.emit(module))
    return jit.assembly(jit.module_text(module), chosen)


@pytest.mark.parametrize(
    ("name", "form", "rows", "has", "has_not"),
    [
        ("x86-avx2", "i4_g32", 4, ("vpmaddubsw", "vpmaddwd", "ymm"), ("vpdpbusd", "zmm")),
        ("x86-avx2", "i4_g32", 1, ("vpmaddubsw", "vpmaddwd", "ymm"), ("vpdpbusd", "vpmulld")),
        ("x86-avx2", "i8_channel", 4, ("vpmaddwd", "ymm"), ("vpmaddubsw", "vpdpbusd", "zmm")),
        ("x86-avx-vnni", "i4_g32", 4, ("{vex}\tvpdpbusd", "ymm"), ("vpmaddubsw", "zmm", "%k1")),
        ("x86-avx-vnni", "i8_channel", 1, ("{vex}\tvpdpbusd", "ymm"), ("vpmaddubsw", "zmm", "%k1")),
        ("x86-avx512-vnni", "i8_channel", 4, ("vpdpbusd", "zmm"), ("{vex}", "vpmaddubsw")),
        ("x86-amx", "i8_channel", 32, ("ldtilecfg", "tileloadd", "tdpbsud", "tilestored", "tilerelease"), ()),
        ("x86-amx", "i4_g32", 16, ("ldtilecfg", "tileloadd", "tdpbsud", "tilestored", "tilerelease"), ()),
        ("x86-amx", "i4_g32", 4, ("vpdpbusd",), ("tdpbsud", "ldtilecfg")),
        ("arm-neon-dotprod", "i4_g32", 4, ("sdot",), ("usdot", "usmmla")),
        ("arm-neon-dotprod", "i8_channel", 4, ("sdot", "eor"), ("usdot", "usmmla")),
        ("arm-i8mm", "i4_g32", 1, ("usdot",), ("usmmla",)),
        ("arm-i8mm", "i4_g32", 8, ("usmmla", "zip1", "uzp1"), ()),
        ("arm-i8mm", "i8_channel", 8, ("usmmla",), ()),
    ],
)
def test_instructions(name: str, form: str, rows: int, has: tuple[str, ...], has_not: tuple[str, ...]) -> None:
    text = assembly(name, form, rows)
    for instruction in has:
        assert instruction in text, instruction
    for instruction in has_not:
        assert instruction not in text, instruction


@pytest.mark.parametrize(
    ("name", "instruction"),
    [("x86-amx", "tdpbf16ps"), ("x86-avx512-vnni+bf16", "vdpbf16ps"), ("arm-i8mm+bf16", "bfdot")],
)
def test_instructions_for_bf16(name: str, instruction: str) -> None:
    assert instruction in assembly(name, "i4_g32", 8, "bf16")


@pytest.mark.parametrize("rows", [32, 16])
def test_matrix_registers_do_not_spill(rows: int) -> None:
    """Accumulators stay in registers: they are stored once, at the end."""
    text = assembly("x86-amx", "i8_channel", rows)
    block = text[text.index(f"_rows{rows}:") :]
    block = block[: block.index("tilerelease")]
    assert block.count("tilestored") == 2 * -(-rows // 16)


@pytest.mark.parametrize(
    ("triple", "cpu"),
    [
        ("riscv64-unknown-linux-gnu", "generic-rv64"),
        ("aarch64-unknown-linux-gnu", "generic"),
        ("x86_64-unknown-linux-gnu", "generic"),
        ("powerpc64le-unknown-linux-gnu", "ppc64le"),
    ],
)
def test_any_processor_llvm_knows(triple: str, cpu: str) -> None:
    """The scalar machine's code is an object file for others too."""
    chosen = replace(machine("scalar"), triple=triple, cpu=cpu)
    module = ModuleBuilder(chosen)
    public(module, case_for(chosen, Product("i4_g32", 64, 32, 2)).spec.emit(module))
    data = jit.compile_text(jit.module_text(module), chosen)
    numbers = {"riscv64": 243, "aarch64": 183, "x86_64": 62, "powerpc64le": 21}  # e_machine
    assert data[:4] == b"\x7fELF"
    assert int.from_bytes(data[18:20], "little") == numbers[triple.split("-")[0]]


# -- what this processor or its system has not --


def test_registers_the_system_does_not_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_registers, "_request", lambda: 95)
    with pytest.raises(
        InputError, match=r"'x86-amx' needs AMX's matrix registers, which .* does not give this process"
    ):
        matrix_registers.request_matrix_registers(machine("x86-amx"))
    matrix_registers.request_matrix_registers(machine("x86-avx512-vnni"))


def test_code_for_another_processor_is_refused_before_it_runs() -> None:
    chosen = next(machine(n) for n in ("x86-amx", "arm-i8mm") if missing_features(machine(n)))
    module = ModuleBuilder(chosen)
    with module.function("f", [], public=True) as f:
        f.ret()
    data = jit.compile_text(jit.module_text(module), chosen)
    with pytest.raises(InputError, match=rf"machine '{chosen.name}' needs .*, which this processor has not"):
        jit.Library(data, chosen)


def test_machines_without_matrix_registers_refuse_them() -> None:
    module = ModuleBuilder(machine("x86-avx512-vnni"))
    with module.function("f", [("p", PTR)], public=True) as f:
        f.tile_store(f.tile_zero(16, 64), f.args["p"], 64)
    with pytest.raises(InputError, match="needs matrix registers, which machine 'x86-avx512-vnni' has not"):
        jit.module_text(module)
