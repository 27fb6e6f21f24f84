"""Types, constants and names of symbols as LLVM IR text."""

from __future__ import annotations

import struct
from typing import Any, cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    BFloat16Type,
    DenseIntOrFPElementsAttr,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntAttr,
    IntegerAttr,
    IntegerType,
    StringAttr,
    VectorType,
)
from xdsl.ir import Attribute

from llmir.dialects import llvm_additions as additions
from llmir.errors import InputError

SCALARS: dict[type[Attribute], str] = {
    Float16Type: "half",
    BFloat16Type: "bfloat",
    Float32Type: "float",
    Float64Type: "double",
    llvm.LLVMVoidType: "void",
    additions.X86AMXType: "x86_amx",
}


def text_of_type(type: Attribute) -> str:
    """A type as LLVM writes it; InputError when LLVM has none such."""
    kind = type.__class__
    if kind in SCALARS:
        return SCALARS[kind]
    match type:
        case IntegerType():
            return f"i{type.width.data}"
        case llvm.LLVMPointerType():
            space = type.addr_space
            return f"ptr addrspace({space.data})" if isinstance(space, IntAttr) and space.data else "ptr"
        case VectorType() if type.get_num_dims() == 1:
            scalable = "vscale x " if type.get_num_scalable_dims() else ""
            return f"<{scalable}{type.get_shape()[0]} x {text_of_type(cast(Any, type).element_type)}>"
        case llvm.LLVMArrayType():
            return f"[{type.size.data} x {text_of_type(type.type)}]"
        case llvm.LLVMStructType() if not type.struct_name.data:
            return f"{{ {', '.join(map(text_of_type, type.types.data))} }}"
        case _:
            raise InputError(f"type {type} has no form in LLVM IR")


def float_text(value: float, type: Attribute) -> str:
    """A float as LLVM writes its bits."""
    match type:
        case Float16Type():
            return f"0xH{int.from_bytes(struct.pack('>e', value), 'big'):04X}"
        case BFloat16Type():
            return f"0xR{_bfloat_bits(value):04X}"
        case Float32Type():
            value = struct.unpack("<f", struct.pack("<f", value))[0]
            return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
        case Float64Type():
            return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
        case _:
            raise InputError(f"a constant of type {type} has no form in LLVM IR")


def _bfloat_bits(value: float) -> int:
    """The upper half of an f32, rounded to nearest even."""
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    if value != value:
        return (bits >> 16) | 0x40
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def constant_text(value: Attribute, type: Attribute, what: str) -> str:
    """A constant of a type, without the type."""
    match value:
        case IntegerAttr():
            return str(value.value.data)
        case FloatAttr():
            return float_text(value.value.data, type)
        case DenseIntOrFPElementsAttr() if isinstance(type, VectorType):
            element = cast(Any, type).element_type
            lanes = type.get_shape()[0]
            numbers = cast("list[Any]", value.get_values())
            integers = element.__class__ is IntegerType
            if all(n == 0 and (integers or struct.pack("<d", n)[7] == 0) for n in numbers):
                return "zeroinitializer"
            texts = [str(int(n)) if integers else float_text(n, element) for n in numbers]
            if integers and element.width.data == 1:
                texts = ["true" if n else "false" for n in numbers]
            name = text_of_type(element)
            if value.is_splat() and lanes > 1:
                return f"splat ({name} {texts[0]})"
            return f"<{', '.join(f'{name} {t}' for t in texts)}>"
        case StringAttr():
            return 'c"' + "".join(escaped(b) for b in value.data.encode()) + '"'
        case _:
            raise InputError(f"'{what}' has the value {value}, which has no form in LLVM IR")


def escaped(byte: int) -> str:
    """A byte of a text in quotes."""
    return chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\{byte:02X}"


def quoted(name: str) -> str:
    """A name of a symbol, in quotes where it needs them."""
    plain = name.replace("_", "").replace(".", "").replace("$", "").replace("-", "")
    if plain.isalnum() and plain.isascii() and not name[0].isdigit():
        return name
    return '"' + "".join(escaped(b) for b in name.encode()) + '"'
