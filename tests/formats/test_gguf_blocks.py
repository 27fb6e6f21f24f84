"""Block decoding against the gguf package, against blocks made by another project, and against itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmir.errors import InputError
from llmir.formats.gguf_blocks import DECODABLE, DEQUANTIZABLE, Decoded, decode, dequantize, encode

# Blocks of one vector of 1024 floats, written by the mllm project's own C++ quantizers.
GOLDEN = Path(__file__).parent / "data" / "mllm_gguf_blocks.npz"
Q = GGMLQuantizationType

decodable = pytest.mark.parametrize("type", sorted(DECODABLE), ids=lambda type: type.name)


def random_rows(type: GGMLQuantizationType, shape: tuple[int, ...], seed: int) -> NDArray[np.uint8]:
    """Uniform bytes, so scales cover every float16 pattern: infinities, NaNs and subnormals too."""
    rng = np.random.default_rng(seed)
    block_bytes = GGML_QUANT_SIZES[type][1]
    return rng.integers(0, 256, (*shape[:-1], shape[-1] * block_bytes), dtype=np.uint8)


def real_values(decoded: Decoded) -> NDArray[np.float32]:
    groups = decoded.codes.reshape(*decoded.scale.shape, decoded.group_size).astype(np.float32)
    with np.errstate(invalid="ignore"):
        values = groups * decoded.scale[..., np.newaxis].astype(np.float32)
        if decoded.minimum is not None:
            values = values + decoded.minimum[..., np.newaxis].astype(np.float32)
    return values.reshape(decoded.codes.shape)


def assert_same_bits(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Equal bit for bit, except that one NaN is as good as another."""
    assert actual.dtype == expected.dtype == np.float32
    assert actual.shape == expected.shape
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(actual), nan)
    np.testing.assert_array_equal(actual[~nan].view(np.uint32), expected[~nan].view(np.uint32))


def reference(type: GGMLQuantizationType, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return quants.dequantize(raw, type)


@decodable
def test_codes_times_scales_are_the_gguf_values(type: GGMLQuantizationType) -> None:
    raw = random_rows(type, (3, 5, 40), seed=int(type))
    assert_same_bits(real_values(decode(type, raw)), reference(type, raw))


@decodable
def test_every_scale_pattern(type: GGMLQuantizationType) -> None:
    raw = random_rows(type, (1 << 16, 1), seed=int(type))
    raw[:, :2] = np.arange(1 << 16, dtype="<u2").view(np.uint8).reshape(-1, 2)
    assert_same_bits(real_values(decode(type, raw)), reference(type, raw))


@decodable
def test_decoded_description(type: GGMLQuantizationType) -> None:
    decoded = decode(type, random_rows(type, (2, 4, 3), seed=1))
    assert decoded.codes.shape == (2, 4, 96)
    assert decoded.codes.dtype == (np.int8 if decoded.signed else np.uint8)
    assert decoded.scale.shape == (2, 4, 3)
    assert decoded.scale.dtype == np.float16
    assert (decoded.minimum is not None) == type.name.endswith("_1")
    assert decoded.signed == type.name.endswith("_0")
    assert decoded.bits == int(type.name[1])
    assert decoded.group_size == 32


@decodable
def test_codes_cover_their_range(type: GGMLQuantizationType) -> None:
    decoded = decode(type, random_rows(type, (64, 16), seed=2))
    lowest = -(1 << (decoded.bits - 1)) if decoded.signed else 0
    expected = np.arange(lowest, lowest + (1 << decoded.bits))
    np.testing.assert_array_equal(np.unique(decoded.codes), expected)


@decodable
def test_a_strided_view_decodes_like_its_copy(type: GGMLQuantizationType) -> None:
    raw = random_rows(type, (8, 4), seed=3)[::2]
    assert_same_bits(dequantize(type, raw), reference(type, raw.copy()))
    np.testing.assert_array_equal(decode(type, raw).codes, decode(type, raw.copy()).codes)


@given(
    type=st.sampled_from(sorted(DECODABLE)),
    rows=st.integers(0, 3),
    blocks=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_encode_inverts_decode(type: GGMLQuantizationType, rows: int, blocks: int, seed: int) -> None:
    raw = random_rows(type, (rows, blocks), seed)
    decoded = decode(type, raw)
    encoded = encode(type, decoded)
    assert encoded.dtype == np.uint8
    np.testing.assert_array_equal(encoded, raw)
    again = decode(type, encoded)
    np.testing.assert_array_equal(again.codes, decoded.codes)
    np.testing.assert_array_equal(again.scale.view(np.uint16), decoded.scale.view(np.uint16))


@decodable
def test_encode_fits_what_gguf_quantizes(type: GGMLQuantizationType) -> None:
    weights = np.random.default_rng(4).standard_normal((6, 128)).astype(np.float32)
    raw = quants.quantize(weights, type)
    np.testing.assert_array_equal(encode(type, decode(type, raw)), raw)


@pytest.mark.parametrize("type", [Q.Q4_0, Q.Q8_0], ids=["Q4_0", "Q8_0"])
def test_golden_blocks_hold_the_quantized_vector(type: GGMLQuantizationType) -> None:
    """The scale is the signed extreme over -8, or absmax over 127; each value is within half a step."""
    golden = np.load(GOLDEN)
    groups = golden["x"].reshape(-1, 32)
    decoded = decode(type, golden[type.name])
    extreme = groups[np.arange(len(groups)), np.abs(groups).argmax(axis=1)]
    scale = extreme / -8 if type is Q.Q4_0 else np.abs(extreme) / 127
    np.testing.assert_array_equal(decoded.scale, scale.astype(np.float16))
    values = real_values(decoded).reshape(groups.shape)
    assert_same_bits(values.reshape(1024), quants.dequantize(golden[type.name], type))
    # Rounding the scale to float16 moves code 127 by up to 127 * 2**-11 = 0.062 steps; +8 clips to 7.
    step = np.abs(scale.astype(np.float64))[:, np.newaxis]
    exact = np.divide(groups, scale[:, np.newaxis], out=np.zeros_like(groups), where=step != 0)
    if type is Q.Q4_0:
        exact = exact.clip(None, 7)
    assert np.all(np.abs(values - exact * scale[:, np.newaxis]) <= 0.57 * step)


@pytest.mark.parametrize("type", [Q.Q2_K, Q.Q3_K, Q.Q4_K, Q.Q6_K], ids=lambda type: type.name)
def test_golden_k_quants(type: GGMLQuantizationType) -> None:
    golden = np.load(GOLDEN)
    expected = golden[f"dequant_{type.name}"]
    # The C++ and NumPy evaluate scale * code - minimum with different roundings in the last place.
    np.testing.assert_allclose(dequantize(type, golden[type.name]), expected, rtol=2e-6, atol=1e-7)


def test_the_common_types_are_dequantizable() -> None:
    common = {Q.F32, Q.F16, Q.BF16, Q.Q4_0, Q.Q8_0, Q.Q2_K, Q.Q3_K, Q.Q4_K, Q.Q5_K, Q.Q6_K, Q.IQ4_NL}
    assert common <= DEQUANTIZABLE
    assert not DEQUANTIZABLE & {Q.Q8_1, Q.Q8_K}


@pytest.mark.parametrize("type", sorted(DEQUANTIZABLE), ids=lambda type: type.name)
def test_dequantize_covers_every_listed_type(type: GGMLQuantizationType) -> None:
    block_elements, block_bytes = GGML_QUANT_SIZES[type]
    raw = np.random.default_rng(int(type)).integers(0, 256, (2, 2, 2 * block_bytes), dtype=np.uint8)
    values = dequantize(type, raw)
    assert values.dtype == np.float32
    assert values.shape == (2, 2, 2 * block_elements)


@pytest.mark.parametrize("type", sorted(DEQUANTIZABLE - {Q.F64, Q.I8, Q.I16, Q.I32, Q.I64}), ids=lambda type: type.name)
def test_dequantize_is_the_gguf_package(type: GGMLQuantizationType) -> None:
    raw = random_rows(type, (17, 2), seed=5)
    assert_same_bits(dequantize(type, raw), reference(type, raw))


@pytest.mark.parametrize(
    ("type", "dtype"),
    [(Q.F32, "<f4"), (Q.F16, "<f2"), (Q.F64, "<f8"), (Q.I8, "<i1"), (Q.I16, "<i2"), (Q.I32, "<i4")],
    ids=lambda value: getattr(value, "name", value),
)
def test_plain_types_keep_their_values(type: GGMLQuantizationType, dtype: str) -> None:
    values = np.array([[0, 1, -2, 100], [-128, 127, 5, -7]], dtype=dtype)
    np.testing.assert_array_equal(dequantize(type, values.view(np.uint8)), values.astype(np.float32))


def test_bfloat16_is_the_upper_half_of_float32() -> None:
    values = np.array([[1.0, -2.5, 3e38, 0.0]], dtype=np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2")
    expected = (upper.astype(np.uint32) << 16).view(np.float32)
    assert_same_bits(dequantize(Q.BF16, upper.view(np.uint8)), expected)


def test_types_without_plain_codes_are_refused() -> None:
    with pytest.raises(InputError, match=r"Q4_K has no plain integer codes; supported: Q4_0, Q4_1, Q5_0"):
        decode(Q.Q4_K, random_rows(Q.Q4_K, (1, 1), seed=0))
    with pytest.raises(InputError, match=r"F32 has no plain integer codes"):
        encode(Q.F32, decode(Q.Q8_0, random_rows(Q.Q8_0, (1, 1), seed=0)))


def test_types_without_values_are_refused() -> None:
    with pytest.raises(InputError, match=r"Q8_K cannot be dequantized; supported: BF16, F16, F32"):
        dequantize(Q.Q8_K, random_rows(Q.Q8_K, (1, 1), seed=0))
    with pytest.raises(InputError, match=r"999 cannot be dequantized"):
        dequantize(cast(GGMLQuantizationType, 999), np.zeros((1, 4), np.uint8))


@pytest.mark.parametrize(
    "raw", [np.zeros((2, 17), np.uint8), np.zeros((2, 18), np.int8), np.zeros((), np.uint8)], ids=str
)
def test_partial_blocks_are_refused(raw: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match=r"Q4_0 needs uint8 rows in whole blocks of 18 bytes, not"):
        decode(Q.Q4_0, raw)
    with pytest.raises(InputError, match=r"Q4_0 needs uint8 rows in whole blocks of 18 bytes, not"):
        dequantize(Q.Q4_0, raw)


def test_encode_refuses_what_does_not_fit() -> None:
    q4_0 = decode(Q.Q4_0, random_rows(Q.Q4_0, (2, 2), seed=6))
    q4_1 = decode(Q.Q4_1, random_rows(Q.Q4_1, (2, 2), seed=7))
    half = np.zeros((2, 2), np.float16)
    cases: list[tuple[GGMLQuantizationType, Decoded, str]] = [
        (Q.Q4_0, replace(q4_0, codes=q4_0.codes[:, :40]), r"rows in whole groups of 32, not \[2, 40\]"),
        (Q.Q4_0, replace(q4_0, group_size=64), r"has groups of 32, not 64"),
        (
            Q.Q4_0,
            replace(q4_0, scale=half[:1]),
            r"float16 scales of shape \[2, 2\], not float16 of shape \[1",
        ),
        (Q.Q4_0, replace(q4_0, scale=half.astype(np.float32)), r"scales of shape \[2, 2\], not float32"),
        (Q.Q4_0, replace(q4_0, minimum=half), r"Q4_0 stores no minimum"),
        (Q.Q4_1, replace(q4_1, minimum=None), r"Q4_1 stores a minimum for every group"),
        (Q.Q4_1, replace(q4_1, minimum=half[:1]), r"float16 minimums of shape \[2, 2\], not float16 of"),
        (Q.Q4_1, replace(q4_1, codes=q4_1.codes.view(np.int8)), r"needs uint8 codes, not int8"),
        (Q.Q4_1, replace(q4_1, codes=np.full_like(q4_1.codes, 16)), r"needs codes in \[0, 15\]"),
        (Q.Q4_0, replace(q4_0, codes=np.full_like(q4_0.codes, -9)), r"needs codes in \[-8, 7\]"),
    ]
    for type, decoded, message in cases:
        with pytest.raises(InputError, match=message):
            encode(type, decoded)
