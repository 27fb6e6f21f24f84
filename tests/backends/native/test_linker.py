"""Which linker is taken, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmir.backends.native.linker import find_linker, link
from llmir.errors import InputError
from llmir.targets.host import machine

X86, ARM = machine("x86-avx2"), machine("arm-neon-dotprod")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder programs are looked for in; this process runs on x86-64."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("llmir.backends.native.linker.host_triple", lambda: "x86_64-unknown-linux-gnu")
    return folder


def tool(folder: Path, name: str, script: str = "exit 0") -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_none(tools: Path) -> None:
    with pytest.raises(InputError) as native:
        find_linker(X86)
    assert str(native.value) == (
        "no linker for Linux on x86_64: expected ld.lld, ld or cc on PATH; install LLD or binutils, "
        "or write an object file (--emit object)"
    )
    tool(tools, "ld")
    with pytest.raises(InputError, match=r"^no linker for Linux on aarch64: expected ld\.lld or aarch64-linux-gnu-ld"):
        find_linker(ARM)


def test_what_there_is_is_taken(tools: Path) -> None:
    cc = tool(tools, "cc")
    assert find_linker(X86) == [cc, "-shared", "-nostdlib"]
    ld = tool(tools, "ld")
    assert find_linker(X86) == [ld, "-shared"]
    arm = tool(tools, "aarch64-linux-gnu-ld")
    assert find_linker(ARM) == [arm, "-shared"]
    lld = tool(tools, "ld.lld")
    assert find_linker(X86) == [lld, "-m", "elf_x86_64", "-shared"]
    assert find_linker(ARM) == [lld, "-m", "aarch64linux", "-shared"]


@pytest.mark.parametrize("host", ["x86_64-apple-darwin24.0.0", "x86_64-pc-windows-msvc"])
def test_the_linker_of_another_system_is_not_taken(tools: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """It makes no ELF files; LLD does, on any system."""
    monkeypatch.setattr("llmir.backends.native.linker.host_triple", lambda: host)
    tool(tools, "ld")
    tool(tools, "cc")
    with pytest.raises(InputError, match=r"^no linker for Linux on x86_64: expected ld\.lld or x86_64-linux-gnu-ld"):
        find_linker(X86)
    cross = tool(tools, "x86_64-linux-gnu-ld")
    assert find_linker(X86) == [cross, "-shared"]
    lld = tool(tools, "ld.lld")
    assert find_linker(X86) == [lld, "-m", "elf_x86_64", "-shared"]


def test_what_the_linker_says(tools: Path, tmp_path: Path) -> None:
    (tmp_path / "a.o").write_bytes(b"")
    bad = tool(tools, "ld", "echo no such; echo format >&2; exit 1")
    with pytest.raises(InputError, match=f"^{bad}: cannot link: format$"):
        link([bad, "-shared"], tmp_path / "a.o", tmp_path / "liba.so")
    (tools / "ld").write_bytes(b"\0")
    with pytest.raises(InputError, match=f"^{bad}: cannot be run: "):
        link([bad, "-shared"], tmp_path / "a.o", tmp_path / "liba.so")


def test_arguments(tools: Path, tmp_path: Path) -> None:
    """The library's name is in it, however it is linked."""
    (tmp_path / "a.o").write_bytes(b"")
    for name, options, soname in (("ld", ["-shared"], "-soname liba.so"), ("cc", ["-nostdlib"], "-Wl,-soname,liba.so")):
        link([tool(tools, name, f'echo "$@" > {tmp_path}/said'), *options], tmp_path / "a.o", tmp_path / "liba.so")
        assert (tmp_path / "said").read_text() == f"{' '.join(options)} {soname} -o liba.so a.o\n"
