"""Normalization of rows: root mean square and layer norm. The order of a row's sum is always the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.kernels.columns import (
    HEADS,
    RANGE,
    Lanes,
    element_address,
    over_columns,
    over_rows,
    sum_of_lanes,
)
from llmir.backends.native.kernels.names import number_text
from llmir.backends.native.vector_types import F32, PTR

SUMS = 4
"""Partial sums of a row, so that additions need not wait for each other."""


@dataclass(frozen=True)
class RmsNorm:
    """`llm.rms_norm` of rows of `columns` float32: NAME(x, weight, y, m0, m1); y may be x.

    Rows of x and y are `x_stride` and `y_stride` columns apart, next to each other when 0. weight is float32.
    """

    columns: int
    epsilon: float
    x_stride: int = 0
    y_stride: int = 0

    @property
    def name(self) -> str:
        """The function's name."""
        return f"rms_norm_{self.columns}_{number_text(self.epsilon)}_{self.x_stride}_{self.y_stride}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        with m.function(self.name, [("x", PTR), ("weight", PTR), ("y", PTR), *RANGE], aliasing=("x", "y")) as f:

            def row(r: SSAValue) -> None:
                x = element_address(f, f.args["x"], r, self.x_stride or self.columns)
                y = element_address(f, f.args["y"], r, self.y_stride or self.columns)
                rms_norm_row(f, x, f.args["weight"], y, self.columns, self.epsilon)

            over_rows(f, row)
            f.ret()
        return self.name


@dataclass(frozen=True)
class HeadRmsNorm:
    """`llm.rms_norm` of each head of `head_dim` float32 by itself: NAME(x, weight, y, m0, m1, h0, h1); y may be x.

    Head h of row m is at column h * head_dim of the row; rows are `x_stride` and `y_stride` columns apart.
    """

    head_dim: int
    epsilon: float
    x_stride: int
    y_stride: int

    @property
    def name(self) -> str:
        """The function's name."""
        return f"head_rms_norm_{self.head_dim}_{number_text(self.epsilon)}_{self.x_stride}_{self.y_stride}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        arguments = [("x", PTR), ("weight", PTR), ("y", PTR), *RANGE, *HEADS]
        with m.function(self.name, arguments, aliasing=("x", "y")) as f:

            def row(r: SSAValue) -> None:
                def head(h: SSAValue, _: Sequence[SSAValue]) -> None:
                    column = f.mul(h, self.head_dim)
                    x = element_address(f, f.args["x"], r, self.x_stride, column)
                    y = element_address(f, f.args["y"], r, self.y_stride, column)
                    rms_norm_row(f, x, f.args["weight"], y, self.head_dim, self.epsilon)

                f.for_(f.args["h0"], f.args["h1"], 1, [], head)

            over_rows(f, row)
            f.ret()
        return self.name


def rms_norm_row(f: Function, x: SSAValue, weight: SSAValue, y: SSAValue, columns: int, epsilon: float) -> None:
    """y = x / sqrt(mean(x^2) + epsilon) * weight for one row."""

    def square(c: SSAValue, lanes: Lanes, sums: list[SSAValue], copy: int) -> list[SSAValue]:
        value = lanes.load(f.at(x, f.mul(c, 4)))
        sums[copy] = f.fma(value, value, sums[copy])
        return sums

    factor = inverse_root_of_mean(f, over_columns(f, 0, columns, square, zeros(f), SUMS), columns, epsilon)

    def scale(c: SSAValue, lanes: Lanes, _: list[SSAValue], _copy: int) -> None:
        place = f.mul(c, 4)
        normal = f.fmul(lanes.load(f.at(x, place)), factor)
        lanes.store(f.fmul(normal, lanes.load(f.at(weight, place))), f.at(y, place))

    over_columns(f, 0, columns, scale)


def zeros(f: Function) -> list[SSAValue]:
    """Sums to begin with."""
    return [f.splat(0.0, F32, f.lanes)] * SUMS


def inverse_root_of_mean(f: Function, sums: Sequence[SSAValue], columns: int, epsilon: float) -> SSAValue:
    """1 / sqrt(sum / columns + epsilon) in all lanes."""
    mean = f.fdiv(sum_of_lanes(f, sums), f.f32(columns))
    return f.broadcast(f.fdiv(f.f32(1.0), f.sqrt(f.fadd(mean, f.f32(epsilon)))), f.lanes)


@dataclass(frozen=True)
class LayerNorm:
    """`llm.layer_norm` of rows of `columns` float32: NAME(x, weight, bias, y, m0, m1); y may be x.

    `affine` says which of the two are there: "weight bias", "weight" or "" (pointers to absent ones are not read).
    """

    columns: int
    epsilon: float
    affine: str = "weight bias"
    x_stride: int = 0
    y_stride: int = 0

    @property
    def name(self) -> str:
        """The function's name."""
        affine = self.affine.replace(" ", "_") or "plain"
        return f"layer_norm_{self.columns}_{number_text(self.epsilon)}_{affine}_{self.x_stride}_{self.y_stride}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        arguments = [("x", PTR), ("weight", PTR), ("bias", PTR), ("y", PTR), *RANGE]
        with m.function(self.name, arguments, aliasing=("x", "y")) as f:
            over_rows(f, lambda r: self._row(f, r))
            f.ret()
        return self.name

    def _row(self, f: Function, r: SSAValue) -> None:
        x = element_address(f, f.args["x"], r, self.x_stride or self.columns)
        y = element_address(f, f.args["y"], r, self.y_stride or self.columns)

        def add(c: SSAValue, lanes: Lanes, sums: list[SSAValue], copy: int) -> list[SSAValue]:
            sums[copy] = f.fadd(sums[copy], lanes.load(f.at(x, f.mul(c, 4))))
            return sums

        sums = over_columns(f, 0, self.columns, add, zeros(f), SUMS)
        mean = f.broadcast(f.fdiv(sum_of_lanes(f, sums), f.f32(self.columns)), f.lanes)

        def square(c: SSAValue, lanes: Lanes, sums: list[SSAValue], copy: int) -> list[SSAValue]:
            centered = lanes.only(f.fsub(lanes.load(f.at(x, f.mul(c, 4))), mean), 0.0)
            sums[copy] = f.fma(centered, centered, sums[copy])
            return sums

        squares = over_columns(f, 0, self.columns, square, zeros(f), SUMS)
        factor = inverse_root_of_mean(f, squares, self.columns, self.epsilon)

        def scale(c: SSAValue, lanes: Lanes, _: list[SSAValue], _copy: int) -> None:
            place = f.mul(c, 4)
            value = f.fmul(f.fsub(lanes.load(f.at(x, place)), mean), factor)
            if "weight" in self.affine:
                value = f.fmul(value, lanes.load(f.at(f.args["weight"], place)))
            if "bias" in self.affine:
                value = f.fadd(value, lanes.load(f.at(f.args["bias"], place)))
            lanes.store(value, f.at(y, place))

        over_columns(f, 0, self.columns, scale)
