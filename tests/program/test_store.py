"""The weight store: lookups, and writers in memory and in scratch files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.errors import InputError
from llmir.program import store as store_module
from llmir.program.store import FileWriter, MemoryWriter, WeightStore
from llmir.program.tensors import MemoryTensor


def test_tensors_by_name() -> None:
    store = WeightStore({"a": MemoryTensor(np.zeros(3))}, "model.gguf")
    assert not store.changed
    store.add("b", MemoryTensor(np.ones(2)))
    assert (list(store), len(store), "b" in store, store.changed) == (["a", "b"], 2, True, True)
    store.remove("a")
    assert [name for name, _ in store.items()] == ["b"]
    with pytest.raises(InputError, match=r"model.gguf: there is no tensor 'a'"):
        store["a"]


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])
def test_writers_collect_the_same_rows(dtype: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SPILL_BYTES", 1)
    values: Any = np.random.default_rng(0).standard_normal((20, 3))
    array: NDArray[Any] = values.astype(dtype)
    for scratch, kind in ((None, MemoryWriter), (tmp_path, FileWriter)):
        store = WeightStore()
        store.scratch = scratch
        writer = store.writer(np.dtype(dtype), array.shape)
        assert isinstance(writer, kind)
        for start in (0, 8, 16):
            writer.append(array[start : start + 8])
        tensor = writer.finish()
        assert (tensor.dtype, tensor.shape) == (array.dtype, array.shape)
        assert tensor.read().tobytes() == array.tobytes()
        assert tensor.rows(5, 9).tobytes() == array[5:9].tobytes()
    assert not list(tmp_path.iterdir())  # scratch files have no name


def test_small_tensors_stay_in_memory(tmp_path: Path) -> None:
    store = WeightStore()
    store.scratch = tmp_path
    edge = store_module.SPILL_BYTES
    assert isinstance(store.writer(np.dtype(np.uint8), (edge - 1,)), MemoryWriter)
    assert isinstance(store.writer(np.dtype(np.uint8), (edge,)), FileWriter)
