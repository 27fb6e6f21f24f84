"""Files of packed weights: round trips, damage anywhere, a writer that is killed, two writers at once."""

import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmir.backends.native import packed_file
from llmir.backends.native.packed_file import header_bytes, read_packed, write_packed

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
PIECE = packed_file.PIECE_BYTES
Bytes = NDArray[np.uint8]


def random_bytes(size: int, seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def write(path: Path, data: Bytes, key: bytes = KEY) -> None:
    write_packed(path, key, len(data), [(0, data)])


def content(path: Path, size: int, key: bytes = KEY, threads: int = 2) -> Bytes | None:
    memory = read_packed(path, key, size, threads)
    return None if memory is None else memory.array


@pytest.mark.parametrize("size", [1, 4096, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5])
@pytest.mark.parametrize("threads", [1, 3])
def test_round_trip(tmp_path: Path, size: int, threads: int):
    data = random_bytes(size)
    write(tmp_path / "w", data)
    read = content(tmp_path / "w", size, threads=threads)
    assert read is not None
    assert np.array_equal(read, data)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_parts_land_at_their_offsets_with_zeros_between(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    path = tmp_path_factory.mktemp("packed") / "w"
    lengths = data.draw(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 700)), max_size=12))
    offset, parts = 0, list[tuple[int, Bytes]]()
    expected = np.zeros(sum(map(sum, lengths)) + data.draw(st.integers(1, 900)), np.uint8)
    for seed, (gap, length) in enumerate(lengths):
        part = random_bytes(length, seed)
        offset += gap
        expected[offset : offset + length] = part
        parts.append((offset, part))
        offset += length
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_file, "PIECE_BYTES", 256)
        write_packed(path, KEY, len(expected), parts)
        read = content(path, len(expected))
    assert read is not None
    assert np.array_equal(read, expected)


@pytest.mark.parametrize("parts", [[(5, 10), (14, 3)], [(95, 6)]])
def test_parts_that_overlap_or_do_not_fit_are_refused(tmp_path: Path, parts: list[tuple[int, int]]):
    with pytest.raises(ValueError, match="does not fit behind"):
        write_packed(tmp_path / "w", KEY, 100, [(at, random_bytes(length)) for at, length in parts])
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_or_made_for_something_else_is_not_read(tmp_path: Path):
    assert content(tmp_path / "absent", 10) is None
    write(tmp_path / "w", random_bytes(100))
    assert content(tmp_path / "w", 100, OTHER) is None
    assert content(tmp_path / "w", 99) is None


def test_any_damaged_byte_that_matters_is_found(tmp_path: Path):
    path, size = tmp_path / "w", 2 * PIECE + 100
    write(path, random_bytes(size))
    whole = path.read_bytes()
    used = packed_file._FIXED.size + 4 * 3 + 32  # pyright: ignore[reportPrivateUsage]
    start = header_bytes(size)
    places = [*range(used), start, start + PIECE - 1, start + PIECE, start + size - 1]
    for at in places:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert content(path, size) is None, at
    for length in (0, 7, used - 1, start - 1, start, start + size - 1):
        path.write_bytes(whole[:length])
        assert content(path, size) is None, length
    path.write_bytes(whole + b"\0")
    assert content(path, size) is None
    path.write_bytes(whole)
    assert content(path, size) is not None


SLOW_WRITER = """
import sys, time
import numpy as np
from pathlib import Path
from llmir.backends.native.packed_file import PIECE_BYTES, write_packed

def parts():
    for i in range(4):
        yield i * PIECE_BYTES, np.full(PIECE_BYTES, i, np.uint8)
        print("part", flush=True)
        time.sleep(0 if i < 2 else 60)

write_packed(Path(sys.argv[1]), bytes(range(32)), 4 * PIECE_BYTES, parts())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")
def test_a_killed_writer_leaves_the_old_file_whole(tmp_path: Path):
    path, data = tmp_path / "w", random_bytes(4 * PIECE, 9)
    write(path, data)
    writer = subprocess.Popen([sys.executable, "-c", SLOW_WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for _ in range(3):
        assert writer.stdout.readline() == "part\n"
    assert len(list(tmp_path.iterdir())) == 2
    writer.kill()
    writer.wait()
    read = content(path, 4 * PIECE)
    assert read is not None
    assert np.array_equal(read, data)
    write(path, data[::-1].copy())
    assert content(path, 4 * PIECE) is not None


def write_repeatedly(path: Path, seed: int, until: float) -> None:
    while time.time() < until:
        write(path, random_bytes(PIECE + 1000, seed))


def test_two_processes_may_write_while_another_reads(tmp_path: Path):
    path = tmp_path / "w"
    versions = [random_bytes(PIECE + 1000, seed) for seed in (1, 2)]
    write(path, versions[0])
    until = time.time() + 0.7
    writers = [multiprocessing.Process(target=write_repeatedly, args=(path, seed, until)) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    reads = 0
    while time.time() < until:
        read = content(path, PIECE + 1000)
        if read is not None:  # opened one file and read another's bytes
            assert any(np.array_equal(read, version) for version in versions)
            reads += 1
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert reads > 0
    assert [p.name for p in tmp_path.iterdir()] == ["w"]
