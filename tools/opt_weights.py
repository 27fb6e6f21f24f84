"""The weights beside a module's text: opened when it is read, written when `--weights-output` asks for it.

The module's string attribute `llm.weights` names a safetensors file, relative to the module's own folder.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from xdsl.dialects.builtin import ModuleOp, StringAttr

from llmir.errors import InputError, UsageError
from llmir.program.absent import absent_store
from llmir.program.files import new_file
from llmir.program.folder import TOKENIZER
from llmir.program.program import Program
from llmir.program.safetensors_file import open_safetensors, write_safetensors
from llmir.program.store import WeightStore
from llmir.tools.opt_arguments import WEIGHTS_ATTRIBUTE


def open_tokenizer(folder: Path) -> bytes | None:
    """The tokenizer.json beside a module, if there is one; passes that run the program on text need it."""
    path = folder / TOKENIZER
    return path.read_bytes() if path.is_file() else None


def open_weights(module: ModuleOp, folder: Path, name: str) -> WeightStore:
    """The weights a module names, mapped; an empty store when it names none or the file does not exist.

    A store's error messages begin with its source, which says why an empty one is empty. `folder` holds the
    module's text and `name` is what the user calls it. InputError when the attribute is not a relative path
    inside that folder, or names a file that is not safetensors.
    """
    absent = absent_store(module, name)
    if absent is not None:
        return absent
    attribute = module.attributes.get(WEIGHTS_ATTRIBUTE)
    if attribute is None:
        return WeightStore(source=f"{name} (it names no weights, the module has no {WEIGHTS_ATTRIBUTE})")
    if not isinstance(attribute, StringAttr):
        raise InputError(
            f'{name}: {WEIGHTS_ATTRIBUTE} is {attribute}, expected a file name such as "weights.safetensors"'
        )
    relative = PurePosixPath(attribute.data)
    if not attribute.data or relative.is_absolute() or ".." in relative.parts:
        raise InputError(
            f"{name}: {WEIGHTS_ATTRIBUTE} is '{attribute.data}', expected a relative path inside the module's folder"
        )
    path = folder / relative
    if not path.exists():
        return WeightStore(source=f"{path} (no such file)")
    return WeightStore(dict(open_safetensors(path)), str(path))


def name_weights(output: Path, module_file: Path | None) -> str:
    """What `llm.weights` shall say for weights written to `output`, the module going to `module_file`.

    UsageError when a module at that place could not name them.
    """
    if module_file is None:
        return output.name
    relative = Path(os.path.relpath(output, module_file.parent))
    if ".." in relative.parts:
        raise UsageError(f"--weights-output {output} must be in the folder of -o {module_file}, which names it")
    return relative.as_posix()


def save_weights(module: ModuleOp, store: WeightStore, output: Path, source: str, name: str) -> None:
    """Write every tensor the module declares to `output`, which is then complete or untouched, and call it `name`.

    InputError when a tensor of `source` is missing or of another shape than declared, or the file cannot be written.
    """
    tensors = Program(module, store, source).stored_tensors()
    with new_file(output) as file:
        for _ in write_safetensors(file, tensors):
            pass
    module.attributes[WEIGHTS_ATTRIBUTE] = StringAttr(name)
