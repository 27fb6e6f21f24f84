"""Functions that do nothing but what a machine shall be measured by: reading memory, and multiplying.

They bound what kernels can reach. Operands of products come from a small buffer at run time and differ from step to
step, so that nothing can be computed ahead; there are enough accumulators that no addition waits for the one before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.vector_types import F32, I32, I64, PTR, vec

STREAMS = 8
"""Registers read in one step."""
OPERANDS_BYTES = 4096
"""Size of the buffer that operands of products come from; it stays in the first-level cache."""
ROWS, COLUMNS = 3, 4
"""Products of one step: every row operand with every column operand, an accumulator each."""

Product = Literal["dot4", "fma"]


@dataclass(frozen=True)
class ReadStream:
    """Reads memory in order: (data, bytes, out). Writes one register to `out`, so that the reading counts.

    Nothing is asked for ahead: processors see a stream by themselves, and some are slower when told.
    `bytes` are whole steps of `step_bytes`.
    """

    def name(self) -> str:
        """The function's name."""
        return "read_stream"

    @staticmethod
    def step_bytes(machine_register_bytes: int) -> int:
        """What one step reads, of registers of a size."""
        return STREAMS * machine_register_bytes

    def emit(self, m: ModuleBuilder) -> str:
        """Put the function into a module; its name."""
        name = self.name()
        if m.has(name):
            return name
        with m.function(name, [("data", PTR), ("bytes", I64), ("out", PTR)], public=True) as f:
            type = vec(I32, f.lanes)
            register = m.machine.register_bytes
            step = self.step_bytes(register)

            def body(i: SSAValue, sums: list[SSAValue]) -> list[SSAValue]:
                here = f.at(f.args["data"], i)
                return [f.add(sum, f.load(here, type, k * register, register)) for k, sum in enumerate(sums)]

            sums = f.for_(0, f.args["bytes"], step, [f.splat(0, I32, f.lanes)] * STREAMS, body)
            _store_total(f, sums, f.add)
            f.ret()
        return name


@dataclass(frozen=True)
class Products:
    """Products without memory traffic: (operands, steps, out). Writes one register to `out`."""

    product: Product

    def name(self) -> str:
        """The function's name."""
        return f"products_{self.product}"

    def operations(self, lanes: int) -> int:
        """Multiplications and additions of one step."""
        return ROWS * COLUMNS * lanes * (8 if self.product == "dot4" else 2)

    def emit(self, m: ModuleBuilder) -> str:
        """Put the function into a module; its name."""
        name = self.name()
        if m.has(name):
            return name
        with m.function(name, [("operands", PTR), ("steps", I64), ("out", PTR)], public=True) as f:
            element = I32 if self.product == "dot4" else F32
            type = vec(element, f.lanes)
            register = m.machine.register_bytes
            columns = [
                f.load(f.args["operands"], type, OPERANDS_BYTES + k * register, register) for k in range(COLUMNS)
            ]
            accumulate = self._accumulate(f)

            def body(i: SSAValue, sums: list[SSAValue]) -> list[SSAValue]:
                here = f.at(f.args["operands"], f.and_(f.mul(i, register), OPERANDS_BYTES - 1))
                rows = [f.load(here, type, k * register, register) for k in range(ROWS)]
                pairs = [(row, column) for row in rows for column in columns]
                return [accumulate(sum, *pair) for sum, pair in zip(sums, pairs, strict=True)]

            zero = f.splat(0, element, f.lanes)
            sums = f.for_(0, f.args["steps"], 1, [zero] * (ROWS * COLUMNS), body)
            _store_total(f, sums, f.add if self.product == "dot4" else f.fadd)
            f.ret()
        return name

    def _accumulate(self, f: Function) -> Callable[[SSAValue, SSAValue, SSAValue], SSAValue]:
        if self.product == "dot4":
            return lambda sum, row, column: f.dot4(sum, row, column, unsigned_max=127)
        return lambda sum, row, column: f.fma(row, column, sum)


def _store_total(f: Function, sums: list[SSAValue], add: Callable[[SSAValue, SSAValue], SSAValue]) -> None:
    total = sums[0]
    for sum in sums[1:]:
        total = add(total, sum)
    f.store(total, f.args["out"])
