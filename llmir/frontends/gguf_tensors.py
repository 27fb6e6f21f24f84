"""A GGUF file of no known architecture as a flattened program, its tensors under the names the file has.

Tensors whose blocks a quantized type can hold keep their codes; other blocks stay bytes, `llm.encoding` naming
ggml's type.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from gguf import GGMLQuantizationType
from numpy.typing import NDArray

from llmir.frontends.gguf_file import GGUFFile, GGUFTensor
from llmir.frontends.quantized_blocks import stored_blocks
from llmir.frontends.tensor_file import StoredTensor, flattened_program, plain
from llmir.program.program import Program

PLAIN: dict[GGMLQuantizationType, np.dtype[Any]] = {
    GGMLQuantizationType.F64: np.dtype(np.float64),
    GGMLQuantizationType.F32: np.dtype(np.float32),
    GGMLQuantizationType.F16: np.dtype(np.float16),
    GGMLQuantizationType.BF16: np.dtype(ml_dtypes.bfloat16),
    GGMLQuantizationType.I8: np.dtype(np.int8),
    GGMLQuantizationType.I16: np.dtype(np.int16),
    GGMLQuantizationType.I32: np.dtype(np.int32),
    GGMLQuantizationType.I64: np.dtype(np.int64),
}


def open_gguf_tensors(path: Path) -> Program:
    """Open a GGUF file for its tensors; InputError names the file and what is wrong with it."""
    file = GGUFFile.open(path)
    tensors = {name: _stored(file, tensor) for name, tensor in file.tensors.items()}
    kind = file.fields.get("general.architecture")
    return flattened_program(path, tensors, "gguf", notes=(f"general.architecture is {kind!r}",))


def _stored(file: GGUFFile, tensor: GGUFTensor) -> StoredTensor:
    if tensor.type in PLAIN:
        return plain(_FileTensor(file, tensor.name, PLAIN[tensor.type], tensor.shape))
    raw = _FileTensor(file, tensor.name, np.dtype(np.uint8), (tensor.nbytes,))
    return stored_blocks(raw, tensor.shape, tensor.type, tensor.type.name)


@dataclass(frozen=True)
class _FileTensor:
    """A tensor of a GGUF file, its bytes seen as `dtype`."""

    file: GGUFFile
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def read(self) -> NDArray[Any]:
        return self.file.raw(self.name).reshape(-1).view(self.dtype).reshape(self.shape)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        return self.read()[start:stop]

    def release(self) -> None:
        self.file.release(self.name)
