"""Packed weights against the bytes KleidiAI's own routines wrote, and packing against unpacking."""

# ruff: noqa: E501  (tables of cases are not wrapped)

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmir.formats import kleidiai as kai

DATA = Path(__file__).parent / "data" / "kleidiai"


def golden(pattern: str) -> list[str]:
    names = sorted(path.stem for path in DATA.glob(pattern + ".npz"))
    assert names
    return names


def vector(name: str) -> dict[str, NDArray[Any]]:
    with np.load(DATA / f"{name}.npz") as file:
        return dict(file)


def signed(u4: NDArray[np.uint8]) -> NDArray[np.int8]:
    return u4.astype(np.int8) - np.int8(8)


def tile(z: dict[str, NDArray[Any]]) -> tuple[int, int, int]:
    return int(z["nr"]), int(z["kr"]), int(z["sr"])


def size(codes: NDArray[Any]) -> tuple[int, int]:
    n, k = codes.shape
    return n, k


def same(unpacked: kai.Unpacked, codes: NDArray[Any], scale: NDArray[Any], bias: NDArray[Any] | None) -> None:
    assert unpacked.codes.dtype == codes.dtype
    np.testing.assert_array_equal(unpacked.codes, codes)
    assert unpacked.scale.dtype == scale.dtype
    np.testing.assert_array_equal(unpacked.scale, scale)
    if bias is not None:
        np.testing.assert_array_equal(unpacked.bias, bias)


@pytest.mark.parametrize("name", golden("rhs_qsi4c32p__*"))
def test_qsi4c32p(name: str) -> None:
    z = vector(name)
    codes, scale, block = signed(z["u4"]), z["scales_bf16"].view(kai.BFLOAT16), int(z.get("bl", 32))
    packed = kai.pack_rhs_qsi4c32p(codes, scale, z["bias"], *tile(z), block)
    np.testing.assert_array_equal(packed, z["packed"])
    same(kai.unpack_rhs_qsi4c32p(packed, *size(codes), *tile(z), block), codes, scale, z["bias"])


@pytest.mark.parametrize("name", golden("rhs_qsi4c32pscalef16__*"))
def test_qsi4c32pscalef16(name: str) -> None:
    z = vector(name)
    codes, scale = signed(z["u4"]), z["scale_f16"].view(np.float16)
    packed = kai.pack_rhs_qsi4c32pscalef16(codes, scale, *tile(z))
    np.testing.assert_array_equal(packed, z["packed"])
    same(kai.unpack_rhs_qsi4c32pscalef16(packed, *size(codes), *tile(z)), codes, scale, None)


@pytest.mark.parametrize("name", golden("rhs_qai4c32p__*"))
def test_qai4c32p(name: str) -> None:
    z = vector(name)
    packed = kai.pack_rhs_qai4c32p(z["u4"], z["scale_f32"], z["zero_f32"], z["bias"], *tile(z))
    np.testing.assert_array_equal(packed, z["packed"])
    unpacked = kai.unpack_rhs_qai4c32p(packed, *size(z["u4"]), *tile(z))
    same(unpacked, z["u4"], z["scale_f32"], z["bias"])
    np.testing.assert_array_equal(unpacked.zero, z["zero_f32"])


@pytest.mark.parametrize("name", golden("rhs_qsi4cxp__*"))
def test_qsi4cxp(name: str) -> None:
    z = vector(name)
    codes = z["q4_signed"].astype(np.int8)
    packed = kai.pack_rhs_qsi4cxp(codes, z["scale"], z["bias"], *tile(z))
    np.testing.assert_array_equal(packed, z["packed"])
    same(kai.unpack_rhs_qsi4cxp(packed, *size(codes), *tile(z)), codes, z["scale"], z["bias"])


@pytest.mark.parametrize("name", golden("rhs_qsi8cxp__*"))
def test_qsi8cxp(name: str) -> None:
    z = vector(name)
    nr, kr, _ = tile(z)
    packed = kai.pack_rhs_qsi8cxp(z["q8"], z["scale"], z["bias"], nr, kr)
    np.testing.assert_array_equal(packed, z["packed"])
    same(kai.unpack_rhs_qsi8cxp(packed, *size(z["q8"]), nr, kr), z["q8"], z["scale"], z["bias"])


@pytest.mark.parametrize(("name", "nr"), [("f32p8x1biasf32", 8), ("f16p16x1biasf16", 16)])
def test_float(name: str, nr: int) -> None:
    z = vector(f"rhs_kxn_{name}__n11_k5")
    dtype = np.dtype(np.float16 if "f16" in name else np.float32)
    values, bias = np.ascontiguousarray(z["rhs"].view(dtype).T), z["bias"].view(dtype)
    packed = kai.pack_rhs_float(values, bias, nr)
    written = np.ones((len(packed) // (6 * nr * dtype.itemsize), 6, nr), bool)
    written[:, 0] = (np.arange(written.shape[0] * nr) < 11).reshape(-1, nr)  # biases past N have no meaning
    expected = z["packed"].view(dtype).reshape(written.shape)
    np.testing.assert_array_equal(packed.view(dtype).reshape(written.shape)[written], expected[written])
    got, got_bias = kai.unpack_rhs_float(packed, 11, 5, nr, dtype)
    np.testing.assert_array_equal(got, values)
    np.testing.assert_array_equal(got_bias, bias)


@given(
    n=st.integers(1, 9),
    blocks=st.integers(1, 3),
    block=st.sampled_from([32, 64]),
    nr=st.sampled_from([1, 4, 8]),
    steps=st.sampled_from([(8, 2), (16, 2), (32, 2), (4, 1), (16, 1)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_unpacking_finds_what_was_packed(
    n: int, blocks: int, block: int, nr: int, steps: tuple[int, int], seed: int
) -> None:
    kr, sr = steps
    rng, k = np.random.default_rng(seed), blocks * block
    codes = rng.integers(-8, 8, (n, k)).astype(np.int8)
    scale, bias = rng.standard_normal((n, blocks)).astype(np.float32), rng.standard_normal(n).astype(np.float32)
    where = (n, k, nr, kr, sr, block)
    bf16 = scale.astype(kai.BFLOAT16)
    packed = kai.pack_rhs_qsi4c32p(codes, bf16, bias, nr, kr, sr, block)
    assert len(packed) == kai.size_rhs_qsi4c32p(n, k, nr, block)
    same(kai.unpack_rhs_qsi4c32p(packed, *where), codes, bf16, bias)
    f16 = scale.astype(np.float16)
    same(
        kai.unpack_rhs_qsi4c32pscalef16(kai.pack_rhs_qsi4c32pscalef16(codes, f16, nr, kr, sr, block), *where),
        codes, f16, None,
    )  # fmt: skip
    unsigned = (codes + np.int8(8)).astype(np.uint8)
    unpacked = kai.unpack_rhs_qai4c32p(kai.pack_rhs_qai4c32p(unsigned, scale, -scale, bias, nr, kr, sr, block), *where)
    same(unpacked, unsigned, scale, bias)
    np.testing.assert_array_equal(unpacked.zero, -scale)


@given(n=st.integers(1, 9), k=st.integers(1, 70), nr=st.sampled_from([1, 4, 8]), seed=st.integers(0, 2**32 - 1))
def test_unpacking_channels(n: int, k: int, nr: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale, bias = rng.standard_normal(n).astype(np.float32), rng.standard_normal(n).astype(np.float32)
    four, eight = rng.integers(-8, 8, (n, k)).astype(np.int8), rng.integers(-128, 128, (n, k)).astype(np.int8)
    packed = kai.pack_rhs_qsi4cxp(four, scale, bias, nr, 16, 2)
    assert len(packed) == kai.size_rhs_qsi4cxp(n, k, nr)
    same(kai.unpack_rhs_qsi4cxp(packed, n, k, nr, 16, 2), four, scale, bias)
    packed = kai.pack_rhs_qsi8cxp(eight, scale, bias, nr, 8)
    assert len(packed) == kai.size_rhs_qsi8cxp(n, k, nr)
    same(kai.unpack_rhs_qsi8cxp(packed, n, k, nr, 8), eight, scale, bias)


def test_sums_are_rounded_in_the_order_of_the_bytes() -> None:
    """One run of one row after another, as a loop would; another order gives other bits."""
    rng = np.random.default_rng(0)
    codes = rng.integers(-8, 8, (4, 1024)).astype(np.int8)
    scale = (2.0 ** rng.uniform(-12, 12, (4, 32))).astype(kai.BFLOAT16)
    packed = kai.pack_rhs_qsi4c32p(codes, scale, None, 4, 16, 2)
    totals: list[list[np.float32]] = []
    for steps in (range(64), range(63, -1, -1)):
        sums = [np.float32(0)] * 4
        for step in steps:
            at = step // 2 * 32 + step % 2 * 8
            for row in range(4):
                run = int(codes[row, at : at + 8].sum(dtype=int) + codes[row, at + 16 : at + 24].sum(dtype=int))
                sums[row] += np.float32(run) * np.float32(scale[row, step // 2])
        totals.append(sums)
    stored = packed[-32:-16].view(np.float32)
    np.testing.assert_array_equal(stored, totals[0])
    assert (stored != totals[1]).any()


CODES: Any = np.zeros((4, 64), np.int8)
BF16: Any = np.ones((4, 2), kai.BFLOAT16)
F32 = np.ones(4, np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kai.pack_rhs_qsi4c32p(CODES + np.int8(8), BF16, None, 4, 16, 2), "codes are 8 to 8, expected -8 to 7"),
        (lambda: kai.pack_rhs_qsi4c32p(CODES.view(np.uint8), BF16, None, 4, 16, 2), "codes are uint8, expected int8"),
        (lambda: kai.pack_rhs_qsi4c32p(CODES, BF16.astype(np.float16), None, 4, 16, 2), r"scale is float16 \[4, 2\], expected bfloat16 \[4, 2\]"),
        (lambda: kai.pack_rhs_qsi4c32p(CODES, BF16[:, :1], None, 4, 16, 2), r"scale is bfloat16 \[4, 1\], expected bfloat16 \[4, 2\]"),
        (lambda: kai.pack_rhs_qsi4c32p(CODES, BF16, None, 4, 16, 2, 48), "blocks of 48 codes: expected a multiple of 32"),
        (lambda: kai.pack_rhs_qsi4c32p(CODES[:, :40], BF16, None, 4, 16, 2), "K is 40, expected a multiple of the block length 32"),
        (lambda: kai.pack_rhs_qsi4c32p(CODES, BF16, None, 4, 12, 2), "kr=12, sr=2"),
        (lambda: kai.pack_rhs_qsi4c32p(CODES, BF16, np.zeros(3), 4, 16, 2), r"bias is \[3\], expected \[4\]"),
        (lambda: kai.unpack_rhs_qsi4c32p(np.zeros(175, np.uint8), 4, 64, 4, 16, 2), r"uint8 \[175\], expected uint8 \[176\]"),
        (lambda: kai.pack_rhs_qai4c32p(CODES.view(np.uint8), np.ones((4, 2), np.float32), F32[:, None], None, 4, 16, 2), "zero is float32"),
        (lambda: kai.pack_rhs_qsi4cxp(CODES, BF16[:, 0], None, 4, 16, 2), "scale is bfloat16"),
        (lambda: kai.pack_rhs_qsi8cxp(CODES, F32, None, 4, 5), "kr=5"),
        (lambda: kai.pack_rhs_float(CODES, None, 8), "a float weight is float16 or float32"),
    ],
)  # fmt: skip
def test_what_does_not_fit(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
