"""Pipelines of passes over a program, or over a bare module.

`Pipeline.parse("quantize-weights,fuse-quantized-ops").run(program)`, or
`Pipeline([WeightQuantizationPass(), QuantizedOperationFusionPass()]).run(program)`: the text form and the objects
are the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import VerifyException

from llmir.backends.numpy.session import Session
from llmir.dialects.context import new_context
from llmir.dialects.llm.weights import symbol_errors
from llmir.errors import InputError
from llmir.passes.pass_manager import check_anchors, run_passes
from llmir.passes.pipeline_text import parse_pipeline, pass_text
from llmir.passes.registry import all_passes, installed
from llmir.program.context import LLMContext, Progress, ignore_progress
from llmir.program.journal import Journal
from llmir.program.program import Program
from llmir.program.store import WeightStore

NUMPY_PIPELINE = "fuse-quantized-ops,lower-to-target{target=numpy}"
"""What a program goes through before the NumPy backend runs it."""


@dataclass(frozen=True, init=False)
class Pipeline:
    """Passes in order."""

    passes: tuple[ModulePass, ...]

    def __init__(self, passes: Iterable[ModulePass]):
        object.__setattr__(self, "passes", tuple(passes))

    @staticmethod
    def parse(text: str) -> Pipeline:
        """The pipeline of a string like `a{x=1},b`, of LLMIR's passes, xDSL's, and those other packages register.

        UsageError says what is wrong with it, and where.
        """
        passes = parse_pipeline(text, all_passes())
        check_anchors(passes, _context_of_anchors())
        return Pipeline(passes)

    def __str__(self) -> str:
        """The string `parse` reads."""
        return ",".join(map(pass_text, self.passes))

    def run(
        self, program: Program | ModuleOp, progress: Progress = ignore_progress, journal: Journal | None = None
    ) -> None:
        """Run the passes on a program or a module without weights of its own, in place, verifying it after each.

        With a journal, finished weights are noted in it, and those it holds are not computed again.
        """
        if isinstance(program, ModuleOp):
            program = Program(program, WeightStore(source="the module, which has no weights of its own"), "module")
        ctx = program.context(progress)
        ctx.journal = journal
        for item in self.passes:
            run_passes([item], ctx, program.module)
            verify(program.module, item.name)
        if self.passes:
            program.history.append({"pipeline": str(self)})


def _context_of_anchors() -> Context:
    """A context that knows the operations passes may be nested in, of all packages installed."""
    ctx = new_context()
    for name, factory in installed().all_dialects.items():
        if name not in ctx.registered_dialect_names:
            ctx.register_dialect(name, factory)
    return ctx


def verify(module: ModuleOp, after: str) -> None:
    """InputError when a module is not valid after a pass."""
    try:
        module.verify()
    except VerifyException as e:
        raise InputError(f"after {after}: {e}") from e
    for op, message in symbol_errors(module):
        raise InputError(f"after {after}: '{op.name}' {message}")


def compile_numpy(module: ModuleOp, store: WeightStore | None = None) -> Session:
    """A session that runs a module on the NumPy backend; the module and its store are left as they are."""
    lowered = module.clone()
    own = WeightStore() if store is None else store.view()
    ctx = LLMContext.new(own)
    run_passes(Pipeline.parse(NUMPY_PIPELINE).passes, ctx, lowered)
    return Session(lowered, own)
