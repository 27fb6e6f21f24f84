"""A program: a module, its weights, and the files it travels with; as a folder on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.utils.exceptions import ParseError, VerifyException

from llmir import __version__
from llmir.dialects.llm.weights import symbol_errors, weights
from llmir.dialects.parser import parse_module
from llmir.errors import InputError
from llmir.program.absent import NO_WEIGHTS, absent_store
from llmir.program.context import LLMContext, Progress, ignore_progress
from llmir.program.files import new_folder, read_bytes
from llmir.program.folder import FILES, MANIFEST, MODEL, TOKENIZER, WEIGHTS, companions
from llmir.program.irregular_weights import fits
from llmir.program.quantized_weights import weight_layouts
from llmir.program.safetensors_file import open_safetensors, total_bytes, write_safetensors
from llmir.program.store import WeightStore
from llmir.program.tensors import Tensor


@dataclass
class Program:
    """A module plus its weights.

    `name` is what the user called it; `files` are tokenizer and configuration as they came, by file name;
    `history` is what made it: {"source": ...} and {"pipeline": ...} steps, oldest first; `notes` are what the
    reader of the source file left out or changed, to be reported.
    """

    module: ModuleOp
    weights: WeightStore
    name: str
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    history: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    notes: list[str] = field(default_factory=list[str])

    def context(self, progress: Progress = ignore_progress) -> LLMContext:
        """A context for passes over this program."""
        return LLMContext.new(self.weights, self.files.get(TOKENIZER), progress)

    def stored_tensors(self) -> dict[str, Tensor]:
        """Every tensor the module's weights are made of; InputError when one is missing or of another shape."""
        stored: dict[str, Tensor] = {}
        for op in weights(self.module).values():
            for name, (dtype, shape) in weight_layouts(op.store_key, op.type).items():
                tensor = self.weights[name]
                if tensor.dtype != dtype or not fits(tensor.shape, shape):
                    raise InputError(
                        f"{self.name}: tensor '{name}' is {tensor.dtype} {list(tensor.shape)}, "
                        f"but the module declares {dtype} {list(shape)}"
                    )
                stored[name] = tensor
        return stored

    @property
    def has_weights(self) -> bool:
        """False for a program without values, see `llmir.program.absent`."""
        return NO_WEIGHTS not in self.module.attributes

    def weight_bytes(self) -> int:
        """Bytes of all stored tensors."""
        return total_bytes(self.stored_tensors().values())

    def save(self, path: Path, progress: Progress = ignore_progress) -> None:
        """Write the program as a folder, atomically; InputError when it cannot be written."""
        tensors = self.stored_tensors()
        if self.has_weights:
            self.module.attributes["llm.weights"] = StringAttr(WEIGHTS)
        with new_folder(path, FILES) as folder:
            (folder / MODEL).write_text(str(self.module) + "\n")
            for name, content in self.files.items():
                (folder / name).write_bytes(content)
            digests = _write_weights(folder / WEIGHTS, tensors, progress) if self.has_weights else {}
            manifest = {
                "llmir": __version__,
                "history": self.history,
                "fingerprint": fingerprint(digests),
                "tensors": digests,
            }
            (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def _write_weights(path: Path, tensors: dict[str, Tensor], progress: Progress) -> dict[str, str]:
    """Write a safetensors file; the SHA-256 of each tensor's bytes."""
    hashes: dict[str, Any] = {name: hashlib.sha256() for name in sorted(tensors)}
    done, total = 0, total_bytes(tensors.values())
    with path.open("wb") as file:
        for name, array in write_safetensors(file, tensors):
            hashes[name].update(array.reshape(-1).view("u1").data)
            done += array.nbytes
            progress("saving", done, total)
    return {name: h.hexdigest() for name, h in hashes.items()}


def fingerprint(digests: dict[str, str]) -> str:
    """One hash of all tensors: SHA-256 over their sorted names and hashes."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def open_program(path: Path) -> Program:
    """Open a program folder; InputError names what is wrong with it."""
    manifest = _manifest(path / MANIFEST)
    module = parse_program_text(_module_text(path / MODEL), str(path / MODEL))
    store = absent_store(module, str(path))
    if store is None:
        store = WeightStore(dict(open_safetensors(path / WEIGHTS)), str(path / WEIGHTS))
    program = Program(module, store, str(path), companions(path), manifest["history"])
    program.stored_tensors()
    return program


def open_program_text(path: Path) -> Program:
    """Open a module's text; its `llm.weights` names a file in the same folder, where the tokenizer may be too."""
    module = parse_program_text(_module_text(path), str(path))
    store = absent_store(module, str(path)) or _named_weights(module, path)
    program = Program(module, store, str(path), companions(path.parent), [{"source": path.name, "format": "mlir"}])
    program.stored_tensors()
    return program


def _named_weights(module: ModuleOp, path: Path) -> WeightStore:
    """The file that a module's text names."""
    named = module.attributes.get("llm.weights")
    if not isinstance(named, StringAttr) or Path(named.data).name != named.data:
        raise InputError(f'{path}: needs the attribute llm.weights = "FILE", a file in its own folder')
    return WeightStore(dict(open_safetensors(path.parent / named.data)), str(path.parent / named.data))


def parse_program_text(text: str, name: str) -> ModuleOp:
    """Parse and verify a module; InputError says what is wrong with it, and where the text cannot be parsed."""
    try:
        module = parse_module(LLMContext.new(), text, name)
        module.verify()
    except ParseError as e:
        line = text.count("\n", 0, e.span.start) + 1
        column = e.span.start - text.rfind("\n", 0, e.span.start)
        raise InputError(f"{name}: line {line}, column {column}: {e.msg}") from e
    except VerifyException as e:
        raise InputError(f"{name}: {e}") from e
    for op, message in symbol_errors(module):
        raise InputError(f"{name}: '{op.name}' {message}")
    return module


def _module_text(path: Path) -> str:
    try:
        return read_bytes(path, "the program's module").decode()
    except UnicodeDecodeError as e:
        raise InputError(f"{path}: not UTF-8 text: {e}") from e


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: Any = json.loads(read_bytes(path, "the program's manifest"))
    except (ValueError, RecursionError) as e:
        raise InputError(f"{path}: not JSON: {e}") from e
    known = cast(dict[str, Any], manifest) if isinstance(manifest, dict) else {}
    history = known.get("history")
    steps = cast(list[Any], history) if isinstance(history, list) else [None]
    if not all(isinstance(s, dict) for s in steps) or not all(steps):
        raise InputError(f"{path}: not the manifest of a program, it needs a list 'history' of objects")
    return known
