"""Vectors computed by other programs.

data/mlc.npz: weights quantized by MLC-LLM's tensor program, run by Apache TVM 0.27. `q_weight` holds 32 // bits
codes a word, the first in the lowest bits, each code + X with X = 2^(bits - 1) - 1. Brain floats are stored as
their bit patterns. data/brevitas.npz: a matrix W and what Brevitas makes of it, for each bit width, kind,
granularity (groups of 64) and parameter method.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.registry import quantize

DATA = Path(__file__).parent / "data"
MLC = np.load(DATA / "mlc.npz")
BREVITAS = np.load(DATA / "brevitas.npz")
BREVITAS_CASES = sorted({key.split("/")[0] for key in BREVITAS if "/" in key})
GRANULARITIES = {"tensor": Granularity(), "channel": Granularity(axis=0), "group": Granularity(group_size=64)}


def floats(array: NDArray[Any]) -> NDArray[Any]:
    return array.view(ml_dtypes.bfloat16) if array.dtype == np.uint16 else array


@pytest.mark.parametrize(
    ("name", "bits", "group"), [("q3f16_1", 3, 40), ("q4f16_1", 4, 32), ("q4f32_1", 4, 32), ("q4bf16_1", 4, 32)]
)
def test_mlc_codes_scales_and_values_are_equal(name: str, bits: int, group: int) -> None:
    w, scale = floats(MLC[f"{name}/w"]), floats(MLC[f"{name}/q_scale"])
    target = QuantizedFormat(Integer(bits, True), scale=scale.dtype, granularity=Granularity(group_size=group))
    q = quantize(w, target, "mlc")
    words = MLC[f"{name}/q_weight"]
    per_word = 32 // bits
    codes = np.stack([words >> (bits * i) & (2**bits - 1) for i in range(per_word)], axis=-1)
    x = 2 ** (bits - 1) - 1
    np.testing.assert_array_equal(q.codes.astype(np.int64) + x, codes.reshape(len(w), -1)[:, : w.shape[1]])
    assert q.scale.tobytes() == scale.tobytes()
    assert q.dequantize().tobytes() == MLC[f"{name}/dequant_f32"].tobytes()


@pytest.mark.parametrize("name", BREVITAS_CASES)
def test_brevitas_stats_and_mse(name: str) -> None:
    width, kind, _, granularity, method = name.split("_")
    bits, symmetric, w = int(width[3:]), kind == "sym", BREVITAS["W"]
    target = QuantizedFormat(
        Integer(bits, symmetric),
        zero_point=None if symmetric else np.dtype(np.float32),
        granularity=GRANULARITIES[granularity],
    )
    q = quantize(w, target, "mse" if method == "mse" else "absmax" if symmetric else "minmax")
    rows = np.ones(len(w), bool)
    if not symmetric and granularity != "tensor":  # Brevitas does not widen an all-negative range to 0
        rows = w.max(axis=1) >= 0
        assert rows.sum() == len(w) - 1
    scales = rows if granularity != "tensor" else np.ones(1, bool)
    scale = BREVITAS[f"{name}/scale"].reshape(q.scale.shape)
    np.testing.assert_allclose(q.scale[scales], scale[scales], rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(q.codes[rows], BREVITAS[f"{name}/codes"][rows])
    if q.zero_point is not None:
        zero_point = BREVITAS[f"{name}/zp"].reshape(q.zero_point.shape)
        np.testing.assert_allclose(q.zero_point[scales], zero_point[scales], rtol=1e-7, atol=1e-7)
