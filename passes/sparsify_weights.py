"""`sparsify-weights{sparsity=2:4}`: store the codes of quantized weights sparsely.

Weights that are symmetric `!llm.quantized_tensor`s become `!llm.sparse_quantized_tensor`s: `N:M` keeps exactly N
codes of every M consecutive ones of a row with their positions, `bitmask` the codes that are not zero with a mask.
Values do not change. A weight with more codes than N:M has room for is an error, and so is one that is not
symmetric: `prune-weights{sparsity=2:4},assign-schemes{weight-type=i8},quantize-weights,sparsify-weights` makes
weights that fit. Products of codes whose result is codes, and lookups in codes, read dense codes; they come
with `fuse-quantized-ops`, which is run after this pass.

Of the layers only those with quantized weights can be chosen. A weight that layers share is packed once, and all of
them must be chosen. A weight in the text, an `llm.constant`, stays one and changes its type. Without weights (a
program of types alone) `bitmask` is refused, since what it takes depends on the values.

Options:
  sparsity  N:M (M at most 256) or `bitmask` (default 2:4)
  modules   names or patterns of the layers, as for `assign-schemes`; each must match one with a quantized weight
            (default `*`)
  exclude   names or patterns taken out again; each must match one
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.errors import InputError
from llmir.formats.sparse import NOfM, Pattern, pack_sparse, pattern
from llmir.passes.assign_schemes import match_all, weight_of
from llmir.passes.layer_weights import (
    ConstantWeight,
    Layer,
    StoredWeight,
    forget_stored,
    replace_stored,
    retype,
    weights_of_layers,
)
from llmir.passes.locations import error_at, errors_at, module_name
from llmir.passes.quantize_weights import replace_weight
from llmir.program.absent import AbsentTensor, is_absent
from llmir.program.context import LLMContext, program_context
from llmir.program.irregular_weights import irregular_layouts
from llmir.program.quantized_weights import read_quantized, weight_layouts


@dataclass(frozen=True)
class WeightSparsificationPass(ModulePass):
    """Store the codes of quantized weights sparsely."""

    name = "sparsify-weights"

    sparsity: str = "2:4"
    modules: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Pack the weights of the chosen layers; InputError names what cannot be."""
        try:
            kept = pattern(self.sparsity)
        except ValueError as e:
            raise InputError(f"{self.name}: {e}") from e
        layers = self._chosen(op)
        for layer in layers:
            self._check(layer, kept)
        stored, constants = weights_of_layers(op, layers, self.name)
        if stored:
            program = program_context(ctx, self.name)
            for done, weight in enumerate(stored):
                program.progress("packing", done, len(stored))
                with errors_at(weight.declaration):
                    pack_stored(program, weight, kept)
            program.progress("packing", len(stored), len(stored))
        for weight in constants:
            pack_constant(weight, kept)

    def _chosen(self, module: ModuleOp) -> list[Layer]:
        named: dict[str, list[Layer]] = {}
        for op in module.walk():
            if isinstance(op, LinearOp | EmbeddingOp | QuantizedMatmulOp) and codes_type(op) is not None:
                named.setdefault(module_name(op), []).append(op)
        if not named:
            raise InputError(f"{self.name}: no layer has a quantized weight; run quantize-weights first")
        excluded = match_all(self.exclude, named, self.name) if self.exclude else []
        return [op for n in match_all(self.modules, named, self.name) if n not in excluded for op in named[n]]

    def _check(self, layer: Layer, kept: Pattern) -> None:
        type = codes_type(layer)
        assert type is not None
        try:
            SparseQuantizedTensorType(kept, type)
        except VerifyException as e:
            raise error_at(layer, str(e), f"{self.name}: layer '{module_name(layer)}'") from e
        real = isinstance(layer.results[0].type, TensorType) and not isinstance(layer, EmbeddingOp)
        if not isinstance(weight_of(layer).owner, DequantizeOp) and not real:
            fact = f"reads dense codes; run {self.name} before fuse-quantized-ops, or exclude the layer"
            raise error_at(layer, fact)


def codes_type(layer: Layer) -> QuantizedTensorType | None:
    """The type of a layer's codes, looking through a dequantize; None when they are no quantized tensor."""
    weight = weight_of(layer)
    codes = weight.owner.input if isinstance(weight.owner, DequantizeOp) else weight
    return codes.type if isinstance(codes.type, QuantizedTensorType) else None


def pack_stored(program: LLMContext, weight: StoredWeight, kept: Pattern) -> None:
    """Pack a weight of the store. The parts of a weight without values have none either."""
    store, key, dense = program.weights, weight.declaration.store_key, weight.declaration.type
    assert isinstance(dense, QuantizedTensorType)
    type = SparseQuantizedTensorType(kept, dense)
    if isinstance(kept, NOfM) and all(is_absent(store[name]) for name in weight_layouts(key, dense)):
        forget_stored(store, weight)
        for suffix, layout in irregular_layouts(type).items():
            store.add(key + suffix, AbsentTensor(*layout, key + suffix, store.source))
        retype(weight, type)
        return
    try:
        array = pack_sparse(read_quantized(store, key, dense), kept)
    except ValueError as e:
        raise error_at(weight.declaration, str(e), f"weight '{weight.declaration.sym_name.data}'") from e
    replace_stored(store, weight, type, array)


def pack_constant(weight: ConstantWeight, kept: Pattern) -> None:
    """Pack a weight in the text."""
    constant = weight.constant
    assert isinstance(constant, ConstantOp)
    assert isinstance(constant.result.type, QuantizedTensorType)
    with errors_at(constant):
        array = pack_sparse(constant.value, kept)
    replace_weight(constant, ConstantOp(array, SparseQuantizedTensorType(kept, constant.result.type)))
