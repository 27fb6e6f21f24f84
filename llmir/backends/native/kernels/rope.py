"""Rotary position embedding of rows of heads, by a table of the cosines and sines of all positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.columns import HEADS, RANGE, Lanes, element_address, over_columns, over_rows
from llmir.backends.native.vector_types import I64, PTR


@dataclass(frozen=True)
class Rope:
    """`llm.rope` of heads in place: NAME(x, table, position, m0, m1, h0, h1).

    Row m stands at position + m and is turned by row position + m of the table: float32, `dimensions` / 2 cosines,
    then as many sines. Head h is at column h * head_dim of its row; rows are `stride` columns apart. The first
    `dimensions` columns of a head turn, halves paired, the others stay. Each product is rounded as `llm.rope` has it.
    """

    head_dim: int
    stride: int
    dimensions: int

    @property
    def name(self) -> str:
        """The function's name."""
        return f"rope_{self.head_dim}_{self.stride}_{self.dimensions}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        half = self.dimensions // 2
        with m.function(self.name, [("x", PTR), ("table", PTR), ("position", I64), *RANGE, *HEADS]) as f:

            def row(r: SSAValue) -> None:
                angles = element_address(f, f.args["table"], f.add(f.args["position"], r), self.dimensions)

                def head(h: SSAValue, _: Sequence[SSAValue]) -> None:
                    x = element_address(f, f.args["x"], r, self.stride, f.mul(h, self.head_dim))

                    def turn(c: SSAValue, lanes: Lanes, _: list[SSAValue], _copy: int) -> None:
                        place = f.mul(c, 4)
                        at, angle = f.at(x, place), f.at(angles, place)
                        first, second = lanes.load(at), lanes.load(at, 4 * half)
                        cos, sin = lanes.load(angle), lanes.load(angle, 4 * half)
                        lanes.store(f.fsub(f.fmul(first, cos), f.fmul(second, sin)), at)
                        lanes.store(f.fadd(f.fmul(second, cos), f.fmul(first, sin)), at, 4 * half)

                    over_columns(f, 0, half, turn)

                f.for_(f.args["h0"], f.args["h1"], 1, [], head)

            over_rows(f, row)
            f.ret()
        return self.name
