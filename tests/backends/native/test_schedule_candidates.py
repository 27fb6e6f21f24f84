"""What is tried for a product: it fits into registers, and gives the bits that the table's schedule gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from native_kernels import call

from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.schedule_candidates import (
    ONE_ROW,
    columns_to_try,
    fits,
    is_candidate,
    rows_to_try,
    scheduled,
    unrolls_to_try,
)
from llmir.dialects.kernel_schedule import Schedule
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import TileLayout
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.targets.host import PREFERENCE, host_machine, machine
from llmir.targets.machine import Machine

I4 = QuantizedFormat(Integer(4, True), np.dtype(np.float16), granularity=Granularity(group_size=32))
I8 = QuantizedFormat(Integer(8, True), np.dtype(np.float32), granularity=Granularity(axis=0))
TABLE = Schedule(4, 2, 4, 8, 0)
MACHINES = [machine(name) for name in PREFERENCE]
FORMS = {"i4 in groups": (I4, 32), "i8 by channel": (I8, None)}


def product(form: QuantizedFormat, activation: str, group: int | None, chosen: Machine, **more: Any) -> Matmul:
    layout = TileLayout(200, 256, form, TABLE.columns * chosen.lanes)
    return scheduled(Matmul(layout, activation, group, **more), TABLE, chosen)


def candidates(matmul: Matmul, chosen: Machine) -> list[Schedule]:
    """All that is tried for many rows."""
    return [
        replace(TABLE, columns=columns, rows=rows)
        for columns in columns_to_try(matmul, TABLE, chosen)
        for rows in rows_to_try(matmul, TABLE, columns, chosen)
    ]


@pytest.mark.parametrize("chosen", MACHINES, ids=lambda m: m.name)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("activation", ["i8", "f32"])
def test_sums_fit_into_registers(chosen: Machine, form: str, activation: str) -> None:
    """A sum for each row and vector of a block (of floats several chains), a code and an activation at least."""
    matmul = product(FORMS[form][0], activation, FORMS[form][1] if activation == "i8" else None, chosen)
    found = [s for s in candidates(matmul, chosen) if s != TABLE]
    assert found
    for schedule in found:
        sums = schedule.rows * schedule.columns
        if activation == "f32":
            sums *= {1: 4, 2: 2, 4: 1, 8: 1}[schedule.columns]
        elif chosen.tiles is not None and schedule.rows >= 8:
            strips = (schedule.rows + 15) // 16  # matrix registers of 16 rows: sums, weights, activations
            assert strips * schedule.columns + schedule.columns + 1 <= 8
            continue
        assert sums + 2 <= chosen.registers, schedule


def test_too_many_rows_are_no_candidate() -> None:
    chosen = machine("x86-avx512-vnni")
    matmul = product(I4, "i8", 32, chosen)
    assert is_candidate(matmul, replace(TABLE, rows=12), chosen)
    assert not is_candidate(matmul, replace(TABLE, rows=15), chosen)
    assert fits(scheduled(product(I4, "f32", None, chosen), replace(TABLE, rows=7), chosen), chosen)
    assert not fits(scheduled(product(I4, "f32", None, chosen), replace(TABLE, rows=8), chosen), chosen)


def test_a_weight_that_cannot_be_packed_so_is_no_candidate() -> None:
    """Two columns are no tile."""
    chosen = replace(machine("x86-avx512-vnni"), register_bytes=8)
    matmul = replace(product(I4, "i8", 32, machine("x86-avx512-vnni")))
    assert not is_candidate(matmul, replace(TABLE, columns=1), chosen)


def test_tiles_of_float_activations_stay() -> None:
    """Their width decides the order of additions."""
    chosen = machine("x86-avx512-vnni")
    assert columns_to_try(product(I4, "f32", None, chosen), TABLE, chosen) == [2]
    assert columns_to_try(product(I4, "i8", 32, chosen), TABLE, chosen) == [1, 2, 4]


def test_unrolling_is_tried_where_there_is_a_loop() -> None:
    """A run of 32 codes is 8 steps, fewer than a loop of two turns of 4; one of 256 is 64."""
    chosen = machine("x86-avx512-vnni")
    assert unrolls_to_try(product(I4, "i8", 32, chosen), TABLE, ONE_ROW["k_unroll"]) == [8]
    assert unrolls_to_try(product(I8, "i8", None, chosen), TABLE, ONE_ROW["k_unroll"]) == [4, 8, 16]


@pytest.mark.parametrize("epilogue", ["store", "gated_silu"])
@pytest.mark.parametrize("form", FORMS)
def test_no_candidate_changes_a_bit(form: str, epilogue: str) -> None:
    chosen = host_machine()
    weight_form, group = FORMS[form]
    rng = np.random.default_rng(5)
    shape, rows = (48, 64), 7
    element = weight_form.element
    scale = weight_form.scale
    assert isinstance(element, Integer)
    assert isinstance(scale, np.dtype)
    members = [
        QuantizedArray(
            rng.integers(element.minimum, element.maximum + 1, shape).astype(np.int8),
            rng.uniform(0.01, 0.1, weight_form.granularity.parameter_shape(shape)).astype(scale),
            weight_form,
        )
        for _ in range(1 if epilogue == "store" else 2)
    ]
    groups = 1 if group is None else shape[1] // group
    q = rng.integers(-128, 128, (rows, shape[1])).astype(np.int8)
    s = rng.uniform(0.01, 0.1, (rows, groups)).astype(np.float32)
    expected: bytes | None = None
    start = Matmul(TileLayout(*shape, weight_form, 2 * chosen.lanes), "i8", group)
    if epilogue != "store":
        start = replace(start, layout=replace(start.layout, n=2 * 64), columns=shape[0], epilogue=epilogue)
    tried = {TABLE: scheduled(start, TABLE, chosen)}
    for schedule in candidates(start, chosen):
        for k_unroll in (4, 16):
            for n_block in (1, 3):
                other = replace(schedule, k_unroll=k_unroll, n_block=n_block, prefetch=256)
                tried[other] = scheduled(start, other, chosen)
    for schedule, matmul in list(tried.items())[:: max(1, len(tried) // 5)]:
        tile = schedule.columns * chosen.lanes
        packed = [TileLayout(*shape, weight_form, tile).pack(w).reshape(-1, matmul.layout.tile_bytes) for w in members]
        w = np.ascontiguousarray(np.stack(packed, axis=1).reshape(-1))
        sums = q.astype(np.int32).reshape(rows, -1, matmul.sum_group).sum(axis=2, dtype=np.int32)
        out = np.full((rows, shape[0]), np.nan, np.float32)
        zeros = np.zeros(2 * shape[0], np.float32)
        call(matmul, chosen, w, q, s, np.ascontiguousarray(sums), zeros, out, 0, rows, 0, matmul.layout.tiles)
        assert np.isfinite(out).all()
        expected = expected or out.tobytes()
        assert out.tobytes() == expected, schedule
