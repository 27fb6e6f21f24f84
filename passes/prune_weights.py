"""`prune-weights{sparsity=2:4}`: of every M weights that multiply neighbouring inputs, keep the N largest.

Of every M consecutive elements of a row the N with the largest magnitudes stay as they are and the others become
zero; of equal ones the first stay. Nothing is stored sparsely yet: quantize the weights, which keeps zeros in
symmetric formats, then `sparsify-weights` packs them. Values are pruned when they are read, so no copy of the model
is made; a weight in the text is pruned in the text. Codes are refused: prune before quantizing.

A weight that layers share is pruned once, and all of them must be chosen.

Options:
  sparsity  N:M, such as 2:4, which sparse matrix units of GPUs read; M at most 256 (default 2:4)
  modules   names or patterns of the layers, as for `assign-schemes`; each must match one (default `*`)
  exclude   names or patterns taken out again; each must match one
  ops       kinds of layers: `linear`, `embedding`, `router` (default `linear`)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import shape_of
from llmir.dialects.llm.types import as_tensor
from llmir.dialects.llm.values import dense_array, dense_attribute
from llmir.errors import InputError
from llmir.formats.sparse import NOfM, pattern, prune
from llmir.passes.assign_schemes import is_quantized, refuse_quantized, weight_of
from llmir.passes.layer_weights import chosen_layers, weights_of_layers
from llmir.passes.locations import InlineWeight, error_at, errors_at, module_name
from llmir.passes.rewriter import Rewriter
from llmir.program.context import program_context
from llmir.program.tensors import ComputedTensor, Tensor


@dataclass(frozen=True)
class WeightPruningPass(ModulePass):
    """Keep the N largest magnitudes of every M elements of a weight's rows."""

    name = "prune-weights"

    sparsity: str = "2:4"
    modules: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    ops: tuple[str, ...] = ("linear",)

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Prune the weights of the chosen layers; InputError names what cannot be."""
        kept = self.kept()
        refuse_quantized(op, self.modules, self.name)
        layers = chosen_layers(op, self.modules, self.exclude, self.ops, self.name)
        for layer in layers:
            self._check(layer, kept)
        stored, constants = weights_of_layers(op, layers, self.name)
        if stored:
            store = program_context(ctx, self.name).weights
            for weight in stored:
                key = weight.declaration.store_key
                with errors_at(weight.declaration):
                    store.add(key, pruned(store[key], key, kept))
        for weight in constants:
            prune_constant(weight.constant, kept)

    def kept(self) -> NOfM:
        """The pattern; InputError when the option names none."""
        try:
            kept = pattern(self.sparsity)
        except ValueError as e:
            raise InputError(f"{self.name}: {e}") from e
        if not isinstance(kept, NOfM):
            raise InputError(f"{self.name}: needs a sparsity N:M, a bitmask does not say how many to keep")
        return kept

    def _check(self, layer: LinearOp | EmbeddingOp, kept: NOfM) -> None:
        if is_quantized(layer):
            fact = "its weight is codes; prune, then quantize"
            raise error_at(layer, fact, f"{self.name}: layer '{module_name(layer)}'")
        try:
            kept.kept(shape_of(weight_of(layer))[-1])
        except ValueError as e:
            raise error_at(layer, str(e), f"{self.name}: layer '{module_name(layer)}'") from e


def pruned(tensor: Tensor, name: str, kept: NOfM) -> ComputedTensor:
    """A tensor whose rows are pruned when they are read."""

    def rows(start: int, stop: int) -> NDArray[Any]:
        try:
            return prune(tensor.rows(start, stop), kept)
        except ValueError as e:
            where = f", rows {start} to {stop - 1}" if start else ""
            raise InputError(f"tensor '{name}'{where}: {e}") from e

    return ComputedTensor(tensor.dtype, tensor.shape, rows, tensor)


def prune_constant(constant: InlineWeight, kept: NOfM) -> None:
    """Prune a weight in the text."""
    assert isinstance(constant, arith.ConstantOp)
    type = as_tensor(constant.result.type)
    assert type is not None
    with errors_at(constant):
        values = prune(dense_array(constant.value), kept)
    new = arith.ConstantOp(dense_attribute(values, type.element_type))
    new.result.name_hint = constant.result.name_hint
    Rewriter.replace_op(constant, new)
