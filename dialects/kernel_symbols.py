"""What steps of the `kernel` dialect use by name: packed weights, caches, tables of angles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    FlatSymbolRefAttrConstr,
    Float8E4M3FNType,
    FloatAttr,
    MemRefType,
    NoneAttr,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    f16,
    f32,
    f64,
    i8,
)
from xdsl.ir import Attribute
from xdsl.irdl import (
    BaseAttr,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    traits_def,
)
from xdsl.traits import SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.kernel_access import ARENA_ALIGNMENT, space
from llmir.dialects.kernel_types import CACHE, COUNT, WEIGHTS, Count, RowsAttr, TilesType, count
from llmir.dialects.llm.attributes import RopeScalingAttr

CACHE_ELEMENTS: tuple[Attribute, ...] = (f32, f16, Float8E4M3FNType(), i8)
"""What a cache may hold."""


@irdl_op_definition
class WeightOp(IRDLOperation):
    """`kernel.weight @layers.qkv {members = [[@a, @b], [@c, @d]], offset = 0 : i64, stride = 4096 : i64} : TYPE`

    Bytes of the packed file. Each entry of `members` is what one layer has there: the rows of several `llm.weight`s
    (whole, or those of a `#kernel.rows`) one after the other, or with interleaved tiles one after the other tile by
    tile. Layer i begins at byte offset + i * stride. A plain memref holds f32, to which `shift` was added.
    """

    name = "kernel.weight"

    sym_name = prop_def(SymbolNameConstraint())
    type = prop_def(BaseAttr(TilesType) | BaseAttr(MemRefType))
    members = prop_def(BaseAttr(ArrayAttr))
    offset = prop_def(COUNT)
    stride = prop_def(COUNT)
    shift = opt_prop_def(FloatAttr)

    traits = traits_def(SymbolOpInterface())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$sym_name attr-dict `:` $type"

    def __init__(
        self,
        name: str,
        type: TilesType | MemRefType[Attribute],
        members: Sequence[Sequence[SymbolRefAttr | RowsAttr]],
        offset: int,
        stride: int,
        shift: FloatAttr | None = None,
    ):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "type": type,
                "members": ArrayAttr(ArrayAttr(layer) for layer in members),
                "offset": count(offset),
                "stride": count(stride),
                "shift": shift,
            }
        )

    @property
    def layers(self) -> list[list[SymbolRefAttr | RowsAttr]]:
        """The members of each layer."""
        return [list(layer) for layer in cast("ArrayAttr[ArrayAttr[SymbolRefAttr | RowsAttr]]", self.members)]

    def verify_(self) -> None:
        """Check members and places."""
        layers = self.members.data
        for layer in layers:
            entries = cast("ArrayAttr[Attribute]", layer).data if isinstance(layer, ArrayAttr) else ()
            if not entries or not all(isinstance(e, SymbolRefAttr | RowsAttr) for e in entries):
                raise VerifyException(f"members of a layer are names of weights or #kernel.rows of them, got {layer}")
        if not layers:
            raise VerifyException("members are those of at least one layer")
        if len({len(layer) for layer in self.layers}) > 1:
            raise VerifyException("every layer has as many members")
        if isinstance(self.type, TilesType) and len(self.layers[0]) % self.type.interleave.data:
            raise VerifyException(
                f"{len(self.layers[0])} members are not divided by {self.type.interleave.data} interleaved matrices"
            )
        for name, value in (("offset", self.offset.value.data), ("stride", self.stride.value.data)):
            if value < 0 or value % ARENA_ALIGNMENT:
                raise VerifyException(f"{name} must be a multiple of {ARENA_ALIGNMENT} bytes, got {value}")
        if isinstance(self.type, TilesType) and self.shift is not None:
            raise VerifyException("shift is for weights that are not packed")
        if isinstance(self.type, MemRefType) and space(self.type) != WEIGHTS:
            raise VerifyException(f'type is {self.type}, expected a memref in space "{WEIGHTS}"')


@irdl_op_definition
class CacheOp(IRDLOperation):
    """`kernel.cache @kv {layers = 30 : i64, kv_heads = 3 : i64, head_dim = 64 : i64, element = f16, lanes = 16 : i64}`

    Keys and values of layers that are alike, for as many tokens as a session wants. Keys are
    [kv_heads][capacity / lanes][head_dim][lanes], values [kv_heads][capacity][head_dim]; capacity is a multiple of
    lanes.
    `element` is f32, f16, f8E4M3FN, or i8 with a float32 scale for each token of each head behind the head's codes.
    """

    name = "kernel.cache"

    sym_name = prop_def(SymbolNameConstraint())
    layers = prop_def(COUNT)
    kv_heads = prop_def(COUNT)
    head_dim = prop_def(COUNT)
    element = prop_def(Attribute)
    lanes = prop_def(COUNT)

    traits = traits_def(SymbolOpInterface())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$sym_name attr-dict"

    def __init__(self, name: str, layers: int, kv_heads: int, head_dim: int, element: Attribute, lanes: int):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "layers": count(layers),
                "kv_heads": count(kv_heads),
                "head_dim": count(head_dim),
                "element": element,
                "lanes": count(lanes),
            }
        )

    @property
    def types(self) -> tuple[MemRefType[Attribute], MemRefType[Attribute]]:
        """The types of a layer's keys and values."""
        heads, size, lanes = (p.value.data for p in (self.kv_heads, self.head_dim, self.lanes))
        in_cache = StringAttr(CACHE)
        keys = MemRefType(self.element, [heads, DYNAMIC_INDEX, size, lanes], NoneAttr(), in_cache)
        return keys, MemRefType(self.element, [heads, DYNAMIC_INDEX, size], NoneAttr(), in_cache)

    def verify_(self) -> None:
        """Check sizes and the element."""
        for name in ("layers", "kv_heads", "head_dim", "lanes"):
            value = cast(Count, getattr(self, name)).value.data
            if value < 1:
                raise VerifyException(f"{name} must be at least 1, got {value}")
        if self.element not in CACHE_ELEMENTS:
            raise VerifyException(f"element is {self.element}, expected {' or '.join(map(str, CACHE_ELEMENTS))}")


@irdl_op_definition
class RopeTableOp(IRDLOperation):
    """`kernel.rope_table @rope {theta = 1.0e+04 : f64, dimensions = 64 : i64}`

    Cosines and sines of positions from 0 on, [position][dimensions]: the cosines of all dimensions / 2 angles, then
    their sines. `llm.rope` says what `scaling`, `factors`, `magnitude` mean; a call that ends beyond `original_context`
    tokens uses a table of `long_factors`.
    """

    name = "kernel.rope_table"

    sym_name = prop_def(SymbolNameConstraint())
    theta = prop_def(FloatAttr)
    dimensions = prop_def(COUNT)
    scaling = opt_prop_def(RopeScalingAttr)
    factors = opt_prop_def(FlatSymbolRefAttrConstr)
    long_factors = opt_prop_def(FlatSymbolRefAttrConstr)
    original_context = opt_prop_def(COUNT)
    magnitude = opt_prop_def(FloatAttr)

    traits = traits_def(SymbolOpInterface())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$sym_name attr-dict"

    def __init__(
        self,
        name: str,
        theta: float,
        dimensions: int,
        scaling: RopeScalingAttr | None = None,
        factors: str | None = None,
        long_factors: str | None = None,
        original_context: Count | None = None,
        magnitude: FloatAttr | None = None,
    ):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "theta": FloatAttr(theta, f64),
                "dimensions": count(dimensions),
                "scaling": scaling,
                "factors": None if factors is None else SymbolRefAttr(factors),
                "long_factors": None if long_factors is None else SymbolRefAttr(long_factors),
                "original_context": original_context,
                "magnitude": magnitude,
            }
        )

    def verify_(self) -> None:
        """Check sizes and which attributes go together."""
        if self.dimensions.value.data < 2 or self.dimensions.value.data % 2:
            raise VerifyException(f"dimensions must be even and at least 2, got {self.dimensions.value.data}")
        if (self.long_factors is None) != (self.original_context is None):
            raise VerifyException("long_factors and original_context belong together; give both or neither")
        if self.long_factors is not None and self.factors is None:
            raise VerifyException("long_factors need the factors of a short context")
