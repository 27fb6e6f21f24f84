"""Block decoding against the gguf package, against llama.cpp and mllm, and against itself."""

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

from llmir.dialects.llm.types import quantized_tensor_type
from llmir.errors import InputError
from llmir.formats.elements import Integer
from llmir.formats.gguf_blocks import DECODABLE, DEQUANTIZABLE, decode, dequantize, encode, format_of
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat

# Blocks of one vector of 1024 floats, written by the mllm project's own C++ quantizers.
GOLDEN = Path(__file__).parent / "data" / "mllm_gguf_blocks.npz"
# Rows of 256 floats of many kinds, quantized and dequantized by llama.cpp (xllamacpp 2026.10).
LLAMA_CPP = np.load(Path(__file__).parent / "data" / "ggml_blocks.npz")
Q = GGMLQuantizationType

decodable = pytest.mark.parametrize("type", sorted(DECODABLE), ids=lambda type: type.name)
SYMMETRIC = (Q.Q4_0, Q.Q5_0, Q.Q8_0, Q.Q3_K, Q.Q6_K, Q.IQ4_NL, Q.IQ4_XS, Q.MXFP4)


def random_rows(type: GGMLQuantizationType, shape: tuple[int, ...], seed: int) -> NDArray[np.uint8]:
    """Uniform bytes, so scales cover every float16 pattern: infinities, NaNs and subnormals too."""
    rng = np.random.default_rng(seed)
    block_bytes = GGML_QUANT_SIZES[type][1]
    raw = rng.integers(0, 256, (*shape[:-1], shape[-1] * block_bytes), dtype=np.uint8)
    if type is Q.MXFP4:  # the exponent 255 is NaN by OCP's definition, and a number to ggml
        exponents = raw.reshape(*shape, block_bytes)[..., 0]
        exponents[exponents == 255] = 0
    return raw


def real_values(decoded: QuantizedArray) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return decoded.dequantize()


def assert_same_bits(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Equal bit for bit, except that one NaN is as good as another."""
    assert actual.dtype == expected.dtype == np.float32
    assert actual.shape == expected.shape
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(actual), nan)
    np.testing.assert_array_equal(actual[~nan].view(np.uint32), expected[~nan].view(np.uint32))


def reference(type: GGMLQuantizationType, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        values = quants.dequantize(raw, type)
    if type is Q.MXFP4:  # the package makes a plain 0 of the code of minus zero
        zero = np.signbit(decode(type, raw).code_values()) & (values == 0)
        values[zero] = -0.0
    return values


@decodable
def test_codes_times_scales_are_the_gguf_values(type: GGMLQuantizationType) -> None:
    raw = random_rows(type, (3, 5, 40), seed=int(type))
    assert_same_bits(real_values(decode(type, raw)), reference(type, raw))


@pytest.mark.parametrize("type", [Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q8_0, Q.Q4_K, Q.Q5_K], ids=lambda t: t.name)
def test_every_scale_pattern(type: GGMLQuantizationType) -> None:
    elements = GGML_QUANT_SIZES[type][0]
    raw = random_rows(type, (1 << 16 if elements == 32 else 1 << 13, 1), seed=int(type))
    raw[:, :2] = np.arange(0, 1 << 16, (1 << 16) // len(raw), dtype="<u2").view(np.uint8).reshape(-1, 2)
    assert_same_bits(real_values(decode(type, raw)), reference(type, raw))


@decodable
def test_decoded_has_the_types_format(type: GGMLQuantizationType) -> None:
    elements = GGML_QUANT_SIZES[type][0]
    decoded = decode(type, random_rows(type, (2, 4, 3), seed=1))
    form = format_of(type)
    assert decoded.format == form
    assert decoded.codes.shape == (2, 4, 3 * elements)
    assert decoded.codes.dtype == form.element.dtype
    group = form.granularity.group_size
    assert group is not None
    parameters = (2, 4, 3 * elements // group)
    levels = ((form.scale, decoded.scale), (form.minimum, decoded.minimum))
    for kind, level in levels:
        if isinstance(level, QuantizedArray):
            assert isinstance(kind, QuantizedFormat)
            assert level.codes.shape == parameters
            assert isinstance(level.scale, np.ndarray)
            assert level.scale.shape == (2, 4, 3)
            assert level.scale.dtype == np.float16
        elif level is not None:
            assert level.shape == parameters
            assert level.dtype == kind
    assert (decoded.minimum is None) == (type in SYMMETRIC)


@pytest.mark.parametrize(
    ("type", "text"),
    [
        (Q.Q4_0, "i4, scale=f16, symmetric=true, group_size=32"),
        (Q.Q4_1, "ui4, scale=f16, min=f16, group_size=32"),
        (
            Q.Q2_K,
            "ui2, scale=!llm.scale<ui4, scale=f16, group_size=16>, "
            "min=!llm.scale<ui4, scale=f16, group_size=16>, group_size=16",
        ),
        (Q.Q3_K, "i3, scale=!llm.scale<i6, scale=f16, group_size=16>, symmetric=true, group_size=16"),
        (
            Q.Q4_K,
            "ui4, scale=!llm.scale<ui6, scale=f16, group_size=8>, "
            "min=!llm.scale<ui6, scale=f16, group_size=8>, group_size=32",
        ),
        (
            Q.Q5_K,
            "ui5, scale=!llm.scale<ui6, scale=f16, group_size=8>, "
            "min=!llm.scale<ui6, scale=f16, group_size=8>, group_size=32",
        ),
        (Q.Q6_K, "i6, scale=!llm.scale<i8, scale=f16, group_size=16>, symmetric=true, group_size=16"),
        (Q.IQ4_NL, "!llm.codebook<iq4_nl>, scale=f16, group_size=32"),
        (Q.IQ4_XS, "!llm.codebook<iq4_nl>, scale=!llm.scale<i6, scale=f16, group_size=8>, group_size=32"),
        (Q.MXFP4, "f4E2M1FN, scale=f8E8M0FNU, group_size=32"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_ir_type_of_a_block_type(type: GGMLQuantizationType, text: str) -> None:
    assert str(quantized_tensor_type((2, 256), format_of(type))) == f"!llm.quantized_tensor<2x256x{text}>"


@decodable
def test_codes_cover_their_range(type: GGMLQuantizationType) -> None:
    decoded = decode(type, random_rows(type, (64, 16), seed=2))
    lowest = -(1 << (decoded.format.element.bits - 1)) if decoded.codes.dtype == np.int8 else 0
    expected = np.arange(lowest, lowest + (1 << decoded.format.element.bits))
    np.testing.assert_array_equal(np.unique(decoded.codes), expected)
    for level in (decoded.scale, decoded.minimum):
        if isinstance(level, QuantizedArray):
            codes = np.unique(level.codes)
            assert (codes.min(), codes.max()) == (level.format.element.minimum, level.format.element.maximum)


@pytest.mark.parametrize("name", [n.removeprefix("values_") for n in LLAMA_CPP if n.startswith("values_")])
def test_values_of_llama_cpp(name: str) -> None:
    decoded = decode(Q[name], LLAMA_CPP[name])
    values = LLAMA_CPP[f"values_{name}"]  # of the first rows
    np.testing.assert_array_equal(decoded.dequantize()[: len(values)], values)
    np.testing.assert_array_equal(encode(Q[name], decoded), LLAMA_CPP[name])


@decodable
def test_a_strided_view_decodes_like_its_copy(type: GGMLQuantizationType) -> None:
    raw = random_rows(type, (8, 4), seed=3)[::2]
    np.testing.assert_array_equal(dequantize(type, raw), dequantize(type, raw.copy()))
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
    np.testing.assert_array_equal(real_values(again), real_values(decoded))


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
    with np.errstate(over="ignore", invalid="ignore"):
        assert_same_bits(dequantize(type, raw), quants.dequantize(raw, type))


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


def test_types_without_codes_are_refused() -> None:
    with pytest.raises(InputError, match=r"GGUF type IQ2_XXS has no codes to keep; supported: IQ4_NL, IQ4_XS, MXFP4"):
        decode(Q.IQ2_XXS, random_rows(Q.IQ2_XXS, (1, 1), seed=0))
    with pytest.raises(InputError, match=r"F32 has no codes to keep"):
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
    q4_k = decode(Q.Q4_K, random_rows(Q.Q4_K, (2, 2), seed=7))
    assert isinstance(q4_k.scale, QuantizedArray)
    half, wide = np.zeros((2, 2), np.float16), np.zeros((2, 2), np.float32)
    large = replace(q4_k.scale, codes=np.full_like(q4_k.scale.codes, 64))
    short = replace(q4_k.scale, scale=half[:1])
    per_channel = replace(q4_0.format, granularity=Granularity(axis=0))
    per_tensor = replace(q4_0.format, granularity=Granularity(), zero_point=Integer(4, True))
    cases: list[tuple[GGMLQuantizationType, QuantizedArray, str]] = [
        (Q.Q4_0, replace(q4_0, codes=q4_0.codes[:, :40]), r"rows in whole blocks of 32, not \[2, 40\]"),
        (Q.Q4_0, replace(q4_0, format=per_channel), "i4 codes, scale float16, groups of a channel along dimension 0"),
        (Q.Q4_0, replace(q4_0, format=per_tensor), "not i4 codes, scale float16, zero point i4, one scale"),
        (Q.Q4_0, q4_1, "Q4_0 holds i4 codes, scale float16, groups of 32, not ui4 codes, scale float16, min"),
        (Q.Q4_K, q4_1, "Q4_K holds ui4 codes, scale ui6 by float16 for 8 groups, minimum ui6 by float16 for 8 groups"),
        (Q.Q4_0, replace(q4_0, scale=half[:1]), r"Q4_0 needs scales of shape \[2, 2\], not \[1, 2\]"),
        (Q.Q4_0, replace(q4_0, scale=wide), "Q4_0 needs float16 scales, not float32"),
        (Q.Q4_1, replace(q4_1, minimum=half[:1]), r"Q4_1 needs minima of shape \[2, 2\], not \[1, 2\]"),
        (Q.Q4_1, replace(q4_1, codes=q4_1.codes.view(np.int8)), "needs uint8 codes, not int8"),
        (Q.Q4_1, replace(q4_1, codes=np.full_like(q4_1.codes, 16)), r"needs codes in \[0, 15\]"),
        (Q.Q4_0, replace(q4_0, codes=np.full_like(q4_0.codes, -9)), r"needs codes in \[-8, 7\]"),
        (Q.Q4_K, replace(q4_k, scale=large), r"Q4_K needs scales in \[0, 63\]"),
        (Q.Q4_K, replace(q4_k, scale=short), r"Q4_K needs second level of scales of shape \[2, 2\], not \[1, 2\]"),
    ]
    for type, array, message in cases:
        with pytest.raises(InputError, match=message):
            encode(type, array)
