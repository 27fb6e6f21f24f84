"""Vectors computed by other programs.

data/mlc.npz: weights quantized by MLC-LLM's tensor program, run by Apache TVM 0.27. `q_weight` holds 32 // bits
codes a word, the first in the lowest bits, each code + X with X = 2^(bits - 1) - 1. Brain floats are stored as
their bit patterns. data/brevitas.npz: a matrix W and what Brevitas 0.13.4 makes of it: integers by bit width, kind,
granularity (groups of 64) and parameter method, scales that are powers of two by rounding, float and MX formats;
`hqo` and inputs (`act8`), which are in it too, are compared in tests/recipes/test_brevitas.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from reference import plain

from llmir.formats.elements import Integer, Minifloat
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat, real
from llmir.quantizers.registry import quantize

DATA = Path(__file__).parent / "data"
MLC = np.load(DATA / "mlc.npz")
BREVITAS = np.load(DATA / "brevitas.npz")
BREVITAS_NAMES = {key.split("/")[0] for key in BREVITAS if "/" in key}
BREVITAS_CASES = sorted(name for name in BREVITAS_NAMES if not name.startswith("act8") and "hqo" not in name)
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
    assert plain(q.scale).tobytes() == scale.tobytes()
    assert q.dequantize().tobytes() == MLC[f"{name}/dequant_f32"].tobytes()


def brevitas_target(name: str) -> tuple[QuantizedFormat, str]:
    """The format and method of one of Brevitas' configurations."""
    words = name.split("_")
    if name.startswith(("float", "mx")):
        element = Minifloat("_".join(w for w in words if w in ("ocp", "fnuz") or w[0] == "e"))
        if words[0] == "mx":
            return QuantizedFormat(element, POWER_OF_TWO, granularity=Granularity(group_size=32)), "absmax"
        return QuantizedFormat(element, granularity=Granularity(axis=0)), "absmax"
    symmetric = "sym" in words
    code = Integer(int(words[0][3:]), symmetric)
    size = next((int(w[1:]) for w in words if w[0] == "g" and w[1:].isdigit()), 64)
    granularity = {"tensor": Granularity(), "channel": Granularity(axis=0)}.get(words[3], Granularity(group_size=size))
    zero_point = None if symmetric else code if "qzp" in words else np.dtype(np.float32)
    target = QuantizedFormat(code, zero_point=zero_point, granularity=granularity)
    if "po2" in words:  # without a rounding Brevitas takes its default, which depends on the granularity
        default = "floor" if granularity.group_size else "ceil"
        rounding = default if words[-1] == "None" else words[-1]
        return replace(target, scale=POWER_OF_TWO, scale_rounding=rounding), "absmax"
    if "signedscale" in words:
        return target, "signed_absmax"
    return target, "mse" if "mse" in words else "absmax" if symmetric else "minmax"


@pytest.mark.parametrize("name", BREVITAS_CASES)
def test_brevitas(name: str) -> None:
    w = BREVITAS["W"]
    target, method = brevitas_target(name)
    q = quantize(w, target, method)
    per_tensor = target.granularity == Granularity()
    rows = np.ones(len(w), bool)
    if not target.symmetric and not per_tensor:  # Brevitas does not widen an all-negative range to 0
        rows = w.max(axis=1) >= 0
        assert rows.sum() == len(w) - 1
    scales = np.ones(1, bool) if per_tensor else rows
    scale = real(q.scale)
    np.testing.assert_allclose(scale[scales], BREVITAS[f"{name}/scale"].reshape(scale.shape)[scales], rtol=2e-7)
    if isinstance(target.element, Integer):
        np.testing.assert_array_equal(q.codes[rows], BREVITAS[f"{name}/codes"][rows])
    else:
        assert q.dequantize().tobytes() == BREVITAS[f"{name}/deq"].tobytes()
    if q.zero_point is not None:
        zero_point = BREVITAS[f"{name}/zp"].reshape(scale.shape)
        np.testing.assert_allclose(real(q.zero_point)[scales], zero_point[scales], rtol=2e-7, atol=4e-7)


def test_every_kind_of_brevitas_case_is_there() -> None:
    methods = [brevitas_target(name)[1] for name in BREVITAS_CASES]
    assert len(BREVITAS_CASES) == 53
    assert {m: methods.count(m) for m in set(methods)} == {"absmax": 29, "minmax": 11, "mse": 12, "signed_absmax": 1}
