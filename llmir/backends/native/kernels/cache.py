"""Rows into the cache of keys and values, and its elements as float32; see `llmir.backends.native.cache_layout`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.cache_layout import ELEMENT_BYTES, CacheLayout
from llmir.backends.native.kernels.columns import HEADS, RANGE, Lanes, element_address, over_columns, over_rows
from llmir.backends.native.vector_types import F16, F32, I8, I16, I32, I64, PTR, vec


def head_of(f: Function, layout: CacheLayout, base: SSAValue, head: SSAValue, capacity: SSAValue) -> SSAValue:
    """Where a head begins."""
    return f.at(base, f.mul(f.mul(capacity, layout.token_bytes), head))


def elements_of(f: Function, layout: CacheLayout, head: SSAValue, token: SSAValue) -> SSAValue:
    """Where the elements from a token on begin; for keys a token that begins a block."""
    return f.at(head, f.mul(token, layout.head_dim * layout.element_bytes))


def scales_of(f: Function, layout: CacheLayout, head: SSAValue, token: SSAValue, capacity: SSAValue) -> SSAValue:
    """Where the scales from a token on begin, of `i8`."""
    return f.at(f.at(head, f.mul(capacity, layout.head_dim * layout.element_bytes)), f.mul(token, 4))


def unit(element: str) -> float:
    """What `load_elements` has to be multiplied by."""
    return 256.0 if element == "f8E4M3FN" else 1.0


def load_elements(f: Function, element: str, pointer: SSAValue, offset: int = 0, count: int | None = None) -> SSAValue:
    """A register of elements (the first `count`) as float32, in units of `unit(element)` and of a scale."""
    stored = {"f32": F32, "f16": F16, "i8": I8, "f8E4M3FN": I8}[element]
    x = Lanes.first(f, count or f.lanes).load(pointer, offset, stored)
    match element:
        case "f32":
            return x
        case "f16":
            return f.fpext(x, F32)
        case "i8":
            return f.sitofp(f.sext(x, I32), F32)
        case _:
            # The exponent lands in a wider one whose bias is greater by 8.
            wide = f.and_(f.shl(f.sext(x, I16), 7), 0xBF80 - 0x10000)
            return f.fpext(f.bitcast(wide, vec(F16, f.lanes)), F32)


def encode_f8(f: Function, x: SSAValue) -> SSAValue:
    """The codes of f8E4M3FN, i32 lanes, rounded to nearest even and saturating."""
    lanes = f.lanes
    bits = f.bitcast(x, vec(I32, lanes))
    size = f.fmin(f.fabs(x), f.splat(448.0, F32, lanes))
    pattern = f.bitcast(size, vec(I32, lanes))
    # Dropping 20 bits of the fraction: half less one, and one more where the last bit kept is odd.
    odd = f.and_(f.lshr(pattern, 20), 1)
    normal = f.sub(f.lshr(f.add(f.add(pattern, 0x7FFFF), odd), 20), (127 - 7) << 3)
    subnormal = f.fptosi(f.round(f.fmul(size, f.splat(512.0, F32, lanes))), I32)
    code = f.select(f.fcmp("olt", size, f.splat(2.0**-6, F32, lanes)), subnormal, normal)
    return f.or_(code, f.and_(f.lshr(bits, 24), 0x80))


@dataclass(frozen=True)
class AppendCache:
    """Rows into the cache: NAME(k, v, keys, values, position, capacity, m0, m1, h0, h1).

    Row m of k and v, float32 with head h at column h * head_dim and rows `k_stride` and `v_stride` columns apart, is
    put at token position + m of the heads h0 .. h1. `keys` and `values` are one layer's.
    """

    kv_heads: int
    head_dim: int
    element: str
    k_stride: int
    v_stride: int

    @property
    def name(self) -> str:
        """The function's name."""
        return f"append_{self.kv_heads}_{self.head_dim}_{self.element}_{self.k_stride}_{self.v_stride}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        pointers = [(name, PTR) for name in ("k", "v", "keys", "values")]
        arguments = [*pointers, ("position", I64), ("capacity", I64), *RANGE, *HEADS]
        with m.function(self.name, arguments) as f:
            layout = CacheLayout(self.head_dim, self.element)

            def head(h: SSAValue, _: Sequence[SSAValue]) -> None:
                column = f.mul(h, 4 * self.head_dim)
                keys, values = (head_of(f, layout, f.args[n], h, f.args["capacity"]) for n in ("keys", "values"))
                self._append_keys(f, layout, f.at(f.args["k"], column), keys)

                def row(r: SSAValue) -> None:
                    v = element_address(f, f.at(f.args["v"], column), r, self.v_stride)
                    self._append_value(f, layout, v, values, f.add(f.args["position"], r))

                over_rows(f, row)

            f.for_(f.args["h0"], f.args["h1"], 1, [], head)
            f.ret()
        return self.name

    def _append_keys(self, f: Function, layout: CacheLayout, k: SSAValue, head: SSAValue) -> None:
        """Keys of all rows; those that make whole blocks are turned in registers."""
        width, last = f.lanes, f.args["m1"]

        def rows(carried: list[SSAValue]) -> list[SSAValue]:
            r = carried[0]
            token = f.add(f.args["position"], r)
            here = element_address(f, k, r, self.k_stride)

            def one() -> SSAValue:
                self._append_key(f, layout, here, head, token)
                return f.add(r, 1)

            if self.head_dim % width:
                return [one()]

            def block() -> SSAValue:
                self._append_block(f, layout, here, head, token)
                return f.add(r, width)

            whole = f.and_(f.cmp("eq", f.urem(token, width), 0), f.cmp("sle", f.add(r, width), last))
            return f.if_(whole, block, one, [I64])

        f.while_([f.args["m0"]], lambda carried: f.cmp("slt", carried[0], last), rows)

    def _append_block(self, f: Function, layout: CacheLayout, k: SSAValue, head: SSAValue, token: SSAValue) -> None:
        """As many rows as a register has lanes, from the first token of a block on."""
        width, kind = f.lanes, vec(F32, f.lanes)
        place = elements_of(f, layout, head, token)
        scale = None
        if layout.scaled:
            for row in range(width):
                self._scale(f, layout, f.at(k, 4 * row * self.k_stride), head, f.add(token, row))
            scale = f.load(scales_of(f, layout, head, token, f.args["capacity"]), kind, align=4)

        def columns(d: SSAValue, _: Sequence[SSAValue]) -> None:
            here, there = f.at(k, f.mul(d, 4)), f.at(place, f.mul(d, width * layout.element_bytes))
            rows = [f.load(here, kind, 4 * row * self.k_stride, align=4) for row in range(width)]
            for i, tokens in enumerate(_transposed(f, rows)):
                f.store(self._codes(f, tokens, scale), there, i * width * layout.element_bytes)

        f.for_(0, self.head_dim, width, [], columns)

    def _append_key(self, f: Function, layout: CacheLayout, k: SSAValue, head: SSAValue, token: SSAValue) -> None:
        """One row's key."""
        size, width = ELEMENT_BYTES[self.element], f.lanes
        lane = f.urem(token, width)
        block = elements_of(f, layout, head, f.sub(token, lane))
        column = f.at(block, f.mul(lane, size))
        scale = self._scale(f, layout, k, head, token)
        for d in range(0, self.head_dim, width):
            count = min(width, self.head_dim - d)
            codes = self._codes(f, Lanes.first(f, count).load(k, 4 * d), scale)
            for i in range(count):
                f.store(f.extract(codes, i), column, (d + i) * width * size, align=size)

    def _append_value(self, f: Function, layout: CacheLayout, v: SSAValue, head: SSAValue, token: SSAValue) -> None:
        size, width = ELEMENT_BYTES[self.element], f.lanes
        place = elements_of(f, layout, head, token)
        scale = self._scale(f, layout, v, head, token)
        for d in range(0, self.head_dim, width):
            lanes = Lanes.first(f, self.head_dim - d)
            lanes.store(self._codes(f, lanes.load(v, 4 * d), scale), place, d * size)

    def _scale(self, f: Function, layout: CacheLayout, x: SSAValue, head: SSAValue, token: SSAValue) -> SSAValue | None:
        """Store the token's scale; what its values are divided by, in all lanes."""
        if self.element != "i8":
            return None

        def largest(c: SSAValue, lanes: Lanes, found: list[SSAValue], _copy: int) -> list[SSAValue]:
            return [f.fmax(found[0], f.fabs(lanes.load(f.at(x, f.mul(c, 4)))))]

        found = over_columns(f, 0, self.head_dim, largest, [f.splat(0.0, F32, f.lanes)])
        absmax = f.reduce("fmax", found[0])
        scale = f.select(f.fcmp("oeq", absmax, f.f32(0.0)), f.f32(1.0), f.fdiv(absmax, f.f32(127.0)))
        f.store(scale, scales_of(f, layout, head, token, f.args["capacity"]), align=4)
        return f.broadcast(scale, f.lanes)

    def _codes(self, f: Function, x: SSAValue, scale: SSAValue | None) -> SSAValue:
        match self.element:
            case "f32":
                return x
            case "f16":
                return f.bitcast(f.fptrunc(x, F16), vec(I16, f.lanes))
            case "i8":
                assert scale is not None
                code = f.fptosi(f.round(f.fdiv(x, scale)), I32)
                return f.trunc(f.smin(f.smax(code, -127), 127), I8)
            case _:
                return f.trunc(encode_f8(f, x), I8)


def _transposed(f: Function, rows: Sequence[SSAValue]) -> list[SSAValue]:
    """Register j has lane j of all rows, of which there are as many as lanes."""
    width = len(rows)
    values = list(rows)
    span = 1
    while span < width:
        # Of each pair of registers `span` apart, blocks of `span` lanes change places across the diagonal.
        low = [i + width - span if i & span else i for i in range(width)]
        high = [i + width if i & span else i + span for i in range(width)]
        for i in range(width):
            if not i & span:
                a, b = values[i], values[i + span]
                values[i], values[i + span] = f.shuffle(a, b, low), f.shuffle(a, b, high)
        span *= 2
    return values
