"""Folders of models as files: what may be in them, without reading what it says."""

from __future__ import annotations

from pathlib import Path

from llmir.program.files import read_bytes

MODEL, WEIGHTS, MANIFEST = "model.mlir", "weights.safetensors", "llmir.json"
TOKENIZER, TOKENIZER_CONFIG, CONFIG = "tokenizer.json", "tokenizer_config.json", "config.json"
CHAT_TEMPLATE, GENERATION_CONFIG = "chat_template.jinja", "generation_config.json"
COMPANIONS = (CONFIG, TOKENIZER, TOKENIZER_CONFIG, CHAT_TEMPLATE, GENERATION_CONFIG)
"""Files a model may come with; they travel with the program unchanged."""
FILES = (MANIFEST, MODEL, WEIGHTS, *COMPANIONS)
"""Every file a program folder can hold."""
INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
"""Weights in a Hugging Face folder: what says which files they are in, or the one file."""


def is_program(path: Path) -> bool:
    """True for a folder `Program.save` wrote."""
    return (path / MANIFEST).is_file()


def is_huggingface(path: Path) -> bool:
    """True for a folder with a config.json."""
    return (path / CONFIG).is_file()


def companions(folder: Path) -> dict[str, bytes]:
    """The files of `COMPANIONS` that are in a folder."""
    return {n: read_bytes(folder / n, "part of the model") for n in COMPANIONS if (folder / n).is_file()}
