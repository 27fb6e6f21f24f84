"""Blocks of a matrix multiplication with float activations, f32 or bf16."""

from __future__ import annotations

from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function
from llmir.backends.native.kernels.decoding import rounded_to_bfloat16
from llmir.backends.native.kernels.matmul_amx import register_pairs
from llmir.backends.native.kernels.matmul_block import MatmulBlock, Place
from llmir.backends.native.kernels.matmul_spec import MatmulSpec
from llmir.backends.native.kernels.weight_codes import Vectors, Words, steps_of
from llmir.backends.native.vector_types import F32, I32, vec
from llmir.formats.elements import Integer
from llmir.formats.native_tiles import BFLOAT16, STEP


class FloatBlock(MatmulBlock):
    """f32 activations: products with what the codes stand for."""

    def __init__(self, f: Function, spec: MatmulSpec, rows: int):
        super().__init__(f, spec, rows)
        self.sums_of_row = spec.sums_of_row
        # enough additions at once to hide their latency; the same for all blocks of rows, as the order of additions
        self.chains = max(1, 4 // self.vectors)

    def block(self, place: Place, length: int, levels: list[Vectors | None], total: Vectors) -> Vectors:
        """Groups of a block one after the other."""
        if self.layout.dense is not None:
            return self.dense(place, length)
        layout = self.layout
        codes = self.fixed(place, layout.block_head(length), 0)
        if layout.groups_of_block == 1:
            return self.scaled(place, length, 0, levels, self.group(codes, length), total)
        words = self.reader.words(codes.w, length)
        for group in range(-(-length // layout.group)):
            start = group * layout.group
            count = min(layout.group, length - start)
            sums = self.products(words, codes.q, start, count, self.fresh())
            total = self.scaled(place, length, group, levels, self.joined(sums), total)
        return total

    def fresh(self) -> Vectors:
        """Sums of nothing, `chains` of each."""
        return self.zeros() * self.chains

    def joined(self, sums: Vectors) -> Vectors:
        """The chains added up, in pairs."""
        count = self.rows * self.vectors
        parts = [sums[start : start + count] for start in range(0, len(sums), count)]
        while len(parts) > 1:
            parts = [
                [self.f.fadd(a, b) for a, b in zip(x, y, strict=True)]
                for x, y in zip(parts[::2], parts[1::2], strict=True)
            ]
        return parts[0]

    def group(self, place: Place, length: int) -> Vectors:
        """The sums of products of whole chunks, the last of which may be short."""
        return self.joined(self.over_chunks(place, length, self.fresh(), self.chunks))

    def products(self, words: Words, q: SSAValue, start: int, count: int, sums: Vectors) -> Vectors:
        """Add the products of k = start ... start + count - 1 of a chunk, whose activations start at q."""
        sums = list(sums)
        for k in range(start, start + count):
            self.multiply(self.reader.values(words, k // STEP, k % STEP), q, k, sums)
        return sums

    def multiply(self, weights: Vectors, q: SSAValue, k: int, sums: Vectors) -> None:
        """Add the products of one k."""
        f, chain = self.f, k % self.chains * self.rows * self.vectors
        for row in range(self.rows):
            x = self.row_float(q, row, self.spec.row_stride, k)
            for v, w in enumerate(weights):
                at = chain + row * self.vectors + v
                sums[at] = f.fma(w, x, sums[at])

    def scaled(
        self, place: Place, length: int, group: int, levels: list[Vectors | None], sums: Vectors, total: Vectors
    ) -> Vectors:
        """Add the sums of a group, scaled, its zero points or minima times the sum of activations with them."""
        f, stored = self.f, self.parameters(place, length, group, levels)
        scale, points, minima = stored.scale, stored.zero_point, stored.minimum
        if points is not None and isinstance(self.layout.quantized.zero_point, Integer):
            points = [f.sitofp(f.sub(p, self.layout.raised), F32) for p in points]
        result: Vectors = []
        for row in range(self.rows):
            here = slice(row * self.vectors, (row + 1) * self.vectors)
            own, before = sums[here], total[here]
            if points is not None or minima is not None:
                of_row = self.row_float(place.sums, row, self.sums_of_row, group)
                if points is not None:
                    negative = f.fneg(of_row)
                    own = [f.fma(p, negative, x) for p, x in zip(points, own, strict=True)]
                if minima is not None:
                    before = [f.fma(low, of_row, t) for low, t in zip(minima, before, strict=True)]
            result += [f.fma(x, s, t) for x, s, t in zip(own, scale, before, strict=True)]
        return result

    # -- floats --

    def dense(self, place: Place, length: int) -> Vectors:
        """A weight that is not quantized."""
        layout, dtype = self.layout, self.layout.dense
        assert dtype is not None
        unit = 2 if dtype == BFLOAT16 else 1
        unroll = max(unit, 2 * STEP)
        size = layout.block_bytes(unroll)
        whole = length // unroll

        def products(at: Place, count: int, sums: Vectors) -> Vectors:
            self.reader.prefetch(at.w, layout.block_bytes(count))
            return self.dense_products(at, count, list(sums), dtype)

        sums = self.fresh()
        if whole:
            sums = self.f.for_(0, whole, 1, sums, lambda i, c: products(self.moved(place, i, size, unroll), unroll, c))
        left = length % unroll
        if left:
            sums = products(self.fixed(place, whole * size, whole * unroll), left, sums)
        return self.joined(sums)

    def dense_products(self, place: Place, count: int, sums: Vectors, dtype: np.dtype[Any]) -> Vectors:
        """Add the products of `count` k to sums."""
        f, layout, reader = self.f, self.layout, self.reader
        if dtype != BFLOAT16:
            for k in range(count):
                self.multiply(reader.floats(place.w, k * layout.tile * dtype.itemsize, dtype), place.q, k, sums)
            return sums
        for k in range(0, count, 2):
            pairs = [
                f.load(place.w, vec(I32, f.lanes), 2 * k * layout.tile + 4 * f.lanes * v) for v in range(self.vectors)
            ]
            first = [f.bitcast(f.shl(p, 16), self.kind) for p in pairs]
            self.multiply(first, place.q, k, sums)
            if k + 1 < count:
                self.multiply([f.bitcast(f.and_(p, -(1 << 16)), self.kind) for p in pairs], place.q, k + 1, sums)
        return sums


class PairBlock(FloatBlock):
    """bf16 activations: products with bf16 codes, two at a time."""

    def __init__(self, f: Function, spec: MatmulSpec, rows: int):
        super().__init__(f, spec, rows)
        self.registers = register_pairs(f, self.reader, rows, 2 * spec.row_stride)

    def group(self, place: Place, length: int) -> Vectors:
        """By matrix registers where there are any."""
        if self.registers is None:
            return super().group(place, length)
        return self.registers.sums(place.w, place.q, length)

    def dense(self, place: Place, length: int) -> Vectors:
        """By matrix registers where there are any."""
        if self.registers is None:
            return super().dense(place, length)
        return self.registers.sums(place.w, place.q, length)

    def products(self, words: Words, q: SSAValue, start: int, count: int, sums: Vectors) -> Vectors:
        """Add the products of k = start ... start + count - 1 of a chunk; activations after the last k are zeros."""
        sums = list(sums)
        for step in range(start // STEP, steps_of(start + count)):
            for byte in range(2):
                self.multiply_pair(self.reader.pairs(words, step, byte), q, 2 * step + byte, sums)
        return sums

    def multiply_pair(self, weights: Vectors, q: SSAValue, pair: int, sums: Vectors) -> None:
        """Add the products of one pair of activations."""
        f, chain = self.f, pair % self.chains * self.rows * self.vectors
        for row in range(self.rows):
            x = f.broadcast(f.load(q, I32, 2 * row * self.spec.row_stride + 4 * pair, align=2), f.lanes)
            for v, w in enumerate(weights):
                at = chain + row * self.vectors + v
                sums[at] = f.dot2(sums[at], w, x)

    def dense_products(self, place: Place, count: int, sums: Vectors, dtype: np.dtype[Any]) -> Vectors:
        """Add the products of `count` k to sums."""
        f, layout, reader = self.f, self.layout, self.reader
        if dtype == BFLOAT16:
            for pair in range(-(-count // 2)):
                at = 4 * layout.tile * pair
                words = [f.load(place.w, vec(I32, f.lanes), at + 4 * f.lanes * v) for v in range(self.vectors)]
                self.multiply_pair(words, place.q, pair, sums)
            return sums

        def values(k: int) -> Vectors:
            if k >= count:
                return [f.splat(0.0, F32, f.lanes)] * self.vectors
            return [rounded_to_bfloat16(f, x) for x in reader.floats(place.w, k * layout.tile * dtype.itemsize, dtype)]

        for step in range(steps_of(count)):
            for byte in range(2):
                both = zip(values(STEP * step + byte), values(STEP * step + byte + 2), strict=True)
                self.multiply_pair([reader.packed(a, b) for a, b in both], place.q, 2 * step + byte, sums)
        return sums
