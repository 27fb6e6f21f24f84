"""out = x w^T of rows of activations and a weight in tiles (`llmir.formats.native_tiles`), for one row and for many.

`Matmul.emit` writes NAME(w, q, s, sums, bias, out, m0, m1, t0, t1): rows m0 ... m1 - 1 of the result, tiles t0 ...
t1 - 1. The activations are

| activation | q                     | s                      | sums                                       | by       |
|------------|-----------------------|------------------------|--------------------------------------------|----------|
| i8         | i8 [M, K]             | f32 [M, K / act_group] | i32 [M, K / sum_group], of codes           | Quantize |
| f32        | f32 [M, K]            | -                      | f32 [M, K / sum_group], where `needs_sums` | Sum      |
| bf16       | bf16                  | -                      | the same, of the rounded values            | Round    |

They are written by `QuantizeRows`, `SumRows` and `RoundRows`. s is [M, 1] for one scale a row, and with zero points
[M, 2, K / act_group], the second being i32 zero points.

With i8 the codes of a run (k that share all parameters) are multiplied and summed exactly in int32, zero points of
both sides are taken off exactly, and the sum is scaled in float32: where all of K is one run, (sum * s_x) * s_w, as
`integer_product` of `llmir.semantics` says. With f32 what the codes stand for is multiplied by the activations; the
scale of a group is applied to its sum. With bf16 both are rounded to it (integers and minifloats are exact) and
multiplied in pairs, sums being float32.

The order of additions depends on the spec alone, not on M, the split or the row: a row's result is the same in any
block of rows.

Epilogues: `store`; `add` to what is there (a residual); `gated_silu`, `gated_gelu`, ...: tiles come in pairs, that of
the gate first, and column c of pair p of the result is activation(gate) * up; their bias is [2, columns], that of
the gate first.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.matmul_block import MatmulBlock
from llmir.backends.native.kernels.matmul_floats import FloatBlock, PairBlock
from llmir.backends.native.kernels.matmul_integers import IntegerBlock
from llmir.backends.native.kernels.matmul_spec import ITEMSIZE, MatmulSpec
from llmir.backends.native.vector_types import I64, PTR

BLOCKS: dict[str, type[MatmulBlock]] = {"i8": IntegerBlock, "f32": FloatBlock, "bf16": PairBlock}
"""What computes a block, by the kind of its activations."""


@dataclass(frozen=True)
class Matmul(MatmulSpec):
    """The generator of a multiplication; see the module."""

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there; its name."""
        if not m.has(self.name):
            _emit_outer(m, self)
        return self.name


def _emit_outer(m: ModuleBuilder, spec: MatmulSpec) -> None:
    """Blocks of tiles, in them blocks of rows, in them tiles; the rows that are left over in powers of two."""
    rows = spec.schedule.rows
    sizes = [rows, *(size for size in (32, 16, 8, 4, 2, 1) if size < rows)]
    names = {size: _emit_block(m, spec, size) for size in sizes}
    layout, pairs = spec.layout, spec.gated is not None
    itemsize = ITEMSIZE[spec.activation]
    arguments = [(n, PTR) for n in ("w", "q", "s", "sums", "bias", "out")]
    with m.function(spec.name, [*arguments, *((n, I64) for n in ("m0", "m1", "t0", "t1"))]) as f:
        a = f.args

        def place_of_bias(tile: SSAValue, column: SSAValue) -> SSAValue:
            return f.add(column, f.mul(f.and_(tile, 1), spec.width)) if pairs else column

        def block(row: SSAValue, tile: SSAValue, size: int) -> None:
            column = f.mul(f.lshr(tile, 1) if pairs else tile, layout.tile)
            place = f.add(f.mul(row, spec.stride), column)
            f.call(
                names[size],
                [
                    f.at(a["w"], f.mul(tile, layout.tile_bytes)),
                    f.at(a["q"], f.mul(row, spec.row_stride * itemsize)),
                    f.at(a["s"], f.mul(row, 4 * spec.scales_of_row)),
                    f.at(a["sums"], f.mul(row, 4 * spec.sums_of_row)),
                    f.at(a["bias"], f.mul(place_of_bias(tile, column), 4)),
                    f.at(a["out"], f.mul(place, 4)),
                    f.sub(f.i64(spec.width), column),
                    f.and_(tile, 1) if pairs else f.i64(0),
                ],
            )

        def tiles(first: SSAValue, _: list[SSAValue]) -> None:
            end = f.smin(f.add(first, spec.schedule.n_block * (2 if pairs else 1)), a["t1"])

            def all_tiles(row: SSAValue, size: int) -> None:
                def one(tile: SSAValue, _: list[SSAValue]) -> None:
                    block(row, tile, size)

                f.for_(first, end, 1, [], one)

            count = f.sub(a["m1"], a["m0"])
            left = f.urem(count, rows) if rows > 1 else f.i64(0)
            row = f.sub(a["m1"], left)

            def full(at: SSAValue, _: list[SSAValue]) -> None:
                all_tiles(at, rows)

            f.for_(a["m0"], row, rows, [], full)
            for size in sizes[1:]:
                has = f.and_(left, size)

                def some(at: SSAValue = row, size: int = size) -> None:
                    all_tiles(at, size)

                f.if_(f.cmp("ne", has, 0), some)
                row = f.add(row, has)

        f.for_(a["t0"], a["t1"], spec.schedule.n_block * (2 if pairs else 1), [], tiles)
        f.ret()


def _emit_block(m: ModuleBuilder, spec: MatmulSpec, rows: int) -> str:
    """The function of one block: `rows` rows by one tile."""
    name = f"{spec.name}_rows{rows}"
    arguments = [(n, PTR) for n in ("w", "q", "s", "sums", "bias", "out")]
    with m.function(name, [*arguments, ("columns", I64), ("second", I64)]) as f:
        block = BLOCKS[spec.activation](f, spec, rows)
        block.finish(block.sums())
        f.ret()
    return name
