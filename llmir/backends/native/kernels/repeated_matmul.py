"""A matrix multiplication again and again, by copies of the weight in turn: what schedules are timed by."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.vector_types import I64, PTR


@dataclass(frozen=True)
class RepeatedMatmul:
    """NAME(w, q, s, sums, bias, out, rows, t0, t1, stride, size, start, repeats): public, the arguments of `Matmul`.

    Copies of the weight lie `stride` bytes apart in `size` bytes, which `stride` divides; the first multiplication is
    by the one at `start`.
    """

    matmul: Matmul

    @property
    def name(self) -> str:
        """The function's name."""
        return f"repeated_{self.matmul.name}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there; its name."""
        if m.has(self.name):
            return self.name
        called = self.matmul.emit(m)
        pointers = ("w", "q", "s", "sums", "bias", "out")
        numbers = ("rows", "t0", "t1", "stride", "size", "start", "repeats")
        with m.function(self.name, [*((n, PTR) for n in pointers), *((n, I64) for n in numbers)], public=True) as f:
            a = f.args

            def once(_: SSAValue, carried: list[SSAValue]) -> list[SSAValue]:
                weight = f.at(a["w"], carried[0])
                others = [a[name] for name in pointers[1:]]
                f.call(called, [weight, *others, f.i64(0), a["rows"], a["t0"], a["t1"]])
                after = f.add(carried[0], a["stride"])
                return [f.select(f.cmp("sge", after, a["size"]), f.i64(0), after)]

            f.for_(0, a["repeats"], 1, [a["start"]], once)
            f.ret()
        return self.name
