"""Element types of tensors as they are stored: the floats of the IR, integers of whole bytes, booleans, f8."""

from __future__ import annotations

from typing import Any, cast

import ml_dtypes
import numpy as np
from xdsl.dialects.builtin import Float8E4M3FNType, Float8E5M2Type, IntegerType, Signedness
from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.types import FLOATS, float_dtype

SMALL_FLOATS: dict[type[Attribute], np.dtype[Any]] = {
    Float8E4M3FNType: np.dtype(ml_dtypes.float8_e4m3fn),
    Float8E5M2Type: np.dtype(ml_dtypes.float8_e5m2),
}
INTEGERS: dict[tuple[int, bool], np.dtype[Any]] = {
    (1, False): np.dtype(np.bool_),
    **{
        (bits, unsigned): np.dtype(f"{'u' if unsigned else 'i'}{bits // 8}")
        for bits in (8, 16, 32, 64)
        for unsigned in (False, True)
    },
}


def storage_type(dtype: np.dtype[Any]) -> Attribute:
    """The IR element type of a NumPy dtype: signless integers are two's complement; ValueError if there is none."""
    for kind, known in (FLOATS | SMALL_FLOATS).items():
        if known == dtype:
            return cast(Any, kind)()
    for (bits, unsigned), known in INTEGERS.items():
        if known == dtype:
            return IntegerType(bits, Signedness.UNSIGNED if unsigned else Signedness.SIGNLESS)
    raise ValueError(f"no IR type for elements of {dtype}")


def storage_dtype(type: Attribute) -> np.dtype[Any]:
    """The NumPy dtype elements of a type are stored in; VerifyException for types that are not stored."""
    for kind, dtype in SMALL_FLOATS.items():
        if isinstance(type, kind):
            return dtype
    if isinstance(type, IntegerType):
        integer = cast("IntegerType", type)
        key = (integer.width.data, integer.signedness.data is Signedness.UNSIGNED)
        if key in INTEGERS:
            return INTEGERS[key]
        raise VerifyException(f"tensors of {integer} are not stored, expected i1, i8, i16, i32, i64 or unsigned")
    return float_dtype(type)
