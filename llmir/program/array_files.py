"""Arrays a user gives in a file: `.npy`, `.npz` or `.safetensors`. Nothing is unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.errors import InputError
from llmir.program.files import read_bytes
from llmir.program.safetensors_file import open_safetensors

SUFFIXES = (".npy", ".npz", ".safetensors")


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name; the one of a `.npy` has the name "". InputError says what is wrong with it."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: arrays are read from {', '.join(SUFFIXES)} files")
    if path.suffix == ".safetensors":
        return {name: tensor.read() for name, tensor in open_safetensors(path).items()}
    read_bytes(path, "the arrays")
    try:
        return {"": np.lib.format.open_memmap(path, mode="r")} if path.suffix == ".npy" else _read_npz(path)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as e:
        raise InputError(f"{path}: not a {path.suffix} file of numbers: {e}") from e


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            _check_size(archive, member)
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _check_size(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """ValueError when a member is no array, or its header claims another size than it has."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        claimed = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if claimed != member.file_size - file.tell():
            raise ValueError(f"{member.filename} claims {claimed} bytes of {member.file_size}")
