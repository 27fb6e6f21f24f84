"""Blocks of a matrix multiplication with i8 activations."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function
from llmir.backends.native.kernels.columns import repeat
from llmir.backends.native.kernels.matmul_block import MatmulBlock, Place
from llmir.backends.native.kernels.matmul_spec import MatmulSpec
from llmir.backends.native.kernels.matrix_products import MatrixProducts, matrix_products
from llmir.backends.native.kernels.weight_codes import Vectors, Words, offset_kind, steps_of
from llmir.backends.native.vector_types import F32, I8, I16, I32
from llmir.formats.elements import Integer
from llmir.formats.native_tiles import STEP

FEW_ROWS = 2
"""Rows of a block that share a decoded code too seldom for decoding to be cheap."""
LARGEST_HIGH_HALF = 0xF0
"""The largest code of 4 bits times 16."""


@dataclass(frozen=True)
class Run:
    """Codes that share all parameters: their place, how many they are, and the weight's parameters."""

    place: Place
    length: int
    scale: Vectors
    zero_point: Vectors | None
    offset: Vectors | None  # minima


class IntegerBlock(MatmulBlock):
    """i8 activations: exact sums of runs."""

    matrices: MatrixProducts | None = None

    def __init__(self, f: Function, spec: MatmulSpec, rows: int):
        super().__init__(f, spec, rows)
        self.raised, self.largest, self.worth = self.reader.integers
        self.scales_of_row, self.sums_of_row = spec.scales_of_row, spec.sums_of_row
        offset = offset_kind(self.layout.quantized)
        # a word's high halves need no shift when they are summed on their own: worth it where few rows share the codes
        if not spec.zero_points:
            self.matrices = matrix_products(f, self.reader, rows, spec.row_stride, spec.sum_group)
        integers = isinstance(self.layout.quantized.element, Integer)
        self.halves = (
            rows <= FEW_ROWS
            and integers
            and self.layout.planes == (4,)
            and self.matrices is None
            and f.machine.largest_unsigned >= LARGEST_HIGH_HALF
        )
        self.one_run = self.layout.k <= spec.sum_group and (offset is None or isinstance(offset, Integer))

    def block(self, place: Place, length: int, levels: list[Vectors | None], total: Vectors) -> Vectors:
        """Runs of whole chunks one after the other, or chunks of several runs."""
        layout, run = self.layout, self.spec.sum_group
        codes = self.fixed(place, layout.block_head(length), 0)
        if layout.groups_of_block == 1 and (run % layout.chunk == 0 or run >= length):
            parameters = self.run_parameters(place, length, 0, levels)
            whole, left = divmod(length, run)
            size = layout.codes_bytes(run)

            def one(i: SSAValue, total: Vectors) -> Vectors:
                return self.run(self.moved(codes, i, size, run), run, parameters, total)

            if whole:
                total = repeat(self.f, whole, total, one)
            if left:
                at = self.fixed(codes, layout.codes_bytes(whole * run), whole * run)
                total = self.run(at, left, parameters, total)
            return total
        chunk, size = layout.chunk, layout.codes_bytes(layout.chunk)
        whole, left = divmod(length, chunk)
        if whole:
            total = repeat(
                self.f,
                whole,
                total,
                lambda i, c: self.chunk_of_runs(place, length, self.moved(codes, i, size, chunk), chunk, levels, c),
            )
        if left:
            at = self.fixed(codes, layout.codes_bytes(whole * chunk), whole * chunk)
            total = self.chunk_of_runs(place, length, at, left, levels, total)
        return total

    def run_parameters(
        self, place: Place, length: int, group: int, levels: list[Vectors | None]
    ) -> tuple[Vectors, Vectors | None, Vectors | None]:
        """Scales, integer zero points and minima of a group of a block."""
        f, stored = self.f, self.parameters(place, length, group, levels)
        scale = stored.scale if self.worth == 1 else [f.fmul(s, self.worth) for s in stored.scale]
        if stored.zero_point is None or isinstance(self.layout.quantized.zero_point, Integer):
            return scale, stored.zero_point, stored.minimum
        return scale, None, [f.fneg(f.fmul(s, p)) for s, p in zip(scale, stored.zero_point, strict=True)]

    def run(
        self, place: Place, length: int, parameters: tuple[Vectors, Vectors | None, Vectors | None], total: Vectors
    ) -> Vectors:
        """A run of whole chunks, the last of which may be short."""
        run = Run(place, length, *parameters)
        if self.matrices is not None:
            sums = self.matrices.sums(place.w, place.q, length)
            return self.flush(run, [self.f.add(a, b) for a, b in zip(self.start(run), sums, strict=True)], total)
        return self.flush(run, self.over_chunks(place, length, self.start(run), self.chunks), total)

    def chunk_of_runs(
        self, block: Place, length: int, place: Place, size: int, levels: list[Vectors | None], total: Vectors
    ) -> Vectors:
        """A chunk with several runs in it, of one group or of several."""
        layout, run = self.layout, self.spec.sum_group
        words = self.reader.words(place.w, size)
        for start in range(0, size, run):
            count = min(run, size - start)
            group = start // layout.group if layout.groups_of_block > 1 else 0
            parameters = self.run_parameters(block, length, group, levels)
            own = Run(self.fixed(place, 0, start), count, *parameters)
            accumulators = self.products(words, place.q, start, count, self.start(own))
            total = self.flush(own, accumulators, total)
        return total

    def products(self, words: Words, q: SSAValue, start: int, count: int, sums: Vectors) -> Vectors:
        """Add byte dot products."""
        f, vectors = self.f, self.vectors
        result = list(sums)
        for step in range(start // STEP, steps_of(start + count)):
            high = self.halves and step % 2 == 1
            codes = self.reader.high_halves(words, step) if high else self.reader.bytes(words, step)
            first, largest = (self.sums_of_step * vectors, LARGEST_HIGH_HALF) if high else (0, self.largest)
            there = min(STEP, start + count - STEP * step)
            for row in range(self.sums_of_step):
                if row < self.rows:
                    activations = f.broadcast(self.four(q, row * self.spec.row_stride + STEP * step, there), f.lanes)
                else:
                    activations = f.splat(0x01010101 >> 8 * (STEP - there), I32, f.lanes)
                for v in range(vectors):
                    at = first + row * vectors + v
                    result[at] = f.dot4(result[at], codes[v], activations, largest)
        return result

    @property
    def sums_of_step(self) -> int:
        """Rows, and with zero points of activations one more: the sums of the weight's codes."""
        return self.rows + (1 if self.spec.zero_points else 0)

    def four(self, q: SSAValue, offset: int, count: int) -> SSAValue:
        """The next `count` activations as the bytes of an i32, zeros after them."""
        f = self.f
        if count == STEP:
            return f.load(q, I32, offset)
        low = f.zext(f.load(q, I8 if count == 1 else I16, offset), I32)
        if count < 3:
            return low
        return f.or_(low, f.shl(f.zext(f.load(q, I8, offset + 2), I32), 16))

    def start(self, run: Run) -> Vectors:
        """Accumulators from which the weight's zero points are taken off already.

        High halves, where they are summed on their own, come after them.
        """
        f = self.f
        result: Vectors = []
        zero = f.splat(0, I32, f.lanes)
        for row in range(self.rows):
            if run.zero_point is None and not self.raised:
                result += [zero] * self.vectors
                continue
            total = f.broadcast(f.load(run.place.sums, I32, 4 * row * self.sums_of_row, align=4), f.lanes)
            if run.zero_point is None:
                result += [f.mul(total, -self.raised)] * self.vectors
            else:
                negative = f.sub(zero, total)
                result += [f.mul(negative, point) for point in run.zero_point]
        if self.spec.zero_points and run.zero_point is None:
            result += [f.splat(-self.raised * run.length, I32, f.lanes)] * self.vectors
        elif self.spec.zero_points and run.zero_point is not None:
            result += [f.mul(point, -run.length) for point in run.zero_point]
        return result + [zero] * len(result) if self.halves else result

    def flush(self, run: Run, accumulators: Vectors, total: Vectors) -> Vectors:
        """Add the sums of a run, scaled."""
        f, spec, vectors = self.f, self.spec, self.vectors
        result: Vectors = []
        if self.halves:
            count = len(accumulators) // 2
            low, high = accumulators[:count], accumulators[count:]
            accumulators = [f.add(a, f.ashr(b, 4)) for a, b in zip(low, high, strict=True)]
        one_scale = spec.act_group is None
        groups = self.scales_of_row // 2
        scales = self.scales_of(run)
        for row in range(self.rows):
            scale = None if one_scale and not self.one_run else self.row_float(scales, row, self.scales_of_row)
            sums = accumulators[row * vectors : (row + 1) * vectors]
            point: SSAValue | None = None
            if spec.zero_points:
                offset = 4 * (row * self.scales_of_row + groups)
                point = f.broadcast(f.load(scales, I32, offset, align=4), f.lanes)
                of_codes = accumulators[self.rows * vectors :]
                sums = [f.sub(a, f.mul(point, c)) for a, c in zip(sums, of_codes, strict=True)]
            values = [f.sitofp(a, F32) for a in sums]
            before = total[row * vectors : (row + 1) * vectors]
            if self.one_run:
                assert scale is not None
                result += [f.fmul(f.fmul(x, scale), s) for x, s in zip(values, run.scale, strict=True)]
                continue
            for x, s, t in zip(values, run.scale, before, strict=True):
                result.append(f.fma(x, s if scale is None else f.fmul(s, scale), t))
            if run.offset is not None:
                of_row = f.broadcast(f.load(run.place.sums, I32, 4 * row * self.sums_of_row, align=4), f.lanes)
                if point is not None:
                    of_row = f.sub(of_row, f.mul(point, run.length))
                real = f.sitofp(of_row, F32)
                if scale is not None:
                    real = f.fmul(real, scale)
                at = row * vectors
                result[at:] = [f.fma(o, real, t) for o, t in zip(run.offset, result[at:], strict=True)]
        return result

    def scales_of(self, run: Run) -> SSAValue:
        """Where the first row's scale of a run is."""
        f, k = self.f, run.place.k
        if k is None:
            return run.place.s
        assert self.spec.act_group is not None
        return f.at(f.args["s"], f.mul(f.udiv(k, self.spec.act_group), 4))

    def finish(self, total: Vectors) -> None:
        """Apply the scale of rows, and write them."""
        f = self.f
        if self.spec.act_group is None and not self.one_run:
            for row in range(self.rows):
                scale = self.row_float(f.args["s"], row, self.scales_of_row)
                at = slice(row * self.vectors, (row + 1) * self.vectors)
                total[at] = [f.fmul(t, scale) for t in total[at]]
        super().finish(total)
