"""What a program's tensors are and what they cost: true bits per weight, everything included."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from xdsl.dialects.builtin import ModuleOp, ShapedType
from xdsl.ir import Attribute, Operation, SSAValue

from llmir.dialects.llm.attributes import SchemeAttr
from llmir.dialects.llm.flattened import encoded_shape, encoding_of
from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import QuantizedMatmulOp
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.dialects.llm.weights import WeightOp, weights
from llmir.passes.locations import loaded_weight, module_name
from llmir.passes.remarks import NOT_QUANTIZED, remark_of
from llmir.program.program import Program
from llmir.program.quantized_weights import weight_layouts
from llmir.program.safetensors_file import total_bytes
from llmir.program.store import WeightStore

LINEAR, EMBEDDING, HEAD, OTHER = "linear", "embedding", "lm_head", "other"
NO_LAYER = f"{NOT_QUANTIZED}not the matrix of a layer"


@dataclass(frozen=True)
class TensorReport:
    """One weight: where it is used, how it is stored, and why it is not quantized if it is not.

    `bits` are all bits stored for it, codes, scales and zero points; `parameters` its elements; `remark` is what
    passes have to say about it otherwise.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    type: str
    quantized: bool
    reason: str | None
    remark: str | None
    parameters: int
    bits: int


@dataclass(frozen=True)
class SizeReport:
    """A program's weights and their sums. Bits per weight count every stored bit of the weights."""

    tensors: tuple[TensorReport, ...]
    parameters: int
    weight_bytes: int
    bits_per_weight: float
    linear_bits_per_weight: float | None

    def kinds(self) -> dict[tuple[str, str], list[TensorReport]]:
        """Tensors by (kind, type without shape), in the order they first appear."""
        groups: dict[tuple[str, str], list[TensorReport]] = {}
        for t in self.tensors:
            groups.setdefault((t.kind, t.type), []).append(t)
        return groups

    def reasons(self) -> Counter[str]:
        """Why tensors were not quantized, with how many; norms and biases of a known architecture are left out."""
        found = (t for t in self.tensors if t.kind != OTHER or t.reason != NO_LAYER)
        return Counter(t.reason for t in found if t.reason is not None)

    def remarks(self) -> Counter[str]:
        """What passes say about quantized tensors, with how many."""
        return Counter(t.remark for t in self.tensors if t.remark is not None)

    def as_json(self) -> dict[str, Any]:
        """Plain data with stable keys."""
        return {
            "parameters": self.parameters,
            "weight_bytes": self.weight_bytes,
            "bits_per_weight": self.bits_per_weight,
            "linear_bits_per_weight": self.linear_bits_per_weight,
            "tensors_quantized": sum(t.quantized for t in self.tensors),
            "tensors_not_quantized": sum(not t.quantized for t in self.tensors),
            "tensors": [asdict(t) for t in self.tensors],
        }


def size_report(program: Program) -> SizeReport:
    """Look at every weight of a program."""
    uses = _uses(program.module)
    reports = tuple(_tensor(op, uses.get(name, []), program.weights) for name, op in weights(program.module).items())
    parameters = sum(r.parameters for r in reports)
    bits = sum(r.bits for r in reports)
    linear = [r for r in reports if r.kind == LINEAR]
    linear_parameters = sum(r.parameters for r in linear)
    return SizeReport(
        reports,
        parameters,
        bits // 8,
        bits / parameters if parameters else 0.0,
        sum(r.bits for r in linear) / linear_parameters if linear_parameters else None,
    )


def _uses(module: ModuleOp) -> dict[str, list[Operation]]:
    """The layers that use each weight as their matrix."""
    uses: dict[str, list[Operation]] = {}
    for op in module.walk():
        if isinstance(op, LinearOp | QuantizedMatmulOp | EmbeddingOp):
            load = loaded_weight(_matrix(op))
            if load is not None:
                uses.setdefault(load.symbol, []).append(op)
    return uses


def _matrix(op: LinearOp | QuantizedMatmulOp | EmbeddingOp) -> SSAValue:
    return op.table if isinstance(op, EmbeddingOp) else op.weight


def _tensor(weight: WeightOp, layers: list[Operation], store: WeightStore) -> TensorReport:
    type = weight.type
    assert isinstance(type, ShapedType)
    coded = encoding_of(weight) is not None and encoded_shape(weight) is not None
    quantized = coded or as_tensor(type) is None
    shape = encoded_shape(weight) or tuple(type.get_shape())
    bits = 8 * total_bytes(store[key] for key in weight_layouts(weight.store_key, type))
    return TensorReport(
        weight.sym_name.data,
        LINEAR if coded and len(shape) == 2 else _kind(layers),
        shape,
        encoding_of(weight) or type_without_shape(type),
        quantized,
        None if quantized else _reason(weight, layers),
        next(filter(None, map(remark_of, layers or [weight])), None) if quantized else None,
        math.prod(shape),
        bits,
    )


def _kind(layers: list[Operation]) -> str:
    if any(isinstance(op, EmbeddingOp) for op in layers):
        return EMBEDDING
    if not layers:
        return OTHER
    return HEAD if module_name(layers[0]) == "lm_head" else LINEAR


def _reason(weight: WeightOp, layers: list[Operation]) -> str:
    for op in layers:
        said = remark_of(op)
        if said is not None:
            return said
        if isinstance(op.attributes.get("llm.scheme"), SchemeAttr):
            return "has a scheme that was not carried out yet"
    return f"{NOT_QUANTIZED}no recipe was applied" if layers else remark_of(weight) or NO_LAYER


def type_without_shape(type: Attribute) -> str:
    """`i4, scale=f16, symmetric=true, group_size=32` of a quantized type, its padding left out; `f32` of a tensor."""
    if (tensor := as_tensor(type)) is not None:
        return str(tensor.element_type)
    assert isinstance(type, QuantizedTensorType | MixedQuantizedTensorType | SparseQuantizedTensorType)
    if isinstance(type, SparseQuantizedTensorType):
        return f"{type.sparsity.data}, {type_without_shape(type.dense)}"
    text = str(type)
    shape = "x".join(map(str, type.get_shape())) + "x"
    return re.sub(r", pad(_rows)?=\d+", "", text[text.index("<") + 1 + len(shape) : -1])
