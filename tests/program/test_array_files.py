"""Arrays in files: every format, and files that are not what they say."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]

from llmir.errors import InputError
from llmir.program.array_files import read_arrays

X, Y = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1, -1], np.int64)


def test_formats(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    np.savez_compressed(tmp_path / "b.npz", x=X, y=Y)
    save_file({"x": X, "y": Y}, tmp_path / "a.safetensors")
    np.testing.assert_array_equal(read_arrays(tmp_path / "a.npy")[""], X)
    for name in ("a.npz", "b.npz", "a.safetensors"):
        arrays = read_arrays(tmp_path / name)
        assert set(arrays) == {"x", "y"}
        np.testing.assert_array_equal(arrays["x"], X)
        np.testing.assert_array_equal(arrays["y"], Y)
        assert arrays["y"].dtype == np.int64


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_arrays(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_unknown_and_missing_files(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.csv") == "arrays are read from .npy, .npz, .safetensors files"
    assert refused(tmp_path / "a.npy") == "the arrays cannot be read: No such file or directory"


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_objects_are_never_unpickled(tmp_path: Path, name: str) -> None:
    save: Any = np.save if name == "a.npy" else np.savez
    save(tmp_path / name, np.array([{}], object))
    assert refused(tmp_path / name).startswith(f"not a {name[1:]} file of numbers: ")


def test_a_cut_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-4])
    assert refused(tmp_path / "a.npy").startswith("not a .npy file of numbers: ")
    (tmp_path / "a.npz").write_bytes(b"PK no archive")
    assert refused(tmp_path / "a.npz").startswith("not a .npz file of numbers: ")


def test_a_header_that_claims_more_than_there_is(tmp_path: Path) -> None:
    """It is refused before anything of that size is allocated."""
    np.save(tmp_path / "a.npy", X)
    content = (tmp_path / "a.npy").read_bytes().replace(b"(2, 3), }        ", b"(99999999999, 3),}")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content)
    assert "x.npy claims 1199999999988 bytes of" in refused(tmp_path / "a.npz")
