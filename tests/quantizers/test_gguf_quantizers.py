"""llama.cpp's quantizers: the same bytes, and what must hold for other sizes of groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from llmir.formats.elements import Integer, element
from llmir.formats.gguf_blocks import decode, encode, format_of
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import POWER_OF_TWO, QuantizedArray, QuantizedFormat
from llmir.quantizers.registry import quantize

DATA = Path(__file__).parent.parent / "formats" / "data"
# Rows of 256 floats of many kinds (zeros, constants, ties, outliers, tiny and large ones), by llama.cpp
LLAMA_CPP = np.load(DATA / "ggml_blocks.npz")
MLLM = np.load(DATA / "mllm_gguf_blocks.npz")
K_TYPES = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
TYPES = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4", *K_TYPES]


@pytest.mark.parametrize("name", TYPES)
def test_the_bytes_are_llama_cpps(name: str) -> None:
    q = quantize(LLAMA_CPP["x"], format_of(Type[name]), "gguf")
    np.testing.assert_array_equal(encode(Type[name], q), LLAMA_CPP[name])


@pytest.mark.parametrize("name", [n for n in TYPES if n in MLLM])
def test_the_bytes_are_mllms(name: str) -> None:
    q = quantize(MLLM["x"], format_of(Type[name]), "gguf")
    np.testing.assert_array_equal(encode(Type[name], q), MLLM[name])


def errors(x: NDArray[np.float32], q: QuantizedArray) -> float:
    return float(np.square(q.dequantize().astype(np.float64) - x).sum())


@pytest.mark.parametrize("name", K_TYPES)
def test_the_search_is_better_than_plain_ranges(name: str) -> None:
    """On the format's own measure, in sum: the plain ranges are one of the candidates before scales are rounded."""
    x = np.random.default_rng(0).standard_normal((16, 512)).astype(np.float32)
    form = format_of(Type[name])
    plain = "absmax" if form.symmetric else "minmax"
    assert errors(x, quantize(x, form, "gguf")) < errors(x, quantize(x, form, plain))


@pytest.mark.parametrize("name", K_TYPES)
def test_other_sizes(name: str) -> None:
    """576 is not a multiple of 256: three super-blocks of 192 then."""
    x = np.random.default_rng(1).standard_normal((4, 576)).astype(np.float32)
    form = format_of(Type[name])
    group = form.granularity.group_size
    assert group is not None
    level = Granularity(group_size=192 // group)
    assert isinstance(form.scale, QuantizedFormat)
    minimum = form.minimum
    if isinstance(minimum, QuantizedFormat):
        minimum = replace(minimum, granularity=level)
    form = replace(form, scale=replace(form.scale, granularity=level), minimum=minimum)
    q = quantize(x, form, "gguf")
    assert isinstance(q.scale, QuantizedArray)
    assert isinstance(q.scale.scale, np.ndarray)
    assert q.scale.codes.shape == (4, 576 // group)
    assert q.scale.scale.shape == (4, 3)
    assert errors(x, q) < errors(x, quantize(x, form, "absmax" if form.symmetric else "minmax"))


def test_codes_are_the_nearest_under_stored_scales() -> None:
    x = np.random.default_rng(2).standard_normal((8, 512)).astype(np.float32)
    for name in K_TYPES:
        q = decode(Type[name], encode(Type[name], quantize(x, format_of(Type[name]), "gguf")))
        lowest, highest = q.format.element.minimum, q.format.element.maximum
        best = np.full(x.shape, np.inf)
        for code in range(int(lowest), int(highest) + 1):
            values = replace(q, codes=np.full_like(q.codes, code)).dequantize().astype(np.float64)
            best = np.minimum(best, np.abs(values - x))
        np.testing.assert_allclose(np.abs(q.dequantize().astype(np.float64) - x), best, atol=1e-6)


@pytest.mark.parametrize(
    "target",
    [
        QuantizedFormat(element("i7"), np.dtype(np.float16)),
        QuantizedFormat(element("ui4"), np.dtype(np.float16)),
        QuantizedFormat(element("ui4"), np.dtype(np.float16), zero_point=element("ui4")),
        QuantizedFormat(element("i4"), np.dtype(np.float16), narrow_range=True),
        QuantizedFormat(element("i4"), POWER_OF_TWO),
        QuantizedFormat(element("i3"), QuantizedFormat(Integer(5, True))),
    ],
    ids=str,
)
def test_other_formats_are_refused(target: QuantizedFormat) -> None:
    with pytest.raises(ValueError, match="gguf quantizes to the formats of Q4_0, Q4_1"):
        quantize(np.ones((2, 32), np.float32), replace(target, granularity=Granularity(group_size=16)), "gguf")


def test_a_scale_beyond_float16_is_refused() -> None:
    x = np.full((1, 256), 1e10, np.float32)
    with pytest.raises(ValueError, match=r"a scale of -1.25e\+09 does not fit float16"):
        quantize(x, format_of(Type.Q4_0), "gguf")
    with pytest.raises(ValueError, match=r"a scale of scales of .* does not fit float16"):
        quantize(x, format_of(Type.Q6_K), "gguf")
