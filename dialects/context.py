"""The dialects LLMIR's programs are written in."""

from __future__ import annotations

from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin
from xdsl.dialects.func import Func
from xdsl.dialects.tensor import Tensor

from llmir.dialects.kernel import KERNEL
from llmir.dialects.llm import LLM

LLMIR_DIALECTS = (Builtin, Func, Arith, Tensor, LLM, KERNEL)


def new_context() -> Context:
    """A context that knows `LLMIR_DIALECTS`."""
    ctx = Context()
    for dialect in LLMIR_DIALECTS:
        ctx.load_dialect(dialect)
    return ctx
