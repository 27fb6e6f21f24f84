"""Tensor files of no known architecture as programs: a flattened module, which only names what can be quantized.

Layers are the matrices: tensors named `*.weight` with two dimensions [out, in] of float or quantized values.
Names that speak of an embedding (embed, wte, wpe, token_embd, ...) become `llm.embedding`s, all others `llm.linear`s
with their `*.bias` if there is one. Names that speak of a norm or of rotary positions are no layers. What is no
layer carries an `llm.remark` that says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import TensorType
from xdsl.ir import TypeAttribute

from llmir.dialects.llm.flattened import EMBEDDING, LINEAR, add_layers, encoded, encoding_of, flattened_module
from llmir.dialects.llm.storage import storage_type
from llmir.dialects.llm.types import FLOATS, QuantizedTensorType
from llmir.dialects.llm.weights import WeightOp
from llmir.errors import InputError
from llmir.frontends.huggingface import open_tensors
from llmir.passes.remarks import NOT_QUANTIZED, remark
from llmir.program.folder import INDEX, SINGLE, companions
from llmir.program.program import Program
from llmir.program.safetensors_file import open_safetensors
from llmir.program.store import WeightStore
from llmir.program.tensors import Tensor
from llmir.program.weight_parts import CODES, MIN, SCALE, ZERO_POINT

NORM = re.compile(r"norm|rope|rotary|inv_freq|(^|[._])(ln|gn|bn)([._\d]|$)", re.IGNORECASE)
TABLE = re.compile(r"embed|embd|(^|[._])(wte|wpe)([._]|$)", re.IGNORECASE)
FLOAT_TYPES = tuple(FLOATS)


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a file: the type of its weight, and its stored parts by suffix (`""` of a plain tensor).

    `encoding` and `shape` are for bytes that the type does not explain.
    """

    type: TypeAttribute
    parts: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    encoding: str | None = None
    shape: tuple[int, ...] | None = None


def is_tensor_folder(path: Path) -> bool:
    """True for a folder with safetensors files."""
    return path.is_dir() and any(path.glob("*.safetensors"))


def open_tensor_file(path: Path) -> Program:
    """A safetensors file, or a folder of them with its tokenizer, as a flattened program.

    InputError names a file that cannot be read, or a tensor two files have.
    """
    if (path / SINGLE).is_file() or (path / INDEX).is_file():
        tensors = {name: plain(tensor) for name, tensor in open_tensors(path).items()}
    else:
        tensors = _open_files(sorted(path.glob("*.safetensors")) if path.is_dir() else [path])
    if not tensors:
        raise InputError(f"{path}: holds no tensors")
    files = companions(path) if path.is_dir() else {}
    return flattened_program(path, tensors, "safetensors", files)


def _open_files(files: list[Path]) -> dict[str, StoredTensor]:
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        for name, tensor in open_safetensors(file).items():
            if name in tensors:
                raise InputError(f"{file}: tensor '{name}' is in another file of the folder too")
            tensors[name] = plain(tensor)
    return tensors


def plain(tensor: Tensor) -> StoredTensor:
    """A tensor whose type says all."""
    return StoredTensor(TensorType(storage_type(tensor.dtype), tensor.shape), {"": tensor})


def flattened_program(
    path: Path,
    tensors: Mapping[str, StoredTensor],
    format: str,
    files: dict[str, bytes] | None = None,
    notes: tuple[str, ...] = (),
) -> Program:
    """The flattened program of a file's tensors."""
    store: dict[str, Tensor] = {}
    declared: dict[str, WeightOp] = {}
    for name, tensor in tensors.items():
        declared[name] = WeightOp(name, tensor.type)
        if tensor.encoding is not None:
            encoded(declared[name], tensor.encoding, tensor.shape)
        for suffix, part in tensor.parts.items():
            if name + suffix in store:
                raise InputError(f"{path}: tensor '{name + suffix}' takes the place of a part of quantized '{name}'")
            store[name + suffix] = part
    module = flattened_module(declared.values())
    add_layers(module, _layers(declared))
    note = "only the layers' weights are named (flattened module): to be quantized, inspected and exported, not run"
    history: list[dict[str, Any]] = [{"source": path.name, "format": format}]
    return Program(module, WeightStore(store, str(path)), str(path), files or {}, history, [note, *notes])


def _layers(declared: Mapping[str, WeightOp]) -> list[tuple[WeightOp, str, WeightOp | None]]:
    """The layers among the weights; all others get a remark."""
    layers: list[tuple[WeightOp, str, WeightOp | None]] = []
    biases: set[str] = set()
    for name, weight in declared.items():
        why = no_layer(weight, declared)
        if why is not None:
            remark(weight, NOT_QUANTIZED + why)
            continue
        kind = EMBEDDING if TABLE.search(name) else LINEAR
        bias = declared.get(name.removesuffix("weight") + "bias") if kind == LINEAR else None
        fits = bias is not None and _is_bias(bias, weight)
        layers.append((weight, kind, bias if fits else None))
        if fits and bias is not None:
            biases.add(bias.sym_name.data)
    for name in biases:
        remark(declared[name], NOT_QUANTIZED + "the bias of a layer")
    return layers


def no_layer(weight: WeightOp, declared: Mapping[str, WeightOp]) -> str | None:
    """Why a weight is not the matrix of a layer, None if it is."""
    name, type = weight.sym_name.data, weight.type
    assert isinstance(type, TensorType | QuantizedTensorType)
    if encoding_of(weight) is not None:
        return f"it is stored as {encoding_of(weight)}"
    if isinstance(type, TensorType) and not isinstance(type.element_type, FLOAT_TYPES):
        return f"its elements are {type.element_type}"
    if type.get_num_dims() != 2:
        return f"its rank is {type.get_num_dims()}, a layer's weight has two dimensions"
    if 0 in type.get_shape():
        return "it has no elements"
    if not name.endswith(".weight"):
        return "its name does not end in .weight"
    if NORM.search(name):
        return "its name is that of a norm or of positions"
    for suffix in (CODES, SCALE, ZERO_POINT, MIN):
        if name + suffix in declared:
            return f"its parameters would take the place of tensor '{name + suffix}'"
    return None


def _is_bias(bias: WeightOp, weight: WeightOp) -> bool:
    """True when a tensor [N] of floats fits a weight [N, K]."""
    type, matrix = bias.type, weight.type
    assert isinstance(matrix, TensorType | QuantizedTensorType)
    return (
        isinstance(type, TensorType)
        and isinstance(type.element_type, FLOAT_TYPES)
        and type.get_shape() == matrix.get_shape()[:1]
    )
