"""What operations of the `vk` dialect work on, and what they have in common."""

from __future__ import annotations

from abc import ABC
from typing import Any

from xdsl.dialects.builtin import AnyFloatConstr, IntegerType, SignlessIntegerConstraint, VectorType
from xdsl.dialects.llvm import LLVMPointerType
from xdsl.ir import Attribute
from xdsl.irdl import IRDLOperation, ParsePropInAttrDict
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.hints import isa

MACHINE = "vk.machine"
"""The module attribute that names the machine."""
INLINE = "vk.inline"
"""The attribute of a function that is put into those that call it."""

FLOAT = AnyFloatConstr | VectorType.constr(AnyFloatConstr)
INTEGER_VECTOR = VectorType.constr(SignlessIntegerConstraint)
BYTES = VectorType.constr(IntegerType(8))
POINTER = LLVMPointerType()


def lanes(type: Attribute) -> int | None:
    """The lanes of a vector type, None for a scalar; VerifyException for a vector of another form."""
    if not isinstance(type, VectorType):
        return None
    if type.get_num_dims() != 1 or type.get_num_scalable_dims():
        raise VerifyException(f"{type} is no vector of one fixed dimension, as registers hold")
    return type.get_shape()[0]


def element(type: Attribute) -> Attribute:
    """The element of a vector, or the scalar itself."""
    return type.element_type if isa(type, VectorType) else type


def bit_width(type: Attribute) -> int:
    """The bits of a scalar or a vector of integers and floats."""
    scalar: Any = element(type)
    width: int = scalar.width.data if scalar.__class__ is IntegerType else scalar.bitwidth
    return width * (lanes(type) or 1)


def check_value(type: Attribute) -> None:
    """VerifyException unless a type is of what registers hold: an integer, a float, an address, or lanes of numbers."""
    scalar = element(type)
    numbers = isinstance(scalar, IntegerType) or AnyFloatConstr.verifies(scalar)
    if not numbers and type != POINTER:
        raise VerifyException(f"{type} is in no register, expected an integer, a float, a vector of them or !llvm.ptr")
    lanes(type)


def check_same_lanes(first: Attribute, second: Attribute) -> None:
    """VerifyException unless two types have as many lanes."""
    if lanes(first) != lanes(second):
        raise VerifyException(f"{first} and {second} have different lanes, expected the same")


class VkOperation(IRDLOperation, ABC):
    """An operation whose properties stand in braces."""

    irdl_options = (ParsePropInAttrDict(),)
