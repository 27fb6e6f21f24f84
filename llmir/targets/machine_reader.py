"""Reads the [machine] table of a target; docs/targets.md is the reference of the keys."""

from __future__ import annotations

from llmir.targets.machine import BYTE_LOOKUP, DOT2, DOT4, LOOKUP, MMLA, PAUSE, TILES, Machine, MachineOption
from llmir.targets.table import Table


def machine_of(name: str, table: Table) -> Machine:
    """The machine of a target's name and table; InputError names the key that is wrong."""
    register_bytes, registers = table.number("register_bytes", None), table.number("registers", None)
    for key, value in (("register_bytes", register_bytes), ("registers", registers)):
        if value is None:
            table.fail(key, "is missing, expected an integer")
    if register_bytes < 16 or register_bytes & (register_bytes - 1):
        table.fail("register_bytes", f"is {register_bytes}, expected a power of two of at least 16")
    options = tuple(_machine_option(key, inner) for key, inner in table.table("options").children().items())
    machine = Machine(
        name,
        table.required("triple"),
        table.required("cpu"),
        table.words("features"),
        register_bytes,
        registers,
        table.word("dot4", DOT4),
        table.word("dot2", DOT2),
        table.word("lookup", LOOKUP),
        table.word("byte_lookup", BYTE_LOOKUP),
        table.word("tiles", TILES),
        table.word("pause", PAUSE),
        table.flag("half"),
        options,
        table.word("mmla", MMLA),
    )
    table.done()
    return machine


def _machine_option(name: str, table: Table) -> MachineOption:
    if not name.isidentifier():
        table.fail("", f"'{name}' cannot be the name of an option, expected letters, digits and _")
    option = MachineOption(name, table.words("features", required=True), table.word("dot2", DOT2))
    table.done()
    return option
