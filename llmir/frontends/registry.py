"""What the word MODEL on a command line can mean."""

from __future__ import annotations

from pathlib import Path

from llmir import demo
from llmir.errors import InputError
from llmir.frontends.gguf import open_gguf
from llmir.frontends.huggingface import is_huggingface, open_huggingface
from llmir.program.program import Program, is_program, open_program, open_program_text


def open_model(name: str, *, dequantize: bool = False) -> Program:
    """Open `demo`, a program folder, a Hugging Face folder, a `.gguf` file, or a module's text beside its weights.

    `dequantize` reads quantized tensors of a GGUF file as float32. InputError says what was found instead.
    """
    if name == "demo" and not Path(name).exists():
        program = open_huggingface(demo.MODEL)
        program.name = name
        program.history[0]["source"] = name
        return program
    path = Path(name)
    if not path.exists():
        raise InputError(f"{name}: no such file or folder")
    if path.is_file() and path.suffix == ".gguf":
        return open_gguf(path, dequantize)
    if path.is_file() and path.suffix == ".mlir":
        return open_program_text(path)
    if is_program(path):
        return open_program(path)
    if is_huggingface(path):
        return open_huggingface(path)
    expected = (
        "a program folder (llmir.json), a Hugging Face folder (config.json), a .gguf or .mlir file, or the word demo"
    )
    raise InputError(f"{name}: not a model, expected {expected}")
