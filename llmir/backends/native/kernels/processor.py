"""Whether the processor that code runs on has what it was compiled for, as Linux says.

On x86-64 the words of /proc/cpuinfo are looked through, which leave out what the system does not support; on Arm the
bits that the system gives each process. What it does not say is taken to be there. Only a thread's first look costs
anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.kernels.last_error import Check, c_string
from llmir.backends.native.vector_types import I8, I32, I64, PTR
from llmir.targets.host import required_features
from llmir.targets.machine import Machine

MISSING, CONTAINS, SEEN = "processor.missing", "processor.contains", "processor.seen"
X86, ARM = "x86_64", "aarch64"
WORDS = {"bmi": "bmi1", "lzcnt": "abm", "avx512vnni": "avx512_vnni", "avx512bf16": "avx512_bf16", "avxvnni": "avx_vnni"}
"""What /proc/cpuinfo calls features, where LLVM calls them something else, but for - and _."""
CAPABILITIES = {"fullfp16": (16, 10), "dotprod": (16, 20), "i8mm": (26, 13), "bf16": (26, 14)}
"""Which word of the auxiliary vector, AT_HWCAP or AT_HWCAP2, has a feature of an Arm processor, and its bit."""
TEXT_BYTES = 8192
"""Bytes of /proc/cpuinfo that are read: more than it says of the first processor."""


@dataclass(frozen=True)
class MissingFeature:
    """The name of a feature that the processor has not, null if it has all: NAME() -> ptr."""

    @property
    def name(self) -> str:
        """The function's name."""
        return MISSING

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(MISSING):
            return MISSING
        look = {X86: _emit_x86, ARM: _emit_arm}.get(m.machine.architecture, _emit_nothing)
        look(m)
        m.data(SEEN, [0], I64, align=8, variable=True)
        with m.function(MISSING, [], [PTR]) as f:
            seen = f.address(SEEN)

            def first_look() -> SSAValue:
                (missing,) = f.call(f"{MISSING}.look", [])
                f.store(f.zext(f.cmp("eq", f.integer_of(missing), 0), I64), seen, align=8)
                return missing

            f.ret(*f.if_(f.cmp("eq", f.load(seen, I64, align=8), 0), first_look, f.null, [PTR]))
        return MISSING

    def check(self, f: Function) -> Check:
        """What to say where a feature is missing."""
        (missing,) = f.call(MISSING, [])
        said = (f"{f.name}: this processor has not ", missing, f", which code for {f.machine.name} needs")
        return Check(f.cmp("ne", f.integer_of(missing), 0), said)


def _emit_nothing(m: ModuleBuilder) -> None:
    with m.function(f"{MISSING}.look", [], [PTR]) as f:
        f.ret(f.null())


def _emit_arm(m: ModuleBuilder) -> None:
    m.declare("getauxval", [I64], [I64])
    wanted = [(name, CAPABILITIES[name]) for name in required_features(m.machine) if name in CAPABILITIES]
    with m.function(f"{MISSING}.look", [], [PTR]) as f:
        missing = f.null()
        for name, (word, bit) in wanted:
            there = f.cmp("ne", f.and_(f.lshr(f.call("getauxval", [word])[0], bit), 1), 0)
            missing = f.select(there, missing, c_string(f, name))
        f.ret(missing)


def x86_words(machine: Machine) -> list[str]:
    """What a machine needs, as /proc/cpuinfo calls it."""
    return [WORDS.get(name, name.replace("-", "_")) for name in required_features(machine)]


def _emit_x86(m: ModuleBuilder) -> None:
    emit_contains(m)
    for name, arguments, results in (
        ("open", [PTR, I32], [I32]),
        ("pread", [I32, PTR, I64, I64], [I64]),
        ("close", [I32], [I32]),
    ):
        m.declare(name, arguments, results)
    with m.function(f"{MISSING}.look", [], [PTR]) as f:
        text = f.stack(TEXT_BYTES)
        (file,) = f.call("open", [c_string(f, "/proc/cpuinfo"), 0])
        (got,) = f.call("pread", [file, text, TEXT_BYTES, 0])
        f.call("close", [file])
        (flags,) = f.call(CONTAINS, [text, got, c_string(f, "flags")])
        null = f.null()

        def look() -> SSAValue:
            missing = null
            for word in x86_words(m.machine):
                name = c_string(f, word)
                there = f.cmp("ne", f.call(CONTAINS, [text, got, name])[0], 0)
                missing = f.select(there, missing, name)
            return missing

        f.ret(*f.if_(f.cmp("ne", flags, 0), look, lambda: null, [PTR]))


def emit_contains(m: ModuleBuilder) -> None:
    """`processor.contains(text, n, word) -> i32`: 1 when a C string stands as a word in n bytes, else 0."""
    with m.function(CONTAINS, [("text", PTR), ("n", I64), ("word", PTR)], [I32]) as f:
        text, n, word = f.args["text"], f.args["n"], f.args["word"]

        def letter(at: SSAValue) -> SSAValue:
            """The byte at a place, a blank outside of the text."""
            inside = f.and_(f.cmp("sge", at, 0), f.cmp("slt", at, n))
            return f.if_(inside, lambda: f.load(f.at(text, at), I8), lambda: f.constant(ord(" "), I8), [I8])[0]

        def blank(at: SSAValue) -> SSAValue:
            return f.cmp("ule", letter(at), ord(" "))

        def stands_at(start: SSAValue) -> SSAValue:
            def same(carried: list[SSAValue]) -> SSAValue:
                wanted = f.load(f.at(word, carried[0]), I8)
                return f.and_(f.cmp("ne", wanted, 0), f.cmp("eq", letter(f.add(start, carried[0])), wanted))

            (length,) = f.while_([f.i64(0)], same, lambda carried: f.add(carried[0], 1))
            whole = f.cmp("eq", f.load(f.at(word, length), I8), 0)
            return f.and_(whole, f.and_(blank(f.sub(start, 1)), blank(f.add(start, length))))

        def more(carried: list[SSAValue]) -> SSAValue:
            return f.and_(f.cmp("slt", carried[0], n), f.cmp("eq", carried[1], 0))

        def look(carried: list[SSAValue]) -> list[SSAValue]:
            return [f.add(carried[0], 1), f.zext(stands_at(carried[0]), I32)]

        f.ret(f.while_([f.i64(0), f.i32(0)], more, look)[1])
