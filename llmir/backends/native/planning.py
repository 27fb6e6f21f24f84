"""What a session must know, taken from a module at kernel level."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp, SymbolRefAttr

from llmir.backends.native.kernels.step import cache_plan
from llmir.backends.native.packed_weights import packed_bytes
from llmir.backends.native.plan import Plan, StepPlan, TablePlan
from llmir.backends.native.steps_to_vk import steps_of
from llmir.dialects.kernel_access import shape
from llmir.dialects.kernel_products import RowRangesOp
from llmir.dialects.kernel_steps import StepOp
from llmir.dialects.kernel_symbols import CacheOp, RopeTableOp
from llmir.dialects.kernel_tokens import EmbedPositionsOp
from llmir.dialects.llm.values import attribute_value
from llmir.dialects.llm.weights import WeightOp, weights
from llmir.program.quantized_weights import real_weight
from llmir.program.store import WeightStore
from llmir.semantics.model import rope_frequencies


def plan_of(module: ModuleOp, store: WeightStore, steps: tuple[StepPlan, ...]) -> Plan:
    """The plan of a module whose steps want this memory; tables are made with weights of the store."""
    by_name = {step.sym_name.data: step for step in steps_of(module)}
    declared = weights(module)
    limits = [op.count.value.data for op in module.walk() if isinstance(op, EmbedPositionsOp)]
    return Plan(
        steps=steps,
        caches=tuple(cache_plan(op) for op in module.body.ops if isinstance(op, CacheOp)),
        tables=tuple(_table(op, declared, store) for op in module.body.ops if isinstance(op, RopeTableOp)),
        hidden=_columns(by_name["prefill"], "hidden"),
        vocabulary=_columns(by_name["head"], "logits"),
        weight_bytes=packed_bytes(module),
        positions=min(limits, default=None),
        whole_calls=any(isinstance(op, RowRangesOp) for op in module.walk()),
    )


def _columns(step: StepOp, argument: str) -> int:
    return shape(step.argument(argument))[-1]


def _table(op: RopeTableOp, declared: dict[str, WeightOp], store: WeightStore) -> TablePlan:
    scaling = None if op.scaling is None else attribute_value(op.scaling)
    frequencies = rope_frequencies(op.dimensions.value.data, op.theta.value.data, scaling)

    def divided(symbol: SymbolRefAttr | None) -> tuple[float, ...] | None:
        if symbol is None:
            return None
        weight = declared[symbol.root_reference.data]
        factors = cast("NDArray[np.float32]", real_weight(store, weight.store_key, weight.type).read())
        return tuple((frequencies / factors).tolist())

    return TablePlan(
        frequencies=divided(op.factors) or tuple(frequencies.tolist()),
        magnitude=1.0 if op.magnitude is None else op.magnitude.value.data,
        long_frequencies=divided(op.long_factors),
        original_context=None if op.original_context is None else op.original_context.value.data,
    )
