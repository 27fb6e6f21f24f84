"""Compiled programs on disk: machine code with its plan in one file, packed weights in another.

Both are found by keys that say everything they were made from, appear complete or not at all, and are checked when they
are read: what is damaged is made again. Any number of processes may use the folder at once. The least recently used
weights go when they are more than `MOST_BYTES`. A folder that cannot be used costs time only: `problem` says why.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llmir import __version__
from llmir.backends.native.jit import object_key
from llmir.backends.native.memory import Bytes, Memory
from llmir.backends.native.object_cache import ObjectCache, key_of
from llmir.backends.native.packed_file import read_packed, write_packed
from llmir.backends.native.plan import Plan
from llmir.errors import OutputError
from llmir.targets.host import base_and_options
from llmir.targets.machine import Machine

MOST_BYTES = 16 << 30
WEIGHTS = ".weights"
COMPILER = ("backends/native", "dialects", "formats", "frontends", "passes", "program", "semantics", "targets")
"""Parts of the package that decide what is read of a model and what is compiled."""


def program_key(machine: Machine, *parts: str | bytes) -> str:
    """The key of what this compiler makes of some parts for a machine; schedules are those of the target's file."""
    target, _ = base_and_options(machine.name)
    file = Path(target).read_bytes() if target.endswith(".toml") else b""
    return key_of(__version__, compiler_state(), repr(machine), file, object_key("", machine), *parts)


def compiler_state() -> str:
    """Changes when a source file of the compiler does, or a target that ships with it."""
    root = Path(__file__).parents[2]
    files = (path for part in COMPILER for path in sorted((root / part).rglob("*")) if path.suffix in (".py", ".toml"))
    return "\n".join(f"{p.name} {s.st_size} {s.st_mtime_ns}" for p in files for s in [p.stat()])


@dataclass(frozen=True)
class CompiledProgram:
    """Machine code, what a session must know, the key of its packed weights, and what is to be said of the program."""

    plan: Plan
    object: bytes
    weights: str
    notes: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """All of it as bytes."""
        head = json.dumps({"plan": self.plan.to_json(), "weights": self.weights, "notes": self.notes}).encode()
        return len(head).to_bytes(4, "little") + head + self.object

    @staticmethod
    def decode(data: bytes) -> CompiledProgram:
        """Inverse of `encode`."""
        end = 4 + int.from_bytes(data[:4], "little")
        head = json.loads(data[4:end])
        return CompiledProgram(Plan.from_json(head["plan"]), data[end:], head["weights"], tuple(head["notes"]))


class ProgramCache:
    """The files in a folder, which is made when something is written to it."""

    def __init__(self, folder: Path | None = None):
        self._objects = ObjectCache(folder)
        self.folder = self._objects.folder
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why the folder is not used."""
        return self._problem or self._objects.problem

    def program(self, key: str) -> CompiledProgram | None:
        """The program of a key, None when it is not there or damaged."""
        data = self._objects.get(key)
        return None if data is None else CompiledProgram.decode(data)

    def put_program(self, key: str, program: CompiledProgram) -> None:
        """Keep a program, if possible."""
        self._objects.put(key, program.encode())

    def weights(self, key: str, size: int, threads: int) -> Memory | None:
        """Packed weights in memory of their own, None when they are not there or damaged."""
        path = self._path(key)
        with contextlib.suppress(OSError):
            os.utime(path)
        return read_packed(path, bytes.fromhex(key), size, threads)

    def put_weights(self, key: str, size: int, parts: Iterable[tuple[int, Bytes]]) -> None:
        """Keep packed weights, if possible; what `parts` raises is raised."""
        if self.problem is not None:
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_packed(self._path(key), bytes.fromhex(key), size, parts)
        except OutputError as e:
            self._problem = str(e)
        except OSError as e:
            self._problem = f"{self.folder}: cannot be written: {e.strerror}"
        else:
            self._make_room(key)

    def _path(self, key: str) -> Path:
        return self.folder / (key + WEIGHTS)

    def _make_room(self, key: str) -> None:
        """Remove the least recently used weights but those of a key."""
        total = 0
        for _, size, path in sorted(self._files(), key=lambda file: file[0], reverse=True):
            total += size
            if total > MOST_BYTES and path.stem != key:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for path in self.folder.glob("*" + WEIGHTS):
            with contextlib.suppress(OSError):  # another process was faster
                stat = path.stat()
                yield stat.st_mtime, stat.st_size, path


def in_memory(size: int, parts: Iterable[tuple[int, Bytes]]) -> Memory:
    """Packed weights that were not kept."""
    memory = Memory(size)
    for offset, part in parts:
        memory.array[offset : offset + part.nbytes] = part
    return memory
