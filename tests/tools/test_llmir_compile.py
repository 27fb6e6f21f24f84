"""`llmir compile`: what it writes and says, and every refusal."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import architectures
import pytest
from tiny_models import folder_bytes, huggingface_folder, llmir, tree
from xdsl.dialects.builtin import ArrayAttr

from llmir.backends.native.schedule_cache import ScheduleCache
from llmir.dialects.kernel_products import MatmulOp
from llmir.dialects.kernel_schedule import SCHEDULES, MatmulKind, ScheduleOfAttr, Schedules
from llmir.frontends.registry import open_runnable
from llmir.passes.native import lower_to_steps
from llmir.targets.host import host_machine
from llmir.targets.machine import Machine

Capture = pytest.CaptureFixture[str]
TARGET = "x86-avx512-vnni"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return huggingface_folder(tmp_path / "model")


def test_what_is_written(model: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    options = ("--target", TARGET, "--name", "tiny", "--emit", "object", "--kv-cache", "i8", "--activations", "i8")
    said = llmir(capsys, "compile", model, "-o", out, *options, "--json").json()
    sizes = {p.name: p.stat().st_size for p in out.iterdir()}
    assert said["files"] == sizes
    assert set(sizes) == {"tiny.o", "tiny.h", "tiny.weights"}
    assert (said["model"], said["output"], said["target"]) == (str(model), str(out), TARGET)
    header = (out / "tiny.h").read_text()
    assert header.startswith(f"/* {model}, compiled for {TARGET} (x86-64-v4, +avx512vnni).\n")
    assert "Link with tiny.o -pthread." in header
    assert "llmir_model* tiny_init(const char* path, int threads, int capacity);" in header
    before = folder_bytes(out)
    table = llmir(capsys, "compile", model, "-o", out, *options)
    assert table.status == 0
    assert "tiny.weights" in table.out
    assert folder_bytes(out) == before  # replaced by the same


def test_options_change_what_is_compiled(model: Path, tmp_path: Path, capsys: Capture) -> None:
    """A library that rounds inputs to bf16 is another than one that does not, and has the same weights."""
    written: list[dict[str, bytes]] = []
    for name, options in (("a", ()), ("b", ("--activations", "bf16"))):
        done = llmir(capsys, "compile", model, "-o", tmp_path / name, "--emit", "object", "--target", TARGET, *options)
        assert done.status == 0, done.err
        written.append(folder_bytes(tmp_path / name))
    first, second = written
    assert first["model.o"] != second["model.o"]
    assert first["model.h"] == second["model.h"]


def other_schedules(model: Path) -> dict[MatmulKind, Schedules]:
    """Schedules of a model's products that differ from the table's: one row prefetches, many are fewer at once."""
    program = open_runnable(str(model))
    lower_to_steps(program.module, program.weights, host_machine().name)
    table = {op.kind: op.schedule.schedule for op in program.module.walk() if isinstance(op, MatmulOp)}
    return {
        kind: Schedules(replace(s, rows=1, prefetch=1024), replace(s, rows=2, prefetch=0)) for kind, s in table.items()
    }


def compiled(capsys: Capture, model: Path, out: Path, *options: str) -> tuple[list[str], dict[str, bytes]]:
    """Notes and files but the header, which names the model."""
    done = llmir(capsys, "compile", model, "-o", out, "--emit", "object", *options, "--json")
    files = folder_bytes(out)
    del files["model.h"]
    return done.json()["notes"], files


def test_schedules_that_were_found_are_used(
    model: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For this processor, and said; the code is that of a program whose text has them."""
    monkeypatch.setenv("LLMIR_CACHE", str(tmp_path / "cache"))
    schedules = other_schedules(model)
    notes, plain = compiled(capsys, model, tmp_path / "plain")
    assert notes == []
    llmir(capsys, "import", model, "-o", tmp_path / "text")
    program = open_runnable(str(tmp_path / "text"))
    program.module.attributes[SCHEDULES] = ArrayAttr([ScheduleOfAttr.of(k, s) for k, s in schedules.items()])
    program.save(tmp_path / "text")
    notes, written = compiled(capsys, tmp_path / "text", tmp_path / "written")
    assert notes == []
    assert written["model.o"] != plain["model.o"]
    found = {str(kind): asdict(schedule) for kind, schedule in schedules.items()}
    ScheduleCache().keep(host_machine(), found)
    notes, tuned = compiled(capsys, model, tmp_path / "tuned", "--target", host_machine().name)
    assert notes == [f"{len(found)} of {len(found)} kinds of products have schedules that llmir tune found here"]
    assert tuned == written
    notes, _ = compiled(capsys, tmp_path / "text", tmp_path / "written")
    assert notes == [], "what the text says goes first"

    def not_here(_machine: Machine) -> tuple[str, ...]:
        return ("avx1024",)

    monkeypatch.setattr("llmir.tools.compile_command.missing_features", not_here)
    assert compiled(capsys, model, tmp_path / "other") == ([], plain)


def test_damaged_schedules_are_said(
    model: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMIR_CACHE", str(tmp_path / "cache"))
    ScheduleCache().keep(host_machine(), {})
    path = ScheduleCache().path(host_machine())
    path.write_bytes(path.read_bytes()[:-1])
    done = llmir(capsys, "compile", model, "-o", tmp_path / "out", "--emit", "object")
    assert (done.status, done.err) == (0, f"llmir: note: {path}: is damaged, its schedules are ignored\n")


def refused(capsys: Capture, status: int, *arguments: str | Path) -> str:
    done = llmir(capsys, "compile", *arguments)
    assert (done.status, done.out) == (status, "")
    assert done.err.count("\n") == 1
    return done.err.removeprefix("llmir: error: ").rstrip("\n")


def test_wrong_usage(model: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    assert "Missing option '-o'" in refused(capsys, 2, model)
    said = refused(capsys, 2, model, "-o", out, "--name", "my-model")
    assert said == "'my-model' is no name for C functions, expected letters, digits and _ behind a letter"
    assert "'library', 'object'" in refused(capsys, 2, model, "-o", out, "--emit", "static")
    assert tree(tmp_path) == tree(tmp_path)
    assert not out.exists()


def test_targets_that_cannot_be(model: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    assert refused(capsys, 1, model, "-o", out, "--target", "z80").startswith("unknown target 'z80', expected one of ")
    said = refused(capsys, 1, model, "-o", out, "--target", "nvidia-sm80")
    assert said == "target 'nvidia-sm80' has no [machine] table, so that there is no native code for it"
    said = refused(capsys, 1, model, "-o", out, "--target", f"{TARGET}+sse")
    assert said == f"machine '{TARGET}' has no option 'sse', expected one of: bf16"
    assert not out.exists()


def test_no_linker(model: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said before anything is compiled; an object file needs none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    said = refused(capsys, 1, model, "-o", tmp_path / "out", "--target", "arm-neon-dotprod")
    assert said.startswith("no linker for Linux on aarch64: expected ld.lld or ")
    assert said.endswith("on PATH; install LLD or binutils, or write an object file (--emit object)")
    assert not (tmp_path / "out").exists()
    done = llmir(capsys, "compile", model, "-o", tmp_path / "out", "--target", "arm-neon-dotprod", "--emit", "object")
    assert done.status == 0, done.err


def test_places_that_are_taken(model: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.h").write_text("mine")
    said = refused(capsys, 1, model, "-o", tmp_path / "mine", "--emit", "object")
    assert said == (
        f"{tmp_path / 'mine'}: is a folder with model.h, expected a new folder, or one with model.weights, "
        f"which is replaced"
    )
    assert (tmp_path / "mine" / "model.h").read_text() == "mine"
    said = refused(capsys, 1, model, "-o", tmp_path / "nowhere" / "out", "--emit", "object")
    assert said == f"{tmp_path / 'nowhere'}: no such folder to write to"


def test_models_that_cannot_be_compiled(tmp_path: Path, capsys: Capture) -> None:
    config = architectures.MODELS["mixtral"]
    source = huggingface_folder(tmp_path / "moe", config, architectures.random_weights(config))
    said = refused(capsys, 1, source, "-o", tmp_path / "out", "--emit", "object")
    assert said.startswith(f"{source}: cannot be compiled: ")
    assert "no native kernel" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["moe"]
    assert "nowhere" in refused(capsys, 1, tmp_path / "nowhere", "-o", tmp_path / "out", "--emit", "object")
