"""Our safetensors files against the format's own library, and damaged ones."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file  # pyright: ignore[reportUnknownVariableType]

from llmir.errors import InputError
from llmir.program import tensors
from llmir.program.safetensors_file import DTYPES, open_safetensors, total_bytes, write_safetensors
from llmir.program.tensors import MemoryTensor

RNG = np.random.default_rng(0)
ARRAYS: dict[str, NDArray[Any]] = {
    "b.half": RNG.standard_normal((3, 5)).astype(np.float16),
    "a.bytes": RNG.integers(0, 255, (7,), np.uint8),
    "c.float": RNG.standard_normal((40, 2)).astype(np.float32),
    "d.double": RNG.standard_normal((2, 1, 2)),
    "e.long": np.arange(3),
    "f.flag": np.array([True, False]),
    "g.scalar": np.array(2.5, np.float32),
    "h.empty": np.zeros((0, 4), np.float32),
}


def write(path: Path, arrays: dict[str, NDArray[Any]]) -> dict[str, list[NDArray[Any]]]:
    chunks: dict[str, list[NDArray[Any]]] = {}
    with path.open("wb") as file:
        for name, chunk in write_safetensors(file, {n: MemoryTensor(a) for n, a in arrays.items()}):
            chunks.setdefault(name, []).append(chunk)
    return chunks


def test_the_library_reads_what_we_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "CHUNK_BYTES", 64)
    chunks = write(tmp_path / "t", ARRAYS)
    loaded = load_file(tmp_path / "t")
    assert set(loaded) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
        assert loaded[name].tobytes() == array.tobytes()
        assert b"".join(c.tobytes() for c in chunks.get(name, [])) == array.tobytes()
    assert len(chunks["c.float"]) == 5


def test_we_read_what_the_library_writes(tmp_path: Path) -> None:
    save_file(ARRAYS, tmp_path / "t", {"made": "here"})
    opened = open_safetensors(tmp_path / "t")
    assert set(opened) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert (opened[name].dtype, opened[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(opened[name].read(), array)
    assert total_bytes(opened.values()) == sum(a.nbytes for a in ARRAYS.values())


@pytest.mark.parametrize("code", DTYPES)
def test_every_dtype_round_trips_and_is_aligned(code: str, tmp_path: Path) -> None:
    array = np.arange(6).reshape(2, 3).astype(DTYPES[code])
    write(tmp_path / "t", {"odd": np.zeros(3, np.uint8), "x": array})
    tensor = open_safetensors(tmp_path / "t")["x"]
    assert tensor.dtype == DTYPES[code]
    assert tensor.offset % DTYPES[code].itemsize == 0
    assert tensor.read().tobytes() == array.tobytes()


def test_bfloat16_bits_are_the_librarys(tmp_path: Path) -> None:
    array = RNG.standard_normal((4, 4)).astype(ml_dtypes.bfloat16)
    write(tmp_path / "t", {"x": array})
    length = struct.unpack("<Q", (tmp_path / "t").read_bytes()[:8])[0]
    header = json.loads((tmp_path / "t").read_bytes()[8 : 8 + length])
    assert header["x"] == {"dtype": "BF16", "shape": [4, 4], "data_offsets": [0, 32]}
    assert (tmp_path / "t").read_bytes()[8 + length :] == array.view(np.uint16).tobytes()


def file_of(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a safetensors file, it has 0 bytes and a header length takes 8"),
        (b"1234567", "it has 7 bytes"),
        (struct.pack("<Q", 2**60) + b"{}", f"its header claims {2**60} bytes of a 10-byte file"),
        (file_of(b"{"), "the safetensors header is not JSON"),
        (file_of(b"\xff\xfe"), "the safetensors header is not JSON"),
        (file_of(b"[" * 100_000), "the safetensors header is not JSON"),
        (
            file_of(b'{"x": ' + b"9" * 5000 + b"}"),
            "the safetensors header is not JSON",
        ),
        (file_of([1]), "the safetensors header is not a JSON object"),
        (file_of({"x": 3}), "tensor 'x': its header entry needs dtype, shape and data_offsets, got 3"),
        (file_of({"x": {"dtype": "F32"}}), "tensor 'x': its header entry needs dtype, shape and data_offsets"),
        (file_of(entry(shape=5)), "tensor 'x': its header entry needs dtype, shape and data_offsets"),
        (file_of(entry(offsets=[0])), "tensor 'x': its header entry needs dtype, shape and data_offsets"),
        (file_of(entry(shape=[-2])), "tensor 'x': shape \\[-2\\] and data_offsets \\[0, 8\\] must be whole numbers"),
        (file_of(entry(shape=[2.0])), "must be whole numbers from 0 up"),
        (file_of(entry(shape=[True])), "must be whole numbers from 0 up"),
        (file_of(entry(offsets=[-8, 0])), "must be whole numbers from 0 up"),
        (file_of(entry(dtype="F7")), "tensor 'x': unknown dtype 'F7', expected one of F64, F32"),
        (
            file_of(entry(dtype=["F32"])),
            "tensor 'x': unknown dtype",
        ),
        (file_of(entry(shape=[3]), bytes(8)), "tensor 'x': 8 bytes of data, but F32 of shape \\[3\\] takes 12"),
        (file_of(entry(shape=[2**40, 2**40])), "tensor 'x': 8 bytes of data, but F32 of shape"),
        (file_of(entry(), bytes(7)), "tensor 'x': the file is truncated, data ends at byte"),
    ],
)
def test_damaged_files(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"bad.safetensors: .*{message}"):
        open_safetensors(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.safetensors: cannot be read: No such file"):
        open_safetensors(tmp_path / "none.safetensors")
