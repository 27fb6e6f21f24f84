"""Codebooks: code i stands for entry i of a table of real values.

| name              | entries | table                                                                             |
|-------------------|---------|-----------------------------------------------------------------------------------|
| `nf4`             | 16      | NormalFloat4: quantiles of a normal distribution, with an exact 0 (QLoRA, appendix E) |
| `iq4_nl`          | 16      | GGUF's IQ4_NL and IQ4_XS                                                            |
| `codebook:[...]`  | 2^b     | given: 2 to 256 finite and distinct values                                          |
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

_NF4_NEGATIVE = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
)
_NF4_POSITIVE = (
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
_IQ4_NL = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)

CODEBOOKS: dict[str, tuple[float, ...]] = {
    "nf4": (*_NF4_NEGATIVE, 0.0, *_NF4_POSITIVE),
    "iq4_nl": tuple(map(float, _IQ4_NL)),
}
"""The codebooks that have a name."""

PREFIX = "codebook:"
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Codebook:
    """2^bits real values; a code is an index. ValueError unless they are finite, distinct and 2^1 to 2^8 many."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if (error := codebook_error(self.values)) is not None:
            raise ValueError(error)

    @property
    def name(self) -> str:
        """A known codebook's name, or `codebook:[...]` with the values."""
        known = next((name for name, table in CODEBOOKS.items() if table == self.values), None)
        return known or PREFIX + json.dumps(self.values)

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return len(self.values).bit_length() - 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of a code: an index."""
        return np.dtype(np.uint8)

    @property
    def minimum(self) -> float:
        """The smallest entry."""
        return min(self.values)

    @property
    def maximum(self) -> float:
        """The largest entry."""
        return max(self.values)

    @property
    def magnitude(self) -> float:
        """The largest magnitude of an entry, which symmetric scales map the largest value to."""
        return max(map(abs, self.values))

    def encode(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """The nearest entry; between two equally near ones the one of lower index."""
        order, boundaries = _boundaries(self.values)
        return order[np.searchsorted(boundaries, values.astype(np.float64), side="left")]

    def decode(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """The entry of each code, float32."""
        return _table(self.values)[codes]


def codebook_error(values: Sequence[float]) -> str | None:
    """Why a table cannot be a codebook, or None."""
    if len(values) not in [1 << bits for bits in range(1, 9)]:
        return f"a codebook has 2^bits entries for 1 to 8 bits, got {len(values)}"
    for value in values:
        if not abs(value) <= LARGEST:
            return f"codebook entry {value} is not a finite float32"
    stored = [float(np.float32(value)) for value in values]
    for i, value in enumerate(stored):
        if value in stored[:i]:
            return f"codebook entries {stored.index(value)} and {i} are both {value:.9g}; they must be distinct"
    return None


def parse_codebook(text: str) -> Codebook:
    """A codebook by name or as `codebook:[...]`; ValueError says what is wrong with the list."""
    if text in CODEBOOKS:
        return Codebook(CODEBOOKS[text])
    example = f"write {PREFIX}[-1.0, -0.5, 0.5, 1.0]"
    try:
        parsed = json.loads(text.removeprefix(PREFIX))
    except ValueError as e:
        raise ValueError(f"'{text}' is not a codebook; {example}") from e
    entries = cast(list[Any], parsed) if isinstance(parsed, list) else []
    if not entries or not all(map(_is_number, entries)):
        raise ValueError(f"'{text}' is not a codebook; {example}")
    return Codebook(tuple(map(float, entries)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@cache
def _table(values: tuple[float, ...]) -> NDArray[np.float32]:
    table = np.array(values, np.float32)
    table.flags.writeable = False
    return table


@cache
def _boundaries(values: tuple[float, ...]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The codes in ascending order of value, and the largest real that goes to each but the last."""
    table = _table(values).astype(np.float64)
    order = np.argsort(table)
    middles = (table[order][:-1] + table[order][1:]) / 2
    upper_wins = order[1:] < order[:-1]
    return order.astype(np.uint8), np.where(upper_wins, np.nextafter(middles, -np.inf), middles)
