"""Object files kept on disk, so that what was compiled once is loaded at once.

A file is named by its key, the digest of everything that decides what is in it. It holds a head (what it is, the length
and the digest of the rest) and the object. A file that is not what its head says is as good as none, and is written
anew. Files appear whole, by renaming, so that processes can share a folder and be killed at any time. A folder that
cannot be used costs time only: `problem` says why it is not used.
"""

from __future__ import annotations

import hashlib
import os
import struct
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from llmir.errors import OutputError
from llmir.program.files import new_file

OVERRIDE = "LLMIR_CACHE"
"""The environment variable that names the folder to keep objects in."""

HEAD = struct.Struct("<8sQ32s")
MAGIC = b"LLMIROBJ"
SUFFIX = ".object"
LIMIT_BYTES = 512 << 20
"""How much is kept: what was read or written last."""
ABANDONED_SECONDS = 3600
"""After how long a file that is not finished belongs to a process that was killed."""


def default_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Where objects are kept: `LLMIR_CACHE`, or `llmir` in the folder the platform has for caches.

    That is `XDG_CACHE_HOME` or `~/.cache`, on macOS `~/Library/Caches`, on Windows `LOCALAPPDATA`.
    """
    given = environment.get(OVERRIDE)
    if given:
        return Path(given)
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / "llmir"
    named = environment.get("LOCALAPPDATA" if platform == "win32" else "XDG_CACHE_HOME", "")
    base = Path(named)
    return (base if base.is_absolute() else Path.home() / ".cache") / "llmir"


def key_of(*parts: str | bytes) -> str:
    """The key of what these parts decide; other parts have another."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(struct.pack("<Q", len(data)))
        digest.update(data)
    return digest.hexdigest()


class ObjectCache:
    """Objects by key in a folder, `default_folder()` when left out. `problem` says why nothing is read or kept."""

    def __init__(self, folder: Path | None = None, limit_bytes: int = LIMIT_BYTES):
        self.folder = default_folder() if folder is None else folder
        self.limit_bytes = limit_bytes
        self.problem: str | None = None
        self._lock = threading.Lock()

    def path(self, key: str) -> Path:
        """Where the object of a key is."""
        return self.folder / f"{key}{SUFFIX}"

    def get(self, key: str) -> bytes | None:
        """The object of a key; None when it is not there, or damaged."""
        path = self.path(key)
        try:
            if not self._is_ours():
                return None
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as e:
            self.problem = f"{path}: cannot be read: {e.strerror}"
            return None
        found = _checked(data)
        if found is not None:
            self._touch(path)
        return found

    def put(self, key: str, data: bytes) -> None:
        """Keep an object. What cannot be written is not kept; `problem` says why."""
        head = HEAD.pack(MAGIC, len(data), hashlib.sha256(data).digest())
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._is_ours():
                return
            with self._lock, new_file(self.path(key)) as file:
                file.write(head)
                file.write(data)
            self._make_room()
        except OutputError as e:
            self.problem = str(e)
        except OSError as e:
            self.problem = f"{self.folder}: cannot be written: {e.strerror}"

    def _is_ours(self) -> bool:
        """True when nobody else may have put code there for this process to run."""
        if not hasattr(os, "getuid"):
            return True
        try:
            status = self.folder.stat()
        except FileNotFoundError:
            return False
        if status.st_uid == os.getuid() and not status.st_mode & 0o022:
            return True
        self.problem = f"{self.folder}: is not used, others than its owner may write there, or you are not its owner"
        return False

    @staticmethod
    def _touch(path: Path) -> None:
        try:
            os.utime(path)
        except OSError:
            return  # it may be read-only, and only loses its place among those read last

    def _make_room(self) -> None:
        """Remove what was used longest ago, beyond the limit, and what killed processes left."""
        now = time.time()
        files: list[tuple[float, int, Path]] = []
        for entry in os.scandir(self.folder):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if entry.name.endswith(SUFFIX):
                files.append((status.st_mtime, status.st_size, Path(entry.path)))
            elif entry.name.endswith(".partial") and now - status.st_mtime > ABANDONED_SECONDS:
                Path(entry.path).unlink(missing_ok=True)
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files)[:-1]:
            if total <= self.limit_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size


def _checked(data: bytes) -> bytes | None:
    """The object in a file's bytes, None when they are not what was written."""
    if len(data) < HEAD.size:
        return None
    magic, length, digest = HEAD.unpack_from(data)
    content = data[HEAD.size :]
    if magic != MAGIC or len(content) != length or hashlib.sha256(content).digest() != digest:
        return None
    return content
