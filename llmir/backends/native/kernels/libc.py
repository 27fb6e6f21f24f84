"""What is called of the C library."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Attribute, SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.vector_types import I32, I64, PTR

LIBC: dict[str, tuple[Sequence[Attribute], Sequence[Attribute]]] = {
    "open": ([PTR, I32], [I32]),
    "openat": ([I32, PTR, I32], [I32]),
    "close": ([I32], [I32]),
    "lseek": ([I32, I64, I32], [I64]),
    "pread": ([I32, PTR, I64, I64], [I64]),
    "mmap": ([PTR, I64, I32, I32, I32, I64], [PTR]),
    "madvise": ([PTR, I64, I32], [I32]),
    "munmap": ([PTR, I64], [I32]),
    "pthread_create": ([PTR, PTR, PTR, PTR], [I32]),
    "pthread_join": ([I64, PTR], [I32]),
    "pthread_mutex_init": ([PTR, PTR], [I32]),
    "pthread_mutex_lock": ([PTR], [I32]),
    "pthread_mutex_unlock": ([PTR], [I32]),
    "clock_gettime": ([I32, PTR], [I32]),
    "sched_getaffinity": ([I32, I64, PTR], [I32]),
    "strerror": ([I32], [PTR]),
    "__errno_location": ([], [PTR]),
}
"""Functions: arguments and result."""


def declare_libc(m: ModuleBuilder) -> None:
    """Let a module call the C library."""
    for name, (arguments, results) in LIBC.items():
        m.declare(name, arguments, results)


def call_libc(f: Function, name: str, *arguments: SSAValue | int) -> SSAValue:
    """Call the C library; the result."""
    return f.call(name, arguments)[0]


def system_error(f: Function) -> SSAValue:
    """The C library's words for what went wrong."""
    return call_libc(f, "strerror", f.load(call_libc(f, "__errno_location"), I32, align=4))
