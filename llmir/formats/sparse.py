"""Sparse codes: a symmetric quantized tensor of which only some elements of each row are kept.

Two patterns. `N:M` keeps exactly N of every M consecutive elements of the last dimension, and says for each where
in its M it stands; 2:4 is what the sparse matrix units of GPUs read. `bitmask` keeps any elements, one bit of a
mask telling which. What is not kept is zero.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Codebook
from llmir.formats.quantized import QuantizedArray, QuantizedFormat


@dataclass(frozen=True)
class NOfM:
    """Exactly `n` of every `m` elements are kept."""

    n: int
    m: int

    def __str__(self) -> str:
        return f"{self.n}:{self.m}"

    @property
    def position_bits(self) -> int:
        """Bits that tell where in its group an element stands."""
        return max(1, (self.m - 1).bit_length())

    def kept(self, length: int) -> int:
        """How many of `length` elements are kept; ValueError when M does not divide them."""
        if length % self.m:
            raise ValueError(f"{self} needs a last dimension that {self.m} divides, got {length}")
        return length // self.m * self.n


@dataclass(frozen=True)
class Bitmask:
    """Any elements are kept."""

    def __str__(self) -> str:
        return "bitmask"


Pattern = NOfM | Bitmask


def pattern(text: str) -> Pattern:
    """The pattern of a name; ValueError says what is expected."""
    if text == "bitmask":
        return Bitmask()
    match = re.fullmatch(r"([1-9]\d{0,2}):([1-9]\d{0,2})", text)
    if match is None or int(match[1]) >= int(match[2]) or int(match[2]) > 256:
        raise ValueError(f"unknown sparsity '{text}', expected N:M such as 2:4 (N < M <= 256) or bitmask")
    return NOfM(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class SparseArray:
    """The kept codes of a quantized array of `shape`.

    N:M: `codes` [..., K / M * N] in order, `positions` uint8 of that shape. Bitmask: `codes` [nonzero] of the whole
    tensor in row-major order, `positions` bool of `shape`. `parameters` is the array with codes of no elements.
    """

    codes: NDArray[np.int8] | NDArray[np.uint8]
    positions: NDArray[np.uint8] | NDArray[np.bool_]
    parameters: QuantizedArray
    pattern: Pattern
    shape: tuple[int, ...]

    @property
    def format(self) -> QuantizedFormat:
        """The format of the dense tensor."""
        return self.parameters.format

    def unpack(self) -> QuantizedArray:
        """The dense codes."""
        dense = np.zeros(self.shape, self.format.element.dtype)
        if isinstance(self.pattern, NOfM):
            groups = dense.reshape(*self.shape[:-1], -1, self.pattern.m)
            at = self.positions.astype(np.intp).reshape(*groups.shape[:-1], self.pattern.n)
            np.put_along_axis(groups, at, self.codes.reshape(at.shape), axis=-1)
        else:
            dense[self.positions.astype(bool)] = self.codes
        p = self.parameters
        return QuantizedArray(dense, p.scale, p.format)

    def dequantize(self) -> NDArray[np.float32]:
        """The real values float32."""
        return self.unpack().dequantize()


def pack_sparse(array: QuantizedArray, kept: Pattern) -> SparseArray:
    """The elements of an array that are not zero; ValueError when the pattern has no room for them.

    Where fewer than N of M are not zero, zeros are kept too, the first ones of the group.
    """
    check_sparse_format(array.format)
    codes = array.codes
    empty = QuantizedArray(np.zeros(0, codes.dtype), array.scale, array.format)
    present = codes != 0
    if isinstance(kept, Bitmask):
        return SparseArray(codes[present], present, empty, kept, codes.shape)
    kept.kept(codes.shape[-1])
    groups = present.reshape(*codes.shape[:-1], -1, kept.m)
    counts = groups.sum(axis=-1)
    if counts.size and counts.max() > kept.n:
        at = [int(i) for i in np.argwhere(counts > kept.n)[0]]
        start = at[-1] * kept.m
        raise ValueError(
            f"{counts[tuple(at)]} of the elements {[*at[:-1], start]} to {[*at[:-1], start + kept.m - 1]} "
            f"are not zero, {kept} has room for {kept.n}; prune the tensor first"
        )
    # a stable sort puts what is present first, and keeps the order within each kind
    order = np.argsort(~groups, axis=-1, kind="stable")[..., : kept.n]
    positions = np.sort(order, axis=-1).astype(np.uint8)
    values = np.take_along_axis(codes.reshape(groups.shape), positions.astype(np.intp), axis=-1)
    shape = (*codes.shape[:-1], kept.kept(codes.shape[-1]))
    return SparseArray(values.reshape(shape), positions.reshape(shape), empty, kept, codes.shape)


def check_sparse_format(format: QuantizedFormat) -> None:
    """ValueError unless code 0 means zero."""
    if not format.symmetric:
        raise ValueError("sparse codes need a symmetric format, whose code 0 is zero; remove zero point or minimum")
    if isinstance(format.element, Codebook):
        raise ValueError(f"sparse codes need a format whose code 0 is zero, got the codebook {format.element.name}")


def prune(values: NDArray[np.floating], kept: NOfM) -> NDArray[np.floating]:
    """The values with all but the N largest magnitudes of every M set to zero; of equals the first are kept.

    ValueError when M does not divide the last dimension, and for values that are not numbers.
    """
    kept.kept(values.shape[-1])
    if (unordered := np.argwhere(np.isnan(values))).size:
        raise ValueError(f"value at {unordered[0].tolist()} is nan; pruning needs numbers")
    groups = values.reshape(*values.shape[:-1], -1, kept.m)
    order = np.argsort(-np.abs(groups), axis=-1, kind="stable")[..., kept.n :]
    pruned = groups.copy()
    np.put_along_axis(pruned, order, np.zeros((), values.dtype), axis=-1)
    return pruned.reshape(values.shape)
