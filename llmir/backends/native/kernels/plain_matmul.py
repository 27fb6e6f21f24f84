"""`quantizedMatMul`: float inputs times codes as they are, one to a byte, of any shape that is known when it is called.

`llm.quantized_matmul` on plain tensors: y[m, n] = sum_k x[m, k] (w[n, k] - z[n, k / group]) s[n, k / group]. Nothing is
packed before, so a weight byte is read, widened and multiplied for every few rows of inputs; kernels of a model, which
are made for packed weights, are several times faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.kernels.columns import Lanes
from llmir.backends.native.kernels.last_error import CLEAR, Check, emit_error_text, guarded
from llmir.backends.native.kernels.processor import MissingFeature
from llmir.backends.native.vector_types import F32, I8, I32, I64, PTR

BITS = (2, 8)
"""The least and the most bits of a code."""
ROWS = 4
"""Rows of inputs that are multiplied at a time."""
SINGLE_COLUMNS = 4
"""Rows of weights at a time for one row of inputs."""
INPUTS_AT_ONCE = 1 << 16
"""About how many inputs go by for each few rows of weights: 256 KB, which stay in a second-level cache."""


def columns_at_once(registers: int) -> int:
    """Rows of weights at a time: their sums are all in registers."""
    return 4 if registers >= 32 else 2 if registers >= 16 else 1


@dataclass(frozen=True)
class PlainProduct:
    """`rows` rows of x times `columns` rows of w: NAME(x, w, s, z, y, k, group, n).

    x is float32 with rows k apart, w int8 with rows k apart, s float32 and z int8 with rows k / group apart (z is not
    read without `zero_points`), y float32 with rows n apart. k is a multiple of group.
    """

    rows: int
    columns: int
    zero_points: bool

    @property
    def name(self) -> str:
        """The function's name."""
        return f"plain_product_{self.rows}x{self.columns}" + ("_zero_points" if self.zero_points else "")

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        pointers = [(name, PTR) for name in ("x", "w", "s", "z", "y")]
        with m.function(self.name, [*pointers, ("k", I64), ("group", I64), ("n", I64)]) as f:
            self._write(f)
        return self.name

    def _write(self, f: Function) -> None:
        k, group = f.args["k"], f.args["group"]
        groups = f.udiv(k, group)
        zero = f.splat(0.0, F32, f.lanes)

        def of_group(g: SSAValue, sums: list[SSAValue]) -> list[SSAValue]:
            return self._group(f, g, groups, f.mul(g, group), sums)

        sums = f.for_(0, groups, 1, [zero] * (self.rows * self.columns), of_group)
        for row in range(self.rows):
            y = f.at(f.args["y"], f.mul(f.mul(f.args["n"], row), 4))
            for column in range(self.columns):
                f.store(f.reduce("fadd", sums[row * self.columns + column]), y, 4 * column, align=4)

    def _group(
        self, f: Function, g: SSAValue, groups: SSAValue, start: SSAValue, sums: list[SSAValue]
    ) -> list[SSAValue]:
        """Add the products of one group, which starts at column `start`."""
        group, lanes = f.args["group"], f.lanes
        numbers = [f.add(g, f.mul(groups, column)) for column in range(self.columns)]
        scales = [f.broadcast(f.load(f.at(f.args["s"], f.mul(n, 4)), F32, align=4), lanes) for n in numbers]
        points: list[SSAValue] = []
        if self.zero_points:
            points = [f.broadcast(f.sext(f.load(f.at(f.args["z"], n), I8), I32), lanes) for n in numbers]

        def add(column: SSAValue, sums: Sequence[SSAValue], access: Lanes) -> list[SSAValue]:
            inputs = [access.load(self._at(f, "x", 4, row, column)) for row in range(self.rows)]
            out = list(sums)
            for c in range(self.columns):
                code = f.sext(access.load(self._at(f, "w", 1, c, column), element=I8), I32)
                if self.zero_points:
                    code = f.sub(code, points[c])
                weight = f.fmul(f.sitofp(code, F32), scales[c])
                for r in range(self.rows):
                    at = r * self.columns + c
                    out[at] = f.fma(inputs[r], weight, out[at])
            return out

        left = f.urem(group, lanes)
        whole = f.sub(f.add(start, group), left)
        sums = f.for_(start, whole, lanes, sums, lambda column, carried: add(column, carried, Lanes(f)))
        types = [value.type for value in sums]
        return f.if_(f.cmp("ne", left, 0), lambda: add(whole, sums, Lanes(f, left)), lambda: sums, types)

    def _at(self, f: Function, name: str, size: int, row: int, column: SSAValue) -> SSAValue:
        """Where a column of a row begins."""
        return f.at(f.args[name], f.mul(f.add(column, f.mul(f.args["k"], row)), size))


@dataclass(frozen=True)
class QuantizedMatMul:
    """The C function, of arguments in any state: what is wrong with them is the thread's last error.

    void quantizedMatMul(const void* input, const int8_t* weights, const float* scales, const int8_t* zeroPoints,
                         void* output, int M, int N, int K, int groupSize, int bits)
    """

    @property
    def name(self) -> str:
        """The function's name."""
        return "quantizedMatMul"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        emit_error_text(m)
        MissingFeature().emit(m)
        for zero_points in (False, True):
            for rows, columns in ((ROWS, columns_at_once(m.machine.registers)), (ROWS, 1), (1, SINGLE_COLUMNS), (1, 1)):
                PlainProduct(rows, columns, zero_points).emit(m)
        pointers = [(name, PTR) for name in ("input", "weights", "scales", "zeroPoints", "output")]
        sizes = [(name, I32) for name in ("M", "N", "K", "groupSize", "bits")]
        with m.function(self.name, [*pointers, *sizes], public=True) as f:
            self._write(f)
        return self.name

    def _write(self, f: Function) -> None:
        f.call(CLEAR, [])
        size = {name: f.sext(f.args[name], I64) for name in ("M", "N", "K", "groupSize", "bits")}
        m, n, k, given, bits = size.values()
        group = f.select(f.cmp("eq", given, 0), k, given)

        def least(name: str, least: int) -> Check:
            said = ("quantizedMatMul: ", name, " is ", size[name], f", expected at least {least}")
            return Check(f.cmp("slt", size[name], least), said)

        def check_bits() -> Check:
            wrong = f.or_(f.cmp("slt", bits, BITS[0]), f.cmp("sgt", bits, BITS[1]))
            return Check(wrong, ("quantizedMatMul: bits is ", bits, f", expected {BITS[0]} to {BITS[1]}"))

        def check_group() -> Check:
            said = ("quantizedMatMul: groupSize ", group, " does not divide K, which is ", k)
            return Check(f.cmp("ne", f.urem(k, group), 0), said)

        def check_pointer(name: str) -> Check:
            wrong = f.cmp("eq", f.integer_of(f.args[name]), 0)
            return Check(wrong, (f"quantizedMatMul: {name} is NULL",))

        def with_pointers() -> list[SSAValue]:
            checks = [lambda name=name: check_pointer(name) for name in ("input", "weights", "scales", "output")]
            return guarded(f, checks, lambda: self._multiply(f, m, n, k, group))

        def multiply() -> list[SSAValue]:
            something = f.and_(f.cmp("ne", m, 0), f.cmp("ne", n, 0))
            return f.if_(something, with_pointers)

        sizes = [lambda name=name, low=low: least(name, low) for name, low in SIZES]
        guarded(f, [lambda: MissingFeature().check(f), *sizes, check_bits, check_group], multiply)

    def _multiply(self, f: Function, m: SSAValue, n: SSAValue, k: SSAValue, group: SSAValue) -> list[SSAValue]:
        there, columns = f.cmp("ne", f.integer_of(f.args["zeroPoints"]), 0), columns_at_once(f.machine.registers)

        def all_of(zero_points: bool) -> None:
            done = self._rows(f, PlainProduct(ROWS, columns, zero_points), f.i64(0), m, n, k, group)
            self._rows(f, PlainProduct(1, SINGLE_COLUMNS, zero_points), done, m, n, k, group)

        f.if_(there, lambda: all_of(True), lambda: all_of(False))
        return []

    def _rows(
        self, f: Function, block: PlainProduct, start: SSAValue, m: SSAValue, n: SSAValue, k: SSAValue, group: SSAValue
    ) -> SSAValue:
        """Whole blocks of rows from `start` on; the first row that is left.

        A few rows of weights stay in the first-level cache while a run of inputs goes by.
        """
        single = PlainProduct(block.rows, 1, block.zero_points)
        end = f.sub(m, f.urem(f.sub(m, start), block.rows))
        groups = f.udiv(k, group)
        run = f.mul(f.add(f.udiv(f.i64(INPUTS_AT_ONCE // block.rows), k), 1), block.rows)

        def columns_of(product: PlainProduct, first: SSAValue, last: SSAValue, low: SSAValue) -> None:
            def column(c: SSAValue, _: list[SSAValue]) -> None:
                parameters = f.mul(c, groups)
                w = f.at(f.args["weights"], f.mul(c, k))
                s, z = f.at(f.args["scales"], f.mul(parameters, 4)), f.at(f.args["zeroPoints"], parameters)

                def row(r: SSAValue, _: list[SSAValue]) -> None:
                    x = f.at(f.args["input"], f.mul(f.mul(r, k), 4))
                    y = f.at(f.args["output"], f.mul(f.add(f.mul(r, n), c), 4))
                    f.call(product.name, [x, w, s, z, y, k, group, n])

                f.for_(low, f.smin(f.add(low, run), end), product.rows, [], row)

            f.for_(first, last, product.columns, [], column)

        whole = f.sub(n, f.urem(n, block.columns))

        def of_run(low: SSAValue, _: list[SSAValue]) -> None:
            columns_of(block, f.i64(0), whole, low)
            columns_of(single, whole, n, low)

        f.for_(start, end, run, [], of_run)
        return end


SIZES = (("M", 0), ("N", 0), ("K", 1), ("groupSize", 0))
"""Sizes in the order they are checked, and the least each may be."""
