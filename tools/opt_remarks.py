"""Remarks as diagnostics: what passes attached to operations, with the places of these."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.ir import Operation
from xdsl.passes import ModulePass

from llmir.passes.pass_manager import Instrument
from llmir.passes.remarks import remark_of
from llmir.tools.opt_diagnostics import Diagnostic, place_of


class RemarkCollector(Instrument):
    """Passes on each remark that a pass attached, once, with the place of its operation."""

    def __init__(self, root: Operation, emit: Callable[[Diagnostic], None]):
        self._emit = emit
        self._known = {_key(op, text) for op in root.walk() if (text := remark_of(op)) is not None}

    def after_pass(self, item: ModulePass, op: Operation) -> None:
        """Pass on what is new."""
        for inner in op.walk():
            text = remark_of(inner)
            if text is None or _key(inner, text) in self._known:
                continue
            self._known.add(_key(inner, text))
            self._emit(Diagnostic("remark", text, place_of(inner)))


def _key(op: Operation, text: str) -> tuple[object, str]:
    return place_of(op) or id(op), text
