"""`llm.constant`: a quantized value written in the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialect_interfaces.constant_materialization import ConstantMaterializationInterface
from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    IntegerType,
    Signedness,
    TensorType,
)
from xdsl.interfaces import HasFolderInterface
from xdsl.ir import Attribute, Operation
from xdsl.irdl import (
    BaseAttr,
    IRDLOperation,
    MessageConstraint,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import ConstantLike, Pure
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.element_types import scale_type
from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import QuantizedTensorType, shape_text
from llmir.dialects.llm.values import dense_array, dense_attribute
from llmir.formats.elements import Element, Integer
from llmir.formats.mixed import MixedArray, MixedFormat, check_selector
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.formats.sparse import SparseArray, pack_sparse

DENSE = MessageConstraint(BaseAttr(DenseIntOrFPElementsAttr), "expected dense<...>")
RESULT = MessageConstraint(
    BaseAttr(QuantizedTensorType) | BaseAttr(MixedQuantizedTensorType) | BaseAttr(SparseQuantizedTensorType),
    "a constant is an !llm quantized, mixed_quantized or sparse_quantized tensor",
)

Dense = DenseIntOrFPElementsAttr[Any]
Kind = Element | MixedFormat | np.dtype[Any]
"""What a part holds: codes of a format or of several, or floats of a dtype."""
ConstantType = QuantizedTensorType | MixedQuantizedTensorType | SparseQuantizedTensorType
ConstantValue = QuantizedArray | MixedArray | SparseArray
SELECTOR = Integer(8, signed=False)


@irdl_op_definition
class ConstantOp(IRDLOperation, HasFolderInterface):
    """`%w = llm.constant {codes = dense<...> : tensor<4x8xi8>, scale = dense<...> : tensor<4xf32>} : !llm.quantized_tensor<...>`

    A quantized value with its parameters in the text, for small values; weights of a model are `llm.weight`s.
    `codes` has the type's shape. Codes of integer formats are their values; codes of float formats and
    codebooks are their bit patterns, as unsigned integers. `scale`, and `zero_point` or `min` exactly when
    the type has one, have the type's parameter shape and the element types it names. Parameters that are
    quantized themselves are codes too, with their scales in `scale_scale`, `zero_point_scale` and `min_scale`.
    A mixed tensor has `selector`, the index of the format of each row. A sparse tensor is written as its dense type,
    zeros included; they must fit its pattern.
    """  # noqa: E501

    name = "llm.constant"

    codes = prop_def(DENSE)
    scale = prop_def(DENSE)
    zero_point = opt_prop_def(DENSE)
    min = opt_prop_def(DENSE)
    scale_scale = opt_prop_def(DENSE)
    zero_point_scale = opt_prop_def(DENSE)
    min_scale = opt_prop_def(DENSE)
    selector = opt_prop_def(DENSE)
    result = result_def(RESULT)

    traits = traits_def(Pure(), ConstantLike())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, value: ConstantValue, type: ConstantType):
        super().__init__(properties=constant_parts(value, type), result_types=[type])

    @property
    def value(self) -> QuantizedArray:
        """The value of an `!llm.quantized_tensor`, as the numerics hold it."""
        contents = self.contents
        assert isinstance(contents, QuantizedArray)
        return contents

    @property
    def contents(self) -> ConstantValue:
        """The value, whatever its type, as the numerics hold it."""
        assert isinstance(self.result.type, ConstantType)
        return constant_array(DictionaryAttr(self.properties), self.result.type)

    def fold(self) -> Sequence[Attribute]:
        """The parts, which `ConstantLike` hands to other folders."""
        return (DictionaryAttr(self.properties),)

    def verify_(self) -> None:
        """Check types, shapes and ranges of all parts."""
        type = self.result.type
        assert isinstance(type, ConstantType)
        if any(d < 0 for d in type.get_shape()):
            raise VerifyException(f"a constant has a static shape, got {type}")
        layout = part_layout(type)
        for name, part in self.properties.items():
            if name not in layout:
                raise VerifyException(f"{type} has no {name}, remove it")
            _check_part(name, cast(Dense, part), *layout[name])
        for name in layout:
            if name not in self.properties:
                raise VerifyException(f"{type} needs {name}")
        if isinstance(type, MixedQuantizedTensorType):
            _check_rows(self.properties, type.format())
        if isinstance(type, SparseQuantizedTensorType):
            _check_pattern(DictionaryAttr(self.properties), type)


def part_layout(type: ConstantType) -> dict[str, tuple[Kind, tuple[int, ...]]]:
    """What each part of a constant of a type holds, and its shape."""
    if isinstance(type, SparseQuantizedTensorType):
        return part_layout(type.dense)
    format, shape = type.format(), type.get_shape()
    if isinstance(format, MixedFormat):
        rows = shape[:1]
        return {"codes": (format, shape), "scale": (format.scale, rows), "selector": (SELECTOR, rows)}
    parts: dict[str, tuple[Kind, tuple[int, ...]]] = {"codes": (format.element, shape)}
    parameters = {"scale": format.scale, "zero_point": format.zero_point, "min": format.minimum}
    for name, kind in parameters.items():
        if kind is None:
            continue
        of_parameters = format.granularity.parameter_shape(shape)
        if not isinstance(kind, QuantizedFormat):
            parts[name] = kind, of_parameters
            continue
        assert isinstance(kind.scale, np.dtype)
        parts[name] = kind.element, of_parameters
        parts[f"{name}_scale"] = kind.scale, kind.granularity.parameter_shape(of_parameters)
    return parts


def _check_part(name: str, part: Dense, kind: Kind, shape: tuple[int, ...]) -> None:
    if part.get_shape() != shape:
        raise VerifyException(f"{name} is {shape_text(part.get_shape())}, expected {shape_text(shape)}")
    if isinstance(kind, np.dtype):
        _check_floats(name, part, kind)
    else:
        _check_codes(name, part, kind)


def _check_codes(name: str, part: Dense, kind: Element | MixedFormat) -> None:
    if not isinstance(part.get_element_type(), IntegerType):
        raise VerifyException(f"{name} must be integers, got {part.get_element_type()}")
    if not isinstance(kind, MixedFormat):  # which format a row has is known when all parts are
        _check_range(name, dense_array(part), kind)


def _check_rows(parts: Mapping[str, Attribute], format: MixedFormat) -> None:
    codes, selector = dense_array(parts["codes"]), dense_array(parts["selector"])
    try:
        check_selector(selector, len(codes), format)
    except ValueError as e:
        raise VerifyException(str(e)) from e
    for index, element in enumerate(format.elements):
        _check_range("codes", codes[selector == index], element)


def _check_pattern(parts: DictionaryAttr, type: SparseQuantizedTensorType) -> None:
    try:
        constant_array(parts, type)
    except ValueError as e:
        raise VerifyException(f"codes: {e}") from e


def _check_range(name: str, values: NDArray[Any], element: Element) -> None:
    low, high = _code_range(element)
    codes = values.astype(np.int64)
    outside = codes[(codes < low) | (codes > high)]
    if outside.size:
        raise VerifyException(f"{name} holds {outside[0]}, expected {low} to {high} for {element.name}")


def _check_floats(name: str, part: Dense, dtype: np.dtype[Any]) -> None:
    type = scale_type(dtype)
    if part.get_element_type() != type:
        raise VerifyException(f"{name} is of {part.get_element_type()}, expected {type} as the result type says")
    if not np.isfinite(dense_array(part).astype(np.float32)).all():
        raise VerifyException(f"{name} must be finite")


def _code_range(element: Element) -> tuple[int, int]:
    """Codes as they are written: values of integers, bit patterns of everything else."""
    if isinstance(element, Integer):
        return element.minimum, element.maximum
    return 0, (1 << element.bits) - 1


def constant_parts(value: ConstantValue, type: ConstantType) -> dict[str, Attribute]:
    """The properties of a constant."""
    if isinstance(value, MixedArray):
        return _mixed_parts(value)
    if isinstance(type, SparseQuantizedTensorType):
        assert isinstance(value, SparseArray)
        return constant_parts(value.unpack(), type.dense)
    assert isinstance(value, QuantizedArray)
    arrays: dict[str, NDArray[Any]] = {"codes": value.codes}
    for name, parameter in (("scale", value.scale), ("zero_point", value.zero_point), ("min", value.minimum)):
        if isinstance(parameter, QuantizedArray):
            assert not isinstance(parameter.scale, QuantizedArray)
            arrays |= {name: parameter.codes, f"{name}_scale": parameter.scale}
        elif parameter is not None:
            arrays[name] = parameter
    return {name: dense_attribute(arrays[name], _part_type(kind)) for name, (kind, _) in part_layout(type).items()}


def _mixed_parts(value: MixedArray) -> dict[str, Attribute]:
    """The properties of a mixed constant, codes in the narrowest signed type that holds all of them."""
    codes = np.empty(value.codes.shape, np.int16)
    for rows, array in value.rows():
        codes[rows] = array.codes
    bits = 8 if codes.max(initial=0) < 128 else 16
    return {
        "codes": dense_attribute(codes, IntegerType(bits)),
        "scale": dense_attribute(value.scale, scale_type(value.format.scale)),
        "selector": dense_attribute(value.selector, _part_type(SELECTOR)),
    }


def _part_type(kind: Kind) -> Attribute:
    """The element type a part is written in."""
    if isinstance(kind, np.dtype):
        return scale_type(kind)
    signed = isinstance(kind, Integer) and kind.signed
    return IntegerType(8, Signedness.SIGNLESS if signed else Signedness.UNSIGNED)


def constant_array(parts: DictionaryAttr, type: ConstantType) -> ConstantValue:
    """The value of a constant's properties, see `constant_parts`; ValueError when codes do not fit a sparse pattern."""
    if isinstance(type, SparseQuantizedTensorType):
        dense = constant_array(parts, type.dense)
        assert isinstance(dense, QuantizedArray)
        return pack_sparse(dense, type.pattern)
    format = type.format()
    if isinstance(format, MixedFormat):
        return _mixed_array(parts, format)
    arrays: dict[str, NDArray[Any]] = {}
    for name, (kind, _) in part_layout(type).items():
        assert not isinstance(kind, MixedFormat)
        arrays[name] = dense_array(parts.data[name]).astype(kind if isinstance(kind, np.dtype) else kind.dtype)

    def parameter(name: str, kind: object) -> Any:
        if not isinstance(kind, QuantizedFormat):
            return arrays.get(name)
        return QuantizedArray(arrays[name], arrays[f"{name}_scale"], kind)

    return QuantizedArray(
        arrays["codes"],
        parameter("scale", format.scale),
        format,
        parameter("zero_point", format.zero_point),
        parameter("min", format.minimum),
    )


def _mixed_array(parts: DictionaryAttr, format: MixedFormat) -> MixedArray:
    codes, selector = dense_array(parts.data["codes"]), dense_array(parts.data["selector"]).astype(np.uint8)
    patterns = np.empty(codes.shape, np.uint8)
    for index, element in enumerate(format.elements):
        patterns[selector == index] = codes[selector == index].astype(element.dtype).view(np.uint8)
    return MixedArray(patterns, selector, dense_array(parts.data["scale"]), format)


class MaterializeConstants(ConstantMaterializationInterface):
    """Folded results: parts of a quantized value become `llm.constant`, everything else `arith.constant`."""

    def materialize_constant(self, value: Attribute, type: Attribute) -> Operation | None:
        """The constant, None when there is no operation for it."""
        if isinstance(type, ConstantType) and isinstance(value, DictionaryAttr):
            return ConstantOp(constant_array(value, type), type)
        if isinstance(type, TensorType) and isinstance(value, DenseIntOrFPElementsAttr):
            return arith.ConstantOp(cast(Dense, value), cast(Attribute, type))
        return None
