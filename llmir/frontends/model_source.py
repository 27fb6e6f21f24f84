"""A model as files: what tells it from other models, and the files that come with it, without opening it.

Nothing here knows the compiler, so that a model that was compiled before starts at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llmir import __version__, demo
from llmir.backends.native import program_cache
from llmir.backends.native.object_cache import ObjectCache, key_of
from llmir.errors import InputError
from llmir.program.folder import CONFIG, INDEX, MANIFEST, MODEL, companions, is_huggingface, is_program

HEAD_BYTES = 1 << 16
"""How much of a GGUF file is looked at besides its size and times."""


@dataclass(frozen=True)
class ModelSource:
    """A model that was not opened: what the user called it, and its `identity`, which no other files have.

    `folder` is where its companion files are, None when they are inside the model's own file.
    """

    name: str
    identity: str
    folder: Path | None

    def check(self) -> None:
        """InputError when its files are not those of the identity any more."""
        now = model_source(self.name)
        if now is None or now.identity != self.identity:
            raise InputError(f"{self.name}: its files were changed while they were read; run it again")


def model_source(name: str) -> ModelSource | None:
    """The files of a program or Hugging Face folder, or a GGUF file; None for anything else, or what cannot be read.

    The identity is of texts (a program's module and manifest, config.json) and of the files with values their size,
    times and place on the disk. It is to be taken before they are read.
    """
    if name == "demo" and not Path(name).exists():
        path = demo.MODEL
    else:
        path = Path(name)
        name = str(path)
    try:
        if path.is_file() and path.suffix == ".gguf":
            return ModelSource(name, key_of("gguf", _head(path), _stamp(path)), None)
        if is_program(path):
            return ModelSource(name, _identity("program", path, [MODEL, MANIFEST]), path)
        if is_huggingface(path):
            return ModelSource(name, _identity("huggingface", path, [CONFIG, INDEX]), path)
    except OSError:
        return None
    return None


def _identity(kind: str, folder: Path, texts: Sequence[str]) -> str:
    """Of texts in a folder, as far as they are there, and of all files with values."""
    read = [(folder / text).read_bytes() if (folder / text).is_file() else b"" for text in texts]
    return key_of(kind, *read, *map(_stamp, sorted(folder.glob("*.safetensors"))))


def _stamp(path: Path) -> str:
    """What changes when a file is written to, or another one takes its place, even if its time is set back."""
    s = path.stat()
    return f"{path.name} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_dev} {s.st_ino}"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def kept_companions(source: ModelSource) -> dict[str, bytes] | None:
    """The companion files of a model: those in its folder, or those kept when its file was opened, None for none."""
    if source.folder is not None:
        return companions(source.folder)
    data = ObjectCache().get(_key(source))
    return None if data is None else _decoded(data)


def keep_companions(source: ModelSource, files: dict[str, bytes]) -> None:
    """Keep what is in no folder, if possible."""
    if source.folder is None:
        ObjectCache().put(_key(source), _encoded(files))


def _key(source: ModelSource) -> str:
    return key_of("companions", __version__, program_cache.compiler_state(), source.identity)


def _encoded(files: dict[str, bytes]) -> bytes:
    """Names and sizes, then the contents."""
    head = json.dumps({name: len(content) for name, content in files.items()}).encode()
    return b"".join([len(head).to_bytes(4, "little"), head, *files.values()])


def _decoded(data: bytes) -> dict[str, bytes]:
    at = 4 + int.from_bytes(data[:4], "little")
    files: dict[str, bytes] = {}
    for name, size in json.loads(data[4:at]).items():
        files[name] = data[at : at + size]
        at += size
    return files
