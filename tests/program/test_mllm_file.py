"""The `.mllm` container: files of every generation, and files that contradict themselves."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

import llmir.program.mllm_file as module_under_test
from llmir.errors import InputError
from llmir.formats.mllm import PRE_V2_ENTRY, PRE_V2_HEADER, PRE_V2_MAGIC, TYPES, UNSIZED, V1_TYPES, V2_ENTRY, V2_HEADER
from llmir.program.mllm_file import open_mllm_file

DATA = Path(__file__).parent / "data" / "mllm"
SAMPLES = {"v1": "v1", "v2_static": "v2", "v2_streaming": "v2", "prev2": "pre-v2"}


def v1_file(path: Path, *entries: tuple[bytes, int, int, int], data: bytes = b"", length: int | None = None) -> Path:
    """A v1 file of entries (name, bytes, offset from the data's begin, dtype)."""
    size = sum(4 + len(name) + 20 for name, *_ in entries)
    parts = [struct.pack("<iQ", 20012, size if length is None else length)]
    for name, nbytes, offset, dtype in entries:
        parts += [struct.pack("<I", len(name)), name, struct.pack("<QQi", nbytes, 12 + size + offset, dtype)]
    path.write_bytes(b"".join([*parts, data]))
    return path


def v2_entry(
    name: bytes = b"w", dtype: int = 0, size: int = 16, offset: int = 532 + 352, shape: tuple[int, ...] = (4,)
) -> bytes:
    return V2_ENTRY.pack(0, dtype, size, offset, len(shape), *shape, *[0] * (16 - len(shape)), name)


def v2_file(path: Path, *entries: bytes, data: bytes = bytes(64), count: int | None = None, start: int = 532) -> Path:
    header = V2_HEADER.pack(0x519A, 2, b"m", len(entries) if count is None else count, start)
    path.write_bytes(header + b"".join(entries) + data)
    return path


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        open_mllm_file(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("sample", SAMPLES)
def test_samples(sample: str) -> None:
    file = open_mllm_file(DATA / f"sample_{sample}.mllm")
    assert file.generation == SAMPLES[sample]
    assert file.model_name == ("demo" if sample == "prev2" else "")
    assert file.notes == ()
    expected = np.load(DATA / "expected.npz")
    tensors = {key[4:]: expected[key] for key in expected if key[:2].isdigit()}
    assert list(file.entries) == list(tensors)
    for (name, entry), code in zip(file.entries.items(), expected["dtype_codes_v1_v2"], strict=True):
        values = file.plain(name).read()
        if name.endswith("q_proj.weight"):
            assert entry.type.name == ("Int8" if sample == "prev2" else "Byte")
            values = values.view(np.uint8)
        elif sample != "prev2":
            assert entry.type == TYPES[code]
        shape = tensors[name].shape if sample != "v1" else (tensors[name].size,)
        assert values.shape == shape
        assert np.array_equal(values, tensors[name].reshape(shape))


@pytest.mark.parametrize("code", sorted(TYPES))
def test_every_type_is_sized(code: int, tmp_path: Path) -> None:
    type = TYPES[code]
    path = v2_file(
        tmp_path / "f.mllm",
        v2_entry(dtype=code, size=2 * type.bytes, shape=(2, type.elements)),
        data=bytes(range(1, 1 + min(2 * type.bytes, 250))) + bytes(600),
    )
    file = open_mllm_file(path)
    assert file.entries["w"].nbytes == 2 * type.bytes
    assert file.bytes("w").read()[0] == 1


def test_bytes_of_elements() -> None:
    """Element sizes as published for the plain types."""
    sizes = {0: 4, 1: 2, 16: 1, 17: 2, 18: 4, 128: 2, 129: 1, 130: 2, 131: 4, 132: 8, 133: 8, 134: 1, 136: 1, 137: 1}
    sizes |= {code: 1 if (code - 140) // 4 % 2 == 0 else 2 for code in range(140, 156)} | {156: 1, 201: 8, 202: 16}
    blocks = {2: (32, 18), 8: (32, 34), 12: (256, 144), 14: (256, 210), 15: (256, 292), 23: (256, 110), 24: (256, 84)}
    assert {code: TYPES[code].bytes for code in sizes} == sizes
    assert {code: (TYPES[code].elements, TYPES[code].bytes) for code in blocks} == blocks


@pytest.mark.parametrize(
    ("code", "name"),
    [(140, "Int8PerTensorSym"), (141, "Int8PerChannelSym"), (147, "UInt16PerChannelSym"), (150, "UInt8PerTensorAsym")],
)
def test_names_of_quantized_integers(code: int, name: str) -> None:
    assert TYPES[code].name == name


@pytest.mark.parametrize("code", [*UNSIZED, 4, 31, 77, 200, 4_000_000_000])
def test_types_that_cannot_be_read(code: int, tmp_path: Path) -> None:
    path = v2_file(tmp_path / "f.mllm", v2_entry(dtype=code))
    known = f"has data type {code} ({UNSIZED[code]}), whose layout is not known" if code in UNSIZED else None
    assert refused(path) == f"tensor 'w' {known or f'has unknown data type {code}'}"


def test_v1_has_a_type_of_its_own(tmp_path: Path) -> None:
    path = v1_file(tmp_path / "f.mllm", (b"w", 3, 0, 31), data=b"abc")
    assert open_mllm_file(path).entries["w"].type is V1_TYPES[31]
    assert "has data type 33 (Q2_0)" in refused(v1_file(tmp_path / "g.mllm", (b"w", 3, 0, 33), data=b"abc"))


def test_v1_blocks(tmp_path: Path) -> None:
    path = v1_file(tmp_path / "f.mllm", (b"w", 36, 0, 2), data=bytes(36))
    assert open_mllm_file(path).entries["w"].shape == (64,)
    assert refused(v1_file(tmp_path / "g.mllm", (b"w", 35, 0, 2), data=bytes(36))) == (
        "tensor 'w' has 35 bytes, not a multiple of 18 (Q4_0)"
    )


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_truncation(sample: str, tmp_path: Path) -> None:
    whole = (DATA / f"sample_{sample}.mllm").read_bytes()
    path = tmp_path / "cut.mllm"
    for length in [*range(24), *range(24, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        message = refused(path)
        assert any(word in message for word in ("truncated", "empty", "not a .mllm file", "descriptor")), message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty, not a .mllm file"),
        (b"GGUF" + bytes(64), "not a .mllm file: it starts with 47475546, expected 20012 or 0x519a as int32"),
        (struct.pack("<ii", 0x519A, 3) + bytes(600), "has version 3, expected 2"),
        (struct.pack("<iQ", 20012, 1 << 63), "truncated: its descriptors end at byte 9223372036854775820"),
        (struct.pack("<iQ", 20012, 30) + b"\xff\xff\xff\xff" + bytes(60), "has a name of 4294967295 bytes"),
        (struct.pack("<iQ", 20012, 3) + bytes(60), "truncated: descriptor 0 needs 4 bytes at byte 12, but there are 3"),
        (V2_HEADER.pack(0x519A, 2, b"", 4_000_000_000, 532) + bytes(99), "truncated: its 4000000000 descriptors end"),
        (V2_HEADER.pack(0x519A, 2, b"", 1, 8) + bytes(999), "start at byte 8, inside the header of 532 bytes"),
        (V2_HEADER.pack(0x519A, 2, b"\xff", 0, 532), "the name in the model's name is not UTF-8 (byte 0)"),
        (PRE_V2_HEADER.pack(PRE_V2_MAGIC, b"m", 9) + bytes(99), "truncated: its 9 descriptors end at byte 4012"),
    ],
)
def test_headers(content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "f.mllm").write_bytes(content)
    assert expected in refused(tmp_path / "f.mllm")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([v2_entry(b"\xff\xfe")], "the name in descriptor 0 is not UTF-8 (byte 0)"),
        ([v2_entry(b"")], "descriptor 0 has an empty name"),
        ([v2_entry(size=15)], "tensor 'w' has 15 bytes, but Float32 of shape [4] takes 16"),
        ([v2_entry(shape=(4, -1))], "tensor 'w' has shape [4, -1], dimensions cannot be negative"),
        ([v2_entry(dtype=2, shape=(33,))], "tensor 'w' of shape [33]: 33 elements are not whole Q4_0 blocks of 32"),
        ([v2_entry(shape=(1 << 30, 1 << 30, 1 << 30))], "takes 4951760157141521099596496896"),
        ([v2_entry(offset=1 << 60)], "truncated: tensor 'w' ends at byte 1152921504606846992"),
        ([v2_entry(offset=600)], "tensor 'w' starts at byte 600, inside the descriptors, which end at 884"),
        ([v2_entry(offset=1236)] * 2, "tensor 'w' is listed twice"),
        (
            [v2_entry(b"a", offset=1236), v2_entry(b"b", offset=1244)],
            "tensors 'a' and 'b' overlap at byte 1244",
        ),
        ([V2_ENTRY.pack(0, 0, 0, 884, 17, *[0] * 16, b"w")], "tensor 'w' has 17 dimensions, at most 16 are possible"),
    ],
)
def test_descriptors(entries: list[bytes], expected: str, tmp_path: Path) -> None:
    assert expected in refused(v2_file(tmp_path / "f.mllm", *entries))


def test_v1_descriptors(tmp_path: Path) -> None:
    path = v1_file(tmp_path / "f.mllm", (b"\xff", 4, 0, 0), data=bytes(8))
    assert refused(path) == "the name in descriptor 0 is not UTF-8 (byte 0)"
    path = v1_file(tmp_path / "f.mllm", (b"w", 4, 0, 0), (b"w", 4, 4, 0), data=bytes(8))
    assert refused(path) == "tensor 'w' is listed twice"
    path = v1_file(tmp_path / "f.mllm", (b"v", 8, 0, 0), (b"w", 4, 4, 0), data=bytes(8))
    assert refused(path) == "tensors 'v' and 'w' overlap at byte 66"


def test_a_missing_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "f.mllm") == "cannot be read: No such file or directory"


def test_what_is_passed_over_is_noted(tmp_path: Path) -> None:
    """Bytes between header and descriptors, and behind a tensor's values."""
    header = V2_HEADER.pack(0x519A, 2, b"", 1, 540)
    path = tmp_path / "f.mllm"
    path.write_bytes(header + bytes(8) + v2_entry(size=24, offset=892) + np.arange(6, dtype=np.float32).tobytes())
    file = open_mllm_file(path)
    assert file.plain("w").read().tolist() == [0, 1, 2, 3]
    assert file.notes == (
        "8 bytes between header and descriptors were ignored",
        "1 tensors have bytes after their values, which were ignored",
    )


def test_pre_v2_dimensions_have_64_bits(tmp_path: Path) -> None:
    entry = PRE_V2_ENTRY.pack(0, 9, 8, 268 + 416, 2, 2, 1 << 40, *[0] * 14, b"w")
    (tmp_path / "f.mllm").write_bytes(PRE_V2_HEADER.pack(PRE_V2_MAGIC, b"", 1) + entry + bytes(8))
    assert "tensor 'w' has 8 bytes, but Float32 of shape [2, 1099511627776] takes" in refused(tmp_path / "f.mllm")


def test_too_many_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_under_test, "MAX_ENTRIES", 1)
    path = v2_file(tmp_path / "f.mllm", v2_entry(b"a", offset=1236), v2_entry(b"b", offset=1252))
    assert refused(path) == "lists 2 tensors, at most 1 are read"
    path = v1_file(tmp_path / "g.mllm", (b"a", 4, 0, 0), (b"b", 4, 4, 0), data=bytes(8))
    assert refused(path) == "lists more than 1 tensors"
