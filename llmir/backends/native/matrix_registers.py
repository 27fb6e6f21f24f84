"""Asks Linux for AMX's matrix registers, without which the first instruction that uses them ends the process.

The state of a thread with matrix registers is 8 KB larger, so that the kernel keeps it only for processes that said
they want it (`arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`, Linux 5.16 and later). It holds for all threads.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache

from llmir.errors import InputError
from llmir.targets.machine import Machine

ARCH_PRCTL = 158
"""The number of the system call on x86-64."""
REQUEST_PERMISSION = 0x1023
TILE_DATA = 18


@cache
def _request() -> int:
    """0, or the number of the error."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    arguments = (ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA)
    return 0 if libc.syscall(*map(ctypes.c_long, arguments)) == 0 else ctypes.get_errno()


def request_matrix_registers(machine: Machine) -> None:
    """Make what a machine has of matrix registers usable; InputError when the operating system does not give them."""
    if machine.tiles is None:
        return
    error = _request()
    if error:
        raise InputError(
            f"machine '{machine.name}' needs AMX's matrix registers, which the operating system does not give this "
            f"process: {os.strerror(error)}"
        )
