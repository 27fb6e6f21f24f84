"""Crash reproducers, as mlir-opt writes and runs them: a module, and in the file's resources the pipeline for it."""

from __future__ import annotations

from collections.abc import Mapping

from llmir.dialects.parser import Resource
from llmir.errors import InputError

PRODUCER = "mlir_reproducer"


def reproducer_text(module: str, pipeline: str, *, verify_each: bool) -> str:
    """The text of a reproducer: the module before any pass, `pipeline` on one line, whether passes are verified."""
    escaped = pipeline.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f"""{module.rstrip()}

{{-#
  external_resources: {{
    {PRODUCER}: {{
      pipeline: "{escaped}",
      disable_threading: true,
      verify_each: {str(verify_each).lower()}
    }}
  }}
#-}}
"""


def reproduced_pipeline(resources: Mapping[str, Mapping[str, Resource]], name: str) -> tuple[str, bool]:
    """The pipeline a file says it is to be run with, and whether to verify after each pass.

    InputError when the file `name` is not a reproducer.
    """
    said = resources.get(PRODUCER, {})
    pipeline = said.get("pipeline")
    if not isinstance(pipeline, str):
        raise InputError(f"{name}: not a reproducer, it has no external_resources with {PRODUCER} and a pipeline in it")
    return pipeline, bool(said.get("verify_each", True))
