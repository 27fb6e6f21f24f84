"""`llmir-opt -t numpy`: prints the Python source the NumPy backend runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.target import Target

from llmir.backends.numpy.emit import emit_source


@dataclass(frozen=True)
class NumpyTarget(Target):
    """Kernel IR as Python source."""

    name = "numpy"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        """Write the source; InputError names an operation that is not at kernel level."""
        output.write(emit_source(module))
