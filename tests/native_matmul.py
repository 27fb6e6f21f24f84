"""Runs the matrix kernels on arrays, and computes what they should give in float64 and int64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from native import run
from native_weights import real_weight

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.kernels.quantize_rows import QuantizeRows, RoundRows, SumRows
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import BFLOAT16
from llmir.formats.quantized import QuantizedArray, QuantizedFormat

Array = np.ndarray[Any, np.dtype[Any]]


def public(m: ModuleBuilder, name: str) -> str:
    """A public function that calls a generated one; its name."""
    exported = f"run_{name}"
    if not m.has(exported):
        types = m.functions[name].function_type.inputs.data
        arguments = [(f"a{i}", type) for i, type in enumerate(types)]
        with m.function(exported, arguments, public=True) as f:
            f.call(name, list(f.args.values()))
            f.ret()
    return exported


def activation_format(
    group: int | None, name: str = "i8", *, tensor: bool = False, zero_point: Any = None, **more: Any
) -> QuantizedFormat:
    """Codes of activations in groups, for each row (None) or for all."""
    from llmir.formats.elements import element

    granularity = Granularity() if tensor else Granularity(group_size=group, axis=0 if group is None else None)
    return QuantizedFormat(element(name), zero_point=zero_point, granularity=granularity, **more)


@dataclass
class Quantized:
    """What `QuantizeRows` wrote, in the shapes arrays have."""

    q: Array
    s: Array
    sums: Array
    spec: QuantizeRows

    @property
    def scale(self) -> Array:
        """[M, groups]."""
        return self.s[:, : self.spec.groups]

    @property
    def zero_point(self) -> Array:
        """[M, groups] of i32, zeros without zero points."""
        if not self.spec.zero_points:
            return np.zeros(self.scale.shape, np.int32)
        return np.ascontiguousarray(self.s[:, self.spec.groups :]).view(np.int32)


def quantize(m: ModuleBuilder, spec: QuantizeRows, x: Array) -> Quantized:
    """Run the kernel that quantizes."""
    rows = len(x)
    words = spec.groups * (2 if spec.zero_points else 1)
    q = np.full((rows, spec.k), 99, np.int8)
    s = np.full((rows, words), np.nan, np.float32)
    sums = np.full((rows, -(-spec.k // spec.sum_group)), -1, np.int32)
    run(m, public(m, spec.emit(m)), x, q, s, sums, 0, rows)
    return Quantized(q, s, sums, spec)


def spread(values: Array, group: int, k: int) -> Array:
    """One value a group to one for each k."""
    return np.repeat(values, group, axis=1)[:, :k]


@dataclass
class Case:
    """A matmul with a weight and activations, and what it gives."""

    spec: Matmul
    weight: Any
    x: Array
    form: QuantizedFormat | None = None
    bias: Array | None = None
    before: Array | None = None
    columns: slice = field(default_factory=lambda: slice(None))

    def real_activations(self, quantized: Quantized | None) -> Array:
        """float64 [M, K]."""
        if self.spec.activation == "bf16":
            return self.x.astype(BFLOAT16).astype(np.float64)
        if quantized is None:
            return self.x.astype(np.float64)
        k, group = self.spec.layout.k, quantized.spec.group
        points = spread(quantized.zero_point, group, k).astype(np.float64)
        return (quantized.q.astype(np.float64) - points) * spread(quantized.scale, group, k).astype(np.float64)

    def real_weight(self) -> Array:
        """float64 [N, K]."""
        if self.spec.activation == "bf16":
            return bf16_weight(self.weight)
        return real_weight(self.weight) if isinstance(self.weight, QuantizedArray) else self.weight.astype(np.float64)


def multiply(
    m: ModuleBuilder, case: Case, splits: Sequence[tuple[int, int, int, int]] | None = None
) -> tuple[Array, Quantized | None]:
    """Run the kernels of a case, in the parts (m0, m1, t0, t1) given; the result and the activations' codes."""
    spec, layout, x = case.spec, case.spec.layout, case.x
    quantized = None
    rows = len(x)
    if spec.activation == "i8":
        assert case.form is not None
        quantized = quantize(m, QuantizeRows(layout.k, spec.sum_group, case.form), x)
        q, s, sums = quantized.q, quantized.s, quantized.sums
    elif spec.activation == "bf16":
        rounding = RoundRows(layout.k, spec.sum_group, spec.natural)
        q, s = np.full((rows, rounding.stride), 99, np.uint16), None
        sums = np.full((rows, -(-layout.k // spec.sum_group)), np.nan, np.float32)
        run(m, public(m, rounding.emit(m)), x, q, sums, 0, rows)
    else:
        q, s = x, None
        sums = None
        if spec.needs_sums:
            sums = np.full((rows, -(-layout.k // spec.sum_group)), np.nan, np.float32)
            run(m, public(m, SumRows(layout.k, spec.sum_group).emit(m)), x, sums, 0, rows)
    out = np.full((rows, spec.stride), np.nan, np.float32)
    if case.before is not None:
        out[:, : spec.width] = case.before
    name = public(m, spec.emit(m))
    packed = layout.pack(case.weight)
    for part in splits or [(0, rows, 0, layout.tiles)]:
        run(m, name, packed, q, s, sums, case.bias, out, *part)
    assert np.isnan(out[:, spec.width :]).all(), "written past the last column"
    return out[:, : spec.width], quantized


def expected(case: Case, quantized: Quantized | None) -> tuple[Array, Array]:
    """The result in float64, and the sum of the magnitudes that it is the sum of (what errors are relative to)."""
    x, w = case.real_activations(quantized), case.real_weight()
    y, size = x @ w.T, np.abs(x) @ np.abs(w).T
    if isinstance(case.weight, QuantizedArray) and case.weight.format.zero_point is not None:
        size = size * 1.0 + np.abs(x) @ np.abs(offset_part(case.weight)).T * 2
    if isinstance(case.weight, QuantizedArray) and case.weight.minimum is not None:
        size = size + np.abs(x) @ np.abs(offset_part(case.weight)).T * 2
    return y, size


def offset_part(weight: QuantizedArray) -> Array:
    """The part of the real weight [N, K] that zero points or minima are."""
    from dataclasses import replace

    zeros = replace(weight, codes=np.zeros_like(weight.codes))
    return real_weight(zeros)


def bf16_weight(weight: Any) -> Array:
    """The real weight with codes, or floats, rounded to bf16."""
    if not isinstance(weight, QuantizedArray):
        return weight.astype(BFLOAT16).astype(np.float64)
    rounded = weight.format.element.decode(weight.codes).astype(BFLOAT16).astype(np.float64)
    return real_weight(weight, rounded)
