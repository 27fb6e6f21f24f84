"""What the word MODEL on a command line can mean."""

from __future__ import annotations

from pathlib import Path

from llmir import demo
from llmir.dialects.llm.flattened import is_flattened
from llmir.errors import InputError, UnknownArchitecture
from llmir.frontends.gguf import open_gguf
from llmir.frontends.gguf_tensors import open_gguf_tensors
from llmir.frontends.huggingface import open_huggingface
from llmir.frontends.mllm_file import open_mllm
from llmir.frontends.mllm_ir import open_mllm_ir
from llmir.frontends.tensor_file import is_tensor_folder, open_tensor_file
from llmir.program.folder import is_huggingface, is_program
from llmir.program.program import Program, open_program, open_program_text

EXPECTED = (
    "a program folder (llmir.json), a Hugging Face folder (config.json), a folder of .safetensors files, "
    "a .gguf, .mllm, .safetensors, .mlir or .mir file, or the word demo"
)


def open_runnable(name: str) -> Program:
    """Open a model that shall be run; InputError when its architecture is not known."""
    program = open_model(name)
    if is_flattened(program.module):
        raise InputError(
            f"{name}: its architecture is not known, so it cannot be run; it can be quantized, inspected and exported"
        )
    return program


def open_without_weights(name: str) -> Program:
    """A program of the model a Hugging Face folder's config.json describes; its weights have no values."""
    path = demo.MODEL if name == "demo" and not Path(name).exists() else Path(name)
    if not is_huggingface(path):
        raise InputError(f"{name}: not a Hugging Face folder; only a config.json describes a model without its weights")
    return open_huggingface(path, weights=False)


def open_model(name: str, *, dequantize: bool = False, flatten: bool = False) -> Program:
    """Open `demo`, a program folder, a Hugging Face folder, tensor files, or a module's text beside its weights.

    `dequantize` reads quantized tensors of a GGUF file as float32. Files that say no architecture become flattened
    modules, and with `flatten` those whose architecture is not known too. InputError says what was found instead.
    """
    if name == "demo" and not Path(name).exists():
        program = open_huggingface(demo.MODEL)
        program.name = name
        program.history[0]["source"] = name
        return program
    path = Path(name)
    if not path.exists():
        raise InputError(f"{name}: no such file or folder")
    try:
        return _open(path, dequantize)
    except UnknownArchitecture:
        if not flatten:
            raise
    return open_gguf_tensors(path) if path.is_file() else open_tensor_file(path)


def open_tensors(name: str) -> Program:
    """Open a model for its tensors alone, as a flattened module whatever its architecture; a program as it is."""
    path = demo.MODEL if name == "demo" and not Path(name).exists() else Path(name)
    if is_huggingface(path):
        return open_tensor_file(path)
    if path.is_file() and path.suffix == ".gguf":
        return open_gguf_tensors(path)
    return open_model(name)


def _open(path: Path, dequantize: bool) -> Program:
    if path.is_file():
        match path.suffix:
            case ".gguf":
                return open_gguf(path, dequantize)
            case ".mlir":
                return open_program_text(path)
            case ".mllm":
                return open_mllm(path)
            case ".mir":
                return open_mllm_ir(path)
            case ".safetensors":
                return open_tensor_file(path)
            case _:
                pass
    if is_program(path):
        return open_program(path)
    if is_huggingface(path):
        return open_huggingface(path)
    if is_tensor_folder(path):
        return open_tensor_file(path)
    raise InputError(f"{path}: not a model, expected {EXPECTED}")
