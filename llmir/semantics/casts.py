"""Codes as other codes."""

from __future__ import annotations

from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.formats.recoding import recode


def cast_codes(input: QuantizedArray, *, result: QuantizedFormat) -> QuantizedArray:
    """The same real values in the codes of `result`; ValueError when they have none there."""
    return recode(input, result)
