"""--verify-roundtrip: what is printed reads back to the same module, in the pretty and in the generic form."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.targets.mlir import MLIRTarget
from xdsl.utils.exceptions import ParseError

from llmir.dialects.parser import LLMParser
from llmir.tools.opt_diagnostics import Diagnosed, Diagnostic, one_line

FORMS = {"custom": MLIRTarget(), "generic": MLIRTarget(print_generic_format=True)}


def verify_roundtrip(module: ModuleOp, ctx: Context, new_context: Callable[[], Context], name: str) -> None:
    """Diagnosed when a form of the module cannot be read, or is read as another module.

    Each form is read in a new context, so that nothing is remembered from the first reading.
    """
    problems = [
        Diagnostic("error", f"{name}: roundtrip through the {form} form failed: {problem}")
        for form, target in FORMS.items()
        if (problem := _problem(module, ctx, target, new_context()))
    ]
    if problems:
        raise Diagnosed(problems)


def _problem(module: ModuleOp, ctx: Context, target: MLIRTarget, fresh: Context) -> str | None:
    text = _printed(module, ctx, target)
    try:
        again = LLMParser(fresh, text, "<roundtrip>").parse_module()
    except ParseError as e:
        line = text.splitlines()[e.span.get_location().line - 1].strip()
        return f"{one_line(e.msg)}: {line}"
    if module.is_structurally_equivalent(again):
        return None
    return _difference(text, _printed(again, fresh, target))


def _printed(module: ModuleOp, ctx: Context, target: MLIRTarget) -> str:
    stream = StringIO()
    target.emit(ctx, module, stream)
    return stream.getvalue()


def _difference(text: str, again: str) -> str:
    for line, other in zip(text.splitlines(), again.splitlines(), strict=False):
        if line != other:
            return f"`{line.strip()}` came back as `{other.strip()}`"
    return "it reads back as another module that prints the same"
