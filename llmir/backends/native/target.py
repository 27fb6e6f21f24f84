"""`llmir-opt -t llvm-ir`: prints the text LLVM compiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.target import Target

from llmir.backends.native.llvm_text import llvm_text


@dataclass(frozen=True)
class LLVMIRTarget(Target):
    """The llvm dialect as LLVM IR text."""

    name = "llvm-ir"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        """Write the text; InputError names an operation that has no form in it."""
        output.write(llvm_text(module))
