"""Runs the matrix kernels on arrays, and computes what they should give in float64 and int64."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from native import run
from native_weights import real_weight

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.float_rows import RoundRows, SumRows
from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.kernels.quantize_rows import QuantizeRows
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
    memory: Array | None = None

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


def apart(rows: int, columns: int, stride: int, filled: float, dtype: Any) -> Array:
    """Memory [elements] for rows `stride` elements apart; it ends where the last row does."""
    return np.full((rows - 1) * stride + columns, filled, dtype)


def rows_of(flat: Array, rows: int, columns: int, stride: int) -> Array:
    """Its rows [M, K], a view."""
    return np.lib.stride_tricks.as_strided(flat, (rows, columns), (stride * flat.itemsize, flat.itemsize))


def quantize(m: ModuleBuilder, spec: QuantizeRows, x: Array) -> Quantized:
    """Run the kernel that quantizes."""
    rows, stride = len(x), spec.q_stride or spec.k
    words = spec.groups * (2 if spec.zero_points else 1)
    q = apart(rows, spec.k, stride, 99, np.int8)
    s = np.full((rows, words), np.nan, np.float32)
    sums = np.full((rows, -(-spec.k // spec.sum_group)), -1, np.int32)
    run(m, public(m, spec.emit(m)), x, q, s, sums, 0, rows)
    for end in range(spec.k, len(q), stride):
        assert (q[end : end + stride - spec.k] == 99).all(), "codes between rows"
    return Quantized(rows_of(q, rows, spec.k, stride), s, sums, spec, q)


def spread(values: Array, group: int, k: int) -> Array:
    """One value a group to one for each k."""
    return np.repeat(values, group, axis=1)[:, :k]


@dataclass
class Case:
    """A matmul with a weight and activations, and what it gives.

    For gated epilogues `weight` is that of the gate, `up` the other one, and bias is [2, N]. `constants` are the scale
    and zero point of activations that have constant ones. With `integers` everything that is added up is an integer,
    or a multiple of the weight's `unit`. Kernels are called for each of `parts`, (m0, m1, t0, t1), by default once.
    """

    spec: Matmul
    weight: Any
    x: Array
    form: QuantizedFormat | None = None
    bias: Array | None = None
    before: Array | None = None
    up: Any = None
    constants: dict[str, Any] = field(default_factory=dict[str, Any])
    integers: bool = False
    parts: Sequence[tuple[int, int, int, int]] = ()

    def real_activations(self, quantized: Quantized | None) -> Array:
        """float64 [M, K]."""
        if self.spec.activation == "bf16":
            return self.x.astype(BFLOAT16).astype(np.float64)
        if quantized is None:
            return self.x.astype(np.float64)
        k, group = self.spec.layout.k, quantized.spec.group
        points = spread(quantized.zero_point, group, k).astype(np.float64)
        return (quantized.q.astype(np.float64) - points) * spread(quantized.scale, group, k).astype(np.float64)

    def real_weight(self, weight: Any) -> Array:
        """float64 [N, K]."""
        if self.spec.activation == "bf16":
            return bf16_weight(weight)
        return real_weight(weight) if isinstance(weight, QuantizedArray) else weight.astype(np.float64)

    def packed(self) -> Array:
        """The bytes of the weight, or of both, tile by tile."""
        layout = self.spec.layout
        if self.up is None:
            return layout.pack(self.weight)
        one = replace(layout, n=self.spec.width)
        return np.stack([one.pack(w).reshape(one.tiles, -1) for w in (self.weight, self.up)], axis=1).reshape(-1)


def multiply(
    m: ModuleBuilder, case: Case, splits: Sequence[tuple[int, int, int, int]] | None = None
) -> tuple[Array, Quantized | None]:
    """Run the kernels of a case, in the parts (m0, m1, t0, t1) given; the result and the activations' codes."""
    spec, layout, x = case.spec, case.spec.layout, case.x
    quantized = None
    rows, k = x.shape
    s: Array | None = None
    sums: Array | None = None
    if spec.activation == "i8":
        assert case.form is not None
        codes = QuantizeRows(k, spec.sum_group, case.form, **case.constants, q_stride=spec.q_stride)
        quantized = quantize(m, codes, x)
        q, s, sums = quantized.memory, quantized.s, quantized.sums
    elif spec.activation == "bf16":
        rounding = RoundRows(k, spec.sum_group, spec.natural, q_stride=spec.q_stride)
        q = apart(rows, -(-k // 4) * 4, rounding.stride, 0x7FC0, np.uint16)
        sums = np.full((rows, -(-k // spec.sum_group)), np.nan, np.float32)
        run(m, public(m, rounding.emit(m)), x, q, sums, 0, rows)
    else:
        q = apart(rows, k, spec.row_stride, np.nan, np.float32)
        rows_of(q, rows, k, spec.row_stride)[:] = x
        if spec.needs_sums:
            sums = np.full((rows, -(-k // spec.sum_group)), np.nan, np.float32)
            run(m, public(m, SumRows(k, spec.sum_group, spec.q_stride).emit(m)), q, sums, 0, rows)
    out = np.full((rows, spec.stride), np.nan, np.float32)
    if case.before is not None:
        out[:, : spec.width] = case.before
    name = public(m, spec.emit(m))
    packed = case.packed()
    for part in splits or case.parts or [(0, rows, 0, layout.tiles)]:
        run(m, name, packed, q, s, sums, case.bias, out, *part)
    assert np.isnan(out[:, spec.width :]).all(), "written past the last column"
    return out[:, : spec.width], quantized


def expected(case: Case, quantized: Quantized | None) -> tuple[Array, Array]:
    """The result in float64, and the sum of the magnitudes that it is the sum of (what errors are relative to)."""
    return _product(case, quantized, case.weight)


def _product(case: Case, quantized: Quantized | None, weight: Any) -> tuple[Array, Array]:
    x, w = case.real_activations(quantized), case.real_weight(weight)
    y, size = x @ w.T, np.abs(x) @ np.abs(w).T
    if isinstance(weight, QuantizedArray) and (weight.zero_point is not None or weight.minimum is not None):
        size = size + np.abs(x) @ np.abs(offset_part(weight)).T * 2
    return y, size


SLOPE = 1.13
"""No activation is steeper."""
VANISHED = 2e-36
"""Activations may be 0 where they are smaller."""


def normal_distribution(x: Array) -> Array:
    """Phi, for each element."""
    return np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x.reshape(-1).tolist()]).reshape(x.shape)


GATES: dict[str, tuple[Callable[[Array], Array], float]] = {
    "silu": (lambda x: x * np.exp(-np.logaddexp(0, -x)), 4e-7),
    "gelu": (lambda x: x * normal_distribution(x), 7e-7),
    "gelu_tanh": (lambda x: x * np.exp(-np.logaddexp(0, -1.5957691216057308 * (x + 0.044715 * x**3))), 1.1e-5),
    "relu": (lambda x: np.maximum(x, 0), 0.0),
}
"""Activations in float64, and the relative errors kernels are allowed."""


def result(case: Case, quantized: Quantized | None, bound: float) -> tuple[Array, Array, Array]:
    """What a case gives, in float64: the result, the errors allowed, and the magnitudes that are added up in float32.

    Sums may be off by `bound` of the magnitudes.
    """
    y, size = _product(case, quantized, case.weight)
    gate = case.spec.gated
    biases = [case.bias] if gate is None or case.bias is None else list(case.bias)
    for more in (biases[0], case.before):
        if more is not None:
            y, size = y + more, size + np.abs(more)
    if gate is None:
        return y, bound * size, size
    up, size_of_up = _product(case, quantized, case.up)
    if biases[-1] is not None:
        up, size_of_up = up + biases[-1], size_of_up + np.abs(biases[-1])
    function, relative = GATES[gate]
    opened = function(y)
    error_of_gate = SLOPE * bound * size + relative * np.abs(opened) + VANISHED
    error_of_up = bound * size_of_up
    error = error_of_gate * (np.abs(up) + error_of_up) + np.abs(opened) * error_of_up
    return opened * up, error + bound * np.abs(opened * up), np.maximum(size, size_of_up)


def offset_part(weight: QuantizedArray) -> Array:
    """The part of the real weight [N, K] that zero points or minima are."""
    zeros = replace(weight, codes=np.zeros_like(weight.codes))
    return real_weight(zeros)


def bf16_weight(weight: Any) -> Array:
    """The real weight with codes, or floats, rounded to bf16."""
    if not isinstance(weight, QuantizedArray):
        return weight.astype(BFLOAT16).astype(np.float64)
    rounded = weight.format.element.decode(weight.codes).astype(BFLOAT16).astype(np.float64)
    return real_weight(weight, rounded)
