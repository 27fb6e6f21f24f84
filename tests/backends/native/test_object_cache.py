"""The cache of objects: what is damaged, shared, killed, or not to be written to."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmir.backends.native.object_cache import ABANDONED_SECONDS, HEAD, ObjectCache, default_folder, key_of

KEY = key_of("text", "version")
DATA = bytes(range(256)) * 8


def cache(tmp_path: Path, limit_bytes: int = 1 << 20) -> ObjectCache:
    return ObjectCache(tmp_path / "objects", limit_bytes)


def test_what_is_put_is_got(tmp_path: Path) -> None:
    objects = cache(tmp_path)
    assert objects.get(KEY) is None
    objects.put(KEY, DATA)
    assert objects.get(KEY) == DATA
    assert cache(tmp_path).get(KEY) == DATA
    assert cache(tmp_path).get(key_of("another")) is None
    assert objects.problem is None
    assert stat.S_IMODE(objects.folder.stat().st_mode) == 0o700
    assert os.listdir(objects.folder) == [f"{KEY}.object"]


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_keys_differ_where_parts_do(a: list[str], b: list[str]) -> None:
    assert (key_of(*a) == key_of(*b)) == (a == b)


@pytest.mark.parametrize("at", [0, 8, 20, HEAD.size - 1, HEAD.size, HEAD.size + 100, HEAD.size + len(DATA) - 1])
def test_a_flipped_bit_is_found_and_repaired(tmp_path: Path, at: int) -> None:
    objects = cache(tmp_path)
    objects.put(KEY, DATA)
    damaged = bytearray(objects.path(KEY).read_bytes())
    damaged[at] ^= 0x10
    objects.path(KEY).write_bytes(damaged)
    assert objects.get(KEY) is None
    objects.put(KEY, DATA)
    assert objects.get(KEY) == DATA


@pytest.mark.parametrize("length", [0, 1, HEAD.size - 1, HEAD.size, HEAD.size + 1, HEAD.size + len(DATA) - 1])
def test_a_truncated_file_is_found_and_repaired(tmp_path: Path, length: int) -> None:
    objects = cache(tmp_path)
    objects.put(KEY, DATA)
    os.truncate(objects.path(KEY), length)
    assert objects.get(KEY) is None
    objects.put(KEY, DATA)
    assert objects.get(KEY) == DATA


def test_a_file_that_goes_on_is_found(tmp_path: Path) -> None:
    objects = cache(tmp_path)
    objects.put(KEY, DATA)
    with objects.path(KEY).open("ab") as file:
        file.write(b"\0")
    assert objects.get(KEY) is None


def test_a_folder_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    objects = cache(tmp_path)
    objects.put(KEY, DATA)
    objects.folder.chmod(0o777)
    assert objects.get(KEY) is None
    assert objects.problem == (
        f"{objects.folder}: is not used, others than its owner may write there, or you are not its owner"
    )
    objects.put(key_of("more"), DATA)
    assert os.listdir(objects.folder) == [f"{KEY}.object"]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    objects = ObjectCache(tmp_path / "file" / "objects")
    objects.put(KEY, DATA)
    assert objects.get(KEY) is None
    assert objects.problem is not None
    assert str(tmp_path / "file") in objects.problem


def test_a_read_only_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = cache(tmp_path)
    objects.put("key", b"data")
    objects.folder.chmod(0o555)
    if os.getuid() == 0:  # root may write anywhere, so it is told what others are told
        monkeypatch.setattr(Path, "open", refuse)
        monkeypatch.setattr(os, "utime", refuse)
    objects.put("other", b"data")
    assert objects.problem is not None
    assert objects.problem.endswith("cannot be written: Permission denied")
    monkeypatch.undo()
    assert objects.get("other") is None
    with monkeypatch.context() as patched:
        patched.setattr(os, "utime", refuse)
        assert objects.get("key") == b"data"


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


WRITER = """
import sys
from pathlib import Path
from llmir.backends.native.object_cache import ObjectCache
objects = ObjectCache(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    for key in "abc":
        objects.put(key, key.encode() * 100_000)
        got = objects.get(key)
        assert got is not None and got == key.encode() * 100_000
"""


def test_processes_share_a_folder_and_may_be_killed(tmp_path: Path) -> None:
    folder = tmp_path / "objects"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE) for _ in range(3)]
    objects = ObjectCache(folder)
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            for key in "abc":
                assert objects.get(key) in (None, key.encode() * 100_000)
        assert all(writer.poll() is None for writer in writers)
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert [writer.returncode for writer in writers] == [-signal.SIGKILL] * 3
    for key in "abc":
        objects.put(key, DATA)
        assert objects.get(key) == DATA


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    objects = cache(tmp_path)
    objects.put(KEY, DATA)
    old, new = (objects.folder / f".{name}.object.1.partial" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - ABANDONED_SECONDS - 1))
    objects.put(key_of("next"), DATA)
    assert not old.exists()
    assert new.exists()


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    objects = cache(tmp_path, limit_bytes=3 * (len(DATA) + HEAD.size))
    for age, key in enumerate("abc"):
        objects.put(key, DATA)
        os.utime(objects.path(key), (0, 1000 + age))
    assert objects.get("a") == DATA
    objects.put("d", DATA)
    assert [objects.get(key) is not None for key in "abcd"] == [True, False, True, True]


def test_one_object_is_kept_however_large(tmp_path: Path) -> None:
    objects = cache(tmp_path, limit_bytes=10)
    objects.put("a", DATA)
    os.utime(objects.path("a"), (0, 1))
    objects.put("b", DATA)
    assert objects.get("a") is None
    assert objects.get("b") == DATA


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"LLMIR_CACHE": "/somewhere"}, "linux", Path("/somewhere")),
        ({"LLMIR_CACHE": "/somewhere", "XDG_CACHE_HOME": "/x"}, "linux", Path("/somewhere")),
        ({"XDG_CACHE_HOME": "/x"}, "linux", Path("/x/llmir")),
        ({"XDG_CACHE_HOME": "relative"}, "linux", Path.home() / ".cache" / "llmir"),
        ({"LLMIR_CACHE": ""}, "linux", Path.home() / ".cache" / "llmir"),
        ({}, "darwin", Path.home() / "Library" / "Caches" / "llmir"),
        ({"LOCALAPPDATA": "/local"}, "win32", Path("/local/llmir")),
    ],
)
def test_where_objects_are_kept(environment: dict[str, str], platform: str, expected: Path) -> None:
    assert default_folder(environment, platform) == expected
