"""Schedules worth trying for a product on a machine.

None of them changes a result. Sums of i8 codes are exact, and are added up in the order of the groups, so all of a
schedule may change. Of float activations the order of additions depends on the vectors of a tile, so these stay as the
target's table has them. A candidate's sums fit into the machine's registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.kernels.matmul_amx import LEAST_ROWS
from llmir.backends.native.kernels.matmul_integers import FEW_ROWS
from llmir.backends.native.kernels.matmul_spec import Schedule as Walk
from llmir.dialects.kernel_schedule import Schedule
from llmir.formats.native_tiles import STEP
from llmir.targets.machine import Machine

OPERANDS = 3
"""Registers for what is multiplied, beside the sums."""
TILE_REGISTERS, TILE_ROWS = 8, 16
"""Matrix registers of AMX, and the rows of one."""
ROWS = (1, 2, 3, 4, 6, 8, 12)
"""Rows of a block of vectors."""
MOST_CANDIDATES = 3
"""How many of them are tried: those with most rows."""

ONE_ROW: dict[str, Sequence[int]] = {"k_unroll": (4, 8, 16, 32), "prefetch": (0, 2048, 4096, 8192)}
"""Values of fields that matter for one row."""
MANY_ROWS: dict[str, Sequence[int]] = {"k_unroll": (4, 8, 16), "n_block": (2, 4, 16)}
"""Those for many rows, beside the rows."""


def scheduled(matmul: Matmul, schedule: Schedule, machine: Machine) -> Matmul:
    """A product with another schedule; ValueError when its weight cannot be packed so."""
    tile = schedule.columns * machine.lanes
    n = 2 * -(-matmul.width // tile) * tile if matmul.gated else matmul.layout.n
    layout = replace(matmul.layout, n=n, tile=tile)
    walk = Walk(schedule.rows, schedule.n_block, schedule.k_unroll, schedule.prefetch)
    return replace(matmul, layout=layout, schedule=walk)


def fits(matmul: Matmul, machine: Machine) -> bool:
    """Whether the sums of a block stay in registers."""
    rows, columns = matmul.schedule.rows, matmul.layout.tile // machine.lanes
    if matmul.activation != "i8":
        chains = max(1, 4 // columns)
        return chains * rows * columns + OPERANDS <= machine.registers
    if machine.tiles is not None and rows >= LEAST_ROWS:
        strips = -(-rows // TILE_ROWS)
        return strips * columns + columns + 1 <= TILE_REGISTERS
    halves = rows <= FEW_ROWS and matmul.layout.planes == (4,)
    sums = (rows + matmul.zero_points) * columns * (2 if halves else 1)
    return sums + OPERANDS <= machine.registers


def columns_to_try(matmul: Matmul, table: Schedule, machine: Machine) -> list[int]:
    """Vectors of a tile: half of the table's, as many, twice as many, where they change no result and are not waste."""
    if matmul.activation != "i8":
        return [table.columns]
    least = max(4, machine.lanes)
    return [
        columns
        for columns in (table.columns // 2, table.columns, 2 * table.columns)
        if columns == table.columns or least <= columns * machine.lanes <= matmul.width
    ]


def rows_to_try(matmul: Matmul, table: Schedule, columns: int, machine: Machine) -> list[int]:
    """Rows of a block with so many vectors: the most that fit, some fewer, and the table's."""
    rows = ROWS
    if machine.tiles is not None and matmul.activation == "i8":
        rows = (*ROWS, TILE_ROWS, 2 * TILE_ROWS)
    fitting = [r for r in rows if is_candidate(matmul, replace(table, rows=r, columns=columns), machine)]
    own = [table.rows] if columns == table.columns else []
    return sorted({*fitting[-MOST_CANDIDATES:], *own})


def unrolls_to_try(matmul: Matmul, table: Schedule, numbers: Sequence[int]) -> list[int]:
    """Steps along K in a turn: the table's, and those with which a run of K is a loop at all."""
    run = matmul.sum_group if matmul.activation == "i8" or matmul.layout.dense is not None else matmul.layout.group
    return sorted({table.k_unroll, *(n for n in numbers if run // STEP > 2 * n)})


def is_candidate(matmul: Matmul, schedule: Schedule, machine: Machine) -> bool:
    """Whether a product can have a schedule, and its sums fit into registers."""
    try:
        return fits(scheduled(matmul, schedule, machine), machine)
    except ValueError:
        return False
