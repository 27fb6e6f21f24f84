"""A `.mllm` file as a flattened program: mllm's files say no architecture.

Floats, integers and booleans become tensors of their type; Q4_0, Q4_1, Q8_0 and the K types but Q8_K become
`!llm.quantized_tensor`s with exactly the file's codes, scales and minima. Everything else stays the bytes it is,
`llm.encoding` naming mllm's data type and `llm.encoded_shape` the shape: packed KleidiAI weights (Byte) and the other
block types. Version 1 has no shapes: all its tensors have one dimension.
"""

from __future__ import annotations

from pathlib import Path

from gguf import GGMLQuantizationType
from xdsl.dialects.builtin import TensorType

from llmir.dialects.llm.storage import storage_type
from llmir.formats.mllm import GGML_TYPES, PLAIN_NAMES, Entry
from llmir.frontends.quantized_blocks import stored_blocks
from llmir.frontends.tensor_file import StoredTensor, flattened_program, plain
from llmir.program.mllm_file import MllmFile, open_mllm_file
from llmir.program.program import Program


def open_mllm(path: Path) -> Program:
    """Open a `.mllm` file of any generation; InputError names the file and what is wrong with it."""
    file = open_mllm_file(path)
    tensors = {name: stored_tensor(file, entry) for name, entry in file.entries.items()}
    return flattened_program(path, tensors, f"mllm {file.generation}", notes=file.notes)


def stored_tensor(file: MllmFile, entry: Entry) -> StoredTensor:
    """One tensor in the most telling form the IR has for it."""
    type = entry.type
    if type.name in PLAIN_NAMES.values():
        return plain(file.plain(entry.name))
    if type.plain is not None and type.plain.kind in "iu":
        tensor = file.plain(entry.name)
        return StoredTensor(TensorType(storage_type(tensor.dtype), tensor.shape), {"": tensor}, type.name)
    kind = GGMLQuantizationType[type.name] if type.name in GGML_TYPES else None
    return stored_blocks(file.bytes(entry.name), entry.shape, kind, type.name)
