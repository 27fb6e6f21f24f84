"""The context passes run in: xDSL's, plus the weights of the program being compiled."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.context import Context

from llmir.dialects.context import LLMIR_DIALECTS
from llmir.errors import InputError
from llmir.program.store import WeightStore


@dataclass
class LLMContext(Context):
    """A context with a weight store."""

    weights: WeightStore = field(default_factory=WeightStore)

    @staticmethod
    def new(weights: WeightStore | None = None) -> LLMContext:
        """A context that knows the dialects of a program."""
        ctx = LLMContext(weights=weights if weights is not None else WeightStore())
        for dialect in LLMIR_DIALECTS:
            ctx.load_dialect(dialect)
        return ctx

    def clone(self) -> LLMContext:
        """A copy that shares the weights."""
        return LLMContext(**vars(super().clone()), weights=self.weights)


def weights_of(ctx: Context, pass_name: str) -> WeightStore:
    """The weights a pass works on; InputError when it runs where there are none."""
    if not isinstance(ctx, LLMContext):
        raise InputError(f"{pass_name}: needs the weights of a program; run it with llmir-opt or llmir")
    return ctx.weights
