"""CRC-32 as zlib and PNG have it (polynomial 0xEDB88320, bits reflected), eight bytes a turn by eight tables."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.vector_types import I8, I32, I64, PTR

POLYNOMIAL = 0xEDB88320
TABLES = "crc32.tables"
BYTES = 8
"""Bytes a turn."""


@dataclass(frozen=True)
class Crc32:
    """The check of n bytes: NAME(data, n) -> i32."""

    @property
    def name(self) -> str:
        """The function's name."""
        return "crc32"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        m.data(TABLES, tables(), I32, align=64)
        with m.function(self.name, [("data", PTR), ("n", I64)], [I32]) as f:
            self._write(f)
        return self.name

    def _write(self, f: Function) -> None:
        data, n, at_tables = f.args["data"], f.args["n"], f.address(TABLES)

        def entry(table: int, byte: SSAValue) -> SSAValue:
            return f.load(f.at(at_tables, f.mul(f.zext(byte, I64), 4)), I32, 1024 * table, align=4)

        def eight(at: SSAValue, carried: list[SSAValue]) -> SSAValue:
            low = f.xor(f.load(f.at(data, at), I32), carried[0])
            high = f.load(f.at(data, at), I32, 4)
            words = [f.and_(f.lshr(word, shift), 255) for word in (low, high) for shift in (0, 8, 16, 24)]
            parts = [entry(BYTES - 1 - i, word) for i, word in enumerate(words)]
            while len(parts) > 1:
                parts = [f.xor(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
            return parts[0]

        def one(at: SSAValue, carried: list[SSAValue]) -> SSAValue:
            byte = f.zext(f.load(f.at(data, at), I8), I32)
            index = f.and_(f.xor(carried[0], byte), 255)
            return f.xor(f.lshr(carried[0], 8), entry(0, index))

        whole = f.sub(n, f.urem(n, BYTES))
        check = f.for_(0, whole, BYTES, [f.i32(-1)], eight)
        (check,) = f.for_(whole, n, 1, check, one)
        f.ret(f.xor(check, -1))


def tables() -> list[int]:
    """For each byte what it adds to the check, with 0 to 7 zero bytes behind it: [8 * 256], signed."""
    first: list[int] = []
    for byte in range(256):
        check = byte
        for _ in range(8):
            check = (check >> 1) ^ (POLYNOMIAL if check & 1 else 0)
        first.append(check)
    all_of = [first]
    for _ in range(BYTES - 1):
        all_of.append([(check >> 8) ^ first[check & 255] for check in all_of[-1]])
    return [check - (1 << 32) if check >> 31 else check for table in all_of for check in table]
