"""The context passes run in: xDSL's, plus the weights of the program being compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from xdsl.context import Context

from llmir.dialects.context import load_dialects
from llmir.errors import InputError
from llmir.program.store import WeightStore

if TYPE_CHECKING:
    from llmir.program.journal import Journal

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def ignore_progress(_what: str, _done: int, _total: int) -> None:
    """Progress nobody watches."""


@dataclass
class LLMContext(Context):
    """A context with a program's weights and tokenizer (its tokenizer.json), and the journal of the run if any."""

    weights: WeightStore = field(default_factory=WeightStore)
    tokenizer: bytes | None = None
    progress: Progress = ignore_progress
    journal: Journal | None = None

    @staticmethod
    def new(
        weights: WeightStore | None = None,
        tokenizer: bytes | None = None,
        progress: Progress = ignore_progress,
    ) -> LLMContext:
        """A context that knows the dialects of a program."""
        store = weights if weights is not None else WeightStore()
        ctx = LLMContext(weights=store, tokenizer=tokenizer, progress=progress)
        load_dialects(ctx)
        return ctx

    def clone(self) -> LLMContext:
        """A copy that shares the weights."""
        base = vars(super().clone())
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in base}
        return LLMContext(**base, **own)


def program_context(ctx: Context, pass_name: str) -> LLMContext:
    """The context of a pass that needs a program's weights; InputError when it runs where there are none."""
    if not isinstance(ctx, LLMContext):
        raise InputError(f"{pass_name}: needs the weights of a program; run it with llmir-opt or llmir")
    return ctx
