"""Half-quadratic optimization: its steps in float64, one group at a time. Brevitas' results are in tests/recipes."""

from __future__ import annotations

import numpy as np
import pytest
from reference import GRANULARITIES, weights

from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat, real
from llmir.quantizers.hqo import shrink
from llmir.quantizers.registry import quantize

F32 = np.dtype(np.float32)
FORMATS = {
    "symmetric": QuantizedFormat(Integer(3, True)),
    "zero point": QuantizedFormat(Integer(3, False), zero_point=F32),
    "integer zero point": QuantizedFormat(Integer(3, False), zero_point=Integer(3, False)),
    "minimum": QuantizedFormat(Integer(3, False), minimum=F32),
}
START = {"symmetric": "absmax", "zero point": "minmax", "integer zero point": "minmax", "minimum": "minmax"}


@pytest.mark.parametrize("granularity", [g for g in GRANULARITIES if "ragged" not in g])
@pytest.mark.parametrize("kind", FORMATS)
def test_mean_error_is_not_above_that_of_the_start(kind: str, granularity: str) -> None:
    """Of the whole tensor: a single group may lose."""
    w = weights(4)
    target = QuantizedFormat(
        FORMATS[kind].element,
        zero_point=FORMATS[kind].zero_point,
        minimum=FORMATS[kind].minimum,
        granularity=GRANULARITIES[granularity],
    )
    found, start = (np.abs(quantize(w, target, m).dequantize() - w).mean() for m in ("hqo", START[kind]))
    assert found <= start * (1 + 1e-6)


def search(w: np.ndarray, bits: int) -> float:
    """The scale of one group, step by step in float64."""
    top = 2 ** (bits - 1)
    scale, best, least, beta = np.abs(w).max() / top, np.nan, np.inf, 1e5
    for _ in range(1000):
        codes = np.clip(np.rint(w / scale), -top, top - 1)
        loss = np.abs(codes * scale - w).mean()
        if loss >= least:
            break
        best, least = scale, loss
        error = w - codes * scale
        less = np.array([abs(e) ** -0.3 / beta if e else np.inf for e in error])
        wanted = w - np.sign(error) * np.maximum(np.abs(error) - less, 0)
        used = (codes != 0) & (wanted != 0)
        ratios = np.sort(wanted[used] / codes[used])
        scale = ratios[(len(ratios) - 1) // 2]
        beta *= 1.01
    return best


@pytest.mark.parametrize("seed", range(5))
def test_scale_of_one_group(seed: int) -> None:
    w = np.random.default_rng(seed).standard_t(4, (1, 240)).astype(np.float32)
    ours = quantize(w, QuantizedFormat(Integer(4, True)), "hqo")
    np.testing.assert_allclose(real(ours.scale), search(w[0].astype(np.float64), 4), rtol=1e-3)


def test_scale_stays_when_asymmetric() -> None:
    w = weights(1)
    target = QuantizedFormat(Integer(4, False), zero_point=F32, granularity=Granularity(group_size=5))
    np.testing.assert_array_equal(real(quantize(w, target, "hqo").scale), real(quantize(w, target, "minmax").scale))


def test_a_group_of_zeros() -> None:
    w = np.zeros((2, 8), np.float32)
    w[1] = np.linspace(-1, 1, 8)
    for target in (QuantizedFormat(Integer(4, True), granularity=Granularity(axis=0)), FORMATS["zero point"]):
        assert np.isfinite(quantize(w, target, "hqo").dequantize()).all()
    assert (quantize(w, QuantizedFormat(Integer(4, True), granularity=Granularity(axis=0)), "hqo").codes[0] == 0).all()


def test_shrink() -> None:
    """sign(x) max(|x| - |x|^(p-1) / beta, 0)."""
    x = np.array([[-2.0, -0.5, 0.0, 0.25, 3.0]], np.float32)
    expected = [-2 + 2**-0.5 / 2, 0.0, 0.0, 0.0, 3 - 3**-0.5 / 2]
    expected[1] = -max(0.5 - 0.5**-0.5 / 2, 0)
    np.testing.assert_allclose(shrink(x, 2.0, 0.5)[0], expected, rtol=1e-6)
