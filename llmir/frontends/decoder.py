"""What all decoder-only transformers have in common, as a module of the `llm` dialect.

Functions: `@embed`, ids to the first hidden states; one for each decoder block, named like the checkpoint's
module (`@model.layers.0`); `@head`, hidden states to logits; `@backbone`, embed and all blocks; `@forward`,
backbone and head. Blocks take and return their key and value cache; `position` is the number of tokens
already in it. `@embed` takes the position too where positions are learned.

An architecture is a `Decoder`: its sizes, its weights by their names in the checkpoint, and what stands in
`@embed`, a block and `@head`. It is one file of this folder, and its classes' names one line in
`llmir.frontends.huggingface`. The output layer is called `lm_head` in every model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from xdsl.builder import Builder
from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    IndexType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    f32,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue, TypeAttribute
from xdsl.rewriter import InsertPoint

from llmir.dialects.llm.model import (
    EmbeddingOp,
    GeluOp,
    LayerNormOp,
    LinearOp,
    PositionsOp,
    ReluOp,
    RMSNormOp,
    ShiftOp,
    SiluOp,
    UpdateCacheOp,
    result_like,
)
from llmir.dialects.llm.quantization import DequantizeOp, shape_of
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp
from llmir.program.tensors import ComputedTensor, MemoryTensor, Tensor

HEAD = "lm_head"
"""The module name of the output layer."""

Shapes = Iterator[tuple[str, tuple[int, ...]]]

ACTIVATIONS: dict[str, Callable[[SSAValue], Operation]] = {
    "silu": SiluOp,
    "swish": SiluOp,
    "relu": ReluOp,
    "gelu": GeluOp,
    "gelu_new": partial(GeluOp, approximate="tanh"),
    "gelu_fast": partial(GeluOp, approximate="tanh"),
    "gelu_pytorch_tanh": partial(GeluOp, approximate="tanh"),
}
"""The activations by their names in a config.json."""


@dataclass(frozen=True)
class Source:
    """Where a weight's values are: the name of the tensor in the file, and how it is read."""

    name: str
    tensor: Tensor


@dataclass(frozen=True, kw_only=True)
class Decoder(ABC):
    """An architecture with its sizes."""

    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    tied: bool = False

    BLOCKS: ClassVar[str] = "model.layers"
    """The checkpoint's list of decoder blocks."""
    PREFIXES: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Beginnings of names, and what files may have instead."""
    EMBEDS_POSITIONS: ClassVar[bool] = False

    @abstractmethod
    def weight_shapes(self) -> Shapes:
        """Every weight of the model with its shape, in the order it is used."""

    @abstractmethod
    def embed(self, body: FunctionBody, ids: SSAValue, position: SSAValue | None) -> SSAValue:
        """Write `@embed`: the hidden states of ids; `position` where `EMBEDS_POSITIONS`."""

    @abstractmethod
    def block(self, body: FunctionBody, layer: int, x: SSAValue, cache: LayerCache) -> SSAValue:
        """Write a block: the hidden states after it."""

    @abstractmethod
    def head(self, body: FunctionBody, x: SSAValue) -> SSAValue:
        """Write `@head`: the logits."""

    def contradiction(self) -> str | None:
        """Why no model can have these sizes, None if one can."""
        if self.heads % self.kv_heads:
            return f"{self.heads} attention heads cannot share {self.kv_heads} key heads evenly"
        return None

    def computed_weights(self) -> dict[str, Tensor]:
        """Weights that follow from the configuration and are in no file."""
        return {}

    def find(self, name: str, tensors: Mapping[str, Tensor]) -> Source | None:
        """A weight's tensor in a checkpoint, None when it is missing."""
        for begin, other in (("", ""), *self.PREFIXES):
            stored = other + name[len(begin) :]
            if name.startswith(begin) and stored in tensors:
                return Source(stored, tensors[stored])
        return None


def computed_vector(values: Sequence[float]) -> MemoryTensor:
    """A float32 tensor of one dimension."""
    return MemoryTensor(np.array(values, np.float32))


def transposed(source: Tensor) -> ComputedTensor:
    """A matrix [K, N] read as [N, K]."""
    rows, columns = source.shape

    def read(start: int, stop: int) -> np.ndarray:
        return np.ascontiguousarray(source.read()[:, start:stop].T)

    return ComputedTensor(source.dtype, (columns, rows), read, source)


@dataclass
class LayerCache:
    """A block's cache while the block is written; afterwards `keys` and `values` are its results."""

    position: SSAValue
    keys: SSAValue
    values: SSAValue

    def update(self, body: FunctionBody, key: SSAValue, value: SSAValue) -> None:
        """Append the new tokens' keys and values [T, kv_heads, D]."""
        self.keys = body.add(UpdateCacheOp(self.keys, key, self.position), "keys")
        self.values = body.add(UpdateCacheOp(self.values, value, self.position), "values")


def linear_shapes(name: str, out: int, inp: int, bias: bool = False) -> Shapes:
    """The weights of a linear layer."""
    yield f"{name}.weight", (out, inp)
    if bias:
        yield f"{name}.bias", (out,)


def norm_shapes(name: str, size: int, bias: bool = False) -> Shapes:
    """The weights of a norm."""
    yield f"{name}.weight", (size,)
    if bias:
        yield f"{name}.bias", (size,)


def build_module(decoder: Decoder, types: Mapping[str, TypeAttribute]) -> ModuleOp:
    """The module of a model whose weights have the given types (float or quantized tensors)."""
    return _ModuleBuilder(decoder, types).build()


class _ModuleBuilder:
    def __init__(self, decoder: Decoder, types: Mapping[str, TypeAttribute]):
        self.decoder, self.types = decoder, types
        self.hidden = TensorType(f32, [DYNAMIC_INDEX, decoder.hidden_size])
        self.logits = TensorType(f32, [DYNAMIC_INDEX, decoder.vocab_size])
        self.cache = TensorType(f32, [DYNAMIC_INDEX, decoder.kv_heads, decoder.head_dim])
        self.caches = [self.cache, self.cache] * decoder.layers
        self.ids = TensorType(i64, [DYNAMIC_INDEX])

    def build(self) -> ModuleOp:
        weights = [WeightOp(name, self.types[name]) for name, _ in self.decoder.weight_shapes()]
        blocks = [self.block(layer) for layer in range(self.decoder.layers)]
        functions: list[Operation] = [
            self.embed(),
            *blocks,
            self.head(),
            self.backbone(blocks),
            self.forward(),
        ]
        return ModuleOp([*weights, *functions])

    def embed(self) -> func.FuncOp:
        inputs: list[tuple[str, Attribute]] = [("ids", self.ids)]
        if self.decoder.EMBEDS_POSITIONS:
            inputs.append(("position", IndexType()))
        body = FunctionBody(self.types, inputs)
        ids, position = (*body.arguments, None)[:2]
        assert ids is not None
        return body.function("embed", "embed", [self.decoder.embed(body, ids, position)])

    def block(self, layer: int) -> func.FuncOp:
        inputs = [("x", self.hidden), ("position", IndexType()), ("key_cache", self.cache), ("value_cache", self.cache)]
        body = FunctionBody(self.types, inputs)
        x, *rest = body.arguments
        cache = LayerCache(*rest)
        x = self.decoder.block(body, layer, x, cache)
        return body.function(f"{self.decoder.BLOCKS}.{layer}", "block", [x, cache.keys, cache.values])

    def backbone(self, blocks: Sequence[func.FuncOp]) -> func.FuncOp:
        body = FunctionBody(self.types, self.entry_inputs())
        ids, position, *caches = body.arguments
        embedded = [ids, position] if self.decoder.EMBEDS_POSITIONS else [ids]
        x = body.add(func.CallOp("embed", embedded, [self.hidden]), "x")
        updated: list[SSAValue] = []
        for layer, block in enumerate(blocks):
            arguments = [x, position, caches[2 * layer], caches[2 * layer + 1]]
            call = body.builder.insert(func.CallOp(block.sym_name.data, arguments, block.function_type.outputs.data))
            x, keys, values = call.results
            x.name_hint, keys.name_hint, values.name_hint = "x", f"k{layer}", f"v{layer}"
            updated += [keys, values]
        return body.function("backbone", "backbone", [x, *updated])

    def head(self) -> func.FuncOp:
        body = FunctionBody(self.types, [("x", self.hidden)])
        return body.function("head", "head", [self.decoder.head(body, body.arguments[0])])

    def forward(self) -> func.FuncOp:
        body = FunctionBody(self.types, self.entry_inputs())
        backbone = func.CallOp("backbone", body.arguments, [self.hidden, *self.caches])
        body.builder.insert(backbone)
        head = body.builder.insert(func.CallOp("head", [backbone.results[0]], [self.logits]))
        return body.function("forward", "forward", [head.results[0], *backbone.results[1:]])

    def entry_inputs(self) -> list[tuple[str, Attribute]]:
        caches = [(f"{kind}{layer}_cache", self.cache) for layer in range(self.decoder.layers) for kind in "kv"]
        return [("ids", self.ids), ("position", IndexType()), *caches]


class FunctionBody:
    """The body of one function under construction."""

    def __init__(self, types: Mapping[str, TypeAttribute], inputs: Sequence[tuple[str, Attribute]]):
        self.types = types
        self.entry = Block(arg_types=[type for _, type in inputs])
        for argument, (name, _) in zip(self.entry.args, inputs, strict=True):
            argument.name_hint = name
        self.arguments: list[SSAValue] = list(self.entry.args)
        self.builder = Builder(InsertPoint.at_end(self.entry))

    def add(self, op: Operation, name: str) -> SSAValue:
        """Append an operation with one result; the result's name."""
        self.builder.insert(op)
        op.results[0].name_hint = name
        return op.results[0]

    def function(self, name: str, role: str, results: Sequence[SSAValue]) -> func.FuncOp:
        """The finished function."""
        self.builder.insert(func.ReturnOp(*results))
        type = ([a.type for a in self.entry.args], [r.type for r in results])
        op = func.FuncOp(name, type, Region(self.entry))
        op.attributes["llm.role"] = StringAttr(role)
        return op

    def weight(self, name: str) -> SSAValue:
        """The real values of a weight, dequantized if need be."""
        type = self.types[name]
        value = self.builder.insert(LoadWeightOp(name, type)).result
        if not isinstance(type, QuantizedTensorType):
            return value
        real = TensorType(f32, type.get_shape())
        return self.add(DequantizeOp(value, real), "dequantized")

    def optional_weight(self, name: str) -> SSAValue | None:
        """The real values of a weight, None where the model has none of that name."""
        return self.weight(name) if name in self.types else None

    def embedding(self, ids: SSAValue, module: str) -> SSAValue:
        """Rows of an embedding table of the checkpoint."""
        table = self.weight(f"{module}.weight")
        type = TensorType(f32, [DYNAMIC_INDEX, shape_of(table)[1]])
        return self.add(EmbeddingOp(ids, table, type), "embedded")

    def learned_positions(
        self, ids: SSAValue, position: SSAValue, module: str, count: int, offset: int = 0
    ) -> SSAValue:
        """Rows of a table of learned positions for ids that stand at `position`."""
        rows = self.add(PositionsOp(ids, position, count, offset), "positions")
        return self.embedding(rows, module)

    def linear(self, x: SSAValue, module: str, stored_as: str | None = None) -> SSAValue:
        """A linear layer of the checkpoint; `stored_as` when its weight has another module's name."""
        weight = self.weight(f"{stored_as or module}.weight")
        bias = self.optional_weight(f"{module}.bias")
        out = shape_of(weight)[0]
        name = StringAttr(module) if stored_as else None
        return self.add(LinearOp(x, weight, result_like(x, out), bias, name), module.rsplit(".", 1)[-1])

    def rms_norm(self, x: SSAValue, module: str, epsilon: float) -> SSAValue:
        """An RMS norm of the checkpoint."""
        return self.add(RMSNormOp(x, self.weight(f"{module}.weight"), epsilon), module.rsplit(".", 1)[-1])

    def rms_norm_around_one(self, x: SSAValue, module: str, epsilon: float) -> SSAValue:
        """An RMS norm of a checkpoint that stores the weight less one."""
        weight = self.add(ShiftOp(self.weight(f"{module}.weight"), 1.0), "weight")
        return self.add(RMSNormOp(x, weight, epsilon), module.rsplit(".", 1)[-1])

    def layer_norm(self, x: SSAValue, module: str, epsilon: float) -> SSAValue:
        """A layer norm of the checkpoint, with whatever of weight and bias it has."""
        weight, bias = (self.optional_weight(f"{module}.{part}") for part in ("weight", "bias"))
        return self.add(LayerNormOp(x, weight, bias, epsilon), module.rsplit(".", 1)[-1])

    def activation(self, x: SSAValue, name: str) -> SSAValue:
        """An activation by its name in a config.json, one of `ACTIVATIONS`."""
        return self.add(ACTIVATIONS[name](x), "activated")

    def add_floats(self, a: SSAValue, b: SSAValue, name: str) -> SSAValue:
        """a + b."""
        return self.add(arith.AddfOp(a, b), name)

    def multiply(self, a: SSAValue, b: SSAValue, name: str) -> SSAValue:
        """a * b."""
        return self.add(arith.MulfOp(a, b), name)

    def tokens(self, x: SSAValue) -> SSAValue:
        """The number of tokens, dimension 0 of x."""
        zero = self.add(arith.ConstantOp(IntegerAttr(0, IndexType())), "c0")
        return self.add(tensor.DimOp(x, zero), "tokens")

    def heads(self, x: SSAValue, tokens: SSAValue, heads: int, size: int) -> SSAValue:
        """[T, heads * size] as [T, heads, size]."""
        type = TensorType(f32, [DYNAMIC_INDEX, heads, size])
        shape = [DYNAMIC_INDEX, heads, size]
        return self.add(tensor.ExpandShapeOp(x, [tokens], _HEADS, shape, type), "heads")

    def merge_heads(self, x: SSAValue, size: int) -> SSAValue:
        """[T, heads, size] as [T, heads * size]."""
        type = TensorType(f32, [DYNAMIC_INDEX, size])
        op = tensor.CollapseShapeOp.build(operands=[x], result_types=[type], properties={"reassociation": _HEADS})
        return self.add(op, "merged")

    def split(self, x: SSAValue, sizes: Sequence[int], names: Sequence[str]) -> list[SSAValue]:
        """The last dimension cut into runs of the given sizes."""
        tokens = self.tokens(x)
        middle = list(shape_of(x)[1:-1])
        parts: list[SSAValue] = []
        start = 0
        for size, name in zip(sizes, names, strict=True):
            offsets = [0, *(0 for _ in middle), start]
            cut = tensor.ExtractSliceOp(x, offsets, [tokens, *middle, size], [1] * len(offsets), result_like(x, size))
            parts.append(self.add(cut, name))
            start += size
        return parts


_HEADS = ArrayAttr(
    [
        ArrayAttr([IntegerAttr(0, i64)]),
        ArrayAttr([IntegerAttr(1, i64), IntegerAttr(2, i64)]),
    ]
)
