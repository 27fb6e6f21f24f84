"""quantize(dequantize(q)): the codes themselves where that is exact, else codes to codes in one operation.

Whether codes change is decided by trying every code of the format under every scale (`quantizers.code_maps`):

- the same type, scale and zero point, and no code changes: q. This is also tried for codes in plain tensors, and
  when the values in between are rounded to f16 or bf16.
- otherwise `llm.requantize(q)`, which is quantize(dequantize(q)) by definition; when the values in between are
  rounded below f32, only if that changes no code.
- requantize(requantize(q)) becomes one requantize, or q, where no code of q comes out differently.

dequantize(quantize(x)) is not x, but the nearest value that has a code: it is left, unless x is itself
dequantize(q) with the parameters of the quantize, which the first rule finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, TensorType
from xdsl.ir import SSAValue

from llmir.dialects.llm.fused import EncodeOp, RequantizeOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp, QuantizeOp, integer_code
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor, float_dtype
from llmir.dialects.llm.values import dense_array
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat, real
from llmir.passes.fusion.known_values import KnownValues, constant_parameters
from llmir.passes.fusion.replacing import replace_keeping
from llmir.passes.remarks import add_remark
from llmir.passes.rewriter import Rewriter
from llmir.quantizers.code_maps import Coding, Step, all_codes, changed_codes, produced_codes
from llmir.quantizers.parameters import Parameters

PRODUCERS = (QuantizeOp, RequantizeOp, EncodeOp, QuantizedMatmulOp)
"""Operations whose codes are those that quantizing can produce."""


def requantize(op: QuantizeOp, known: KnownValues) -> None:
    """Rewrite a quantize of dequantized codes, or say why not."""
    middle = op.input.owner
    if not isinstance(middle, DequantizeOp):
        return
    source, result = middle.input.type, op.output.type
    if op.scale is None:
        add_remark(op, "not merged with the dequantize before it: its scale is computed at run time")
    elif isinstance(source, QuantizedTensorType) and isinstance(result, QuantizedTensorType):
        requantize_codes(op, middle, op.scale, known)
    elif isinstance(source, TensorType) and isinstance(result, TensorType):
        requantize_plain(op, middle)
    else:
        add_remark(op, f"not merged with the dequantize before it: the codes are {source} and {result}")


def requantize_codes(op: QuantizeOp, middle: DequantizeOp, scale: DenseIntOrFPElementsAttr, known: KnownValues) -> None:
    """Cancel a pair or merge it into a requantize."""
    assert isinstance(op.output.type, QuantizedTensorType)
    given, wanted = coding(middle.input, known), constant_coding(op.output.type, scale, op.zero_point)
    rounding, codes = _rounding(middle), _codes(middle.input)
    if wanted is None:
        add_remark(op, f"not merged with the dequantize before it: a scale does not fit {op.output.type.scale}")
        return
    if given is not None and middle.input.type == op.output.type and _equal(given, wanted):
        reason = difference(given, codes, [*rounding, wanted], [])
        if reason is None:
            cancel(op, middle)
        else:
            add_remark(op, f"not cancelled with the dequantize before it: {reason}")
        return
    if rounding and given is None:
        reason = f"it rounds to {rounding[0]}, and the codes' scale is computed at run time"
        add_remark(op, f"not merged with the dequantize before it: {reason}")
        return
    if rounding and given is not None:
        reason = difference(given, codes, [*rounding, wanted], [wanted])
        if reason is not None:
            add_remark(op, f"not merged with the dequantize before it, which rounds to {rounding[0]}: {reason}")
            return
    merged = RequantizeOp(middle.input, op.output.type, scale, op.zero_point)
    replace_keeping(op, merged)
    merge_requantizations(merged, known)


def merge_requantizations(op: RequantizeOp, known: KnownValues) -> None:
    """Skip a requantize before this one if no code comes out differently, or say why not."""
    first = op.input.owner
    if not isinstance(first, RequantizeOp):
        return
    given = coding(first.input, known)
    if given is None:
        add_remark(op, "not merged with the requantize before it: the codes' first scale is computed at run time")
        return
    assert isinstance(op.output.type, QuantizedTensorType)
    assert isinstance(first.output.type, QuantizedTensorType)
    through = constant_coding(first.output.type, first.scale, first.zero_point)
    wanted, codes = constant_coding(op.output.type, op.scale, op.zero_point), _codes(first.input)
    if through is None or wanted is None:
        add_remark(op, "not merged with the requantize before it: a scale does not fit its type")
        return
    reason = difference(given, codes, [through, wanted], [wanted])
    if reason is not None:
        add_remark(op, f"not merged with the requantize before it: {reason}")
        return
    unchanged = first.input.type == op.output.type and _equal(given, wanted)
    if unchanged and difference(given, codes, [wanted], []) is None:
        Rewriter.replace_op(op, [], [first.input])
    else:
        op.operands[0] = first.input
    if not first.output.uses:
        Rewriter.erase_op(first)


def requantize_plain(op: QuantizeOp, middle: DequantizeOp) -> None:
    """Cancel a pair whose codes are in plain tensors."""
    assert op.scale is not None
    assert op.bits is not None
    assert middle.scale is not None
    stored = integer_code(middle.input.type, None)
    owner = middle.input.owner
    narrow = owner.bits.value.data if isinstance(owner, QuantizeOp) and owner.bits is not None else stored.bits
    given = _plain_coding(stored.bits, stored.signed, middle.scale, middle.zero_point)
    wanted = _plain_coding(op.bits.value.data, integer_code(op.output.type, None).signed, op.scale, op.zero_point)
    if middle.input.type != op.output.type or not _equal(given, wanted):
        reason = "type, scale or zero point differ, and codes in plain tensors have no requantize"
    else:
        codes = all_codes(integer_code(middle.input.type, narrow))
        reason = difference(given, codes, [*_rounding(middle), wanted], [])
    if reason is None:
        cancel(op, middle)
    else:
        add_remark(op, f"not cancelled with the dequantize before it: {reason}")


def _plain_coding(
    bits: int, signed: bool, scale: DenseIntOrFPElementsAttr, zero_point: DenseIntOrFPElementsAttr | None
) -> Coding:
    values = dense_array(scale).astype(np.float32).reshape(-1)
    point = None if zero_point is None else dense_array(zero_point).reshape(-1)
    granularity = Granularity() if len(values) == 1 else Granularity(0)
    return Coding(QuantizedFormat(Integer(bits, signed), granularity=granularity), Parameters(values, point))


def cancel(op: QuantizeOp, middle: DequantizeOp) -> None:
    """Use the codes; what dequantizes them again uses what was dequantized."""
    for use in list(op.output.uses):
        again = use.operation
        if not isinstance(again, DequantizeOp) or again.output.type != middle.output.type:
            continue
        if again.properties == middle.properties:
            Rewriter.replace_op(again, [], [middle.output])
    Rewriter.replace_op(op, [], [middle.input])


def difference(given: Coding, codes: NDArray[Any], one_way: Sequence[Step], other_way: Sequence[Step]) -> str | None:
    """What two ways of quantizing codes again make different, or None."""
    try:
        changed = changed_codes(given, codes, one_way, other_way)
    except ValueError as e:
        return str(e)
    if not len(changed):
        return None
    return f"{len(changed)} of {len(codes)} codes would change, {changed[0]} the first"


def coding(value: SSAValue, known: KnownValues) -> Coding | None:
    """The coding of codes, None when it is found at run time."""
    parameters = known.parameters(value)
    if parameters is None:
        return None
    assert isinstance(value.type, QuantizedTensorType)
    return Coding(value.type.format(), parameters)


def constant_coding(
    type: QuantizedTensorType, scale: DenseIntOrFPElementsAttr, zero_point: DenseIntOrFPElementsAttr | None
) -> Coding | None:
    """The coding of constants, None where a scale does not fit its type."""
    parameters = constant_parameters(type, scale, zero_point)
    return None if parameters is None else Coding(type.format(), parameters)


def _rounding(op: DequantizeOp) -> list[np.dtype[Any]]:
    """The rounding a dequantize ends with."""
    type = as_tensor(op.output.type)
    assert type is not None
    dtype = float_dtype(type.element_type)
    return [dtype] if dtype.itemsize < 4 else []


def _codes(value: SSAValue) -> NDArray[Any]:
    """Every code a value may hold."""
    assert isinstance(value.type, QuantizedTensorType)
    element = value.type.element
    return produced_codes(element) if isinstance(value.owner, PRODUCERS) else all_codes(element)


def _equal(a: Coding, b: Coding) -> bool:
    """True when parameters are the same to the bit."""

    def flat(p: Parameters) -> list[bytes | None]:
        return [None if v is None else real(v).tobytes() for v in (p.scale, p.zero_point, p.minimum)]

    return flat(a.parameters) == flat(b.parameters)
