"""The layers that `modules`, `exclude` and `ops` choose, and the weights that are theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.values import dense_array
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp, loads, weights
from llmir.formats.mixed import MixedArray
from llmir.formats.sparse import SparseArray
from llmir.passes.assign_schemes import check_kinds, kind_of, layers_by_name, match_all, weight_of
from llmir.passes.locations import InlineWeight, error_at, inline_weight, loaded_weight, module_name, place
from llmir.passes.quantize_weights import replace_weight
from llmir.program.irregular_weights import put_irregular
from llmir.program.quantized_weights import weight_layouts
from llmir.program.store import WeightStore

Layer = LinearOp | EmbeddingOp | QuantizedMatmulOp


@dataclass(frozen=True)
class StoredWeight:
    """A weight of the store, its loads, and the layers that use it."""

    declaration: WeightOp
    loads: list[LoadWeightOp]
    layers: list[Layer]


@dataclass(frozen=True)
class ConstantWeight:
    """A weight in the text, and the layers that use it."""

    constant: InlineWeight
    layers: list[Layer]


def chosen_layers(
    module: ModuleOp, modules: tuple[str, ...], exclude: tuple[str, ...], ops: tuple[str, ...], who: str
) -> list[LinearOp | EmbeddingOp]:
    """The layers of some kinds that patterns choose; InputError for a pattern without a match or an unknown kind."""
    check_kinds(ops, who)
    layers = layers_by_name(module)
    excluded = match_all(exclude, layers, who) if exclude else []
    names = [name for name in match_all(modules, layers, who) if name not in excluded]
    return [layer for name in names for layer in layers[name] if kind_of(layer) in ops]


def weights_of_layers(
    module: ModuleOp, layers: Sequence[Layer], who: str
) -> tuple[list[StoredWeight], list[ConstantWeight]]:
    """The weights of layers, each once.

    InputError when one is neither stored nor in the text, or is used by something that is not one of the layers.
    """
    stored: dict[str, list[Layer]] = {}
    inline: dict[InlineWeight, list[Layer]] = {}
    for layer in layers:
        if (load := loaded_weight(weight_of(layer))) is not None:
            stored.setdefault(load.symbol, []).append(layer)
        elif (constant := inline_weight(weight_of(layer))) is not None:
            inline.setdefault(constant, []).append(layer)
        else:
            raise error_at(layer, f"{who} takes only weights from llm.load_weight and constants")
    declared = weights(module)
    keys = Counter(weight.store_key for weight in declared.values())
    loads_of: dict[str, list[LoadWeightOp]] = {name: [] for name in stored}
    for load in loads(module):
        if load.symbol in loads_of:
            loads_of[load.symbol].append(load)
    for name, users in stored.items():
        if keys[declared[name].store_key] > 1:
            fact = f"weight '{name}' shares its tensors with another weight, which would change too"
            raise error_at(declared[name], fact, who)
        _check_users(f"weight '{name}'", loads_of[name], users, who)
    for constant, users in inline.items():
        _check_users(f"the weight at {place(constant)}", [constant], users, who)
    return (
        [StoredWeight(declared[name], loads_of[name], users) for name, users in stored.items()],
        [ConstantWeight(constant, users) for constant, users in inline.items()],
    )


def _check_users(which: str, sources: Sequence[Operation], layers: Sequence[Layer], who: str) -> None:
    for op in (user for source in sources for user in _users(source)):
        if op not in layers:
            fact = f"{which} is also used by {module_name(op)}, which is left alone; choose both or neither"
            raise error_at(op, fact, who)


def _users(source: Operation) -> Iterator[Operation]:
    """What uses a weight, looking through dequantizes."""
    for use in source.results[0].uses:
        if isinstance(use.operation, DequantizeOp):
            yield from _users(use.operation)
        else:
            yield use.operation


def constant_values(constant: InlineWeight) -> NDArray[Any]:
    """The real values of a weight in the text."""
    if isinstance(constant, ConstantOp):
        return constant.contents.dequantize()
    return dense_array(constant.value)


def replace_stored(
    store: WeightStore,
    weight: StoredWeight,
    type: MixedQuantizedTensorType | SparseQuantizedTensorType,
    array: MixedArray | SparseArray,
) -> None:
    """Keep a weight as mixed or sparse codes, and retype its loads."""
    forget_stored(store, weight)
    put_irregular(store, weight.declaration.store_key, array)
    retype(weight, type)


def forget_stored(store: WeightStore, weight: StoredWeight) -> None:
    """Take a weight's tensors out of the store."""
    for name in weight_layouts(weight.declaration.store_key, weight.declaration.type):
        store[name].release()
        store.remove(name)


def retype(weight: StoredWeight, type: MixedQuantizedTensorType | SparseQuantizedTensorType) -> None:
    """Give a weight another type; loads are dequantized unless what they load was."""
    weight.declaration.properties["type"] = type
    for load in weight.loads:
        replace_weight(load, LoadWeightOp(load.symbol, type))
