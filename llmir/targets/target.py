"""What a target is: its kernels, which operands its matrix kernels take, and the layouts they read weights in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

from llmir.formats.elements import Codebook, Element, Integer, Minifloat
from llmir.formats.quantized import QuantizedFormat
from llmir.formats.weight_packings import Form, Packing
from llmir.targets.machine import Machine
from llmir.targets.schedules import ScheduleRule

FLOAT_NAMES: dict[np.dtype[Any], str] = {
    np.dtype(np.float16): "f16",
    np.dtype(ml_dtypes.bfloat16): "bf16",
    np.dtype(np.float32): "f32",
    np.dtype(np.float64): "f64",
    np.dtype(ml_dtypes.float8_e8m0fnu): "f8E8M0FNU",
}
"""How floats are spelled."""

KINDS: dict[str, type[Element] | type[np.dtype[Any]]] = {
    "float": np.dtype,
    "integer": Integer,
    "minifloat": Minifloat,
    "codebook": Codebook,
}
"""Words for all elements of a kind."""

PER_TENSOR, PER_ROW, PER_COLUMN, PER_GROUP, PER_ROW_GROUP, PER_BLOCK = GRANULARITIES = (
    "per_tensor",
    "per_row",
    "per_column",
    "per_group",
    "per_row_group",
    "per_block",
)
"""Which elements of [rows, K] share a scale: all, a row (a weight's channel, an input's token), a column, a group
along K, a group along the rows, or a block of rows by groups along K."""

SYMMETRIC, ZERO_POINT, MINIMUM = PARAMETERS = ("symmetric", "zero_point", "minimum")
"""What codes have beside scales; `zero_point` is an integer."""

DENSE, CODES, ROWS = FORMS = ("dense", "codes", "rows")
"""How a weight is held where it is not packed: dequantized, codes and parameters apart, or rows unpacked when read."""


def element_name(form: Form) -> str:
    """`i4`, `f8E4M3FN`, `nf4` for codes, `f32` for floats."""
    return form.element.name if isinstance(form, QuantizedFormat) else FLOAT_NAMES.get(form, str(form))


def granularity_of(form: QuantizedFormat) -> str:
    """The granularity of a matrix [rows, K]."""
    axis, group = form.granularity.axis, form.granularity.group_size
    if form.granularity.group_rows is not None:
        return PER_BLOCK
    if group is not None:
        return PER_ROW_GROUP if axis == 0 else PER_GROUP
    return PER_TENSOR if axis is None else (PER_ROW if axis == 0 else PER_COLUMN)


def parameters_of(form: QuantizedFormat) -> str:
    """What the codes have beside scales."""
    if form.symmetric:
        return SYMMETRIC
    if form.minimum is not None:
        return MINIMUM
    return ZERO_POINT if isinstance(form.zero_point, Integer) else "a zero point that is no integer"


def scale_name(form: QuantizedFormat) -> str:
    """The type scales are kept in."""
    return "quantized scales" if isinstance(form.scale, QuantizedFormat) else FLOAT_NAMES[form.scale]


@dataclass(frozen=True)
class Operand:
    """Which values a kernel takes on one side. Where codes have no rule (an empty tuple), anything goes.

    `elements` are names (`i8`, `f8E4M3FN`, `f32`) or words for all of a kind (`KINDS`); `group_multiple` is what
    group sizes are a multiple of, `group_size` what they are.
    """

    elements: tuple[str, ...]
    granularity: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    scales: tuple[str, ...] = ()
    group_multiple: int = 1
    group_size: int | None = None

    def takes_element(self, form: Form) -> bool:
        """True when the element is one of those listed."""
        element = form.element if isinstance(form, QuantizedFormat) else form
        names = (name for name, kind in KINDS.items() if isinstance(element, kind))
        return element_name(form) in self.elements or any(name in self.elements for name in names)

    def refusal(self, form: Form) -> str | None:
        """What it does not take about a form, None when it takes it."""
        if not self.takes_element(form):
            return f"{element_name(form)}, expected {' or '.join(self.elements)}"
        if not isinstance(form, QuantizedFormat):
            return None
        for found, allowed in (
            (granularity_of(form), self.granularity),
            (parameters_of(form), self.parameters),
            (scale_name(form), self.scales),
        ):
            if allowed and found not in allowed:
                return f"{element_name(form)} with {found}, expected {' or '.join(allowed)}"
        group = form.granularity.group_size
        if group is None:
            return None
        if self.group_size is not None and group != self.group_size:
            return f"groups of {group}, expected {self.group_size}"
        return (
            f"groups of {group}, expected a multiple of {self.group_multiple}" if group % self.group_multiple else None
        )


@dataclass(frozen=True)
class Layout:
    """A form in which a kernel reads a weight: one of `FORMS`, or a packing."""

    name: str
    form: str | None = None
    packing: Packing | None = None


@dataclass(frozen=True)
class MatmulKernel:
    """A kernel for input [M, K] times weight [N, K].

    `accumulator` is what products are summed in; `tile` the (m, n, k) one step computes; `n_multiple` and
    `k_multiple` what the weight's sizes must be multiples of; with `same_groups` both sides have groups of the
    same size; `requantized` is the kernel that gives codes instead of floats; `constants` is what the kernel wants
    to be told: `exact_run` is how many products sum to less than 2^24. Inputs that are codes have two dimensions.
    """

    name: str
    input: Operand
    weight: Operand
    accumulator: str
    layout: Layout
    instruction: str | None = None
    tile: tuple[int, int, int] | None = None
    n_multiple: int = 1
    k_multiple: int = 1
    same_groups: bool = False
    requantized: str | None = None
    constants: tuple[str, ...] = ()

    def weight_refusal(self, shape: tuple[int, int], form: Form) -> str | None:
        """What it does not take about a weight [N, K]."""
        if (reason := self.weight.refusal(form)) is not None:
            return reason
        for name, size, multiple in (("N", shape[0], self.n_multiple), ("K", shape[1], self.k_multiple)):
            if size % multiple:
                return f"{name} = {size}, expected a multiple of {multiple}"
        return None if self.layout.packing is None else self.layout.packing.refusal(shape, form)

    def input_refusal(self, rank: int, form: Form, weight: Form) -> str | None:
        """What it does not take about an input of a rank, next to a weight that it takes."""
        if (reason := self.input.refusal(form)) is not None or not isinstance(form, QuantizedFormat):
            return reason
        if rank != 2:
            return f"codes of {rank} dimensions, expected 2"
        group = form.granularity.group_size
        if self.same_groups and isinstance(weight, QuantizedFormat) and group != weight.granularity.group_size:
            return f"groups of {group}, expected {weight.granularity.group_size} as the weight has"
        return None


@dataclass(frozen=True)
class EmbeddingKernel:
    """A kernel that looks rows of a table up; `constants` are among `bits`, `signed` and `hidden`."""

    name: str
    table: Operand
    layout: Layout
    constants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Instruction:
    """An instruction kernels are named after: what it multiplies and sums, and the (m, n, k) of one."""

    name: str
    operands: tuple[str, str]
    accumulator: str
    shape: tuple[int, int, int]
    feature: str
    note: str = ""


@dataclass(frozen=True)
class Target:
    """A target's kernels.

    `kernels` maps an operation to the kernel that computes it one to one, `plain_kernels` those for codes in
    plain tensors; `effects` says what a kernel does besides returning its result. `computes_in` is the float type
    every float tensor has inside kernels (None: its own), `rounding` the kernel that rounds to a narrower one.
    `machine` is what native code is generated for (None: there is none), by `schedules` of which the first that fits is
    taken. `matmuls` and `embeddings` are tried in order.
    """

    name: str
    description: str
    layouts: Mapping[str, Layout]
    kernels: Mapping[str, str]
    plain_kernels: Mapping[str, str]
    effects: Mapping[str, str]
    matmuls: tuple[MatmulKernel, ...]
    embeddings: tuple[EmbeddingKernel, ...]
    dense_layout: str
    features: tuple[str, ...] = ()
    instructions: Mapping[str, Instruction] = field(default_factory=dict[str, Instruction])
    computes_in: str | None = None
    rounding: str | None = None
    machine: Machine | None = None
    schedules: tuple[ScheduleRule, ...] = ()
