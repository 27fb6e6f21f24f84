"""From an object file to a shared library, by a linker the system has."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from llmir.errors import InputError
from llmir.targets.host import host_triple
from llmir.targets.machine import Machine, architecture_of

ARCHITECTURES = {"x86_64": "elf_x86_64", "aarch64": "aarch64linux", "riscv64": "elf64lriscv"}
"""Those there are numbers of the system's for, and what ld.lld calls them."""


def find_linker(machine: Machine) -> list[str]:
    """The command that links for a machine, without files; InputError says what to install.

    ld.lld links for all; the system's own ld and cc for its own architecture, on Linux alone, as others make no ELF
    files; for the rest the tools of a cross compiler.
    """
    architecture = machine.architecture
    if lld := shutil.which("ld.lld"):
        return [lld, "-m", ARCHITECTURES[architecture], "-shared"]
    host = host_triple()
    native = architecture == architecture_of(host) and "linux" in host
    prefixes = [f"{architecture}-linux-gnu-", *([""] if native else [])]
    for prefix in prefixes:
        for tool, options in (("ld", ["-shared"]), ("gcc", ["-shared", "-nostdlib"]), ("cc", ["-shared", "-nostdlib"])):
            if found := shutil.which(prefix + tool):
                return [found, *options]
    wanted = "ld.lld, ld or cc" if native else f"ld.lld or {architecture}-linux-gnu-ld"
    raise InputError(
        f"no linker for Linux on {architecture}: expected {wanted} on PATH; install LLD or binutils, "
        "or write an object file (--emit object)"
    )


def link(linker: Sequence[str], object: Path, library: Path) -> None:
    """Make a shared library of an object; symbols it lacks are looked for when it is loaded.

    InputError has what the linker said.
    """
    name = library.name
    soname = ["-soname", name] if "-nostdlib" not in linker else [f"-Wl,-soname,{name}"]
    try:
        subprocess.run(
            [*linker, *soname, "-o", library.name, object.name],
            cwd=object.parent,
            check=True,
            capture_output=True,
            text=True,
        )
    except subprocess.CalledProcessError as e:
        raise InputError(f"{linker[0]}: cannot link: {' '.join(e.stderr.split())}") from e
    except OSError as e:
        raise InputError(f"{linker[0]}: cannot be run: {e.strerror}") from e
