"""`llmir tune`: what it prints, that its IR is taken, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from tiny_models import config_of, huggingface_folder, llmir

from llmir.backends.native.kernels.matmul import Matmul
from llmir.dialects.context import new_context
from llmir.dialects.kernel_schedule import SCHEDULES, ScheduleOfAttr
from llmir.dialects.parser import parse_module
from llmir.frontends.registry import open_runnable
from llmir.passes.convert_llm_to_kernel import convert
from llmir.passes.native import lower_to_steps
from llmir.program.context import Progress
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


def test_ir_is_taken(model: Path, capsys: Capture) -> None:
    done = llmir(capsys, "tune", model, "--print")
    assert (done.status, done.err) == (0, "")
    written = parse_module(new_context(), done.out)
    entries = written.attributes[SCHEDULES]
    assert all(isinstance(entry, ScheduleOfAttr) for entry in entries)  # type: ignore[attr-defined]
    program = open_runnable(str(model))
    module = program.module.clone()
    lower_to_steps(module, program.weights, "x86-avx512-vnni")
    given = program.module.clone()
    given.attributes |= written.attributes
    convert(given, "x86-avx512-vnni")
    assert SCHEDULES not in given.attributes


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
def test_bad_options(case: str, model: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMIR_MACHINE", "")  # which --target sets
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
