"""Compiles programs ahead of time and C programs against them, and runs these."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from llmir.exporters.c_library import CLibrary
from llmir.frontends.registry import open_runnable
from llmir.program.program import Program
from llmir.targets.host import host_machine
from llmir.tools.backends import prepared

HERE = Path(__file__).parent
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
ARM_GCC, ARM_ROOT = "aarch64-linux-gnu-gcc", "/usr/aarch64-linux-gnu"
SECONDS = 120

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")
needs_arm = pytest.mark.skipif(
    shutil.which(ARM_GCC) is None or shutil.which("qemu-aarch64") is None,
    reason=f"{ARM_GCC} or qemu-aarch64 is missing",
)


@dataclass(frozen=True)
class Said:
    """What `greedy.c` printed: tokens and the logits of the last one, or what went wrong."""

    tokens: list[int]
    logits: list[float]
    error: str = ""


def compiled(
    model: Program | Path | str,
    folder: Path,
    *,
    target: str | None = None,
    name: str = "model",
    kv_cache: str = "f16",
    linked: bool = True,
) -> Path:
    """A program compiled into a folder."""
    program = model if isinstance(model, Program) else open_runnable(str(model))
    library = CLibrary(target or host_machine().name, name, kv_cache, linked=linked)
    library.write(prepared(program, None), folder)
    return folder


def built(folder: Path, out: Path, gcc: str = "gcc", source: str = "greedy.c", linked: bool = True) -> Path:
    """A C program compiled against the library in a folder, or linked with the object in it."""
    code = [f"-L{folder}", "-lmodel"] if linked else [str(folder / "model.o")]
    command = [gcc, *FLAGS, f"-I{folder}", str(HERE / "data" / source), *code, "-pthread", "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def said(
    program: Path,
    folder: Path,
    ids: Sequence[int],
    count: int,
    *,
    weights: Path | str | None = None,
    threads: int = 1,
    capacity: int = 64,
    split: int = 0,
    through: Sequence[str] = (),
) -> Said:
    """What `greedy` says of a text; anything but what it is made to print fails."""
    numbers = [threads, capacity, count, split, *ids]
    command = [*through, str(program), str(folder if weights is None else weights), *map(str, numbers)]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False)
    assert done.returncode in (0, 1), f"{done.returncode} {done.stdout} {done.stderr}"
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    if done.returncode:
        tokens, _, error = lines[-1].partition("error: ")
        return Said([int(t) for t in tokens.split()], [], error)
    tokens, logits = lines
    return Said([int(t) for t in tokens.split()], [float(x) for x in logits.split()])
