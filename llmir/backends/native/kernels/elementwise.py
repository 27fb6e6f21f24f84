"""Element by element: arithmetic, activations and gates over float32 rows and columns.

Every function takes the ranges m0, m1 of rows and c0, c1 of columns; an output may be one of the inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.kernels import vector_math
from llmir.backends.native.kernels.columns import (
    COLUMNS,
    RANGE,
    Lanes,
    element_address,
    over_columns,
    over_rows,
)
from llmir.backends.native.kernels.names import number_text
from llmir.backends.native.vector_types import F32, PTR


@dataclass(frozen=True)
class Map:
    """One operation on rows of x: NAME(x, y, m0, m1, c0, c1). Rows are `x_stride` and `y_stride` columns apart.

    `operation` is `silu`, `gelu`, `gelu_tanh`, `relu`, or with its number in `parameter`: `scale` (a factor), `softcap`
    (a cap).
    """

    operation: str
    x_stride: int
    y_stride: int
    parameter: float | None = None

    @property
    def name(self) -> str:
        """The function's name."""
        return f"map_{self.operation}_{number_text(self.parameter)}_{self.x_stride}_{self.y_stride}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there; ValueError for an unknown operation."""
        if m.has(self.name):
            return self.name
        with m.function(self.name, [("x", PTR), ("y", PTR), *RANGE, *COLUMNS], aliasing=("x", "y")) as f:
            _over_elements(f, [("x", self.x_stride)], ("y", self.y_stride), lambda x: self._value(f, x[0]))
            f.ret()
        return self.name

    def _value(self, f: Function, x: SSAValue) -> SSAValue:
        if self.operation in vector_math.ACTIVATIONS:
            return vector_math.ACTIVATIONS[self.operation](f, x)
        if self.parameter is None:
            raise ValueError(f"no operation '{self.operation}' without a parameter")
        match self.operation:
            case "scale":
                return f.fmul(x, f.splat(self.parameter, F32, f.lanes))
            case "softcap":
                return vector_math.softcap(f, x, self.parameter)
            case _:
                raise ValueError(f"no operation '{self.operation}' with a parameter")


@dataclass(frozen=True)
class Combine:
    """`add` or `multiply` of rows of a and b: NAME(a, b, y, m0, m1, c0, c1).

    Rows are so many columns apart; `b_stride` = 0 takes the same row of b for all of a (a bias, a row of factors).
    """

    operation: str
    a_stride: int
    b_stride: int
    y_stride: int

    @property
    def name(self) -> str:
        """The function's name."""
        return f"{self.operation}_{self.a_stride}_{self.b_stride}_{self.y_stride}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there; ValueError for an unknown operation."""
        if m.has(self.name):
            return self.name
        arguments = [("a", PTR), ("b", PTR), ("y", PTR), *RANGE, *COLUMNS]
        with m.function(self.name, arguments, aliasing=("a", "b", "y")) as f:
            operations = {"add": f.fadd, "multiply": f.fmul}
            if self.operation not in operations:
                raise ValueError(f"no operation '{self.operation}', expected one of {', '.join(operations)}")
            inputs = [("a", self.a_stride), ("b", self.b_stride)]
            operation = operations[self.operation]
            _over_elements(f, inputs, ("y", self.y_stride), lambda x: operation(x[0], x[1]))
            f.ret()
        return self.name


@dataclass(frozen=True)
class Gate:
    """`llm.gated_activation`, activation(gate) * up: NAME(gate, up, y, m0, m1, c0, c1).

    gate and up may lie in the rows of one buffer: then both strides are its columns, and `up` points to the first of
    its own. Rows of y are `y_stride` columns apart.
    """

    activation: str
    gate_stride: int
    up_stride: int
    y_stride: int

    @property
    def name(self) -> str:
        """The function's name."""
        return f"gate_{self.activation}_{self.gate_stride}_{self.up_stride}_{self.y_stride}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        arguments = [("gate", PTR), ("up", PTR), ("y", PTR), *RANGE, *COLUMNS]
        with m.function(self.name, arguments, aliasing=("gate", "up", "y")) as f:
            activate = vector_math.ACTIVATIONS[self.activation]
            inputs = [("gate", self.gate_stride), ("up", self.up_stride)]
            _over_elements(f, inputs, ("y", self.y_stride), lambda x: f.fmul(activate(f, x[0]), x[1]))
            f.ret()
        return self.name


def _over_elements(
    f: Function, inputs: Sequence[tuple[str, int]], output: tuple[str, int], value: Callable[[list[SSAValue]], SSAValue]
) -> None:
    """output = value(inputs...) for all rows and columns of the ranges; each is an argument's name and its stride."""

    def row(r: SSAValue) -> None:
        sources = [element_address(f, f.args[name], r, stride) for name, stride in inputs]
        target = element_address(f, f.args[output[0]], r, output[1])

        def columns(c: SSAValue, lanes: Lanes, _: list[SSAValue], _copy: int) -> None:
            place = f.mul(c, 4)
            lanes.store(value([lanes.load(f.at(source, place)) for source in sources]), f.at(target, place))

        over_columns(f, f.args["c0"], f.args["c1"], columns, unroll=2)

    over_rows(f, row)
