"""A program's folder as files: what may be in it, without reading what its text says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmir.program.files import read_bytes

MODEL, WEIGHTS, MANIFEST = "model.mlir", "weights.safetensors", "llmir.json"
TOKENIZER, TOKENIZER_CONFIG, CONFIG = "tokenizer.json", "tokenizer_config.json", "config.json"
CHAT_TEMPLATE, GENERATION_CONFIG = "chat_template.jinja", "generation_config.json"
COMPANIONS = (CONFIG, TOKENIZER, TOKENIZER_CONFIG, CHAT_TEMPLATE, GENERATION_CONFIG)
"""Files a model may come with; they travel with the program unchanged."""
FILES = (MANIFEST, MODEL, WEIGHTS, *COMPANIONS)
"""Every file a program folder can hold."""


def is_program(path: Path) -> bool:
    """True for a folder `Program.save` wrote."""
    return (path / MANIFEST).is_file()


def companions(folder: Path) -> dict[str, bytes]:
    """The files of `COMPANIONS` that are in a folder."""
    return {n: read_bytes(folder / n, "part of the model") for n in COMPANIONS if (folder / n).is_file()}


@dataclass(frozen=True)
class ProgramFolder:
    """A program that was not opened: its name and companion files, as `Program` has them."""

    path: Path
    name: str
    files: dict[str, bytes]

    @staticmethod
    def of(path: Path) -> ProgramFolder:
        """The folder at a path, which `is_program`; InputError when a file cannot be read."""
        return ProgramFolder(path, str(path), companions(path))

    def identity(self) -> bytes | None:
        """What tells its text and values from others', without reading the values; None when that cannot be told.

        That is the text, the manifest's fingerprint of the values, and size and time of the file that holds them.
        """
        try:
            text, status = (self.path / MODEL).read_bytes(), (self.path / WEIGHTS).stat()
            manifest: Any = json.loads((self.path / MANIFEST).read_bytes())
            return b"\0".join(
                [text, str(manifest["fingerprint"]).encode(), f"{status.st_size} {status.st_mtime_ns}".encode()]
            )
        except (OSError, ValueError, RecursionError, KeyError, TypeError):
            return None
