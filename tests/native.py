"""Runs generated functions on NumPy arrays that stand between pages nobody may touch.

    run(module, "add", x, y, 32)

Each array is copied between two guard pages, once so that it ends where the upper one starts, once so that it starts
where the lower one ends; the function runs on both and must give the same bytes, which are then in the arrays. An
access outside an array kills the process. `ends_of` says how a function that may do so ends, in a child process.
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import os
import signal
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, cast

import emulator
import numpy as np
from vk_interpreter import interpret

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.llvm_text import llvm_text
from llmir.backends.native.vk_to_llvm import lower_module
from llmir.targets.host import host_machine, machine, missing_features
from llmir.targets.machine import Machine

PAGE = mmap.PAGESIZE
NO_ACCESS, READ_WRITE, PRIVATE_ANONYMOUS = 0, 3, 0x22

Place = Literal["end", "start"]
Code = jit.Library | emulator.Image
Array = np.ndarray[Any, np.dtype[Any]]

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


class Guarded:
    """A copy of an array between guard pages; `copy_back` brings its bytes into the array."""

    def __init__(self, array: Array, place: Place):
        assert array.flags.c_contiguous, "arrays for native code are contiguous"
        self.array = array
        self.pages = max(-(-array.nbytes // PAGE), 1) * PAGE
        self.base = _libc.mmap(None, self.pages + 2 * PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0)
        assert self.base not in (None, ctypes.c_void_p(-1).value), "no memory for an array between guard pages"
        for guard in (self.base, self.base + PAGE + self.pages):
            assert _libc.mprotect(guard, PAGE, NO_ACCESS) == 0
        self.address = self.base + PAGE + (self.pages - array.nbytes if place == "end" else 0)
        ctypes.memmove(self.address, array.ctypes.data, array.nbytes)

    def bytes(self) -> bytes:
        """What the copy holds now."""
        return ctypes.string_at(self.address, self.array.nbytes)

    def copy_back(self) -> None:
        """Put it into the array."""
        ctypes.memmove(self.array.ctypes.data, self.address, self.array.nbytes)

    def free(self) -> None:
        """Give the pages back."""
        _libc.munmap(self.base, self.pages + 2 * PAGE)


@cache
def library(text: str, machine: Machine) -> Code:
    """The code of a text, compiled once for all tests of a process; for Arm it is one that is emulated."""
    if machine.architecture == emulator.ARCHITECTURE != host_machine().architecture:
        return emulator.Image(text, machine)
    return jit.compile_module(text, machine)


STAND_INS = {"x86-avx-vnni": "x86-avx512-vnni"}
"""Machines whose instructions another one has, AVX-VNNI's in another encoding."""


@cache
def runner(wanted: Machine) -> Machine:
    """The machine that runs what is written for one: itself, or one that has its instructions too."""
    stand_in = STAND_INS.get(wanted.name)
    if stand_in is None or not missing_features(wanted) or missing_features(machine(stand_in)):
        return wanted
    return host_machine(stand_in)


def is_interpreted(wanted: Machine) -> bool:
    """Whether nothing here runs what is written for a machine."""
    other = runner(wanted)
    return other.architecture == host_machine().architecture and bool(missing_features(other))


def run(module: ModuleBuilder, name: str, *arguments: Array | float | None, machine: Machine | None = None) -> None:
    """Call a public function: arrays are pointers, whose contents it may change; None is null; int is i64, float f32.

    Code is compiled for the module's machine or its stand-in, or another that it shall run on; if there is none of
    them here, the function is interpreted.
    """
    if is_interpreted(module.machine):
        interpret(module, name, *arguments)
        return
    lowered_for = runner(module.machine)
    text = llvm_text(lower_module(module.module, lowered_for))
    run_code(library(text, machine or lowered_for), name, *arguments)


def run_code(code: Code, name: str, *arguments: Array | float | None) -> None:
    """`run` with code that is compiled."""
    if isinstance(code, emulator.Image):
        code.run(name, *arguments)
        return
    ended, started = (_call(code, name, arguments, place) for place in ("end", "start"))
    for at_end, at_start in zip(ended, started, strict=True):
        assert at_end.bytes() == at_start.bytes(), f"'{name}' gives other bytes where an array starts elsewhere"
        at_end.copy_back()
        at_end.free()
        at_start.free()


def _call(code: jit.Library, name: str, arguments: tuple[Any, ...], place: Place) -> list[Guarded]:
    guarded: dict[int, Guarded] = {}
    types: list[Any] = []
    values: list[Any] = []
    for argument in arguments:
        match argument:
            case np.ndarray():
                array = cast(Array, argument)
                types.append(ctypes.c_void_p)
                copy = guarded.get(id(array)) or Guarded(array, place)
                guarded[id(array)] = copy
                values.append(copy.address)
            case None:
                types.append(ctypes.c_void_p)
                values.append(None)
            case float():
                types.append(ctypes.c_float)
                values.append(argument)
            case _:
                types.append(ctypes.c_int64)
                values.append(int(argument))
    code.function(name, *types)(*values)
    return list(guarded.values())


def ends_of(action: Callable[[], object]) -> int | signal.Signals:
    """How a child process that does something ends: its exit status, or the signal that killed it."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()  # a crash that is expected is not to be told
        try:
            action()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return signal.Signals(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
