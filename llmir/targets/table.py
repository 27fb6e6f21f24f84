"""Reads the tables of a TOML file key by key; what is wrong is said with the file and the key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NoReturn, cast

from llmir.errors import InputError


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
            "str | None", self.take(key, str, "a string" if among is None else one_of(among), default, required=False)
        )
        if value is not None and among is not None and value not in among:
            self.fail(key, f"'{value}' is unknown, expected {one_of(among)}")
        return value

    def required(self, key: str, among: tuple[str, ...] | None = None) -> str:
        """A string that must be there."""
        value = self.word(key, among)
        if value is None:
            self.fail(key, f"is missing, expected {'a string' if among is None else one_of(among)}")
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
                self.fail(key, f"'{item}' is unknown, expected {one_of(among)}")
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

    def has(self, key: str) -> bool:
        """True when a key is there and not yet taken."""
        self._known.append(key)
        return key in self._data

    def integers(self, keys: tuple[str, ...]) -> dict[str, int]:
        """Integers that must be there."""
        return {key: self.take(key, int, "an integer", required=True) for key in keys}

    def done(self) -> None:
        """InputError when a key was not taken."""
        for key in self._data:
            self.fail(key, f"is unknown, expected one of {', '.join(sorted(set(self._known)))}")

    def _inner(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key


def read_table(path: Path) -> Table:
    """The table that a file is; InputError when it cannot be read, or is not TOML."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"{path}: cannot be read: {getattr(e, 'strerror', None) or e}") from e
    except tomllib.TOMLDecodeError as e:
        raise InputError(f"{path}: is not TOML: {e}") from e
    return Table(data, str(path), "")


def one_of(words: tuple[str, ...]) -> str:
    """Words to choose from, in words."""
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
