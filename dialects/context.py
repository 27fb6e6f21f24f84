"""The dialects LLMIR's programs are written in."""

from __future__ import annotations

from xdsl.context import Context
from xdsl.ir import Dialect


def new_builtin() -> Dialect:
    """xDSL's builtin dialect with no resources in it.

    A dialect holds the resources of the texts read with it, and gives those of another text with the same keys
    other keys; so every context has its own.
    """
    from xdsl.dialect_interfaces.op_asm import OpAsmDialectInterface
    from xdsl.dialects.builtin import Builtin

    return Dialect(Builtin.name, list(Builtin.operations), list(Builtin.attributes), [OpAsmDialectInterface()])


def load_dialects(ctx: Context) -> None:
    """Make a context know the dialects of LLMIR's programs.

    They are imported here, so that tools which register dialects to be loaded when used do not wait for all of them.
    """
    from xdsl.dialects.arith import Arith
    from xdsl.dialects.func import Func
    from xdsl.dialects.tensor import Tensor

    from llmir.dialects.kernel import KERNEL
    from llmir.dialects.llm import LLM

    for dialect in (new_builtin(), Func, Arith, Tensor, LLM, KERNEL):
        ctx.load_dialect(dialect)
    ctx.register_dialect("scf", _scf)
    ctx.register_dialect("vk", _vk)
    ctx.register_dialect("llvm", _llvm)


def _scf() -> Dialect:
    from xdsl.dialects.scf import Scf

    return Scf


def _vk() -> Dialect:
    from llmir.dialects.vk import VK

    return VK


def _llvm() -> Dialect:
    from llmir.dialects.llvm_additions import LLVM

    return LLVM


def new_context() -> Context:
    """A context that knows the dialects of LLMIR's programs."""
    ctx = Context()
    load_dialects(ctx)
    return ctx
