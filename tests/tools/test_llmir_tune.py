"""`llmir tune`: what it prints, that its IR is taken, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest
from tiny_models import config_of, huggingface_folder, llmir
from xdsl.dialects.builtin import ArrayAttr, ModuleOp

from llmir.backends.native.kernels.matmul import Matmul
from llmir.dialects.context import new_context
from llmir.dialects.kernel_access import shape
from llmir.dialects.kernel_products import MatmulOp
from llmir.dialects.kernel_schedule import SCHEDULES, Schedule, ScheduleOfAttr, Schedules
from llmir.dialects.parser import parse_module
from llmir.frontends.registry import open_runnable
from llmir.passes import native
from llmir.passes.native import compile_native
from llmir.passes.program_timer import CompiledChoice, ProgramTimer
from llmir.program.context import Progress
from llmir.recipes.schemes import pipeline, recipe
from llmir.targets.host import host_machine
from llmir.tools import tune_command

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("models") / "model", config_of())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMIR_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every product takes a second for one row and two for many, whatever its schedule."""

    def seconds(_timer: object, matmuls: Sequence[Matmul], rows: int, _deadline: float) -> list[float]:
        return [1.0 if rows == 1 else 2.0 for _ in matmuls]

    monkeypatch.setattr("llmir.backends.native.matmul_timer.MatmulTimer.seconds", seconds)


def test_numbers(model: Path, capsys: Capture) -> None:
    options = ("--rows", "1,16", "--threads", "1", "--json")
    said = llmir(capsys, "tune", model, *options).json()
    assert (said["model"], said["threads"], said["rows"]) == (str(model), 1, [1, 16])
    assert (said["notes"], said["steps"]) == ([], [])
    assert {p["source"] for p in said["products"]} == {"measured"}
    for product in said["products"]:
        assert [(m["rows"], m["seconds"], m["table_seconds"]) for m in product["measurements"]] == [
            (1, 1, 1),
            (16, 2, 2),
        ]
        assert product["one_row"]["columns"] == product["many_rows"]["columns"]
        assert product["ir"].startswith(f"#kernel.schedule_of<{product['product']}, one_row=#kernel.schedule<rows=1, ")
    again = llmir(capsys, "tune", model, *options).json()
    assert {p["source"] for p in again["products"]} == {"kept"}
    measured = llmir(capsys, "tune", model, *options, "--again").json()
    assert measured["products"] == said["products"]


def test_targets_are_tuned_for_on_their_own(model: Path, capsys: Capture) -> None:
    said = llmir(capsys, "tune", model, "--threads", "1", "--target", "scalar", "--json").json()
    assert said["machine"] == "scalar"
    assert {p["source"] for p in said["products"]} == {"measured"}
    again = llmir(capsys, "tune", model, "--threads", "1", "--target", "scalar", "--json").json()
    assert {p["source"] for p in again["products"]} == {"kept"}
    said = llmir(capsys, "tune", model, "--threads", "1", "--json").json()
    assert said["machine"] != "scalar"
    assert {p["source"] for p in said["products"]} == {"measured"}


def test_table(model: Path, capsys: Capture) -> None:
    done = llmir(capsys, "tune", model, "--threads", "2")
    assert (done.status, done.err) == (0, "")
    assert re.search(r"machine +\S+, 2 threads", done.out)
    rows = [line for line in done.out.splitlines() if "rows=1 columns=" in line]
    assert rows
    assert all(re.search(r"2  +measured +1 +rows=1 .* 1000000\.0 +1000000\.0 +1\.00x", line) for line in rows[:1])
    kept = llmir(capsys, "tune", model)
    assert re.search(r"kept +1 +rows=1 columns=", kept.out)
    assert re.search(r"many +rows=\d+ columns=", kept.out)


@pytest.fixture
def quantized(model: Path, tmp_path: Path) -> Path:
    """A program whose products are of i8 codes, of which every field of a schedule may change."""
    program = open_runnable(str(model))
    pipeline(recipe("w4g32a8g32")).run(program)
    program.save(tmp_path / "quantized")
    return tmp_path / "quantized"


@pytest.fixture
def preferring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other schedules than the table's are faster, each kind of product has its own; so are whole steps with them."""

    def seconds(_timer: object, matmuls: Sequence[Matmul], rows: int, _deadline: float) -> list[float]:
        def of(m: Matmul) -> float:
            many, short = rows > 1, m.layout.k == 128
            wanted = (3 if short else 2, 16 if short else 2, 4 if short else 8, 0 if many else 2048 * (1 + short))
            has = (m.schedule.rows, m.schedule.n_block, m.schedule.k_unroll, m.schedule.prefetch)
            return 2.0 ** -sum(a == b for a, b in zip(wanted, has, strict=True)) * (2.0 if m.layout.tile < 32 else 1.0)

        return [of(m) for m in matmuls]

    def compiled(timer: ProgramTimer, schedules: Mapping[str, Schedules]) -> CompiledChoice:
        return CompiledChoice(Mock(), Mock(), {rows: 1 / (1 + len(schedules)) for rows in timer.rows})

    monkeypatch.setattr("llmir.backends.native.matmul_timer.MatmulTimer.seconds", seconds)
    monkeypatch.setattr(ProgramTimer, "compiled", compiled)
    monkeypatch.setattr(ProgramTimer, "compare", Mock())


def schedules_of(steps: ModuleOp) -> dict[str, Schedules]:
    """By kind of product, what the products of a module at kernel level have; those of a kind have the same."""
    found: dict[tuple[str, bool], Schedule] = {}
    for op in steps.walk():
        if isinstance(op, MatmulOp):
            place = str(op.kind), shape(op.output)[0] == 1
            assert found.setdefault(place, op.schedule.schedule) == op.schedule.schedule
            assert op.tiles.layout.tile == op.schedule.schedule.columns * host_machine().lanes
    return {kind: Schedules(found[kind, True], found[kind, False]) for kind, _ in found}


class Compiled(Exception):
    """Raised where a program would be compiled, with its steps."""

    def __init__(self, steps: ModuleOp):
        self.steps = steps


@pytest.mark.usefixtures("preferring")
def test_printed_schedules_are_those_of_the_compiled_steps(
    quantized: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept on this machine, or written into the program's text."""

    def compile_steps(steps: ModuleOp, *_: object) -> None:
        raise Compiled(steps)

    monkeypatch.setattr(native, "compile_steps", compile_steps)
    program = open_runnable(str(quantized))

    def compiled() -> dict[str, Schedules]:
        with pytest.raises(Compiled) as stopped:
            compile_native(program.module, program.weights, threads=1)
        return schedules_of(stopped.value.steps)

    table = compiled()
    done = llmir(capsys, "tune", quantized, "--rows", "1,16", "--print")
    assert (done.status, done.err) == (0, "")
    written = parse_module(new_context(), done.out)
    entries = cast("ArrayAttr[ScheduleOfAttr]", written.attributes[SCHEDULES])
    printed = {str(entry.kind): entry.schedules for entry in entries}
    assert printed.keys() == table.keys()
    assert len({*printed.values()}) > 1
    assert all(printed[kind].one_row != table[kind].one_row for kind in table)
    assert all(printed[kind].many_rows != table[kind].many_rows for kind in table)
    assert compiled() == printed
    monkeypatch.setenv("LLMIR_CACHE", str(tmp_path / "another"))
    assert compiled() == table
    program.module.attributes |= written.attributes
    assert compiled() == printed


def test_a_note_where_the_time_was_over(model: Path, capsys: Capture) -> None:
    done = llmir(capsys, "tune", model, "--budget-seconds", "1e-9")
    assert re.fullmatch(r"llmir: note: (\d+) of \1 products were not measured in 1e-09 seconds\n", done.err)
    assert re.search(r"table +1 +rows=1 columns=", done.out)


def test_progress_is_shown_on_a_terminal(model: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int]] = []

    class Bar:
        def __enter__(self) -> Progress:
            return lambda what, done, total: seen.append((what, done, total))

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(tune_command, "progress_bar", Bar)
    llmir(capsys, "tune", model, "--json")
    assert [told[0] for told in seen] == ["measuring"] * len(seen)
    assert [told[1] for told in seen] == list(range(1, seen[0][2] + 1))


BAD = {
    "rows": (
        ["--rows", "1,0"],
        2,
        "Invalid value for '--rows': '1,0' is no list of numbers of at least 1, 1,512 for one",
    ),
    "no rows": (["--rows", ""], 2, "Invalid value for '--rows': '' is no list of numbers of at least 1"),
    "budget": (["--budget-seconds", "0"], 2, "Invalid value for '--budget-seconds': 0.0 is not in the range x>0"),
    "two outputs": (["--print", "--json"], 2, "--print and --json both decide what is printed, give one of them"),
    "target": (["--target", "x86-none"], 1, "unknown target 'x86-none', expected one of "),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options(case: str, model: Path, capsys: Capture) -> None:
    options, status, message = BAD[case]
    done = llmir(capsys, "tune", model, *options)
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith(f"llmir: error: {message}")
    assert done.err.count("\n") == 1


def test_a_model_without_native_code(tmp_path: Path, capsys: Capture) -> None:
    import architectures

    name = next(n for n in architectures.MODELS if "moe" in n)
    config = architectures.MODELS[name]
    folder = huggingface_folder(tmp_path / "moe", config, architectures.random_weights(config))
    done = llmir(capsys, "tune", folder)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"llmir: error: {folder}: the native backend cannot run it: ")
