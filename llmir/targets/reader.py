"""Reads a target from a TOML file, checking every key; docs/targets.md is the reference of the keys."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, cast

from llmir.errors import InputError
from llmir.formats.elements import element
from llmir.formats.weight_packings import packing, sizes_of
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


class Table:
    """A table of a file, whose keys are taken one by one; what is left over at the end is an error."""

    def __init__(self, data: dict[str, Any], source: str, place: str):
        self._data, self.source, self.place = dict(data), source, place
        self._known: list[str] = []

    def fail(self, key: str, problem: str) -> NoReturn:
        """InputError that names the file and the key."""
        where = f"{self.place}.{key}" if self.place and key else self.place or key
        raise InputError(f"{self.source}: {where}: {problem}")

    def take(self, key: str, kind: type | tuple[type, ...], what: str, default: Any = None, *, required: bool) -> Any:
        """A value of a kind."""
        self._known.append(key)
        if key not in self._data:
            if required:
                self.fail(key, f"is missing, expected {what}")
            return default
        value = self._data.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            self.fail(key, f"is {_kind_name(value)}, expected {what}")
        return value

    def word(self, key: str, among: tuple[str, ...] | None = None, default: str | None = None) -> str | None:
        """A string, one of those listed if they are."""
        value = cast(
            "str | None", self.take(key, str, "a string" if among is None else _one_of(among), default, required=False)
        )
        if value is not None and among is not None and value not in among:
            self.fail(key, f"'{value}' is unknown, expected {_one_of(among)}")
        return value

    def required(self, key: str, among: tuple[str, ...] | None = None) -> str:
        """A string that must be there."""
        value = self.word(key, among)
        if value is None:
            self.fail(key, f"is missing, expected {'a string' if among is None else _one_of(among)}")
        return value

    def number(self, key: str, default: int | None) -> Any:
        """An integer of at least 1."""
        value = self.take(key, int, "an integer", default, required=False)
        if value is not None and value < 1:
            self.fail(key, f"is {value}, expected at least 1")
        return value

    def flag(self, key: str) -> bool:
        """A boolean, false when left out."""
        return cast(bool, self.take(key, bool, "true or false", False, required=False))

    def words(self, key: str, among: tuple[str, ...] | None = None, *, required: bool = False) -> tuple[str, ...]:
        """A list of strings."""
        value = cast("list[Any]", self.take(key, list, "a list of strings", [], required=required))
        for item in value:
            if not isinstance(item, str):
                self.fail(key, f"holds {_kind_name(item)}, expected strings")
            if among is not None and item not in among:
                self.fail(key, f"'{item}' is unknown, expected {_one_of(among)}")
        return tuple(value)

    def sizes(self, key: str) -> tuple[int, int, int] | None:
        """Three positive integers m, n, k."""
        value = cast("list[Any] | None", self.take(key, list, "three integers [m, n, k]", None, required=False))
        if value is None:
            return None
        if len(value) != 3 or any(not isinstance(v, int) or isinstance(v, bool) or v < 1 for v in value):
            self.fail(key, f"is {value}, expected three positive integers [m, n, k]")
        return cast("tuple[int, int, int]", tuple(value))

    def names(self, key: str) -> dict[str, str]:
        """A table of strings."""
        value = cast("dict[str, Any]", self.take(key, dict, "a table", {}, required=False))
        for name, item in value.items():
            if not isinstance(item, str):
                self.fail(f'{key}."{name}"', f"is {_kind_name(item)}, expected a string")
        return value

    def table(self, key: str, *, required: bool = False) -> Table:
        """A table inside."""
        return Table(self.take(key, dict, "a table", {}, required=required), self.source, self._inner(key))

    def tables(self, key: str) -> list[Table]:
        """The tables of an array."""
        value = cast("list[Any]", self.take(key, list, "an array of tables", [], required=False))
        for item in value:
            if not isinstance(item, dict):
                self.fail(key, f"holds {_kind_name(item)}, expected tables, each begun with [[{key}]]")
        return [Table(item, self.source, f"{self._inner(key)}[{i}]") for i, item in enumerate(value)]

    def children(self) -> dict[str, Table]:
        """Every key as a table."""
        return {key: self.table(key) for key in list(self._data)}

    def integers(self, keys: tuple[str, ...]) -> dict[str, int]:
        """Integers that must be there."""
        return {key: self.take(key, int, "an integer", required=True) for key in keys}

    def done(self) -> None:
        """InputError when a key was not taken."""
        for key in self._data:
            self.fail(key, f"is unknown, expected one of {', '.join(sorted(set(self._known)))}")

    def _inner(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key


def read_target(path: Path, base: Base) -> Target:
    """The target of a file; InputError names the file, the key and what is expected."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"{path}: cannot be read: {getattr(e, 'strerror', None) or e}") from e
    except tomllib.TOMLDecodeError as e:
        raise InputError(f"{path}: is not TOML: {e}") from e
    return _target(Table(data, str(path), ""), base)


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
    )


def _layout(name: str, table: Table) -> Layout:
    form, packed = table.word("form", FORMS), table.word("packing")
    if (form is None) == (packed is None):
        table.fail("", f"needs either form ({_one_of(FORMS)}) or packing")
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


def _one_of(words: tuple[str, ...]) -> str:
    return f"one of {', '.join(words)}" if len(words) != 1 else words[0]


def _kind_name(value: object) -> str:
    names = {
        "bool": "a boolean",
        "int": "an integer",
        "float": "a float",
        "str": "a string",
        "list": "a list",
        "dict": "a table",
    }
    kind = value.__class__.__name__
    return names.get(kind, f"a {kind}")
