"""Reads a target from a TOML file, checking every key; docs/targets.md is the reference of the keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from llmir.dialects.kernel_schedule import ACTIVATIONS, LEAST, Schedule
from llmir.formats.elements import element
from llmir.formats.weight_packings import packing, sizes_of
from llmir.targets.machine_reader import machine_of
from llmir.targets.schedules import ScheduleRule
from llmir.targets.table import Table, one_of, read_table
from llmir.targets.target import (
    DENSE,
    FLOAT_NAMES,
    FORMS,
    GRANULARITIES,
    KINDS,
    PARAMETERS,
    EmbeddingKernel,
    Instruction,
    Layout,
    MatmulKernel,
    Operand,
    Target,
)

ACCUMULATORS = ("i32", "f32", "f16")
MATMUL_CONSTANTS = ("exact_run",)
EMBEDDING_CONSTANTS = ("bits", "signed", "hidden")
COMPUTES_IN = ("f32",)
INHERITED = ("kernels", "plain_kernels", "effects")
"""The tables a target takes from the one it extends, entry by entry."""

Base = Callable[[str], Target]
"""Finds the target that `extends` names."""


def read_target(path: Path, base: Base) -> Target:
    """The target of a file; InputError names the file, the key and what is expected."""
    return _target(read_table(path), base)


def _target(table: Table, base: Base) -> Target:
    name = table.required("name")
    if not name or any(c in name for c in "{},=/ "):
        table.fail("name", f"'{name}' cannot be an option of a pass, expected a name without blanks and /{{}},=")
    description = table.required("description")
    features = table.words("features")
    extends = table.word("extends")
    inherited = {} if extends is None else {key: dict(getattr(base(extends), key)) for key in INHERITED}
    named = {key: inherited.get(key, {}) | table.names(key) for key in INHERITED}
    layouts = {key: _layout(key, inner) for key, inner in table.table("layouts", required=True).children().items()}
    instructions = {
        key: _instruction(key, inner, features) for key, inner in table.table("instructions").children().items()
    }
    dense = table.required("dense_layout", tuple(layouts))
    if layouts[dense].form != DENSE:
        table.fail("dense_layout", f"'{dense}' is not a layout of the form dense")
    floats = table.table("floats")
    computes_in, rounding = floats.word("computes_in", COMPUTES_IN), floats.word("rounding")
    floats.done()
    if (computes_in is None) != (rounding is None):
        table.fail("floats", "computes_in and rounding are given together")
    matmuls = tuple(_matmul(inner, layouts, instructions) for inner in table.tables("matmul"))
    if not matmuls:
        table.fail("matmul", "there is none, expected at least one [[matmul]]")
    embeddings = tuple(_embedding(inner, layouts) for inner in table.tables("embedding"))
    machine = machine_of(name, table.table("machine")) if table.has("machine") else None
    schedules = tuple(_schedule(inner) for inner in table.tables("schedule"))
    if schedules and machine is None:
        table.fail("schedule", "is of no use without [machine]")
    table.done()
    return Target(
        name,
        description,
        layouts,
        named["kernels"],
        named["plain_kernels"],
        named["effects"],
        matmuls,
        embeddings,
        dense,
        features,
        instructions,
        computes_in,
        rounding,
        machine,
        schedules,
    )


def _schedule(table: Table) -> ScheduleRule:
    fields = {key: _schedule_field(table, key) for key in LEAST}
    other = table.table("one_row")
    one_row = {key: _schedule_field(other, key) for key in LEAST if other.has(key)}
    other.done()
    if "columns" in one_row:
        table.fail("one_row.columns", "is of the packed weight, which is the same for any number of rows; remove it")
    bits = table.take("weight_bits", list, "a list of integers", [], required=False)
    for item in bits:
        if not isinstance(item, int) or isinstance(item, bool) or not 1 <= item <= 32:
            table.fail("weight_bits", f"holds {item}, expected integers from 1 to 32")
    activation, least_n = table.words("activation", ACTIVATIONS), table.number("least_n", 1)
    rule = ScheduleRule(Schedule(**fields), activation, tuple(bits), one_row, least_n)
    table.done()
    return rule


def _schedule_field(table: Table, key: str) -> int:
    value = table.take(key, int, "an integer", required=True)
    if value < LEAST[key]:
        table.fail(key, f"is {value}, expected at least {LEAST[key]}")
    return value


def _layout(name: str, table: Table) -> Layout:
    form, packed = table.word("form", FORMS), table.word("packing")
    if (form is None) == (packed is None):
        table.fail("", f"needs either form ({one_of(FORMS)}) or packing")
    if packed is None:
        table.done()
        return Layout(name, form)
    try:
        sizes = table.integers(sizes_of(packed))
        table.done()
        return Layout(name, packing=packing(packed, sizes))
    except ValueError as e:
        table.fail("packing", str(e))


def _instruction(name: str, table: Table, features: tuple[str, ...]) -> Instruction:
    operands = table.words("operands", required=True)
    if len(operands) != 2:
        table.fail("operands", f"has {len(operands)} entries, expected the two sides' elements")
    for operand in operands:
        _check_element(table, "operands", operand, kinds=False)
    shape = table.sizes("shape")
    if shape is None:
        table.fail("shape", "is missing, expected three integers [m, n, k]")
    feature = table.required("feature", features)
    accumulator, note = table.required("accumulator", (*ACCUMULATORS, "i16")), table.word("note")
    table.done()
    return Instruction(name, (operands[0], operands[1]), accumulator, shape, feature, note or "")


def _matmul(table: Table, layouts: dict[str, Layout], instructions: dict[str, Instruction]) -> MatmulKernel:
    kernel = MatmulKernel(
        table.required("kernel"),
        _operand(table.table("input", required=True)),
        _operand(table.table("weight", required=True)),
        table.required("accumulator", ACCUMULATORS),
        layouts[table.required("layout", tuple(layouts))],
        table.word("instruction", tuple(instructions) or None),
        table.sizes("tile"),
        table.number("n_multiple", 1),
        table.number("k_multiple", 1),
        table.flag("same_groups"),
        table.word("requantized"),
        table.words("constants", MATMUL_CONSTANTS),
    )
    table.done()
    if kernel.instruction is not None and kernel.instruction not in instructions:
        table.fail("instruction", f"'{kernel.instruction}' has no table [instructions.{kernel.instruction}]")
    return kernel


def _embedding(table: Table, layouts: dict[str, Layout]) -> EmbeddingKernel:
    kernel = EmbeddingKernel(
        table.required("kernel"),
        _operand(table.table("table", required=True)),
        layouts[table.required("layout", tuple(layouts))],
        table.words("constants", EMBEDDING_CONSTANTS),
    )
    table.done()
    return kernel


def _operand(table: Table) -> Operand:
    elements = table.words("elements", required=True)
    if not elements:
        table.fail("elements", "is empty, expected at least one element")
    for name in elements:
        _check_element(table, "elements", name, kinds=True)
    operand = Operand(
        elements,
        table.words("granularity", GRANULARITIES),
        table.words("parameters", PARAMETERS),
        table.words("scales", tuple(FLOAT_NAMES.values())),
        table.number("group_multiple", 1),
        table.number("group_size", None),
    )
    table.done()
    if operand.group_size is not None and operand.group_size % operand.group_multiple:
        table.fail("group_size", f"is {operand.group_size}, expected a multiple of {operand.group_multiple}")
    return operand


def _check_element(table: Table, key: str, name: str, *, kinds: bool) -> None:
    if name in FLOAT_NAMES.values() or (kinds and name in KINDS):
        return
    try:
        element(name)
    except ValueError:
        words = f"one of {', '.join(KINDS)}, " if kinds else ""
        table.fail(key, f"'{name}' is no element, expected {words}a float (f32) or a code (i4, ui8, f8E4M3FN)")
