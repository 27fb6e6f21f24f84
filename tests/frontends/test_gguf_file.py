"""The GGUF container reader against files from gguf.GGUFWriter and against hand-damaged bytes."""

from __future__ import annotations

import struct
import tempfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFEndian, GGUFValueType, GGUFWriter, quants
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmir.errors import InputError
from llmir.frontends.gguf_file import GGUFFile

Q = GGMLQuantizationType
U8, U32, STRING, ARRAY = 0, 4, 8, 9

SCALARS = {"text": "naïve 文字", "count": 7, "negative": -3, "ratio": 0.25, "flag": True}
ARRAYS: dict[str, list[str] | list[int] | list[float] | list[bool]] = {
    "tokens": ["a", "", "Ġb", "😀"],
    "ids": [1, -2, 3],
    "scores": [0.5, -1.25],
    "flags": [True, False],
}


def weights() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)


def write_small(path: Path, endian: GGUFEndian = GGUFEndian.LITTLE) -> None:
    writer = GGUFWriter(path, "llama", endianess=endian)
    writer.add_string("text", "naïve 文字")
    writer.add_uint32("count", 7)
    writer.add_int64("negative", -3)
    writer.add_float32("ratio", 0.25)
    writer.add_bool("flag", True)
    for key, values in ARRAYS.items():
        writer.add_array(key, values)
    writer.add_tensor("dense", weights())
    writer.add_tensor("vector", np.arange(5, dtype=np.float32))
    writer.add_tensor("packed", quants.quantize(weights(), Q.Q4_1), raw_dtype=Q.Q4_1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    write_small(path)
    return path


def string(text: str | bytes) -> bytes:
    encoded = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(encoded)) + encoded


def field(key: str | bytes, value_type: int, value: bytes) -> bytes:
    return string(key) + struct.pack("<I", value_type) + value


def tensor(name: str, dims: Sequence[int], type: int, offset: int) -> bytes:
    layout = f"<I{len(dims)}QIQ"
    return string(name) + struct.pack(layout, len(dims), *dims, type, offset)


def container(fields: Sequence[bytes] = (), tensors: Sequence[bytes] = (), data: int = 0) -> bytes:
    """A version 3 file with `data` zero bytes of tensor data after the padding to 32."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields)) + b"".join(fields) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(data)


def refuse(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        GGUFFile.open(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_metadata_becomes_python_values(small: Path) -> None:
    with GGUFFile.open(small) as file:
        assert file.path == small
        assert file.version == 3
        assert file.fields["general.architecture"] == "llama"
        for key, value in SCALARS.items():
            assert file.fields[key] == value
            assert type(file.fields[key]) is type(value)
        for key, values in ARRAYS.items():
            read = file.fields[key]
            assert isinstance(read, list)
            assert read == values
            assert [type(item) for item in read] == [type(item) for item in values]


def test_tensors_are_row_major_views_of_the_file(small: Path) -> None:
    content = np.frombuffer(small.read_bytes(), np.uint8)
    with GGUFFile.open(small) as file:
        assert list(file.tensors) == ["dense", "vector", "packed"]
        dense, packed = file.tensors["dense"], file.tensors["packed"]
        assert (dense.shape, dense.type, dense.nbytes) == ((3, 64), Q.F32, 3 * 64 * 4)
        assert (packed.shape, packed.type, packed.nbytes) == ((3, 64), Q.Q4_1, 3 * 40)
        assert packed.bytes_per_row == 40
        assert packed.offset % 32 == 0
        np.testing.assert_array_equal(file.raw("dense").view(np.float32), weights())
        np.testing.assert_array_equal(file.raw("packed"), quants.quantize(weights(), Q.Q4_1))
        np.testing.assert_array_equal(file.raw("vector").view(np.float32), np.arange(5))
        raw = file.raw("packed")
        assert not raw.flags.writeable
        assert not raw.flags.owndata
        np.testing.assert_array_equal(raw.ravel(), content[packed.offset : packed.offset + packed.nbytes])


def test_version_2_has_the_same_layout(small: Path, tmp_path: Path) -> None:
    content = bytearray(small.read_bytes())
    content[4] = 2
    path = tmp_path / "v2.gguf"
    path.write_bytes(content)
    with GGUFFile.open(path) as file, GGUFFile.open(small) as original:
        assert file.version == 2
        assert file.fields == original.fields
        assert file.tensors == original.tensors


def test_own_alignment_moves_the_data(tmp_path: Path) -> None:
    path = tmp_path / "aligned.gguf"
    align = field("general.alignment", U32, struct.pack("<I", 256))
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + align + tensor("t", [4], 0, 0)
    path.write_bytes(head + bytes(256 - len(head)) + np.arange(4, dtype="<f4").tobytes())
    with GGUFFile.open(path) as file:
        assert file.tensors["t"].offset == 256
        np.testing.assert_array_equal(file.raw("t").view(np.float32), [0, 1, 2, 3])


def test_a_view_outlives_the_file(small: Path) -> None:
    with GGUFFile.open(small) as file:
        raw = file.raw("dense")
    np.testing.assert_array_equal(raw.view(np.float32), weights())


def test_release_keeps_views_valid(tmp_path: Path) -> None:
    path = tmp_path / "large.gguf"
    writer = GGUFWriter(path, "llama")
    values = np.random.default_rng(1).standard_normal((512, 512)).astype(np.float32)
    writer.add_tensor("large", values)
    writer.add_tensor("tiny", values[0, :3])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with GGUFFile.open(path) as file:
        raw = file.raw("large")
        assert np.array_equal(raw.view(np.float32), values)
        resident = _resident_bytes(path)
        file.release("large")
        file.release("tiny")
        if resident is not None:
            released = _resident_bytes(path)
            assert released is not None
            assert released <= resident - values.nbytes + 2 * 65536
        assert np.array_equal(raw.view(np.float32), values)


def _resident_bytes(path: Path) -> int | None:
    """Resident memory of the mapping of `path`, from the kernel's list where there is one."""
    table = Path("/proc/self/smaps")
    if not table.exists():
        return None
    inside = False
    for line in table.read_text().splitlines():
        if line.endswith(str(path)):
            inside = True
        elif inside and line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    return None


def test_unknown_tensor_name(small: Path) -> None:
    with GGUFFile.open(small) as file:
        with pytest.raises(InputError, match=r"small.gguf: has no tensor 'absent'"):
            file.raw("absent")
        with pytest.raises(InputError, match=r"small.gguf: has no tensor 'absent'"):
            file.release("absent")


def test_unreadable_paths(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.gguf: cannot be read: No such file"):
        GGUFFile.open(tmp_path / "absent.gguf")
    with pytest.raises(InputError, match=r"cannot be read: Is a directory"):
        GGUFFile.open(tmp_path)


def test_big_endian_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.gguf"
    write_small(path, GGUFEndian.BIG)
    with pytest.raises(InputError, match=r"big.gguf: is big-endian; only little-endian"):
        GGUFFile.open(path)


def test_array_length_limit_is_checked_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "sparse.gguf"
    head = container([field("k", ARRAY, struct.pack("<IQ", U8, (1 << 24) + 1))])
    path.write_bytes(head)
    with path.open("r+b") as file:
        file.truncate(1 << 26)
    with pytest.raises(InputError, match=r"'k' has 16777217 items; at most 16777216 are read"):
        GGUFFile.open(path)


HUGE = 1 << 63

REFUSED = {
    "empty": (b"", r"is empty, not a GGUF file"),
    "short": (b"GG", r"not a GGUF file: it does not start with 'GGUF'"),
    "magic": (b"ggml" + bytes(60), r"not a GGUF file"),
    "version 1": (
        b"GGUF" + struct.pack("<I", 1) + bytes(16),
        r"version 1 is not supported; versions 2 and",
    ),
    "version 99": (b"GGUF" + struct.pack("<I", 99) + bytes(16), r"version 99 is not supported"),
    "no version": (b"GGUF\x03", r"truncated: version needs 4 bytes at offset 4, but the file has 1 left"),
    "no counts": (b"GGUF" + struct.pack("<IQ", 3, 0), r"truncated: metadata count needs 8 bytes"),
    "tensor count": (
        b"GGUF" + struct.pack("<IQQ", 3, HUGE, 0) + bytes(40),
        r"tensor count 9223372036854775808 cannot fit in the 40 bytes that follow",
    ),
    "metadata count": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, HUGE) + bytes(40),
        r"metadata count 9223372036854775808 cannot fit",
    ),
    "key length": (
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, HUGE) + bytes(40),
        r"truncated: metadata key 0 needs 9223372036854775808 bytes",
    ),
    "key text": (container([field(b"\xff\xfe", U8, b"\0")]), r"metadata key 0 is not valid UTF-8 \(byte 0\)"),
    "string text": (container([field("k", STRING, string(b"ab\xff"))]), r"'k' is not valid UTF-8 \(byte 2\)"),
    "array text": (
        container([field("k", ARRAY, struct.pack("<IQ", STRING, 2) + string("a") + string(b"\xc3"))]),
        r"metadata 'k'\[1\] is not valid UTF-8",
    ),
    "duplicate key": (container([field("k", U8, b"\0")] * 2), r"metadata key 'k' occurs twice"),
    "value type": (container([field("k", 13, bytes(8))]), r"'k' has unknown value type 13; types 0 to 12"),
    "item type": (
        container([field("k", ARRAY, struct.pack("<IQ", 77, 0))]),
        r"'k' has unknown value type 77",
    ),
    "nested": (container([field("k", ARRAY, struct.pack("<IQ", ARRAY, 0))]), r"'k' is an array of arrays"),
    "bool": (container([field("k", 7, b"\2")]), r"'k' holds a boolean that is neither 0 nor 1"),
    "array length": (
        container([field("k", ARRAY, struct.pack("<IQ", U32, 1 << 20))]),
        r"truncated: metadata 'k' needs 4194304 bytes",
    ),
    "string count": (
        container([field("k", ARRAY, struct.pack("<IQ", STRING, 1 << 20))]),
        r"truncated: metadata 'k' needs 8388608 bytes",
    ),
    "alignment zero": (
        container([field("general.alignment", U32, bytes(4))]),
        r"general.alignment is 0; it must be a power of two",
    ),
    "alignment odd": (
        container([field("general.alignment", U32, struct.pack("<I", 48))]),
        r"general.alignment is 48; it must be a power of two",
    ),
    "alignment text": (
        container([field("general.alignment", STRING, string("32"))]),
        r"general.alignment is '32'; it must be a power of two",
    ),
    "duplicate tensor": (
        container(tensors=[tensor("t", [4], 0, 0), tensor("t", [4], 0, 32)], data=64),
        r"tensor 't' occurs twice",
    ),
    "rank 0": (container(tensors=[tensor("t", [], 0, 0)], data=64), r"'t' has 0 dimensions; 1 to 4 are"),
    "rank 5": (container(tensors=[tensor("t", [1] * 5, 0, 0)], data=64), r"'t' has 5 dimensions"),
    "empty dim": (
        container(tensors=[tensor("t", [4, 0], 0, 0)], data=64),
        r"'t' has shape \[0, 4\]; every dimension must be at least 1",
    ),
    "huge dims": (
        container(tensors=[tensor("t", [HUGE] * 4, 0, 0)], data=64),
        r"truncated: tensor 't' ends at byte \d{70,}, but the file has 160 bytes",
    ),
    "tensor type": (
        container(tensors=[tensor("t", [4], 31, 0)], data=64),
        r"'t' has unknown type 31; the installed gguf package knows 0 \(F32\), 1 \(F16\)",
    ),
    "row length": (
        container(tensors=[tensor("t", [40, 2], int(Q.Q4_1), 0)], data=64),
        r"'t' has rows of 40 elements, not a multiple of the Q4_1 block of 32",
    ),
    "past the end": (
        container(tensors=[tensor("t", [17], 0, 0)], data=64),
        r"truncated: tensor 't' ends at byte 132, but the file has 128 bytes",
    ),
    "offset": (
        container(tensors=[tensor("t", [4], 0, HUGE)], data=64),
        r"truncated: tensor 't' ends at byte 9223372036854775888",
    ),
    "misaligned": (
        container(tensors=[tensor("t", [4], 0, 16)], data=64),
        r"'t' is misaligned: offset 16 is not a multiple of 32",
    ),
    "overlap": (
        container(tensors=[tensor("a", [16], 0, 0), tensor("b", [4], 0, 32)], data=64),
        r"tensors 'a' and 'b' overlap",
    ),
    "long name": (
        container(tensors=[tensor("\n" * 500, [4], 0, 16)], data=64),
        r"tensor '(\\n)+\\?\.\.\. is misaligned",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_damaged_files_are_refused(tmp_path: Path, case: str) -> None:
    content, message = REFUSED[case]
    refuse(tmp_path / "bad.gguf", content, message)


def test_value_types_stop_at_12() -> None:
    assert sorted(int(value_type) for value_type in GGUFValueType) == list(range(13))


def _parse_within_memory(content: bytes) -> InputError | None:
    """Parse hostile bytes: success or an InputError, and never much more memory than the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hostile.gguf"
        path.write_bytes(content)
        tracemalloc.start()
        try:
            _read_everything(path)
        except InputError as error:
            return error
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 200_000 + 100 * len(content)
    return None


def _read_everything(path: Path) -> None:
    with GGUFFile.open(path) as file:
        for name, entry in file.tensors.items():
            assert int(file.raw(name).sum()) <= 255 * entry.nbytes


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_truncation_never_parses(small: Path, data: st.DataObject) -> None:
    content = small.read_bytes()
    with GGUFFile.open(small) as file:
        needed = max(entry.offset + entry.nbytes for entry in file.tensors.values())
    error = _parse_within_memory(content[: data.draw(st.integers(0, needed - 1))])
    assert error is not None
    assert "\n" not in str(error)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_flipped_bytes_never_crash(small: Path, data: st.DataObject) -> None:
    content = bytearray(small.read_bytes())
    with GGUFFile.open(small) as file:
        header_end = min(entry.offset for entry in file.tensors.values())
    flips = data.draw(st.lists(st.tuples(st.integers(0, header_end - 1), st.integers(0, 255)), min_size=1, max_size=8))
    for position, value in flips:
        content[position] = value
    error = _parse_within_memory(bytes(content))
    assert error is None or "\n" not in str(error)
