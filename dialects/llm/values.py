"""Constants of the IR as NumPy values, and back."""

from __future__ import annotations

import math
import re
from typing import Any, cast

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import (
    ArrayAttr,
    BytesAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IndexType,
    IntAttr,
    IntegerAttr,
    IntegerType,
    NoneAttr,
    ShapedType,
    Signedness,
    StringAttr,
    TensorType,
)
from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.attributes import RopeScalingAttr
from llmir.dialects.llm.types import FLOATS, as_tensor


def array_dtype(type: Attribute) -> np.dtype[Any]:
    """The NumPy dtype that holds values of a scalar type; VerifyException when none does."""
    if isinstance(type, IndexType):
        return np.dtype(np.int64)
    if isinstance(type, IntegerType):
        integer = cast("IntegerType", type)
        if integer.width.data == 1:
            return np.dtype(np.bool_)
        kind = "u" if integer.signedness.data is Signedness.UNSIGNED else "i"
        if integer.compile_time_size in (1, 2, 4, 8):
            return np.dtype(f"{kind}{integer.compile_time_size}")
    for known, dtype in FLOATS.items():
        if isinstance(type, known):
            return dtype
    named = re.fullmatch(r"f([468])(E\w+)", str(cast(Attribute, type)))
    found = None if named is None else getattr(ml_dtypes, f"float{named[1]}_{named[2].lower()}", None)
    if found is None:
        raise VerifyException(f"no NumPy values of type {type}")  # unreachable: nor can xDSL hold them
    return np.dtype(found)


def dense_array(attr: Attribute) -> NDArray[Any]:
    """The values of a `dense<...>` attribute in its shape, read-only."""
    dense = cast("DenseIntOrFPElementsAttr[Any]", attr)
    type, shape, content = cast(Attribute, dense.get_element_type()), dense.get_shape(), dense.data.data
    if type == IntegerType(1):
        return np.frombuffer(content, np.uint8).reshape(shape) != 0
    return np.frombuffer(content, array_dtype(type)).reshape(shape)


def dense_attribute(values: NDArray[Any], type: Attribute) -> DenseIntOrFPElementsAttr:
    """A dense attribute of the shape of `values` whose elements are of `type`."""
    stored = values.astype(array_dtype(type))
    if type == IntegerType(1):
        stored = np.where(stored, np.uint8(0xFF), np.uint8(0))
    tensor = TensorType(cast(Any, type), values.shape)
    return DenseIntOrFPElementsAttr(cast(Any, tensor), BytesAttr(np.ascontiguousarray(stored).tobytes()))


def attribute_value(attr: Attribute) -> Any:
    """An attribute as definitions of operations take it: a number, a string, an array, or a tuple of these."""
    match attr:
        case DenseIntOrFPElementsAttr():
            return dense_array(attr)
        case IntegerAttr():
            is_bool = isinstance(attr.type, IntegerType) and attr.type.width.data == 1
            return bool(attr.value.data) if is_bool else attr.value.data
        case FloatAttr():
            return float(attr.value.data)
        case StringAttr() | IntAttr():
            return attr.data
        case DenseArrayBase():
            return tuple(cast(Any, attr).get_values())
        case ArrayAttr():
            return tuple(attribute_value(a) for a in attr.data)
        case RopeScalingAttr():
            return tuple(attribute_value(p) for p in attr.parameters if not isinstance(p, NoneAttr))
        case _:
            raise ValueError(f"the attribute {attr} has no value")  # unreachable: no operation has other attributes


def scalar_type(type: Attribute) -> Attribute:
    """The type of a tensor's elements; of a scalar, its own."""
    tensor = as_tensor(type)
    return type if tensor is None else tensor.element_type


def element_count(type: Attribute) -> int | None:
    """How many elements a value of `type` has: 1 for a scalar, None when a size is dynamic."""
    if not isinstance(type, ShapedType):
        return 1
    shape = type.get_shape()
    return None if any(d < 0 for d in shape) else math.prod(shape)
