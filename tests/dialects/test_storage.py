"""Element types of stored tensors, and back."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from xdsl.dialects.builtin import IntegerType, Signedness
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.storage import storage_dtype, storage_type

TYPES: dict[Any, str] = {
    np.float16: "f16",
    ml_dtypes.bfloat16: "bf16",
    np.float32: "f32",
    np.float64: "f64",
    ml_dtypes.float8_e4m3fn: "f8E4M3FN",
    ml_dtypes.float8_e5m2: "f8E5M2",
    np.bool_: "i1",
    np.int8: "i8",
    np.uint8: "ui8",
    np.int16: "i16",
    np.uint16: "ui16",
    np.int32: "i32",
    np.uint32: "ui32",
    np.int64: "i64",
    np.uint64: "ui64",
}


@pytest.mark.parametrize("dtype", TYPES)
def test_there_and_back(dtype: Any) -> None:
    type = storage_type(np.dtype(dtype))
    assert str(type) == TYPES[dtype]
    assert storage_dtype(type) == dtype


def test_others() -> None:
    with pytest.raises(ValueError, match="no IR type for elements of complex64"):
        storage_type(np.dtype(np.complex64))
    with pytest.raises(
        VerifyException, match="tensors of i4 are not stored, expected i1, i8, i16, i32, i64 or unsigned"
    ):
        storage_dtype(IntegerType(4))
    with pytest.raises(VerifyException, match="tensors of ui1 are not stored"):
        storage_dtype(IntegerType(1, Signedness.UNSIGNED))
