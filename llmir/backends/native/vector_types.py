"""Types of scalars, vectors and addresses in native code, and what they are made of."""

from __future__ import annotations

from typing import Any

from xdsl.dialects.builtin import BFloat16Type, Float16Type, Float32Type, IntegerType, VectorType
from xdsl.dialects.llvm import LLVMPointerType
from xdsl.ir import Attribute

I1, I8, I16, I32, I64 = (IntegerType(bits) for bits in (1, 8, 16, 32, 64))
F16, BF16, F32 = Float16Type(), BFloat16Type(), Float32Type()
PTR = LLVMPointerType()

_VECTORS: dict[tuple[int, int], VectorType[Any]] = {}
_ELEMENTS: dict[int, Attribute] = {}


def vec(element: Attribute, lanes: int) -> VectorType[Any]:
    """The type of a vector; the same object each time."""
    key = (id(element), lanes)
    found = _VECTORS.get(key)
    if found is None:
        _ELEMENTS[id(element)] = element
        found = _VECTORS[key] = VectorType(element, [lanes])
    return found


def element_of(type: Any) -> Any:
    """The element of a vector type, or the scalar type itself."""
    return type.element_type if type.__class__ is VectorType else type


def lanes_of(type: Any) -> int:
    """The lanes of a vector type; 0 for a scalar."""
    return type.shape.data[0].data if type.__class__ is VectorType else 0


def bits_of(type: Attribute) -> int:
    """The bits of a type."""
    element = element_of(type)
    bits: int = element.width.data if element.__class__ is IntegerType else element.bitwidth
    return bits * (lanes_of(type) or 1)


def like(type: Attribute, element: Attribute) -> Attribute:
    """A type of as many lanes, with another element."""
    lanes = lanes_of(type)
    return vec(element, lanes) if lanes else element


def mangled(type: Any) -> str:
    """A type as names of intrinsics end in it."""
    lanes = lanes_of(type)
    if lanes:
        return f"v{lanes}{mangled(element_of(type))}"
    if type.__class__ is IntegerType:
        return f"i{type.width.data}"
    return "p0" if type == PTR else type.name
