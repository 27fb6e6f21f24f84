"""The cache of keys and values: how it lies in memory and what its elements mean.

A layer's keys are heads one after another, and so are its values. For a capacity of C tokens (a multiple of the
machine's lanes) a head has C * head_dim elements: keys in blocks of `lanes` tokens, [C / lanes][head_dim][lanes], so
that a register holds one element of as many tokens; values as [C][head_dim]. Elements are

- `f32`, `f16`: rounded to nearest even;
- `f8E4M3FN`: rounded to nearest even, saturating at 448;
- `i8`: codes -127 .. 127 with a scale = absmax / 127 for each token of each head (1 for zeros), float32 [C] behind the
  elements.
"""

from __future__ import annotations

from dataclasses import dataclass

ELEMENT_BYTES = {"f32": 4, "f16": 2, "i8": 1, "f8E4M3FN": 1}
"""What a cache may hold, and the size of an element."""


@dataclass(frozen=True)
class CacheLayout:
    """Sizes of a head's keys (or values); ValueError for an unknown element."""

    head_dim: int
    element: str

    def __post_init__(self) -> None:
        if self.element not in ELEMENT_BYTES:
            raise ValueError(f"no cache of '{self.element}', expected one of {', '.join(ELEMENT_BYTES)}")

    @property
    def element_bytes(self) -> int:
        """Bytes of an element."""
        return ELEMENT_BYTES[self.element]

    @property
    def scaled(self) -> bool:
        """True when tokens have scales."""
        return self.element == "i8"

    @property
    def token_bytes(self) -> int:
        """Bytes a token has in a head, a scale with them."""
        return self.head_dim * self.element_bytes + (4 if self.scaled else 0)
