"""A journal of finished tensors, so that an interrupted run continues instead of starting over.

A folder beside the output: `run.json` says what is being done to which source; each finished weight is one
line of `finished.jsonl`, naming its stored tensors and their files with SHA-256. A line is written after its
files, and what is read back is checked against the hashes, so a kill at any moment loses at most the weight
being worked on. The folder goes away when the run is complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from llmir.errors import InputError
from llmir.program.files import read_bytes
from llmir.program.safetensors_file import DTYPES, NAMES
from llmir.program.store import FileWriter, map_tensor
from llmir.program.tensors import Tensor

RUN, FINISHED = "run.json", "finished.jsonl"
Run = dict[str, str]
"""What identifies a run: its pipeline, and its source."""


class Journal:
    """Finished tensors of a run, in `folder`; `kept` counts the weights that need not be computed again."""

    def __init__(self, folder: Path, entries: dict[str, dict[str, Any]]):
        self.folder = folder
        self.kept = 0
        self._entries = entries

    @classmethod
    def start(cls, folder: Path, run: Run) -> Journal:
        """An empty journal; what another run left in the folder is dropped."""
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / RUN).write_text(json.dumps(run, indent=1))
        except OSError as e:
            raise InputError(f"{folder}: cannot be written: {e.strerror}") from e
        return cls(folder, {})

    @classmethod
    def resume(cls, folder: Path, run: Run) -> Journal:
        """The journal of an interrupted run; InputError when there is none or it was another run."""
        if not (folder / RUN).is_file():
            raise InputError(f"{folder}: there is no interrupted run to resume; run without --resume")
        try:
            before = json.loads(read_bytes(folder / RUN, "the journal"))
        except ValueError as e:
            raise InputError(f"{folder / RUN}: not JSON, the journal is damaged; run without --resume") from e
        for key, value in run.items():
            if before.get(key) != value:
                raise InputError(
                    f"{folder}: the interrupted run had another {key} ({before.get(key)}) than this one ({value}); "
                    "run without --resume"
                )
        return cls(folder, dict(_entries(folder / FINISHED)))

    def writer(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> FileWriter:
        """A writer for one stored tensor."""
        return FileWriter(dtype, shape, self._file(name).open("w+b"))

    def _file(self, name: str) -> Path:
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.bin"

    def record(self, names: Sequence[str], tensors: Sequence[Tensor]) -> None:
        """Note that the stored tensors of one weight, all written with `writer`, are complete."""
        line = {
            name: {"dtype": NAMES[tensor.dtype], "shape": tensor.shape, "sha256": _digest(self._file(name))}
            for name, tensor in zip(names, tensors, strict=True)
        }
        with (self.folder / FINISHED).open("a") as file:
            file.write(json.dumps(line) + "\n")

    def finished(self, names: Sequence[str]) -> list[Tensor] | None:
        """The stored tensors of a weight, if an interrupted run finished all of them and they are intact."""
        tensors: list[Tensor] = []
        for name in names:
            entry = self._entries.get(name)
            path = self._file(name)
            if entry is None or not path.is_file() or _digest(path) != entry["sha256"]:
                return None
            with path.open("rb") as file:
                tensors.append(map_tensor(file, DTYPES[entry["dtype"]], tuple(entry["shape"])))
        self.kept += 1
        return tensors

    def hint(self) -> str:
        """What to tell someone whose run was stopped."""
        return f"finished weights are kept in {self.folder}, run again with --resume to continue"

    def close(self) -> None:
        """Remove the folder; tensors mapped from it stay readable."""
        shutil.rmtree(self.folder, ignore_errors=True)


def journal_folder(output: Path) -> Path:
    """Where the journal of a run that writes `output` is kept."""
    output = output.resolve()
    return output.with_name(f".{output.name}.journal")


def identity(source: Path) -> str:
    """What a source is, without reading it: names, sizes and times of change of its files, hashed."""
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    known = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]
    return hashlib.sha256(repr(known).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entries(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Names and entries of all complete lines; a last line cut short by a kill is left out."""
    if not path.is_file():
        return []
    found: list[tuple[str, dict[str, Any]]] = []
    for line in path.read_bytes().split(b"\n"):
        try:
            entries = cast(dict[str, dict[str, Any]], json.loads(line) if line else {})
        except ValueError:
            continue
        found += entries.items()
    return found
