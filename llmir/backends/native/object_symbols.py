"""Which functions of the process an object file calls: the undefined symbols of an ELF file.

LLVM calls functions of the compiler's own library for what a processor lacks (`__extendhfsf2` widens an f16). Its
loader takes the address of one that is not there for 0, so that the process would end.
"""

from __future__ import annotations

import struct
from typing import cast

ELF = b"\x7fELF\x02\x01"
"""How ELF files of 64 bits, little end first, begin."""
SYMBOLS, UNDEFINED = 2, 0
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
LOADER = frozenset(("_GLOBAL_OFFSET_TABLE_",))
"""What the loader makes itself."""


def undefined_symbols(data: bytes) -> list[str]:
    """The names, sorted; none of a file of another format, whose loader says itself what is missing."""
    if not data.startswith(ELF):
        return []
    start, count = struct.unpack_from("<Q", data, 0x28)[0], struct.unpack_from("<H", data, 0x3C)[0]
    sections = [SECTION.unpack_from(data, start + n * SECTION.size) for n in range(count)]
    found: set[str] = set()
    for _, kind, _, _, offset, size, link, _, _, _ in sections:
        if kind != SYMBOLS:
            continue
        names = cast(int, sections[link][4])
        for at in range(offset, offset + size, SYMBOL.size):
            name, _, _, section, _, _ = SYMBOL.unpack_from(data, at)
            if section == UNDEFINED and name:
                found.add(data[names + name : data.index(b"\0", names + name)].decode())
    return sorted(found - LOADER)
