"""What matrix kernels read of float activations: sums of groups (`SumRows`), and rows rounded to bf16 (`RoundRows`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.columns import RANGE, Lanes, element_address, over_rows
from llmir.backends.native.kernels.row_spans import over_spans, store_reduced
from llmir.backends.native.vector_types import BF16, F32, I16, I32, PTR, vec
from llmir.formats.native_tiles import STEP


@dataclass(frozen=True)
class SumRows:
    """Sums of each `group` successive float32 of rows of `k`: NAME(x, sums, m0, m1), sums f32 [M, K / group].

    Rows of x are `x_stride` elements apart, next to each other by default.
    """

    k: int
    group: int
    x_stride: int | None = None

    @property
    def name(self) -> str:
        """The function's name."""
        return f"sum_rows_{self.k}_{self.group}_{self.x_stride or self.k}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there; its name."""
        if m.has(self.name):
            return self.name
        with m.function(self.name, [("x", PTR), ("sums", PTR), *RANGE]) as f:
            sums = -(-self.k // self.group)

            def row(m: SSAValue) -> None:
                x = element_address(f, f.args["x"], m, self.x_stride or self.k)
                out = element_address(f, f.args["sums"], m, sums)
                over_spans(
                    f, self.k, self.group, f.splat(0.0, F32, f.lanes), f.fadd,
                    lambda at, offset, count: Lanes.first(f, count).load(at[0], 4 * offset),
                    lambda at, values: store_reduced(f, at, values, f.fadd),
                    [(x, 4)], out,
                )  # fmt: skip

            over_rows(f, row)
            f.ret()
        return self.name


@dataclass(frozen=True)
class RoundRows:
    """Rows of `k` float32 rounded to bf16, for `Matmul` with bf16 activations: NAME(x, q, sums, m0, m1).

    Rows of q are k filled up with zeros to whole fours. Of four successive values the second and third are exchanged
    unless `natural`: dot products of pairs then take codes as they lie in a word's bytes. sums f32 [M, k / group] are
    those of the rounded values. Rows of x and q are `x_stride` and `q_stride` elements apart, next to each other by
    default.
    """

    k: int
    group: int
    natural: bool = False
    x_stride: int | None = None
    q_stride: int | None = None

    @property
    def name(self) -> str:
        """The function's name."""
        order = "natural" if self.natural else "pairs"
        return f"round_rows_{self.k}_{self.group}_{order}_{self.x_stride or self.k}_{self.stride}"

    @property
    def stride(self) -> int:
        """Elements from one row of q to the next."""
        return self.q_stride or -(-self.k // STEP) * STEP

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there; its name."""
        if m.has(self.name):
            return self.name
        with m.function(self.name, [("x", PTR), ("q", PTR), ("sums", PTR), *RANGE]) as f:
            order = [i if self.natural else i - i % STEP + (0, 2, 1, 3)[i % STEP] for i in range(f.lanes)]
            sums = -(-self.k // self.group)

            def rounded(at: Sequence[SSAValue], offset: int, count: int) -> SSAValue:
                value = Lanes.first(f, count).load(at[0], 4 * offset)
                bits = f.bitcast(f.fptrunc(f.shuffle(value, value, order), BF16), vec(I16, f.lanes))
                Lanes.first(f, -(-count // STEP) * STEP).store(bits, at[1], 2 * offset)
                return f.bitcast(f.shl(f.zext(bits, I32), 16), vec(F32, f.lanes))

            def row(m: SSAValue) -> None:
                x = element_address(f, f.args["x"], m, self.x_stride or self.k)
                q = f.at(f.args["q"], f.mul(m, 2 * self.stride))
                out = element_address(f, f.args["sums"], m, sums)
                over_spans(
                    f, self.k, self.group, f.splat(0.0, F32, f.lanes), f.fadd, rounded,
                    lambda at, values: store_reduced(f, at, values, f.fadd),
                    [(x, 4), (q, 2)], out,
                )  # fmt: skip

            over_rows(f, row)
            f.ret()
        return self.name
