"""Arithmetic of integers and floats, scalars or lane by lane; comparisons and conversions."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.arith import CMPF_COMPARISON_OPERATIONS, CMPI_COMPARISON_OPERATIONS
from xdsl.dialects.builtin import VectorType
from xdsl.ir import Attribute, Operation, SSAValue

from llmir.backends.native.attributes import integer, word
from llmir.backends.native.operations.values import Operand, Value, Values
from llmir.backends.native.vector_types import I1, element_of, lanes_of, like, vec
from llmir.dialects.vk import elementwise

_NO_FLAGS: dict[str, Attribute] = {"fastmath": arith.FastMathFlagsAttr("none")}
_NO_OVERFLOW: dict[str, Attribute] = {"overflowFlags": arith.IntegerOverflowAttr("none")}


class Arithmetic(Values):
    """Arithmetic, comparisons and conversions."""

    def _binary(self, op: type[Operation], a: Value, b: Operand, properties: dict[str, Attribute] | None) -> Value:
        type = a.type
        other = b if isinstance(b, SSAValue) else self.constant(b, type)
        made = op.create(operands=(a, other), result_types=(type,), properties=properties or {})
        self._block.add_op(made)
        return made.results[0]

    # -- integers --

    def add(self, a: Value, b: Operand) -> Value:
        """a + b, wrapping."""
        return self._binary(arith.AddiOp, a, b, _NO_OVERFLOW)

    def sub(self, a: Value, b: Operand) -> Value:
        """a - b, wrapping."""
        return self._binary(arith.SubiOp, a, b, _NO_OVERFLOW)

    def mul(self, a: Value, b: Operand) -> Value:
        """a * b, wrapping."""
        return self._binary(arith.MuliOp, a, b, _NO_OVERFLOW)

    def and_(self, a: Value, b: Operand) -> Value:
        """Bits in both."""
        return self._binary(arith.AndIOp, a, b, None)

    def or_(self, a: Value, b: Operand) -> Value:
        """Bits in either."""
        return self._binary(arith.OrIOp, a, b, None)

    def xor(self, a: Value, b: Operand) -> Value:
        """Bits in one of the two."""
        return self._binary(arith.XOrIOp, a, b, None)

    def shl(self, a: Value, b: Operand) -> Value:
        """a shifted left by b bits, less than a has."""
        return self._binary(arith.ShLIOp, a, b, _NO_OVERFLOW)

    def lshr(self, a: Value, b: Operand) -> Value:
        """a shifted right, zeros coming in."""
        return self._binary(arith.ShRUIOp, a, b, None)

    def ashr(self, a: Value, b: Operand) -> Value:
        """a shifted right, its sign coming in."""
        return self._binary(arith.ShRSIOp, a, b, None)

    def udiv(self, a: Value, b: Operand) -> Value:
        """a / b of unsigned integers, towards zero."""
        return self._binary(arith.DivUIOp, a, b, None)

    def urem(self, a: Value, b: Operand) -> Value:
        """The rest of `udiv`."""
        return self._binary(arith.RemUIOp, a, b, None)

    def smin(self, a: Value, b: Operand) -> Value:
        """The lesser signed integer."""
        return self._binary(arith.MinSIOp, a, b, None)

    def smax(self, a: Value, b: Operand) -> Value:
        """The greater signed integer."""
        return self._binary(arith.MaxSIOp, a, b, None)

    def umin(self, a: Value, b: Operand) -> Value:
        """The lesser unsigned integer."""
        return self._binary(arith.MinUIOp, a, b, None)

    def umax(self, a: Value, b: Operand) -> Value:
        """The greater unsigned integer."""
        return self._binary(arith.MaxUIOp, a, b, None)

    # -- floats --

    def fadd(self, a: Value, b: Operand) -> Value:
        """a + b."""
        return self._binary(arith.AddfOp, a, b, _NO_FLAGS)

    def fsub(self, a: Value, b: Operand) -> Value:
        """a - b."""
        return self._binary(arith.SubfOp, a, b, _NO_FLAGS)

    def fmul(self, a: Value, b: Operand) -> Value:
        """a * b."""
        return self._binary(arith.MulfOp, a, b, _NO_FLAGS)

    def fdiv(self, a: Value, b: Operand) -> Value:
        """a / b."""
        return self._binary(arith.DivfOp, a, b, _NO_FLAGS)

    def fneg(self, a: Value) -> Value:
        """-a."""
        return self.emit(arith.NegfOp, (a,), a.type, _NO_FLAGS)

    def fmin(self, a: Value, b: Operand) -> Value:
        """The lesser float; b where one is NaN, and where both are zero."""
        b = self._operand(b, a.type)
        return self.select(self.fcmp("olt", a, b), a, b)

    def fmax(self, a: Value, b: Operand) -> Value:
        """The greater float; b where one is NaN, and where both are zero."""
        b = self._operand(b, a.type)
        return self.select(self.fcmp("ogt", a, b), a, b)

    def fma(self, a: Value, b: Operand, c: Operand) -> Value:
        """a * b + c, rounded once."""
        type = a.type
        return self.emit(elementwise.FmaOp, (a, self._operand(b, type), self._operand(c, type)), type)

    def fabs(self, a: Value) -> Value:
        """a without its sign."""
        return self.emit(elementwise.AbsOp, (a,), a.type)

    def sqrt(self, a: Value) -> Value:
        """The square root."""
        return self.emit(elementwise.SqrtOp, (a,), a.type)

    def round(self, a: Value) -> Value:
        """The nearest integer as a float, of two the even one."""
        return self.emit(elementwise.RoundOp, (a,), a.type)

    def floor(self, a: Value) -> Value:
        """The next integer as a float that is not greater."""
        return self.emit(elementwise.FloorOp, (a,), a.type)

    # -- choices --

    def cmp(self, predicate: str, a: Value, b: Operand) -> Value:
        """Compare integers: eq, ne, slt, sle, sgt, sge, ult, ule, ugt, uge."""
        return self._compare(predicate, a, b, arith.CmpiOp, elementwise.CmpiOp, CMPI_COMPARISON_OPERATIONS, {})

    def fcmp(self, predicate: str, a: Value, b: Operand) -> Value:
        """Compare floats: oeq, ogt, oge, olt, ole, one, ord, and ueq ... uno, which hold of NaN."""
        return self._compare(predicate, a, b, arith.CmpfOp, elementwise.CmpfOp, CMPF_COMPARISON_OPERATIONS, _NO_FLAGS)

    def _compare(
        self,
        predicate: str,
        a: Value,
        b: Operand,
        scalar: type[Operation],
        vector: type[Operation],
        predicates: Sequence[str],
        more: dict[str, Attribute],
    ) -> Value:
        type = a.type
        if predicate not in predicates:
            raise ValueError(f"'{predicate}' is no predicate, expected one of {', '.join(predicates)}")
        operands = (a, self._operand(b, type))
        lanes = lanes_of(type)
        if lanes:
            return self.emit(vector, operands, vec(I1, lanes), {"predicate": word(predicate)})
        return self.emit(scalar, operands, I1, {"predicate": integer(predicates.index(predicate)), **more})

    def select(self, condition: Value, a: Value, b: Operand) -> Value:
        """a where the condition holds, b elsewhere; lane by lane when the condition is a vector."""
        op = elementwise.SelectOp if condition.type.__class__ is VectorType else arith.SelectOp
        return self.emit(op, (condition, a, self._operand(b, a.type)), a.type)

    # -- conversions; the type is the element's --

    def _convert(self, scalar: type[Operation], vector: type[Operation], value: Value, element: Attribute) -> Value:
        op = vector if value.type.__class__ is VectorType else scalar
        return self.emit(op, (value,), like(value.type, element_of(element)))

    def zext(self, value: Value, element: Attribute) -> Value:
        """A wider unsigned integer."""
        return self._convert(arith.ExtUIOp, elementwise.ExtUIOp, value, element)

    def sext(self, value: Value, element: Attribute) -> Value:
        """A wider signed integer."""
        return self._convert(arith.ExtSIOp, elementwise.ExtSIOp, value, element)

    def trunc(self, value: Value, element: Attribute) -> Value:
        """The low bits of an integer."""
        return self._convert(arith.TruncIOp, elementwise.TruncIOp, value, element)

    def fpext(self, value: Value, element: Attribute) -> Value:
        """A wider float."""
        return self._convert(arith.ExtFOp, arith.ExtFOp, value, element)

    def fptrunc(self, value: Value, element: Attribute) -> Value:
        """A narrower float, rounded to nearest even."""
        return self._convert(arith.TruncFOp, arith.TruncFOp, value, element)

    def sitofp(self, value: Value, element: Attribute) -> Value:
        """A signed integer as a float."""
        return self._convert(arith.SIToFPOp, elementwise.SIToFPOp, value, element)

    def uitofp(self, value: Value, element: Attribute) -> Value:
        """An unsigned integer as a float."""
        return self._convert(arith.UIToFPOp, elementwise.UIToFPOp, value, element)

    def fptosi(self, value: Value, element: Attribute) -> Value:
        """A float as a signed integer, towards zero; it must fit."""
        return self._convert(arith.FPToSIOp, elementwise.FPToSIOp, value, element)
