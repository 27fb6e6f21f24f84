"""Memory: size, alignment, zeroes, huge pages where there are any, files read into it, life time of views."""

import gc
import mmap
from pathlib import Path

import numpy as np
import pytest

from llmir.backends.native.memory import HUGE_PAGE, Memory, read_into
from llmir.errors import InputError


@pytest.mark.parametrize("size", [1, 4096, 4097, HUGE_PAGE - 1, HUGE_PAGE, HUGE_PAGE + 1, 3 * HUGE_PAGE])
def test_memory_is_zeroed_aligned_and_writable_to_its_end(size: int):
    with Memory(size) as memory:
        assert len(memory.array) == memory.size == size
        assert memory.address % mmap.PAGESIZE == 0
        assert size < HUGE_PAGE or memory.address % HUGE_PAGE == 0
        assert not memory.array.any()
        memory.array[:] = 7
        assert memory.array.sum(dtype=np.int64) == 7 * size


def test_memory_needs_a_size():
    with pytest.raises(ValueError, match="memory of 0 bytes, expected at least 1"):
        Memory(0)


def test_closed_memory_is_refused_and_views_outlive_it():
    memory = Memory(HUGE_PAGE)
    view = memory.array[5:10]
    view[:] = 3
    memory.close()
    memory.close()
    with pytest.raises(ValueError, match="was closed"):
        _ = memory.array
    gc.collect()
    assert view.tolist() == [3] * 5


def resident(kind: str) -> int:
    """Kilobytes of this process of a kind in the system's books."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith(kind + ":"):
            return int(line.split()[1])
    return 0


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux keeps the books")
def test_closing_gives_the_memory_back():
    before = resident("Rss")
    memory = Memory(64 << 20)
    memory.array[:] = 1
    assert resident("Rss") > before + 60_000
    memory.close()
    gc.collect()
    assert resident("Rss") < before + 30_000


def test_large_memory_is_in_huge_pages():
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text():
        pytest.skip("the system gives no huge pages")
    before = resident("AnonHugePages")
    with Memory(32 << 20) as memory:
        memory.array[:] = 1
        assert resident("AnonHugePages") > before


def test_a_file_is_read_to_its_place(tmp_path: Path):
    path = tmp_path / "data"
    data = np.random.default_rng(0).integers(0, 256, 5_000_000, dtype=np.uint8)
    path.write_bytes(data.tobytes())
    with Memory(4_000_000) as memory:
        read_into(memory.array.data[10:], path, 7)
        assert not memory.array[:10].any()
        assert np.array_equal(memory.array[10:], data[7 : 7 + 4_000_000 - 10])


def test_a_short_or_missing_file_is_refused(tmp_path: Path):
    path = tmp_path / "data"
    path.write_bytes(b"123456")
    with Memory(10) as memory:
        with pytest.raises(InputError, match=r"data: ends at byte 6, expected 6 more"):
            read_into(memory.array.data, path, 2)
        with pytest.raises(InputError, match=r"absent: cannot be read: No such file"):
            read_into(memory.array.data, tmp_path / "absent", 0)
