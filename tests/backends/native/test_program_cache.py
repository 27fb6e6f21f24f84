"""Compiled programs on disk: found again, repaired when damaged, shared by processes, bounded, done without."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from numpy.typing import NDArray

from llmir.backends.native import program_cache
from llmir.backends.native.cached_session import cached_program
from llmir.backends.native.plan import CachePlan, Plan, StepPlan, TablePlan
from llmir.backends.native.program_cache import CompiledProgram, ProgramCache, program_key
from llmir.backends.native.session import NativeSession
from llmir.frontends.registry import open_runnable
from llmir.passes import native
from llmir.passes.native import compile_native
from llmir.program.program import Program, open_program
from llmir.program.tensors import MemoryTensor
from llmir.targets.host import host_machine, machine

IDS = np.array([5, 17, 2, 200, 31], np.int64)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program folder."""
    folder = tmp_path_factory.mktemp("model")
    tiny_models.huggingface_folder(folder / "hf", tiny_models.config_of(num_hidden_layers=1))
    open_runnable(str(folder / "hf")).save(folder / "program")
    return folder / "program"


@pytest.fixture
def model(saved: Path) -> Program:
    return open_program(saved)


@pytest.fixture(autouse=True)
def frozen_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources may change while tests run."""
    monkeypatch.setattr(program_cache, "compiler_state", lambda: "unchanged")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, saved: Path) -> tuple[Path, NDArray[np.float32]]:
    """A folder in which the program was compiled, and what it says."""
    folder = tmp_path_factory.mktemp("filled") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program_cache, "compiler_state", lambda: "unchanged")
        return folder, logits(open_program(saved), ProgramCache(folder))


@pytest.fixture
def expected(filled: tuple[Path, NDArray[np.float32]]) -> NDArray[np.float32]:
    return filled[1]


@pytest.fixture
def cache(tmp_path: Path) -> ProgramCache:
    """An empty one."""
    return ProgramCache(tmp_path / "cache")


@pytest.fixture
def used(tmp_path: Path, filled: tuple[Path, NDArray[np.float32]]) -> ProgramCache:
    """One that holds the program."""
    shutil.copytree(filled[0], tmp_path / "used")
    return ProgramCache(tmp_path / "used")


def logits(program: Program, cache: ProgramCache, **options: Any) -> NDArray[np.float32]:
    with compile_native(program.module, program.weights, threads=1, cache=cache, **options) as session:
        return session.logits(IDS)


@pytest.fixture
def compiled_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was compiled and packed, in order."""
    made: list[str] = []
    compile_steps, packed_parts = native.compile_steps, native.packed_parts

    def note(name: str, call: Any) -> Any:
        def noted(*arguments: Any) -> Any:
            made.append(name)
            return call(*arguments)

        return noted

    def note_parts(*arguments: Any) -> Any:
        made.append("weights")
        yield from packed_parts(*arguments)

    monkeypatch.setattr(native, "compile_steps", note("code", compile_steps))
    monkeypatch.setattr(native, "packed_parts", note_parts)
    return made


def files(cache: ProgramCache) -> list[str]:
    return sorted(path.suffix for path in cache.folder.iterdir())


def test_what_was_compiled_is_found_again(
    model: Program, used: ProgramCache, expected: NDArray[np.float32], compiled_once: list[str]
):
    assert files(used) == [".object", ".weights"]
    assert logits(model, used).tobytes() == expected.tobytes()
    assert compiled_once == []
    assert used.problem is None


@pytest.mark.parametrize(
    ("suffix", "at"),
    [(".object", 5), (".object", -1), (".weights", 0), (".weights", 20), (".weights", 4200), (".weights", -1)],
)
def test_a_damaged_file_is_made_again(
    model: Program,
    used: ProgramCache,
    expected: NDArray[np.float32],
    compiled_once: list[str],
    suffix: str,
    at: int,
):
    (path,) = used.folder.glob("*" + suffix)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[at] ^= 1
    path.write_bytes(damaged)
    assert logits(model, used).tobytes() == expected.tobytes()
    assert ("code" in compiled_once) == (suffix == ".object")
    assert path.read_bytes() == whole
    compiled_once.clear()
    assert logits(model, used).tobytes() == expected.tobytes()
    assert compiled_once == []


def test_lost_weights_are_packed_again(
    model: Program, used: ProgramCache, expected: NDArray[np.float32], compiled_once: list[str]
):
    (path,) = used.folder.glob("*.weights")
    path.unlink()
    assert logits(model, used).tobytes() == expected.tobytes()
    assert files(used) == [".object", ".weights"]
    assert "code" not in compiled_once


def test_options_and_values_make_other_programs(model: Program, used: ProgramCache, compiled_once: list[str]):
    logits(model, used, kv_cache="i8")
    assert compiled_once.count("code") == 1
    assert files(used).count(".weights") == 1, "the cache's element does not change the weights"
    name = "model.norm.weight"
    model.weights.add(name, MemoryTensor(model.weights[name].read() * np.float32(2)))
    logits(model, used)
    assert compiled_once.count("code") == 2
    assert files(used).count(".weights") == 2


def test_a_folder_that_cannot_be_written_is_done_without(model: Program, tmp_path: Path, expected: NDArray[np.float32]):
    (tmp_path / "file").write_text("not a folder")
    cache = ProgramCache(tmp_path / "file" / "cache")
    with compile_native(model.module, model.weights, threads=1, cache=cache) as session:
        assert session.logits(IDS).tobytes() == expected.tobytes()
        (note,) = session.notes
    assert note == f"the compiled program is not kept for the next time: {cache.problem}"
    assert "cannot be" in note


def test_a_folder_others_may_write_to_is_not_used(model: Program, cache: ProgramCache):
    cache.folder.mkdir(mode=0o777)
    cache.folder.chmod(0o777)
    logits(model, cache)
    assert list(cache.folder.iterdir()) == []
    assert cache.problem is not None
    assert "others than its owner may write there" in cache.problem


COMPILE = """
import sys
from llmir.backends.native import program_cache
program_cache.compiler_state = lambda: "unchanged"
from pathlib import Path
from llmir.backends.native import packed_file
from llmir.backends.native.program_cache import ProgramCache
from llmir.passes.native import compile_native
from llmir.program.program import open_program

whole = packed_file.write_packed
def slowly(path, key, size, parts):
    def delayed():
        for part in parts:
            yield part
            print("part", flush=True)
            import time; time.sleep(0.2)
    whole(path, key, size, delayed())

import llmir.backends.native.program_cache as module
module.write_packed = slowly
program = open_program(Path(sys.argv[1]))
compile_native(program.module, program.weights, threads=1, cache=ProgramCache(Path(sys.argv[2])))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")
@pytest.mark.parametrize("parts", [1, 4])
def test_a_killed_process_leaves_a_working_cache(
    saved: Path, model: Program, cache: ProgramCache, expected: NDArray[np.float32], parts: int
):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-c", COMPILE, str(saved), str(cache.folder)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    for _ in range(parts):
        assert process.stdout.readline() == "part\n"
    process.kill()
    process.wait()
    assert ".weights" not in files(cache)
    assert logits(model, cache).tobytes() == expected.tobytes()
    assert [s for s in files(cache) if s != ".partial"] == [".object", ".weights"]


def compile_and_run(saved: Path, folder: Path, queue: Any) -> None:
    queue.put(logits(open_program(saved), ProgramCache(folder)).tobytes())


def test_processes_share_a_folder(saved: Path, cache: ProgramCache, expected: NDArray[np.float32]):
    queue: multiprocessing.Queue[bytes] = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=compile_and_run, args=(saved, cache.folder, queue)) for _ in range(2)]
    for process in processes:
        process.start()
    results = {queue.get(timeout=120) for _ in processes}
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert results == {expected.tobytes()}
    assert files(cache) == [".object", ".weights"]


def test_weights_used_longest_ago_go_first(monkeypatch: pytest.MonkeyPatch, cache: ProgramCache):
    monkeypatch.setattr(program_cache, "MOST_BYTES", 3 * 10_000)
    keys = [f"{number:064x}" for number in range(4)]
    for age, key in enumerate(keys[:2]):
        cache.put_weights(key, 8000, [(0, np.full(8000, age, np.uint8))])
        path = cache.folder / f"{key}.weights"
        os.utime(path, (1000 + age, 1000 + age))
    cache.put_weights(keys[2], 1000, [(0, np.zeros(1000, np.uint8))])
    assert sorted(p.stem for p in cache.folder.iterdir()) == keys[:3]
    assert cache.weights(keys[0], 8000, 1) is not None  # used now
    cache.put_weights(keys[3], 8000, [(0, np.zeros(8000, np.uint8))])
    assert sorted(p.stem for p in cache.folder.iterdir()) == [keys[0], keys[2], keys[3]]
    cache.put_weights(keys[1], 40_000, [(0, np.zeros(40_000, np.uint8))])
    assert sorted(p.stem for p in cache.folder.iterdir()) == [keys[1]], "the newest stays, however large"


def known_session(identity: str, **options: Any) -> NativeSession | None:
    return cached_program(identity, host_machine(), threads=1, **options)


def test_a_program_is_known_by_its_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Program):
    monkeypatch.setenv("LLMIR_CACHE", str(tmp_path / "cache"))
    assert known_session("this") is None
    with compile_native(model.module, model.weights, threads=1, source="this", notes=["one", "two"]) as session:
        expected = session.logits(IDS)
        assert session.notes == ["one", "two"]
    found = known_session("this")
    assert found is not None
    assert found.notes == ["one", "two"]
    assert found.logits(IDS).tobytes() == expected.tobytes()
    found.close()
    assert known_session("that") is None
    assert known_session("this", kv_cache="i8") is None
    assert known_session("this", activation="bf16") is None
    assert cached_program("this", machine("scalar"), threads=1) is None


class Changed(Exception):
    """What a check raises."""


@pytest.mark.parametrize("calls", [1, 2])
def test_what_changed_while_it_was_read_is_not_kept(model: Program, cache: ProgramCache, calls: int):
    """Whichever is ready first, code or weights, is kept only if the files were the same up to then."""
    lock, left = threading.Lock(), [calls]

    def check() -> None:
        with lock:
            left[0] -= 1
            if left[0] <= 0:
                raise Changed

    with pytest.raises(Changed):
        compile_native(model.module, model.weights, threads=1, source="this", check=check, cache=cache)
    assert len(files(cache) if cache.folder.exists() else []) == calls - 1
    with compile_native(model.module, model.weights, threads=1, source="this", cache=cache):
        assert files(cache) == [".object", ".weights"]


def test_a_plan_comes_back_from_its_text():
    plan = Plan(
        steps=(StepPlan("decode", 1, 2, 3, 4), StepPlan("head", 5, 6, 7, 8)),
        caches=(CachePlan(3, 2, 16, "i8", 8),),
        tables=(TablePlan((1.0, 0.1), 1.25), TablePlan((1.0,), 1.0, (0.5,), 4096)),
        hidden=64,
        vocabulary=100,
        weight_bytes=1 << 40,
        positions=48,
    )
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.step("head") == (1, plan.steps[1])
    program = CompiledProgram(plan, b"\0object", "ab" * 32, ("é", ""))
    assert CompiledProgram.decode(program.encode()) == program


def test_keys_tell_everything_apart():
    machine = host_machine()
    keys = {
        program_key(machine, "a", "b"),
        program_key(machine, "ab", ""),
        program_key(machine, b"a", "bc"),
        program_key(replace(machine, features=(*machine.features, "+x")), "a", "b"),
        program_key(replace(machine, cpu="other"), "a", "b"),
        program_key(replace(machine, registers=8), "a", "b"),
    }
    assert len(keys) == 6
    assert program_key(machine, "a", "b") == program_key(machine, b"a", "b") in keys


def test_the_compiler_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch):
    before = program_key(host_machine(), "a")
    monkeypatch.setattr(program_cache, "compiler_state", lambda: "changed")
    assert program_key(host_machine(), "a") != before


def test_a_changed_source_is_another_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.undo()
    source = tmp_path / "backends" / "native" / "x.py"
    source.parent.mkdir(parents=True)
    source.write_text("a")
    monkeypatch.setattr(program_cache, "__file__", str(source))
    before = program_cache.compiler_state()
    assert program_cache.compiler_state() == before
    source.write_text("ab")
    assert program_cache.compiler_state() != before


def test_schedules_of_a_file_are_part_of_the_key(tmp_path: Path):
    file = tmp_path / "mine.toml"
    own = replace(host_machine(), name=str(file))
    file.write_text("one")
    before = program_key(own, "a")
    file.write_text("other")
    assert program_key(own, "a") != before
