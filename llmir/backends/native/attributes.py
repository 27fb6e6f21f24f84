"""Attributes of native code; those it has many of are made once."""

from __future__ import annotations

from functools import cache
from typing import Any

from xdsl.dialects.builtin import IntegerAttr, StringAttr, i64

TRIPLE = "llvm.target_triple"
"""The module attribute that says what LLVM generates code for."""

_NUMBERS = [IntegerAttr(n, i64) for n in range(257)]


def integer(value: int) -> IntegerAttr[Any]:
    """A number as an i64."""
    return _NUMBERS[value] if 0 <= value < len(_NUMBERS) else IntegerAttr(value, i64)


@cache
def word(text: str) -> StringAttr:
    """A text."""
    return StringAttr(text)
