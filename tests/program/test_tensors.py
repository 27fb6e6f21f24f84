"""Tensors in memory, mapped and computed: the same rows and chunks from each."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmir.program import tensors
from llmir.program.tensors import (
    ComputedTensor,
    MappedTensor,
    MemoryTensor,
    Tensor,
    drop_pages,
    nbytes,
    read_chunks,
    row_chunks,
)

ARRAY = np.arange(50 * 6, dtype=np.float32).reshape(50, 6)


def forms(tmp_path: Path) -> dict[str, Tensor]:
    path = tmp_path / "data"
    path.write_bytes(b"head" + ARRAY.tobytes())
    with path.open("rb") as file:
        map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return {
        "memory": MemoryTensor(ARRAY),
        "mapped": MappedTensor(map, 4, ARRAY.dtype, ARRAY.shape),
        "computed": ComputedTensor(ARRAY.dtype, ARRAY.shape, lambda start, stop: ARRAY[start:stop]),
    }


@pytest.mark.parametrize("form", ["memory", "mapped", "computed"])
def test_read_rows_and_chunks(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = forms(tmp_path)[form]
    assert (tensor.dtype, tensor.shape, nbytes(tensor)) == (np.float32, (50, 6), 50 * 6 * 4)
    np.testing.assert_array_equal(tensor.read(), ARRAY)
    np.testing.assert_array_equal(tensor.rows(7, 9), ARRAY[7:9])
    tensor.release()
    np.testing.assert_array_equal(tensor.rows(49, 50), ARRAY[49:])
    monkeypatch.setattr(tensors, "CHUNK_BYTES", 16 * 6 * 4)
    chunks = list(read_chunks(tensor))
    assert [len(c) for c in chunks] == [16, 16, 16, 2]
    np.testing.assert_array_equal(np.concatenate(chunks), ARRAY)


@given(rows=st.integers(0, 100), columns=st.integers(0, 20), limit=st.integers(1, 4000))
def test_row_chunks_cover_every_row_once_from_multiples_of_eight(rows: int, columns: int, limit: int) -> None:
    tensor = MemoryTensor(np.zeros((rows, columns), np.float16))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensors, "CHUNK_BYTES", limit)
        chunks = list(row_chunks(tensor))
    assert [row for start, stop in chunks for row in range(start, stop)] == list(range(rows))
    assert all(start % 8 == 0 for start, _ in chunks)
    assert all((stop - start) * columns * 2 <= max(limit, 8 * columns * 2) for start, stop in chunks)


def test_a_scalar_is_one_chunk() -> None:
    tensor = MemoryTensor(np.array(3.5))
    assert list(row_chunks(tensor)) == [(0, 1)]
    assert [c.tolist() for c in read_chunks(tensor)] == [3.5]


def test_released_pages_come_back(tmp_path: Path) -> None:
    data = np.arange(mmap.PAGESIZE, dtype=np.uint32)  # four pages
    path = tmp_path / "data"
    path.write_bytes(data.tobytes())
    with path.open("rb") as file:
        map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    tensor = MappedTensor(map, 0, data.dtype, data.shape)
    view = tensor.read()
    tensor.release()
    drop_pages(map, 100, 50)  # within one page: nothing to drop
    np.testing.assert_array_equal(view, data)


def test_a_computed_tensor_releases_its_source() -> None:
    class Source:
        released = 0

        def release(self) -> None:
            self.released += 1

    source = Source()
    ComputedTensor(ARRAY.dtype, ARRAY.shape, lambda a, b: ARRAY[a:b], source).release()
    assert source.released == 1
