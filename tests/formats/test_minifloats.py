"""Small floats: every code's value from the definition, rounding against an enumeration and against ml_dtypes."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.formats.elements import MINIFLOATS, Minifloat, element
from llmir.formats.minifloats import minifloat_name

SHAPES = [(e, m) for e in range(1, 8) for m in range(7) if e + m <= 7]
NAMES = [minifloat_name(e, m, v) for e, m in SHAPES for v in ("", "ocp", "fnuz")]

ML_DTYPES: dict[str, Any] = {
    "f8E4M3FN": ml_dtypes.float8_e4m3fn,
    "f8E5M2": ml_dtypes.float8_e5m2,
    "f8E4M3": ml_dtypes.float8_e4m3,
    "f8E3M4": ml_dtypes.float8_e3m4,
    "f8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "f8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "f8E4M3B11FNUZ": ml_dtypes.float8_e4m3b11fnuz,
    "f6E2M3FN": ml_dtypes.float6_e2m3fn,
    "f6E3M2FN": ml_dtypes.float6_e3m2fn,
    "f4E2M1FN": ml_dtypes.float4_e2m1fn,
}


def value(code: int, e: int, m: int, variant: str) -> float:
    """The value of one code, from the definition; NaN or infinity where the code is reserved."""
    bias = 2 ** (e - 1) - (0 if variant == "fnuz" else 1)
    sign = -1.0 if code >> (e + m) else 1.0
    field, mantissa = (code >> m) & (2**e - 1), code & (2**m - 1)
    if variant == "fnuz" and code == 1 << (e + m):
        return math.nan
    if variant == "ocp" and (e, m) == (4, 3) and code & 127 == 127:
        return math.nan
    if variant == "ocp" and (e, m) == (5, 2) and field == 31:
        return math.nan if mantissa else sign * math.inf
    if field == 0:
        return sign * mantissa * 2.0 ** (1 - bias - m)
    return sign * (1 + mantissa / 2**m) * 2.0 ** (field - bias)


def rounded(x: NDArray[np.float64], e: int, m: int, variant: str, largest: float) -> NDArray[np.float64]:
    """Nearest value in float64, by its quantum: u * round(x / u) with u = 2^max(floor(log2 |x|) - m, 1 - bias - m)."""
    bias = 2 ** (e - 1) - (0 if variant == "fnuz" else 1)
    logs = np.floor(np.log2(np.where(x == 0, 1.0, np.abs(x))))
    u = 2.0 ** np.maximum(logs - m, 1 - bias - m)
    return np.clip(u * np.rint(x / u), -largest, largest)


@pytest.mark.parametrize("variant", ["", "ocp", "fnuz"])
@pytest.mark.parametrize(("e", "m"), SHAPES)
def test_every_code(e: int, m: int, variant: str) -> None:
    format = Minifloat(minifloat_name(e, m, variant))
    codes = np.arange(1 << (1 + e + m), dtype=np.uint8)
    expected = np.array([value(int(c), e, m, variant) for c in codes])
    assert format.bits == 1 + e + m
    np.testing.assert_array_equal(format.decode(codes).astype(np.float64), expected)
    finite = np.isfinite(expected)
    assert (format.minimum, format.maximum) == (expected[finite].min(), expected[finite].max())
    np.testing.assert_array_equal(format.encode(expected[finite].astype(np.float32)), codes[finite])


@pytest.mark.parametrize("variant", ["", "ocp", "fnuz"])
@pytest.mark.parametrize(("e", "m"), SHAPES)
def test_rounding(e: int, m: int, variant: str) -> None:
    format = Minifloat(minifloat_name(e, m, variant))
    values = format.decode(np.arange(1 << format.bits, dtype=np.uint8)).astype(np.float64)
    values = np.unique(values[np.isfinite(values)])
    middles = (values[1:] + values[:-1]) / 2
    near = [np.nextafter(middles.astype(np.float32), s * np.float32(np.inf)) for s in (1, -1)]
    spread = np.random.default_rng(0).uniform(1.5 * values[0], 1.5 * values[-1], 200)
    tiny = np.linspace(-2, 2, 33) * values[values > 0][0]
    edges = np.array([-np.inf, np.inf, -3e38, 3e38, 1e-45, 0.0])
    x = np.concatenate([values, middles, *near, spread, tiny, edges]).astype(np.float32)
    codes = format.encode(x)
    assert codes.dtype == np.uint8
    got = format.decode(codes).astype(np.float64)
    wide = x.astype(np.float64).clip(-1e38, 1e38)
    np.testing.assert_array_equal(got, rounded(wide, e, m, variant, format.maximum))
    distance = np.abs(values[None, :] - wide[:, None]).min(axis=1)
    np.testing.assert_array_equal(np.abs(got - wide), distance)  # nothing of the format is nearer


@pytest.mark.parametrize("name", MINIFLOATS)
def test_mlir_names_are_ml_dtypes_bit_for_bit(name: str) -> None:
    format, dtype = Minifloat(name), np.dtype(ML_DTYPES[name])
    codes = np.arange(1 << format.bits, dtype=np.uint8)
    np.testing.assert_array_equal(format.decode(codes), codes.view(dtype).astype(np.float32))
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(1 << 16) * format.maximum * 2.0 ** -rng.integers(-1, 24, 1 << 16)).astype(np.float32)
    saturated = x.clip(format.minimum, format.maximum).astype(dtype)
    np.testing.assert_array_equal(format.encode(x), saturated.view(np.uint8))


@pytest.mark.parametrize(
    ("name", "largest", "smallest"),
    [
        ("e4m3", 480, 2**-9),
        ("ocp_e4m3", 448, 2**-9),
        ("fnuz_e4m3", 240, 2**-10),
        ("e5m2", 114688, 2**-16),
        ("ocp_e5m2", 57344, 2**-16),
        ("fnuz_e5m2", 57344, 2**-17),
        ("e3m4", 31, 2**-6),
        ("ocp_e2m1", 6, 0.5),
        ("ocp_e3m2", 28, 2**-4),
        ("ocp_e2m3", 7.5, 2**-3),
    ],
)
def test_published_ranges(name: str, largest: float, smallest: float) -> None:
    """Largest finite and smallest subnormal value, as OCP's specifications and Brevitas have them."""
    format = Minifloat(name)
    assert format.maximum == largest
    assert format.decode(np.array([1], np.uint8)).tolist() == [smallest]


@pytest.mark.parametrize("same", [("ocp_e4m3", "f8E4M3FN"), ("ocp_e5m2", "f8E5M2"), ("fnuz_e4m3", "f8E4M3FNUZ")])
def test_two_names_of_one_format(same: tuple[str, str]) -> None:
    a, b = map(Minifloat, same)
    assert a.layout == b.layout


def test_minus_zero() -> None:
    zeros = np.array([-0.0, -1e-30], np.float32)
    assert Minifloat("e4m3").encode(zeros).tolist() == [128, 128]
    assert Minifloat("fnuz_e4m3").encode(zeros).tolist() == [0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    assert element(name) == Minifloat(name)


@pytest.mark.parametrize("name", ["e0m3", "e8m0", "e4m4", "e1m7", "mx_e4m3", "f8E8M0FNU", "E4M3"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ValueError, match=f"unknown minifloat '{name}', expected eXmY, ocp_eXmY, fnuz_eXmY"):
        Minifloat(name)
