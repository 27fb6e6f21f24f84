"""`rename-weights{weight=A to=B}`: give a weight another name, everywhere it is loaded, and in the store.

Options:
  weight  the name it has
  to      the name it gets, which must be free
  keep    leave the original in place: the new name is a copy, and in a flattened module a layer of its own
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr, SymbolRefAttr
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from llmir.dialects.llm.flattened import EMBEDDING, LINEAR, add_layers, is_flattened
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.weights import WeightOp, loads, weights
from llmir.errors import InputError
from llmir.passes.assign_schemes import quantizable, weight_of
from llmir.passes.locations import error_at, errors_at, loaded_weight
from llmir.passes.rewriter import Rewriter
from llmir.program.context import program_context
from llmir.program.quantized_weights import weight_layouts
from llmir.program.store import WeightStore


@dataclass(frozen=True)
class WeightRenamingPass(ModulePass):
    """Give a weight another name."""

    name = "rename-weights"

    weight: str
    to: str
    keep: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rename or copy; InputError when there is no such weight, or the new name is taken."""
        declared = weights(op)
        old = find_weight(self.weight, declared, self.name)
        if self.to in declared:
            raise error_at(declared[self.to], f"'{self.to}' is the name of another weight already", self.name)
        store = program_context(ctx, self.name).weights
        if self.keep:
            self._copy(op, old, store, declared)
            return
        with errors_at(old):
            _rename_stored(old, self.to, store)
        old.properties["sym_name"] = StringAttr(self.to)
        for load in loads(op):
            if load.symbol == self.weight:
                load.properties["weight"] = SymbolRefAttr(self.to)

    def _copy(self, module: ModuleOp, old: WeightOp, store: WeightStore, declared: dict[str, WeightOp]) -> None:
        if not is_flattened(module):
            raise InputError(
                f"{self.name}: a copy '{self.to}' would be used by no layer, keep is for flattened modules"
            )
        new = WeightOp(self.to, old.type)
        new.attributes.update(old.attributes)
        new.location = old.location
        Rewriter.insert_op(new, InsertPoint.after(old))
        with errors_at(old):
            for name in weight_layouts("", old.type):
                store.add(self.to + name, store[old.store_key + name])
        for layer in quantizable(module):
            load = loaded_weight(weight_of(layer))
            if load is not None and load.symbol == self.weight:
                add_layers(module, [(new, _kind(layer), _bias(layer, declared))])


def find_weight(name: str, declared: dict[str, WeightOp], who: str) -> WeightOp:
    """A weight by name; InputError names the nearest."""
    if name not in declared:
        near = difflib.get_close_matches(name, declared, 1, 0)
        raise InputError(f"{who}: there is no weight '{name}'{f', the nearest is {near[0]!r}' if near else ''}")
    return declared[name]


def _rename_stored(weight: WeightOp, to: str, store: WeightStore) -> None:
    old = weight.store_key
    for suffix in weight_layouts("", weight.type):
        store.add(to + suffix, store[old + suffix])
        store.remove(old + suffix)
    weight.properties.pop("key", None)


def _kind(layer: LinearOp | EmbeddingOp) -> str:
    return EMBEDDING if isinstance(layer, EmbeddingOp) else LINEAR


def _bias(layer: LinearOp | EmbeddingOp, declared: dict[str, WeightOp]) -> WeightOp | None:
    if isinstance(layer, EmbeddingOp) or layer.bias is None:
        return None
    load = loaded_weight(layer.bias)
    return None if load is None else declared[load.symbol]
