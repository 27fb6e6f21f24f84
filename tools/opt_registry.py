"""What llmir-opt knows: the dialects, passes and targets of xDSL, of LLMIR, and of other packages installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.ir import Dialect
from xdsl.passes import ModulePass
from xdsl.utils.target import Target

from llmir.dialects.context import new_builtin
from llmir.passes.registry import all_passes, installed
from llmir.universe import UNIVERSE


def _llvm() -> Dialect:
    """xDSL's dialect with what it lacks."""
    from llmir.dialects.llvm_additions import LLVM

    return LLVM


@dataclass(frozen=True)
class Registry:
    """Factories by name; nothing is imported before it is used.

    xDSL finds LLMIR's own through its entry point when LLMIR is installed; here they are there in any case.
    """

    dialects: dict[str, Callable[[], Dialect]] = field(default_factory=lambda: dict(UNIVERSE.all_dialects))
    passes: dict[str, Callable[[], type[ModulePass]]] = field(default_factory=all_passes)
    targets: dict[str, Callable[[], type[Target]]] = field(default_factory=lambda: dict(UNIVERSE.all_targets))

    def __post_init__(self) -> None:
        for own, all_of_them in (
            (self.dialects, installed().all_dialects),
            (self.targets, installed().all_targets),
        ):
            for name, factory in all_of_them.items():
                own.setdefault(name, factory)  # pyright: ignore[reportArgumentType, reportCallIssue]
        self.dialects["builtin"] = new_builtin
        self.dialects["llvm"] = _llvm

    def register_dialects(self, ctx: Context) -> None:
        """Make every dialect known to a context, to be loaded when first used."""
        for name, factory in self.dialects.items():
            ctx.register_dialect(name, factory)
