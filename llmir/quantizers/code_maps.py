"""Which code a code becomes when its real value is quantized again, found by trying every code there is.

A code has at most 8 bits, so whether a rewrite of codes changes one is decided by looking at all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Element, Integer
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat, real
from llmir.quantizers.parameters import Groups, Parameters, Stored, decode, encode

BLOCK = 1 << 12
"""Rows of parameters looked at together."""


@dataclass(frozen=True)
class Coding:
    """A format with the parameters of every scale, float32 and flat in the order of `Granularity.split`."""

    format: QuantizedFormat
    parameters: Parameters


Step = Coding | np.dtype[Any]
"""Values are quantized and dequantized again, or rounded to a float type."""


def all_codes(element: Element) -> NDArray[Any]:
    """Every code of a format, [2^bits] in its dtype; formats of floats and codebooks by bit pattern."""
    if isinstance(element, Integer):
        return np.arange(element.minimum, element.maximum + 1).astype(element.dtype)
    return np.arange(1 << element.bits, dtype=np.uint8).view(element.dtype)


def produced_codes(element: Element) -> NDArray[Any]:
    """The codes that quantizing can produce, in order: bit patterns of infinities are not among them."""
    codes = all_codes(element)
    if isinstance(element, Integer):
        return codes
    with np.errstate(invalid="ignore"):
        return np.unique(element.encode(element.decode(codes)))


def changed_codes(
    given: Coding, codes: NDArray[Any], one_way: Sequence[Step], other_way: Sequence[Step]
) -> NDArray[Any]:
    """Those of `codes`, in the coding `given`, that two ways of quantizing them again take to different codes.

    A way ends with the coding of its result; one without steps leaves the codes as they are. ValueError when the
    codings are of different granularity, so that nothing says which of their parameters meet.
    """
    codings = [given, *(s for s in (*one_way, *other_way) if isinstance(s, Coding))]
    if len({c.format.granularity for c in codings if len(real(c.parameters.scale)) > 1}) > 1:
        raise ValueError("scales of different granularity")
    different = np.zeros(len(codes), np.bool_)
    for block in _blocks(codings):
        start, ones, others = block[0], block[1:], block[1 + _count(one_way) :]
        different |= (_walk(codes, start, one_way, ones) != _walk(codes, start, other_way, others)).any(axis=0)
    return codes[different]


def _count(way: Sequence[Step]) -> int:
    return sum(isinstance(step, Coding) for step in way)


def _blocks(codings: Sequence[Coding]) -> Iterator[list[Coding]]:
    """The codings' parameters [R], block by block of R; rows that are equal in all of them come once."""
    columns = [a for c in codings for a in _present(c.parameters)]
    rows = max(map(len, columns))
    keys = np.column_stack([np.broadcast_to(a.astype(np.float64), rows) for a in columns])
    _, kept = np.unique(keys, axis=0, return_index=True)
    for start in range(0, len(kept), BLOCK):
        yield [_rows(c, rows, kept[start : start + BLOCK]) for c in codings]


def _present(parameters: Parameters) -> list[NDArray[Any]]:
    return [real(a) for a in (parameters.scale, parameters.zero_point, parameters.minimum) if a is not None]


def _rows(coding: Coding, count: int, chosen: NDArray[np.intp]) -> Coding:
    """Some of `count` rows of parameters, as a coding of rows."""

    def taken(values: Stored) -> NDArray[np.float32]:
        return np.broadcast_to(real(values), count)[chosen]

    p = coding.parameters
    zero_point = None if p.zero_point is None else taken(p.zero_point)
    rows = Parameters(taken(p.scale), zero_point, None if p.minimum is None else taken(p.minimum))
    return Coding(replace(coding.format, granularity=Granularity(0)), rows)


def _walk(codes: NDArray[Any], start: Coding, way: Sequence[Step], rows: Sequence[Coding]) -> NDArray[Any]:
    """Codes [R, C] at the end of a way, whose codings are `rows` in order."""
    remaining = iter(rows)
    reached: NDArray[Any] = np.broadcast_to(codes, (len(real(start.parameters.scale)), len(codes)))
    values = _decode(reached, start)
    for step in way:
        if not isinstance(step, Coding):
            with np.errstate(over="ignore"):
                values = values.astype(step).astype(np.float32)
            continue
        coding = next(remaining)
        with np.errstate(over="ignore", invalid="ignore"):
            reached = encode(values, coding.parameters, coding.format)
        values = _decode(reached, coding)
    return reached


def _decode(codes: NDArray[Any], coding: Coding) -> Groups:
    with np.errstate(over="ignore", invalid="ignore"):
        return decode(codes, coding.parameters, coding.format)
