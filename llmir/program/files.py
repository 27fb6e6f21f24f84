"""Files and folders that are either complete or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from llmir.errors import InputError, OutputError


@contextmanager
def new_folder(path: Path, ours: Sequence[str]) -> Generator[Path]:
    """A folder beside `path` to fill, which takes its place when everything went well.

    An existing folder is replaced only if it holds the first of the files `ours`, and no others than these.
    Raises OutputError when `path` is something else or cannot be written; nothing is left behind then.
    """
    check_replaceable(path, ours)
    target = path.resolve()
    work = target.with_name(f".{target.name}.partial")
    shutil.rmtree(work, ignore_errors=True)  # what a killed run left
    try:
        work.mkdir(parents=True)
    except OSError as e:
        raise OutputError(f"{path}: cannot be written: {e.strerror}") from e
    try:
        yield work
        for file in work.iterdir():
            sync(file)
        if target.exists():
            old = target.with_name(f".{target.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
            work.rename(target)
            shutil.rmtree(old)
        else:
            work.rename(target)
        sync(target.parent)
    except OSError as e:
        raise OutputError(f"{path}: cannot be written: {e.strerror or e}") from e
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def new_file(path: Path) -> Generator[BinaryIO]:
    """A file to fill, which takes its name, and the place of a file that had it, when everything went well.

    Raises OutputError when `path` is a folder or cannot be written; nothing is left behind then.
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder, expected the name of a file to write")
    target = path.resolve()
    work = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with work.open("w+b") as file:
            yield file
        sync(work)
        work.replace(target)
        sync(target.parent)
    except OSError as e:
        raise OutputError(f"{path}: cannot be written: {e.strerror or e}") from e
    finally:
        work.unlink(missing_ok=True)


def check_file_output(path: Path) -> None:
    """OutputError when `new_file` would fail."""
    if path.is_dir():
        raise OutputError(f"{path}: is a folder, expected the name of a file to write")
    _check_parent(path)


def _check_parent(path: Path) -> None:
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent}: no such folder to write to")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path.parent}: cannot be written")


def check_output(path: Path, ours: Sequence[str]) -> None:
    """OutputError when `new_folder` would fail, or would have to make the folder's parents."""
    _check_parent(path)
    check_replaceable(path, ours)


def check_replaceable(path: Path, ours: Sequence[str]) -> None:
    """OutputError when there is something at `path` that must not be replaced.

    That is anything but a folder of ours, one the process stands in, and one that holds anything but files of `ours`.
    """
    if not path.exists():
        return
    if not (path / ours[0]).is_file():
        raise OutputError(
            f"{path}: is {_what_is_there(path)}, expected a new folder, or one with {ours[0]}, which is replaced"
        )
    if Path.cwd().is_relative_to(path.resolve()):
        raise OutputError(f"{path}: the current folder cannot be replaced; run from outside it")
    for inner in sorted(path.iterdir()):
        if inner.is_dir() or inner.name not in ours:
            raise OutputError(f"{path}: holds {inner.name}, which would be lost; choose another output")


def _what_is_there(path: Path) -> str:
    """A path that exists in words: `a folder with a.txt, b.txt, ...`."""
    if not path.is_dir():
        return "a file"
    names = sorted(inner.name for inner in path.iterdir())
    return f"a folder with {', '.join([*names[:3], *(['...'] if names[3:] else [])])}" if names else "an empty folder"


def sync(path: Path) -> None:
    """Have the system write a file or folder to disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_bytes(path: Path, what: str) -> bytes:
    """A small file's contents; InputError names the file and what it is for."""
    try:
        return path.read_bytes()
    except OSError as e:
        raise InputError(f"{path}: {what} cannot be read: {e.strerror}") from e
