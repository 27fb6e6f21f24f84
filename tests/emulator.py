"""Runs code for 64-bit Arm under qemu-aarch64: one process for all of a test run, which maps code and calls it.

Needs qemu-aarch64 and GNU's tools for aarch64-linux-gnu (Debian: qemu-user, gcc-aarch64-linux-gnu); `MISSING` says
which of them are not there. Arrays lie between guard pages, as in `tests/native.py`.
"""

from __future__ import annotations

import atexit
import shutil
import struct
import subprocess
import tempfile
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO, Any

import numpy as np

from llmir.backends.native import jit
from llmir.targets.machine import Machine

Array = np.ndarray[Any, np.dtype[Any]]

ARCHITECTURE = "aarch64"
TOOLS = ("qemu-aarch64", *(f"aarch64-linux-gnu-{tool}" for tool in ("gcc", "ld", "nm", "objcopy")))
MISSING = tuple(tool for tool in TOOLS if shutil.which(tool) is None)
"""Programs that are not installed."""

INTEGER, ARRAY, FLOAT, AGAIN = range(4)
LOAD, CALL = range(2)
BASES = count(0x10_0000_0000, 0x100_0000)

DRIVER = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t u64;
typedef void (*Function)(u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64,
                         float, float, float, float);
enum { INTEGER, ARRAY, FLOAT, AGAIN, MOST = 16 };

static void get(void *to, u64 size) {
    if (size && fread(to, 1, size, stdin) != size) exit(0);
}
static u64 number(void) { u64 n; get(&n, 8); return n; }
static void *pages(u64 at, u64 size, int fixed) {
    void *p = mmap((void *)at, size, PROT_READ | PROT_WRITE | (fixed ? PROT_EXEC : 0),
                   MAP_PRIVATE | MAP_ANONYMOUS | (fixed ? MAP_FIXED : 0), -1, 0);
    if (p == MAP_FAILED) exit(3);
    return p;
}

int main(void) {
    u64 page = sysconf(_SC_PAGESIZE);
    for (;;) {
        if (number() == 0) {
            u64 at = number(), size = number();
            char *code = pages(at, (size + page) / page * page, 1);
            get(code, size);
            __builtin___clear_cache(code, code + size);
            continue;
        }
        u64 address = number(), at_end = number(), count = number(), a[MOST] = {0}, size[MOST] = {0};
        float f[4] = {0};
        char *base[MOST] = {0};
        int integers = 0, floats = 0;
        for (u64 i = 0; i < count; i++) {
            u64 kind = number(), value = number();
            if (kind == FLOAT) { uint32_t bits = value; memcpy(&f[floats++], &bits, 4); continue; }
            if (kind == AGAIN) value = a[value];
            if (kind == ARRAY) {
                u64 room = (value + page - 1) / page * page + (value == 0) * page;
                base[integers] = pages(0, room + 2 * page, 0);
                size[integers] = value;
                mprotect(base[integers], page, PROT_NONE);
                mprotect(base[integers] + page + room, page, PROT_NONE);
                char *start = base[integers] + page + (at_end ? room - value : 0);
                get(start, value);
                value = (u64)start;
            }
            a[integers++] = value;
        }
        ((Function)address)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13],
                            a[14], a[15], f[0], f[1], f[2], f[3]);
        for (int i = 0; i < integers; i++) {
            if (!base[i]) continue;
            fwrite((char *)a[i], 1, size[i], stdout);
            u64 room = (size[i] + page - 1) / page * page + (size[i] == 0) * page;
            munmap(base[i], room + 2 * page);
        }
        fputc('.', stdout);
        fflush(stdout);
    }
}
"""


class Emulator:
    """The process, which is started when it is used and again after it died."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="llmir-emulator-")
        self.folder = Path(self._folder.name)
        self._process: subprocess.Popen[bytes] | None = None
        self._loaded: set[int] = set()
        source, self._driver = self.folder / "driver.c", self.folder / "driver"
        source.write_text(DRIVER)
        command = ["aarch64-linux-gnu-gcc", "-O1", "-static", "-w", "-o", self._driver, source]
        subprocess.run(command, check=True)

    def call(self, image: Image, name: str, arguments: list[tuple[int, int, bytes]], *, at_end: bool) -> list[bytes]:
        """Call a function of an image; what is in its arrays then."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        if image.base not in self._loaded:
            process.stdin.write(struct.pack("<3Q", LOAD, image.base, len(image.code)) + image.code)
            self._loaded.add(image.base)
        process.stdin.write(struct.pack("<4Q", CALL, image.symbols[name], at_end, len(arguments)))
        for kind, value, data in arguments:
            process.stdin.write(struct.pack("<2Q", kind, value) + data)
        process.stdin.flush()
        found = [process.stdout.read(value) for kind, value, _ in arguments if kind == ARRAY]
        if process.stdout.read(1) != b".":
            status = process.wait()
            self._process = None
            raise AssertionError(f"'{name}' ended qemu-aarch64 with status {status} (-11: access outside of an array)")
        return found

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._loaded = set()
            command = ["qemu-aarch64", "-cpu", "max", str(self._driver)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            atexit.register(self.close)
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            pipe: IO[bytes] | None = self._process.stdin
            assert pipe is not None
            pipe.close()
            self._process.wait()
            self._process = None


@cache
def emulator() -> Emulator:
    """The one of this test run."""
    return Emulator()


class Image:
    """Code for an Arm machine, linked to where it will lie; it takes what `tests.native.run_code` takes."""

    def __init__(self, text: str, machine: Machine):
        self.base = next(BASES)
        folder = emulator().folder
        object, linked, code = (folder / f"{self.base:x}{end}" for end in (".o", ".elf", ".bin"))
        object.write_bytes(jit.compile_text(text, machine))
        link = ["aarch64-linux-gnu-ld", "-N", f"-Ttext={self.base:#x}", "-e", f"{self.base:#x}", "-o", linked, object]
        subprocess.run(link, check=True, capture_output=True)
        subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", linked, code], check=True)
        names = subprocess.run(["aarch64-linux-gnu-nm", linked], check=True, capture_output=True, text=True).stdout
        self.symbols = {line.split()[2]: int(line.split()[0], 16) for line in names.splitlines()}
        self.code = code.read_bytes()
        for file in (object, linked, code):
            file.unlink()

    def run(self, name: str, *arguments: Array | float | None) -> None:
        """Call a function twice, with arrays that end, and that start, where a guard page does."""
        arrays: list[Array] = []
        sent: list[tuple[int, int, bytes]] = []
        places: dict[int, int] = {}
        for argument in arguments:
            match argument:
                case np.ndarray() if id(argument) in places:
                    sent.append((AGAIN, places[id(argument)], b""))
                case np.ndarray():
                    assert argument.flags.c_contiguous, "arrays for native code are contiguous"
                    places[id(argument)] = sum(kind != FLOAT for kind, _, _ in sent)
                    arrays.append(argument)
                    sent.append((ARRAY, argument.nbytes, argument.tobytes()))
                case float():
                    sent.append((FLOAT, struct.unpack("<I", struct.pack("<f", argument))[0], b""))
                case _:
                    sent.append((INTEGER, int(argument or 0) & (1 << 64) - 1, b""))
        ended, started = (emulator().call(self, name, sent, at_end=at_end) for at_end in (True, False))
        assert ended == started, f"'{name}' gives other bytes where an array starts elsewhere"
        for array, data in zip(arrays, ended, strict=True):
            array.reshape(-1).view(np.uint8)[:] = np.frombuffer(data, np.uint8)
