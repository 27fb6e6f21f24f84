"""Tensors of GGUF-style blocks, whatever file they are in, in the most telling form the IR has for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray
from xdsl.dialects.builtin import TensorType

from llmir.dialects.llm.storage import storage_type
from llmir.dialects.llm.types import quantized_tensor_type
from llmir.formats import gguf_blocks
from llmir.frontends.tensor_file import StoredTensor
from llmir.program.tensors import ComputedTensor, Tensor
from llmir.program.weight_parts import pack_parts, part_layouts


def stored_blocks(
    raw: Tensor, shape: tuple[int, ...], kind: GGMLQuantizationType | None, encoding: str
) -> StoredTensor:
    """A tensor of `shape` whose bytes, uint8 of one dimension, are `raw`.

    Blocks a quantized type can hold become codes, scales and minima, decoded when read; all others stay bytes,
    with their encoding named.
    """
    if kind is None or kind not in gguf_blocks.DECODABLE or not _whole_rows(shape, GGML_QUANT_SIZES[kind][0]):
        return StoredTensor(TensorType(storage_type(raw.dtype), raw.shape), {"": raw}, encoding, shape)
    form = gguf_blocks.format_of(kind)
    elements, size = GGML_QUANT_SIZES[kind]
    row_bytes = shape[-1] // elements * size

    def computed(suffix: str, dtype: np.dtype[Any], part_shape: tuple[int, ...]) -> Tensor:
        def rows(start: int, stop: int) -> NDArray[Any]:
            blocks = raw.read().reshape(*shape[:-1], row_bytes)
            if len(shape) > 1:
                return pack_parts(gguf_blocks.decode(kind, blocks[start:stop]), form)[suffix]
            return pack_parts(gguf_blocks.decode(kind, blocks), form)[suffix][start:stop]

        return ComputedTensor(dtype, part_shape, rows, raw)

    parts = {suffix: computed(suffix, *layout) for suffix, layout in part_layouts(shape, form).items()}
    return StoredTensor(quantized_tensor_type(shape, form), parts)


def _whole_rows(shape: tuple[int, ...], block: int) -> bool:
    """True when every row is whole blocks: then blocks are groups of a tensor of this shape."""
    return bool(shape) and 0 not in shape and shape[-1] % block == 0
