"""Tuning of whole programs: what was found is kept, used, and changes no result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_models
from numpy.typing import NDArray

from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.matmul_timer import MatmulTimer
from llmir.backends.native.program_cache import ProgramCache
from llmir.backends.native.schedule_cache import ScheduleCache
from llmir.dialects.kernel_schedule import SCHEDULES
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import TileLayout
from llmir.formats.quantized import QuantizedFormat
from llmir.frontends.registry import open_runnable
from llmir.passes import native_tuning
from llmir.passes.native import compile_native
from llmir.passes.native_tuning import GIVEN, KEPT, MEASURED, NOT_MEASURED, Tuning, TuningOptions, tune
from llmir.passes.pipeline import Pipeline
from llmir.passes.program_timer import ProgramTimer, gain
from llmir.program.program import Program
from llmir.targets.host import host_machine

IDS = np.array([5, 17, 2, 200, 31, 8, 90], np.int64)
OPTIONS = TuningOptions(threads=1, rows=(1, 8), seconds=60)
SCHEME = (
    'assign-schemes{weight_type="i4" weight_scale="f16" weight_group_size=32 input_type="i8" input_dynamic=true '
    'input_granularity="per_group" input_group_size=32},quantize-weights,quantize-activations,fuse-quantized-ops'
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A model of i4 weights and i8 inputs."""
    folder = tiny_models.huggingface_folder(tmp_path_factory.mktemp("models") / "model", tiny_models.config_of())
    made = open_runnable(str(folder))
    Pipeline.parse(SCHEME).run(made)
    return made


@pytest.fixture
def cache(tmp_path: Path) -> ScheduleCache:
    return ScheduleCache(tmp_path)


class Clock:
    """Says that one vector in a tile and prefetching are best; counts what it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def measure(self, matmuls: Sequence[Matmul], _rows: int, _deadline: float) -> list[float]:
        self.asked += len(matmuls)
        lanes = host_machine().lanes
        return [1.0 + (m.layout.tile != lanes) + (m.schedule.prefetch != 4096) / 4 for m in matmuls]


class Steps:
    """Whole steps that take as long as they are told, without being compiled: those of a tiny model are too short."""

    seconds = 0.9
    """Of each program compared with the one before."""

    def __init__(self, *arguments: Any):
        self.rows: tuple[int, ...] = arguments[-1]
        self.next = 1.0

    def compiled(self, _schedules: object) -> SimpleNamespace:
        choice = SimpleNamespace(close=lambda: None, seconds=dict.fromkeys(self.rows, self.next))
        self.next *= self.seconds
        return choice

    def compare(self, choices: Sequence[SimpleNamespace], _deadline: float) -> None:
        assert choices


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_tuning, "ProgramTimer", Steps)


def logits(program: Program, folder: Path) -> NDArray[np.float32]:
    with compile_native(program.module, program.weights, threads=1, cache=ProgramCache(folder)) as session:
        return session.logits(IDS)


def objects(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.object")}


def tuned(
    program: Program, cache: ScheduleCache, options: TuningOptions = OPTIONS, clock: Clock | None = None
) -> Tuning:
    return tune(program.module, program.weights, options, cache=cache, measure=(clock or Clock()).measure)


def test_what_was_found_is_used_and_changes_no_bit(program: Program, cache: ScheduleCache, tmp_path: Path) -> None:
    before = logits(program, tmp_path)
    compiled = objects(tmp_path)
    found = tuned(program, cache)
    assert [p.source for p in found.products] == [MEASURED] * len(found.products)
    assert all((p.schedules.columns, p.schedules.one_row.prefetch) == (1, 4096) for p in found.products)
    assert {p.uses for p in found.products} >= {1, 2}
    assert [s.rows for s in found.steps] == [1, 8]
    assert found.notes == ()
    kept = cache.read(host_machine()).entries
    assert kept == {str(p.kind): asdict(p.schedules) for p in found.products}
    after = logits(program, tmp_path)
    assert after.tobytes() == before.tobytes()
    new = objects(tmp_path) - compiled - {cache.path(host_machine()).name}
    assert len(new) == 1, "a program with other schedules is another one"
    assert logits(program, tmp_path).tobytes() == before.tobytes()
    assert objects(tmp_path) == compiled | new | {cache.path(host_machine()).name}


def test_what_was_measured_is_not_measured_again(program: Program, cache: ScheduleCache) -> None:
    first, clock = tuned(program, cache), Clock()
    second = tuned(program, cache, clock=clock)
    assert clock.asked == 0
    assert {p.source for p in second.products} == {KEPT}
    assert [p.schedules for p in second.products] == [p.schedules for p in first.products]
    again = tuned(program, cache, replace(OPTIONS, again=True), clock)
    assert clock.asked > 0
    assert {p.source for p in again.products} == {MEASURED}


def test_a_damaged_file_is_measured_again(program: Program, cache: ScheduleCache, tmp_path: Path) -> None:
    tuned(program, cache)
    path = cache.path(host_machine())
    path.write_bytes(path.read_bytes()[:-1])
    note = f"{path}: is damaged, its schedules are ignored"
    with compile_native(program.module, program.weights, threads=1, cache=ProgramCache(tmp_path)) as session:
        assert session.notes == [note]
    found = tuned(program, cache)
    assert found.notes == (note,)
    assert {p.source for p in found.products} == {MEASURED}
    assert cache.read(host_machine()).notes == ()


def test_what_the_text_says_is_not_measured(program: Program, cache: ScheduleCache, tmp_path: Path) -> None:
    """The IR of a tuning is taken as it is by a program it is written into."""
    found = tuned(program, cache)
    written = program.module.clone()
    written.attributes |= found.as_ir().attributes
    clock = Clock()
    again = tune(written, program.weights, OPTIONS, cache=ScheduleCache(tmp_path / "other"), measure=clock.measure)
    assert clock.asked == 0
    assert {p.source for p in again.products} == {GIVEN}
    assert [p.schedules for p in again.products] == [p.schedules for p in found.products]
    assert list(written.attributes) == [SCHEDULES]


def test_when_the_time_is_over(program: Program, cache: ScheduleCache) -> None:
    clock = Clock()
    found = tuned(program, cache, replace(OPTIONS, seconds=1e-9), clock)
    count = len(found.products)
    assert {p.source for p in found.products} == {NOT_MEASURED}
    assert found.notes == (f"{count} of {count} products were not measured in 1e-09 seconds",)
    assert cache.read(host_machine()).entries == {}


def test_what_makes_no_step_faster_is_not_taken(
    program: Program, cache: ScheduleCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Steps, "seconds", 1.0)
    found = tuned(program, cache)
    assert all(p.result is not None and p.schedules == p.result.table for p in found.products)
    assert found.steps == ()
    assert {p.source for p in tuned(program, cache).products} == {KEPT}


def test_a_folder_that_cannot_be_used(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = tuned(program, ScheduleCache(tmp_path / "file" / "x"))
    assert found.notes[-1].startswith("the schedules are not kept for the next time: ")


def test_real_times(program: Program, cache: ScheduleCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the clock itself: every product gets times, which cover the whole weight whatever part was multiplied."""
    monkeypatch.setattr("llmir.backends.native.matmul_timer.COLD_BYTES", 1 << 20)
    monkeypatch.setattr("llmir.backends.native.matmul_timer.BURST_SECONDS", 1e-4)
    monkeypatch.setattr(native_tuning, "ProgramTimer", ProgramTimer)
    found = tune(program.module, program.weights, replace(OPTIONS, threads=2, seconds=0.5), cache=cache)
    measured = [p.result for p in found.products if p.result is not None]
    assert measured
    for result in measured:
        assert set(result.seconds) == {1, 8}
        assert all(0 < s < 1 for s in (*result.seconds.values(), *result.table_seconds.values()))


def test_times_of_a_part_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A weight with more columns than are multiplied takes in proportion as long."""
    timer = MatmulTimer(host_machine(), 1)
    seen: list[Any] = []

    def spent(_call: object, jobs: Sequence[tuple[int, ...]]) -> float:
        seen.append(jobs)
        return float(sum(job[8] - job[7] for job in jobs)) * jobs[0][-1]  # a second for each tile

    monkeypatch.setattr("llmir.backends.native.matmul_timer.team_seconds", spent)
    monkeypatch.setattr("llmir.backends.native.matmul_timer.LEAST_COLUMNS", 32)
    monkeypatch.setattr("llmir.backends.native.matmul_timer.BURST_PRODUCTS", 1)
    form = QuantizedFormat(Integer(4, True), np.dtype(np.float16), granularity=Granularity(group_size=32))
    lanes = host_machine().lanes
    matmul = Matmul(TileLayout(100 * lanes, 64, form, lanes), "i8", 32)
    assert timer.seconds([matmul], 8, 0.0) == pytest.approx([100])
    assert all(job[8] - job[7] < 100 for jobs in seen for job in jobs)
    seen.clear()
    assert timer.seconds([matmul], 1, 0.0) == pytest.approx([100])
    assert {job[8] for jobs in seen for job in jobs} == {100}
    starts = [job[11] for jobs in seen for job in jobs]
    assert len(set(starts)) > 1, "the copies of a weight are read in turn"


def test_whole_steps_are_timed(program: Program) -> None:
    """Two compilations of one program take alike; each is measured with every number of rows."""
    timer = ProgramTimer(program.module, program.weights, host_machine(), "f32", 1, (1, 8))
    choice = timer.compiled({})
    timer.compare([choice, choice], 0.0)
    assert set(choice.seconds) == {1, 8}
    assert all(0 < s < 1 for s in choice.seconds.values())
    slower = SimpleNamespace(seconds={n: 2 * s for n, s in choice.seconds.items()})
    assert gain(choice, slower) == pytest.approx(math.log(2))  # type: ignore[arg-type]
    choice.close()
