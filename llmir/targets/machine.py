"""What code generation needs to know of a processor: registers, and the instructions it has for what kernels do."""

from __future__ import annotations

from dataclasses import dataclass, replace

DOT4 = ("vpdpbusd", "vpdpbusd_vex", "vpmaddubsw", "sdot", "usdot")
"""Instructions for four byte products a 32-bit lane: AVX512-VNNI, AVX-VNNI, AVX2, Armv8.2-A, and with i8mm."""
MMLA = ("usmmla",)
"""Instructions for 2x8 by 8x2 byte matrices in 128 bits: Arm's with i8mm."""
DOT2 = ("vdpbf16ps", "bfdot")
"""Instructions for two bf16 products a 32-bit lane: AVX512-BF16, and Arm's."""
LOOKUP = ("vpermps", "vpermps_blend", "tbl")
"""How sixteen f32 entries are looked up: one AVX-512 instruction, two AVX2 ones, bytes on Arm."""
BYTE_LOOKUP = ("pshufb", "tbl")
"""How sixteen bytes are looked up, on x86 and on Arm."""
TILES = ("amx",)
"""Matrix registers."""
SATURATES_ABOVE = 128
"""vpmaddubsw sums two products in i16, which saturates where unsigned bytes are larger."""
LARGEST_UNSIGNED = {"vpmaddubsw": SATURATES_ABOVE, "sdot": 127}
"""The largest unsigned byte that an instruction for four byte products takes as it is; 255 of the others."""
PAUSE = ("pause", "yield")
"""How a thread that waits says so, on x86 and on Arm."""


def architecture_of(triple: str) -> str:
    """The architecture a triple begins with, which Apple calls otherwise."""
    first = triple.split("-", maxsplit=1)[0]
    return {"arm64": "aarch64"}.get(first, first)


@dataclass(frozen=True)
class Machine:
    """A processor.

    `name` is the target's, with `+option` for each option that is on; `cpu` and `features` are LLVM's names;
    `register_bytes` and `registers` the size and number of vector registers. An instruction that is None is done with
    others that every machine has. `half` says that there are conversions between f16 and f32. `options` are parts that
    only some such processors have.
    """

    name: str
    triple: str
    cpu: str
    features: tuple[str, ...]
    register_bytes: int
    registers: int
    dot4: str | None = None
    dot2: str | None = None
    lookup: str | None = None
    byte_lookup: str | None = None
    tiles: str | None = None
    pause: str | None = None
    half: bool = False
    options: tuple[MachineOption, ...] = ()
    mmla: str | None = None

    @property
    def largest_unsigned(self) -> int:
        """The largest unsigned byte for which a byte dot product is one or two instructions, not more."""
        return LARGEST_UNSIGNED.get(self.dot4 or "", 255)

    @property
    def lanes(self) -> int:
        """How many 32-bit lanes a register has."""
        return self.register_bytes // 4

    @property
    def architecture(self) -> str:
        """The first part of the triple: x86_64, aarch64."""
        return architecture_of(self.triple)

    def with_option(self, name: str) -> Machine:
        """The machine with one of its options on."""
        option = next(o for o in self.options if o.name == name)
        return replace(
            self,
            name=f"{self.name}+{name}",
            features=(*self.features, *option.features),
            dot2=option.dot2 or self.dot2,
            options=tuple(o for o in self.options if o is not option),
        )


@dataclass(frozen=True)
class MachineOption:
    """A part that only some processors of a machine have: features, and the instructions they bring."""

    name: str
    features: tuple[str, ...]
    dot2: str | None = None
