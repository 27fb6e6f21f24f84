"""Packed inputs against the bytes KleidiAI's own routines wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.formats import kleidiai_inputs as kai

DATA = Path(__file__).parent / "data" / "kleidiai"


def vector(name: str) -> dict[str, NDArray[Any]]:
    with np.load(DATA / f"{name}.npz") as file:
        return dict(file)


def tile(z: dict[str, NDArray[Any]]) -> tuple[int, int, int]:
    return int(z["mr"]), int(z["kr"]), int(z["sr"])


@pytest.mark.parametrize("name", sorted(p.stem for p in DATA.glob("lhs_qai8dxp__*.npz")))
def test_qai8dxp(name: str) -> None:
    z = vector(name)
    codes, zero_point, scale = kai.quantize_rows(z["lhs_f32"])
    np.testing.assert_array_equal(codes, z["q"])
    np.testing.assert_array_equal(zero_point, z["zero_point"])
    np.testing.assert_array_equal(scale, z["scale"])
    np.testing.assert_array_equal(kai.pack_lhs_qai8dxp(z["lhs_f32"], *tile(z)), z["packed"])


@pytest.mark.parametrize("name", sorted(p.stem for p in DATA.glob("rhs_qsi4c32p__qai8dxp*.npz")))
def test_inputs_and_weights_give_the_output_of_the_kernel(name: str) -> None:
    z = vector(name)
    np.testing.assert_array_equal(kai.pack_lhs_qai8dxp(z["lhs_f32"], *tile(z)), z["lhs_packed"])
    codes, zero_point, scale = kai.quantize_rows(z["lhs_f32"])
    weight_scale = (z["scales_bf16"].astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    weight = (z["u4"].astype(np.float64) - 8) * np.repeat(weight_scale, 32, axis=1)
    real = (codes.astype(np.float64) - zero_point[:, None]) * scale[:, None]
    np.testing.assert_allclose(z["dst_f32"], real @ weight.T + z["bias"], rtol=1e-5, atol=1e-5)


def test_qsi8d32p() -> None:
    z = vector("lhs_qsi8d32p__m4_k64_mr4_kr16")
    np.testing.assert_array_equal(kai.pack_lhs_qsi8d32p(z["lhs_f32"], *tile(z), int(z["bl"])), z["packed"])
    z = vector("rhs_qsi4c32pscalef16__n8_k64_nr4_kr16")
    np.testing.assert_array_equal(kai.pack_lhs_qsi8d32p(z["lhs_f32"], *tile(z)), z["lhs_qsi8d32p_packed"])


def test_qsi8d32pscalef32() -> None:
    z = vector("rhs_qai4c32p__n8_k64_nr4_kr16")
    packed = kai.pack_lhs_qsi8d32pscalef32(z["lhs_f32"], *tile(z))
    np.testing.assert_array_equal(packed, z["lhs_qsi8d32pscalef32_packed"])


def test_rows_of_zeros() -> None:
    x = np.zeros((2, 32), np.float32)
    codes, zero_point, scale = kai.quantize_rows(x)
    np.testing.assert_array_equal((codes - zero_point[:, None]) * scale[:, None], x)
    assert not kai.pack_lhs_qsi8d32p(x, 1, 16, 2).any()
    assert not kai.pack_lhs_qsi8d32pscalef32(x, 1, 16, 2).any()


def test_what_does_not_fit() -> None:
    x = np.zeros((2, 40), np.float32)
    with pytest.raises(ValueError, match=r"inputs are float64 \[2, 40\], expected float32 \[M, K\]"):
        kai.pack_lhs_qai8dxp(x.astype(np.float64), 1, 16, 2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="mr=1, kr=16, sr=3: expected positive sizes, sr dividing kr"):
        kai.pack_lhs_qai8dxp(x, 1, 16, 3)
    with pytest.raises(ValueError, match="K is 40 in blocks of 32, expected whole blocks of a multiple of 32"):
        kai.pack_lhs_qsi8d32p(x, 1, 16, 2)
