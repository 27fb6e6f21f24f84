"""What watches the passes of llmir-opt: verification, IR dumps, timing, and who is running."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import IO

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.traits import SymbolOpInterface

from llmir.passes.pass_manager import Instrument, NestedPipeline
from llmir.tools.opt_diagnostics import verify
from llmir.tools.opt_printing import TextTarget


@dataclass
class Running(Instrument):
    """Knows what is being done: the text being read, or a pass running on an operation."""

    parsing: bool = False
    item: ModulePass | None = None
    op: Operation | None = None

    @property
    def name(self) -> str | None:
        """The name of the running pass."""
        return None if self.item is None else self.item.name

    def before_pass(self, item: ModulePass, op: Operation) -> None:
        """Note the pass."""
        self.item, self.op = item, op

    def after_pass(self, item: ModulePass, op: Operation) -> None:
        """No pass is running."""
        self.item = self.op = None


class Verifier(Instrument):
    """Verifies the operation a pass ran on, and after a nested pipeline what it ran inside of."""

    def __init__(self, measure: Callable[[str], AbstractContextManager[None]]):
        self._measure = measure

    def check_pass(self, item: ModulePass, op: Operation) -> None:
        """Diagnosed when the pass left invalid IR."""
        with self._measure("Verifier"):
            verify(op, item.name)

    def after_pipeline(self, pipeline: NestedPipeline, op: Operation) -> None:
        """Diagnosed when the passes, each good by itself, left an invalid whole."""
        with self._measure("Verifier"):
            verify(op, f"pipeline {pipeline.anchor}")


@dataclass
class IRPrinter(Instrument):
    """Prints the IR around passes, with mlir-opt's banners. None in place of names means every pass."""

    stream: IO[str]
    target: TextTarget
    before: frozenset[str] | None = frozenset()
    after: frozenset[str] | None = frozenset()
    only_changes: bool = False
    failures: bool = False
    module_scope: bool = False
    _unchanged: Operation | None = field(default=None, init=False)

    def before_pass(self, item: ModulePass, op: Operation) -> None:
        """Print, and keep a copy to compare with."""
        if self.before is None or item.name in self.before:
            self._print(f"Before {_title(item)}", op)
        self._unchanged = op.clone() if self.only_changes else None

    def after_pass(self, item: ModulePass, op: Operation) -> None:
        """Print, if the IR is another one or it does not matter."""
        if self.after is not None and item.name not in self.after:
            return
        if self._unchanged is None or not self._unchanged.is_structurally_equivalent(op):
            self._print(f"After {_title(item)}", op)

    def after_failed_pass(self, item: ModulePass, op: Operation) -> None:
        """Print what the pass left."""
        if self.failures:
            self._print(f"After {type(item).__name__} Failed ({item.name})", op)

    def _print(self, when: str, op: Operation) -> None:
        root = op
        while self.module_scope and (parent := root.parent_op()) is not None:
            root = parent
        if root is not op:
            when += f" ('{op.name}' operation{_symbol(op)})"
        print(f"// -----// IR Dump {when} //----- //\n{self.target.text_of(root)}\n", file=self.stream)


def _title(item: ModulePass) -> str:
    return f"{type(item).__name__} ({item.name})"


def _symbol(op: Operation) -> str:
    trait = op.get_trait(SymbolOpInterface)
    name = None if trait is None else trait.get_sym_attr_name(op)
    return f": @{name.data}" if isinstance(name, StringAttr) else ""


@dataclass
class _Timed:
    name: str
    depth: int
    wall: float = 0.0
    user: float = 0.0


class Timer(Instrument):
    """Measures passes and what else takes time; `report` is mlir-opt's table."""

    def __init__(self) -> None:
        self._entries: dict[tuple[object, ...], _Timed] = {}
        self._path: tuple[object, ...] = ()
        self._begun: list[tuple[float, float]] = []
        self._start = _now()

    def before_pass(self, item: ModulePass, op: Operation) -> None:
        """Start the clock of a pass; a nested one's runs on all operations add up."""
        self._enter(id(item), _title(item))

    def after_pass(self, item: ModulePass, op: Operation) -> None:
        """Stop it."""
        self._leave()

    def before_pipeline(self, pipeline: NestedPipeline, op: Operation) -> None:
        """Start the clock of all passes of a nested pipeline."""
        self._enter(id(pipeline), f"'{pipeline.anchor}' Pipeline")

    def after_pipeline(self, pipeline: NestedPipeline, op: Operation) -> None:
        """Stop it."""
        self._leave()

    def after_failed_pass(self, item: ModulePass, op: Operation) -> None:
        """Stop it; no report is made of a run that failed."""
        self._leave()

    @contextmanager
    def measure(self, name: str) -> Generator[None]:
        """Measure what is done inside under a name; several times add up."""
        self._enter(name, name)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, key: object, name: str) -> None:
        self._path += (key,)
        self._entries.setdefault(self._path, _Timed(name, len(self._begun)))
        self._begun.append(_now())

    def _leave(self) -> None:
        (began_wall, began_user), (wall, user) = self._begun.pop(), _now()
        entry = self._entries[self._path]
        entry.wall += wall - began_wall
        entry.user += user - began_user
        self._path = self._path[:-1]

    def report(self) -> str:
        """The table: user and wall-clock seconds of each entry, and their share."""
        wall, user = (now - start for now, start in zip(_now(), self._start, strict=True))
        outer = [e for e in self._entries.values() if e.depth == 0]
        rest = _Timed("Rest", 0, wall - sum(e.wall for e in outer), user - sum(e.user for e in outer))
        total = _Timed("Total", 0, wall, user)
        line = f"==={'-' * 73}==="
        title = "... Execution time report ..."
        head = (
            f"{line}\n{title:>{(len(line) + len(title)) // 2}}\n{line}\n  Total Execution Time: {wall:.4f} seconds\n\n"
        )
        rows = "".join(
            f"  {_share(e.user, user)}  {_share(e.wall, wall)}  {'  ' * e.depth}{e.name}\n"
            for e in (*self._entries.values(), rest, total)
        )
        return f"{head}  ----User Time----  ----Wall Time----  ----Name----\n{rows}"


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _share(seconds: float, total: float) -> str:
    return f"{seconds:8.4f} ({100 * seconds / total if total else 0:5.1f}%)"
