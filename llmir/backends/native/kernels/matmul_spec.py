"""What a matrix multiplication of `llmir.backends.native.kernels.matmul` is: its operands, epilogue and schedule."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from llmir.backends.native.kernels.names import digest
from llmir.backends.native.kernels.vector_math import ACTIVATIONS
from llmir.backends.native.kernels.weight_codes import integer_table
from llmir.formats.elements import Integer
from llmir.formats.native_tiles import BFLOAT16, LINE, STEP, TileLayout, common_run
from llmir.formats.quantized import QuantizedFormat

GATED = "gated_"
"""What names of gated epilogues start with."""

ITEMSIZE = {"i8": 1, "f32": 4, "bf16": 2}
"""What activations may be, and bytes of one."""


def spread_stride(k: int, itemsize: int) -> int:
    """A `q_stride` for many rows: an odd number of cache lines.

    Rows a power of two apart would all be in the same few sets of a cache, which then holds only some of them.
    """
    line = LINE // itemsize
    return (-(-k // line) | 1) * line


@dataclass(frozen=True)
class Schedule:
    """How a matmul is blocked.

    `rows` of the result are computed at a time; `n_block` tiles are multiplied by all rows before the next ones (so
    that they stay in a cache); `k_unroll` byte dot products (of 4 k) stand in a loop's body; lines are prefetched
    `prefetch` bytes ahead (0: not at all).
    """

    rows: int = 1
    n_block: int = 1
    k_unroll: int = 8
    prefetch: int = 0


@dataclass(frozen=True)
class MatmulSpec:
    """A matrix multiplication; see `llmir.backends.native.kernels.matmul`. ValueError when kernels cannot compute it.

    `act_group` is how many k of the activations share a scale, None for all of a row. `columns` is how many columns
    the result has (for gated epilogues those of the gate; by default all there are). Rows of the result are
    `out_stride` elements apart, rows of q `q_stride`, next to each other by default; see `spread_stride`.
    """

    layout: TileLayout
    activation: str = "i8"
    act_group: int | None = None
    zero_points: bool = False
    epilogue: str = "store"
    bias: bool = False
    columns: int | None = None
    out_stride: int | None = None
    q_stride: int | None = None
    schedule: Schedule = field(default_factory=Schedule)

    def __post_init__(self) -> None:
        if (reason := self._refusal()) is not None:
            raise ValueError(reason)

    @property
    def name(self) -> str:
        """The function's name: what it is, and a digest of all of it."""
        layout = self.layout
        kind = layout.form.element.name if isinstance(layout.form, QuantizedFormat) else str(layout.form)
        plain = "".join(c if c.isalnum() else "_" for c in kind[:16])
        return f"matmul_{layout.n}x{layout.k}_{plain}_{self.activation}_{digest(self)}"

    @property
    def gated(self) -> str | None:
        """The activation of a gated epilogue."""
        return self.epilogue.removeprefix(GATED) if self.epilogue.startswith(GATED) else None

    @property
    def width(self) -> int:
        """Columns of the result."""
        return self.columns or (self.layout.n // 2 if self.gated else self.layout.n)

    @property
    def stride(self) -> int:
        """Elements from one row of the result to the next."""
        return self.out_stride or self.width

    @property
    def row_stride(self) -> int:
        """Elements from one row of q to the next."""
        k = self.layout.k
        return self.q_stride or (-(-k // STEP) * STEP if self.activation == "bf16" else k)

    @property
    def natural(self) -> bool:
        """Whether bf16 activations stand in their own order; see `RoundRows`."""
        return self.layout.dense == BFLOAT16

    @cached_property
    def sum_group(self) -> int:
        """k of each of `sums`: runs over which no parameter changes."""
        return common_run(self.layout, self.act_group if self.activation == "i8" else None)

    @property
    def needs_sums(self) -> bool:
        """Whether `sums` are read."""
        if self.activation == "i8":
            return True
        return self.layout.dense is None and (
            self.layout.quantized.zero_point is not None or self.layout.quantized.minimum is not None
        )

    @property
    def scales_of_row(self) -> int:
        """32-bit words of `s` in a row: scales, and as many zero points."""
        groups = 1 if self.act_group is None else -(-self.layout.k // self.act_group)
        return groups * (2 if self.zero_points else 1)

    @property
    def sums_of_row(self) -> int:
        """Numbers of `sums` in a row."""
        return -(-self.layout.k // self.sum_group)

    def _refusal(self) -> str | None:
        layout = self.layout
        if self.gated is not None and self.gated not in ACTIVATIONS:
            return f"no activation '{self.gated}', expected one of {', '.join(ACTIVATIONS)}"
        if self.gated is None and self.epilogue not in ("store", "add"):
            return f"no epilogue '{self.epilogue}', expected store, add or gated_..."
        if self.gated is not None and layout.tiles % 2:
            return f"gated tiles come in pairs, got {layout.tiles}"
        if self.activation not in ITEMSIZE:
            return f"no activations '{self.activation}', expected {', '.join(ITEMSIZE)}"
        if self.activation == "bf16" and layout.dense is None and layout.group % STEP and layout.group < layout.k:
            return f"bf16 activations need groups of whole fours, not of {layout.group}"
        if self.activation != "i8":
            return None
        if layout.dense is not None:
            return f"i8 activations need an integer weight, not {layout.dense}"
        element = layout.quantized.element
        if not isinstance(element, Integer) and integer_table(element) is None:
            return f"{element.name} codes are no multiples of one number and need f32 activations"
        whole_group = layout.groups_of_block == 1 and self.sum_group >= min(layout.group, layout.k)
        if self.sum_group % STEP and not whole_group:
            act_group = self.act_group or layout.k
            return f"groups of {layout.group} and {act_group} share runs of {self.sum_group}, no whole fours"
        # sums may wrap around on the way: only what comes out must fit
        asymmetric = layout.quantized.zero_point is not None or not isinstance(element, Integer)
        weight = 1 << (element.bits if asymmetric else element.bits - 1) if isinstance(element, Integer) else 255
        if self.sum_group * (255 if self.zero_points else 128) * weight >= 1 << 31:
            return f"sums of {self.sum_group} products of 8 and {element.bits} bits do not fit int32"
        return None
