"""Schedules that `llmir tune` found, in the folder with compiled programs: one file for each machine.

A machine is the target's name with its options, the processor, and the version of LLVM. What is damaged, or was
measured elsewhere, is as good as none: `notes` of what was read say so. Nothing here knows the compiler, as programs
that were compiled before are looked up by what is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from llmir.backends.native.jit import llvm_version
from llmir.backends.native.object_cache import ObjectCache, key_of
from llmir.targets.host import host_processor
from llmir.targets.machine import Machine

FORM = "schedules 1"
"""What the files are, and of which form."""

Entries = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Schedules of products as plain data: for each kind of product `one_row` and `many_rows`, by field."""


@dataclass(frozen=True)
class KeptSchedules:
    """What was found for a machine. `state` changes when it does; `notes` are what a user should be told."""

    entries: Entries = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """A digest of all entries."""
        return hashlib.sha256(_text(self.entries)).hexdigest()


class ScheduleCache:
    """The files in a folder, by default that of compiled programs."""

    def __init__(self, folder: Path | None = None):
        self._objects = ObjectCache(folder)

    @property
    def problem(self) -> str | None:
        """Why nothing is read or kept."""
        return self._objects.problem

    def path(self, machine: Machine) -> Path:
        """The file of a machine."""
        return self._objects.path(_key(machine))

    def read(self, machine: Machine) -> KeptSchedules:
        """What was found for a machine."""
        path = self.path(machine)
        data = self._objects.get(_key(machine))
        if data is None:
            damaged = self.problem is None and path.exists()
            return KeptSchedules(notes=(f"{path}: is damaged, its schedules are ignored",) if damaged else ())
        try:
            found: Any = json.loads(data)
            where, entries = found["where"], dict(found["schedules"])
        except (ValueError, KeyError, TypeError):
            return KeptSchedules(notes=(f"{path}: holds no schedules, and is ignored",))
        if where != _where(machine):
            return KeptSchedules(notes=(f"{path}: its schedules were measured elsewhere ({where}), and are ignored",))
        good = {kind: entry for kind, entry in entries.items() if _is_entry(entry)}
        bad = [f"{path}: has no schedule for {kind}, what is there is ignored" for kind in entries if kind not in good]
        return KeptSchedules(good, tuple(bad))

    def keep(self, machine: Machine, entries: Entries) -> None:
        """Add schedules to those of a machine, if possible; those of the same kinds of products are replaced."""
        together = {**self.read(machine).entries, **entries}
        head = {"where": _where(machine), "schedules": together}
        self._objects.put(_key(machine), _text(head))


def _where(machine: Machine) -> list[str]:
    return [FORM, machine.name, machine.triple, host_processor(), llvm_version()]


def _key(machine: Machine) -> str:
    return key_of(*_where(machine))


def _text(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True).encode()


FIELDS = {
    "rows": range(1, 65),
    "columns": range(1, 17),
    "n_block": range(1, 1 << 20),
    "k_unroll": range(1, 1025),
    "prefetch": range(1 << 20),
}
"""What a schedule has, and what each may be."""


def _is_entry(entry: object) -> bool:
    """Whether this is two schedules for one packed weight."""
    if not isinstance(entry, dict):
        return False
    both = cast("dict[str, Any]", entry)
    return (
        set(both) == {"one_row", "many_rows"}
        and all(map(_is_schedule, both.values()))
        and both["one_row"]["columns"] == both["many_rows"]["columns"]
    )


def _is_schedule(schedule: object) -> bool:
    if not isinstance(schedule, dict):
        return False
    fields = cast("dict[str, Any]", schedule)
    return set(fields) == set(FIELDS) and all(
        type(value) is int and value in FIELDS[name] for name, value in fields.items()
    )
