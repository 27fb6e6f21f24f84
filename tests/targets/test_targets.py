"""The shipped targets: facts about the hardware, and tables that agree with themselves."""

from __future__ import annotations

import tomllib
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from llmir.backends.numpy.emit import kernel_module
from llmir.formats.elements import Integer, element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat
from llmir.targets.registry import FOLDER, target, target_names
from llmir.targets.target import MatmulKernel, Operand

SHIPPED = (
    "arm-i8mm", "arm-neon-dotprod", "numpy", "nvidia-sm80", "nvidia-sm90", "scalar", "x86-amx", "x86-avx-vnni",
    "x86-avx2", "x86-avx512-vnni",
)  # fmt: skip
F16, BF16, F32 = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16), np.dtype(np.float32)


def test_names() -> None:
    assert target_names() == SHIPPED
    assert all(target(name).name == name for name in SHIPPED)


def test_files_are_package_data() -> None:
    root = Path(__file__).resolve().parents[2]
    data = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert data["llmir.targets"] == ["*.toml"]
    assert len(list(FOLDER.glob("*.toml"))) == len(SHIPPED)


def test_the_numpy_backend_has_every_kernel_of_its_table() -> None:
    numpy = target("numpy")
    named = {*numpy.kernels.values(), *numpy.plain_kernels.values(), *(k.name for k in numpy.matmuls)}
    named |= {k.name for k in numpy.embeddings} | {k.requantized for k in numpy.matmuls if k.requantized}
    for kernel in named - {"observe"}:
        kernel_module(kernel)


@pytest.mark.parametrize("name", SHIPPED)
def test_kernels_use_their_instructions(name: str) -> None:
    """A kernel's tile is whole instructions, its operands are the instruction's, its accumulator too."""
    for kernel in target(name).matmuls:
        if kernel.instruction is None:
            continue
        instruction = target(name).instructions[kernel.instruction]
        assert kernel.tile is not None
        assert kernel.tile[2] % instruction.shape[2] == 0, kernel.name
        integers = all(operand.lstrip("u").startswith("i") for operand in instruction.operands)
        assert (kernel.accumulator == "i32") == integers, kernel.name
        if integers:
            assert kernel.input.elements == instruction.operands[:1], kernel.name
            kinds = [element(e) for e in (*kernel.weight.elements, instruction.operands[1])]
            wide = kinds[-1]
            assert isinstance(wide, Integer)
            assert all(isinstance(e, Integer) and e.bits <= wide.bits for e in kinds), kernel.name


def kernel(name: str, of: str) -> MatmulKernel:
    (found,) = [k for k in target(of).matmuls if k.name == name]
    return found


def test_vpmaddubsw_is_exact_for_the_weights_its_kernel_takes() -> None:
    """Two products of u8 and the widest weight fit the saturating 16-bit sum; those of an i8 do not."""
    weights = kernel("gemm_u8s7s32_maddubs", "x86-avx2").weight.elements
    worst = {name: 2 * 255 * -element(name).minimum for name in (*weights, "i8")}
    assert all(worst[name] <= np.iinfo(np.int16).max for name in weights)
    assert worst["i8"] > np.iinfo(np.int16).max
    assert weights[-1] == "i7"


@pytest.mark.parametrize(
    ("of", "input", "weight", "accumulator", "shape"),
    [
        ("x86-avx512-vnni", "ui8", "i8", "i32", (1, 16, 4)),
        ("x86-amx", "i8", "i8", "i32", (16, 16, 64)),
        ("x86-amx", "bf16", "bf16", "f32", (16, 16, 32)),
        ("arm-neon-dotprod", "i8", "i8", "i32", (1, 4, 4)),
        ("arm-i8mm", "i8", "i8", "i32", (2, 2, 8)),
        ("nvidia-sm80", "i8", "i8", "i32", (16, 8, 32)),
        ("nvidia-sm80", "i4", "i4", "i32", (16, 8, 64)),
        ("nvidia-sm80", "f16", "f16", "f32", (16, 8, 16)),
        ("nvidia-sm90", "f8E4M3FN", "f8E4M3FN", "f32", (64, 128, 32)),
    ],
)
def test_instructions(of: str, input: str, weight: str, accumulator: str, shape: tuple[int, int, int]) -> None:
    found = [
        i for i in target(of).instructions.values() if (i.operands, i.accumulator) == ((input, weight), accumulator)
    ]
    assert shape in [i.shape for i in found]


def test_what_instruction_sets_lack() -> None:
    def operands(of: str) -> set[str]:
        return {name for i in target(of).instructions.values() for name in i.operands}

    assert "i4" not in operands("nvidia-sm90")
    assert not {name for name in operands("nvidia-sm80") if name.startswith("f8")}
    assert ("i8", "i8") not in {i.operands for i in target("x86-avx512-vnni").instructions.values()}
    assert "vpdpbusd" not in target("x86-avx2").instructions


@pytest.mark.parametrize("name", SHIPPED)
def test_packings_take_what_their_kernels_take(name: str) -> None:
    """No kernel promises a weight its packing cannot hold: every combination the table lists, on whole tiles."""
    floats = {"f16": F16, "bf16": BF16, "f32": F32}
    for kernel in target(name).matmuls:
        packing = kernel.layout.packing
        if packing is None:
            continue
        for code in kernel.weight.elements:
            if code in floats:
                assert packing.refusal((192, 192), floats[code]) is None, (kernel.name, code)
                continue
            size = kernel.weight.group_size or 32 * kernel.weight.group_multiple
            granularities = {
                "per_tensor": Granularity(),
                "per_row": Granularity(axis=0),
                "per_group": Granularity(group_size=size),
            }
            for granularity in kernel.weight.granularity:
                for parameter in kernel.weight.parameters:
                    for scale in kernel.weight.scales or ("f32",):
                        zero_point = element(code) if parameter == "zero_point" else None
                        if code.startswith("u") and zero_point is None:
                            continue  # unsigned codes without a zero point are not what kernels are for
                        format = QuantizedFormat(
                            element(code), floats[scale], zero_point, granularity=granularities[granularity]
                        )
                        shape = (192, 12 * size)
                        assert kernel.weight_refusal(shape, format) is None, (kernel.name, format)


def test_blocks_are_no_groups() -> None:
    """A kernel that reads a scale for each row of a group does not read one for a block of rows."""
    blocks = QuantizedFormat(Integer(8, True), granularity=Granularity(group_size=32, group_rows=4))
    for granularity, multiple, reason in (
        (("per_row", "per_group"), 1, "i8 with per_block, expected per_row or per_group"),
        (("per_block",), 64, "groups of 32, expected a multiple of 64"),
        (("per_block",), 32, None),
    ):
        assert Operand(("i8",), granularity, group_multiple=multiple).refusal(blocks) == reason
