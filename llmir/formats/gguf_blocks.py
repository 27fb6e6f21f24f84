"""Decodes GGUF tensor blocks bit for bit, and encodes the types whose codes a quantized tensor can hold.

The layouts are in `llmir.formats.gguf_layouts`; the values of all other types are computed by the Python package
`gguf`. A decoded tensor dequantizes to the same float32 values, bit for bit, as ggml's reference code gives.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants
from numpy.typing import NDArray

from llmir.errors import InputError
from llmir.formats.gguf_layouts import BLOCKS, Array, Fields
from llmir.formats.quantized import QuantizedArray, QuantizedFormat

_PLAIN = {
    GGMLQuantizationType.F32: "<f4",
    GGMLQuantizationType.F16: "<f2",
    GGMLQuantizationType.F64: "<f8",
    GGMLQuantizationType.I8: "<i1",
    GGMLQuantizationType.I16: "<i2",
    GGMLQuantizationType.I32: "<i4",
    GGMLQuantizationType.I64: "<i8",
}

DECODABLE: frozenset[GGMLQuantizationType] = frozenset(BLOCKS)
"""The types that decode() and encode() handle."""

# The gguf package has one class per type that it decodes, named after the type.
DEQUANTIZABLE: frozenset[GGMLQuantizationType] = frozenset(
    type for type in GGML_QUANT_SIZES if type in _PLAIN or hasattr(quants, type.name)
)
"""The types that dequantize() handles; Q8_1 and Q8_K, which exist only inside dot products, are not."""


def format_of(type: GGMLQuantizationType) -> QuantizedFormat:
    """The format of a block type's codes; InputError when no quantized tensor can hold them."""
    if type not in BLOCKS:
        raise InputError(f"GGUF type {_name(type)} has no codes to keep; supported: {_names(DECODABLE)}")
    return BLOCKS[type].format


def decode(type: GGMLQuantizationType, raw: NDArray[np.uint8]) -> QuantizedArray:
    """Split encoded rows into codes, scales and minima without any rounding.

    `raw` is uint8, shape [..., bytes per row]; the codes come back as [..., K]. Raises InputError if no
    quantized tensor can hold the type's codes or the rows are not whole blocks.
    """
    form = format_of(type)
    fields = BLOCKS[type].split(_blocks(type, raw))

    def row(field: Array | None) -> Array:
        assert field is not None
        return np.ascontiguousarray(field).reshape(*raw.shape[:-1], field.shape[-2] * field.shape[-1])

    def parameter(kind: object, values: Array | None, second: Array | None) -> Array | QuantizedArray:
        return QuantizedArray(row(values), row(second), kind) if isinstance(kind, QuantizedFormat) else row(values)

    minimum = None if form.minimum is None else parameter(form.minimum, fields.minimum, fields.minimum_scale)
    scale = parameter(form.scale, fields.scale, fields.scale_scale)
    return QuantizedArray(row(fields.codes), scale, form, minimum=minimum)


def encode(type: GGMLQuantizationType, array: QuantizedArray) -> NDArray[np.uint8]:
    """Pack codes, scales and minima into encoded rows, the exact inverse of decode().

    Returns uint8, shape [..., bytes per row]. Raises InputError if the type is not in DECODABLE, or the array
    has another format, other shapes or codes beyond its range.
    """
    _check_encodable(type, array)
    elements = BLOCKS[type].elements
    shape = array.codes.shape
    blocks = shape[-1] // elements

    def field(values: Array) -> Array:
        return np.ascontiguousarray(values).reshape(*shape[:-1], blocks, values.shape[-1] // max(blocks, 1))

    def levels(parameter: Array | QuantizedArray | None) -> tuple[Array | None, Array | None]:
        if not isinstance(parameter, QuantizedArray):
            return None if parameter is None else field(parameter), None
        assert isinstance(parameter.scale, np.ndarray)
        return field(parameter.codes), field(parameter.scale)

    scale, scale_scale = levels(array.scale)
    assert scale is not None
    encoded = BLOCKS[type].join(Fields(field(array.codes), scale, scale_scale, *levels(array.minimum)))
    return encoded.reshape(*shape[:-1], encoded.shape[-2] * encoded.shape[-1])


def dequantize(type: GGMLQuantizationType, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the real values of encoded rows, as ggml's reference code computes them.

    `raw` is uint8, shape [..., bytes per row]; the result is float32, shape [..., K]. Raises
    InputError if the type is not in DEQUANTIZABLE or the rows are not whole blocks.
    """
    if type not in DEQUANTIZABLE:
        raise InputError(f"GGUF type {_name(type)} cannot be dequantized; supported: {_names(DEQUANTIZABLE)}")
    _check_rows(type, raw)
    rows = np.ascontiguousarray(raw)
    plain = _PLAIN.get(type)
    # A value outside float32, or a scale that is infinite or NaN, gives infinity or NaN: no warning needed.
    with np.errstate(over="ignore", invalid="ignore"):
        return quants.dequantize(rows, type) if plain is None else rows.view(plain).astype(np.float32)


def _blocks(type: GGMLQuantizationType, raw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the rows as [..., blocks per row, bytes per block]."""
    _check_rows(type, raw)
    block_bytes = GGML_QUANT_SIZES[type][1]
    return raw.reshape(*raw.shape[:-1], raw.shape[-1] // block_bytes, block_bytes)


def _check_rows(type: GGMLQuantizationType, raw: NDArray[np.uint8]) -> None:
    block_bytes = GGML_QUANT_SIZES[type][1]
    if raw.ndim == 0 or raw.dtype != np.uint8 or raw.shape[-1] % block_bytes:
        raise InputError(
            f"GGUF type {type.name} needs uint8 rows in whole blocks of {block_bytes} bytes, "
            f"not {raw.dtype} of shape {list(raw.shape)}"
        )


def _check_encodable(type: GGMLQuantizationType, array: QuantizedArray) -> None:
    form = format_of(type)
    # what chose the codes does not matter any more
    theirs = replace(array.format, narrow_range=False, scale_rounding=form.scale_rounding, smallest_range=0.0)
    if theirs != form:
        raise InputError(f"GGUF type {type.name} holds {_describe(form)}, not {_describe(array.format)}")
    shape, elements = array.codes.shape, BLOCKS[type].elements
    if not shape or shape[-1] % elements:
        raise InputError(f"GGUF type {type.name} needs rows in whole blocks of {elements}, not {list(shape)}")
    _check_codes(type, "codes", array.codes, form)
    parameters = form.granularity.parameter_shape(shape)
    for what, kind, given in (("scales", form.scale, array.scale), ("minima", form.minimum, array.minimum)):
        if isinstance(given, QuantizedArray):
            assert isinstance(kind, QuantizedFormat)
            _check_codes(type, what, given.codes, kind)
            _check_shape(type, what, given.codes, parameters)
            _check_shape(type, f"second level of {what}", given.scale, kind.granularity.parameter_shape(parameters))
        elif given is not None:
            _check_shape(type, what, given, parameters)
            if given.dtype != kind:
                raise InputError(f"GGUF type {type.name} needs {kind} {what}, not {given.dtype}")


def _check_shape(
    type: GGMLQuantizationType, what: str, given: Array | QuantizedArray, expected: tuple[int, ...]
) -> None:
    assert not isinstance(given, QuantizedArray)
    if given.shape != expected:
        raise InputError(f"GGUF type {type.name} needs {what} of shape {list(expected)}, not {list(given.shape)}")


def _check_codes(type: GGMLQuantizationType, what: str, codes: Array, form: QuantizedFormat) -> None:
    """Codes of the right dtype that fit their width."""
    element = form.element
    if codes.dtype != element.dtype:
        raise InputError(f"GGUF type {type.name} needs {element.dtype} {what}, not {codes.dtype}")
    lowest = -(1 << (element.bits - 1)) if codes.dtype == np.int8 else 0
    highest = lowest + (1 << element.bits) - 1
    if codes.size and (codes.min() < lowest or codes.max() > highest):
        raise InputError(f"GGUF type {type.name} needs {what} in [{lowest}, {highest}]")


def _describe(form: QuantizedFormat) -> str:
    """`ui4 codes, scale ui6 by float16 for 8 groups, ..., groups of 32`."""
    words = [f"{form.element.name} codes"]
    for what, kind in (("scale", form.scale), ("zero point", form.zero_point), ("minimum", form.minimum)):
        if isinstance(kind, QuantizedFormat):
            size = kind.granularity.group_size
            words.append(f"{what} {kind.element.name} by {kind.scale} for {size or 'all'} groups")
        elif kind is not None:
            words.append(f"{what} {kind.name}")
    g = form.granularity
    words.append("one scale" if g.group_size is None and g.axis is None else f"groups of {g.group_size or 'a channel'}")
    if g.group_rows is not None:
        words[-1] = f"blocks of {g.group_rows}x{g.group_size}"
    return ", ".join(words) + (f" along dimension {g.axis}" if g.axis is not None else "")


def _name(type: GGMLQuantizationType) -> str:
    return getattr(type, "name", str(type))


def _names(types: frozenset[GGMLQuantizationType]) -> str:
    return ", ".join(sorted(known.name for known in types))
