"""Pipelines of passes over a program.

`Pipeline.parse("quantize-weights,fuse-quantized-ops").run(program)`, or
`Pipeline((WeightQuantizationPass(),)).run(program)`: the text form and the objects are the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import VerifyException

from llmir.backends.numpy.session import Session
from llmir.dialects.llm.weights import symbol_errors
from llmir.errors import InputError
from llmir.passes.pipeline_text import parse_pipeline, pass_text
from llmir.passes.registry import PASSES
from llmir.program.context import LLMContext, Progress, ignore_progress
from llmir.program.journal import Journal
from llmir.program.program import Program
from llmir.program.store import WeightStore


@dataclass(frozen=True)
class Pipeline:
    """Passes in order."""

    passes: tuple[ModulePass, ...]

    @staticmethod
    def parse(text: str) -> Pipeline:
        """The pipeline of a string like `a{x=1},b`; UsageError says what is wrong with it, and where."""
        return Pipeline(parse_pipeline(text, PASSES))

    def __str__(self) -> str:
        """The string `parse` reads."""
        return ",".join(map(pass_text, self.passes))

    def run(self, program: Program, progress: Progress = ignore_progress, journal: Journal | None = None) -> None:
        """Run the passes on a program, in place, verifying the module after each.

        With a journal, finished weights are noted in it, and those it holds are not computed again.
        """
        ctx = program.context(progress)
        ctx.journal = journal
        for item in self.passes:
            item.apply(ctx, program.module)
            verify(program.module, item.name)
        if self.passes:
            program.history.append({"pipeline": str(self)})


def verify(module: ModuleOp, after: str) -> None:
    """InputError when a module is not valid after a pass."""
    try:
        module.verify()
    except VerifyException as e:
        raise InputError(f"after {after}: {e}") from e
    for op, message in symbol_errors(module):
        raise InputError(f"after {after}: '{op.name}' {message}")


def compile_numpy(
    module: ModuleOp,
    store: WeightStore,
) -> Session:
    """A session that runs a module on the NumPy backend; the module itself is left as it is."""
    lowered = module.clone()
    ctx = LLMContext.new(store)
    for item in Pipeline.parse("fuse-quantized-ops,lower-to-target{target=numpy}").passes:
        item.apply(ctx, lowered)
    return Session(lowered, store)
