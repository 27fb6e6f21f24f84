"""Schedules on disk: kept for a machine, added to, not believed when damaged or from elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmir.backends.native import schedule_cache
from llmir.backends.native.object_cache import ObjectCache
from llmir.backends.native.schedule_cache import ScheduleCache
from llmir.targets.host import machine

HERE = machine("x86-avx512-vnni")
FIELDS = {"rows": 1, "columns": 2, "n_block": 1, "k_unroll": 8, "prefetch": 0}
ENTRY = {"one_row": FIELDS, "many_rows": {**FIELDS, "rows": 6}}


@pytest.fixture
def cache(tmp_path: Path) -> ScheduleCache:
    return ScheduleCache(tmp_path / "cache")


def test_nothing_yet(cache: ScheduleCache) -> None:
    found = cache.read(HERE)
    assert (found.entries, found.notes, cache.problem) == ({}, (), None)


def test_kept_and_added_to(cache: ScheduleCache) -> None:
    empty = cache.read(HERE).state
    cache.keep(HERE, {"a": ENTRY})
    first = cache.read(HERE)
    assert (first.entries, first.notes) == ({"a": ENTRY}, ())
    other = {**ENTRY, "many_rows": {**FIELDS, "rows": 8}}
    cache.keep(HERE, {"b": ENTRY})
    cache.keep(HERE, {"a": other})
    last = cache.read(HERE)
    assert last.entries == {"a": other, "b": ENTRY}
    assert len({empty, first.state, last.state}) == 3
    cache.keep(HERE, {"a": ENTRY})
    cache.keep(HERE, {"b": ENTRY})
    assert cache.read(HERE).state not in (empty, first.state, last.state)


def test_each_machine_has_its_own(cache: ScheduleCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.keep(HERE, {"a": ENTRY})
    assert cache.read(HERE.with_option("bf16")).entries == {}
    assert cache.read(replace(HERE, triple="x86_64-apple-darwin")).entries == {}
    monkeypatch.setattr(schedule_cache, "host_processor", lambda: "another")
    assert cache.read(HERE).entries == {}
    monkeypatch.undo()
    monkeypatch.setattr(schedule_cache, "llvm_version", lambda: "0.0.0")
    assert cache.read(HERE).entries == {}


@pytest.mark.parametrize("at", [3, 20, -1])
def test_a_damaged_file_is_ignored_and_written_anew(cache: ScheduleCache, at: int) -> None:
    cache.keep(HERE, {"a": ENTRY})
    path = cache.path(HERE)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    found = cache.read(HERE)
    assert (found.entries, found.notes) == ({}, (f"{path}: is damaged, its schedules are ignored",))
    cache.keep(HERE, {"b": ENTRY})
    assert (cache.read(HERE).entries, cache.read(HERE).notes) == ({"b": ENTRY}, ())


def test_a_file_from_elsewhere_is_ignored(cache: ScheduleCache) -> None:
    elsewhere = replace(HERE, name="x86-other")
    cache.keep(elsewhere, {"a": ENTRY})
    path = cache.path(HERE)
    path.write_bytes(cache.path(elsewhere).read_bytes())
    found = cache.read(HERE)
    assert found.entries == {}
    (note,) = found.notes
    assert note.startswith(f"{path}: its schedules were measured elsewhere (['schedules 1', 'x86-other', ")


@pytest.mark.parametrize("data", [b"[]", b"{}", b"\xff", b'{"where": 1}', b'{"schedules": {}, "where"'])
def test_a_file_of_something_else_is_ignored(cache: ScheduleCache, data: bytes) -> None:
    path = cache.path(HERE)
    ObjectCache(path.parent).put(path.stem, data)
    assert cache.read(HERE).notes == (f"{path}: holds no schedules, and is ignored",)


BAD: dict[str, Any] = {
    "no schedules": 3,
    "one only": {"one_row": FIELDS},
    "no number": {**ENTRY, "one_row": {**FIELDS, "rows": "1"}},
    "a truth": {**ENTRY, "one_row": {**FIELDS, "rows": True}},
    "too small": {**ENTRY, "one_row": {**FIELDS, "prefetch": -1}},
    "too large": {**ENTRY, "many_rows": {**FIELDS, "rows": 65}},
    "a field less": {**ENTRY, "many_rows": {"rows": 1}},
    "a list": {**ENTRY, "many_rows": [1, 2, 3, 4, 5]},
    "two tiles": {**ENTRY, "many_rows": {**FIELDS, "columns": 4}},
}


@pytest.mark.parametrize("kind", BAD)
def test_an_entry_that_is_none_is_ignored(cache: ScheduleCache, kind: str) -> None:
    cache.keep(HERE, {"a": ENTRY, kind: BAD[kind]})
    found = cache.read(HERE)
    assert found.entries == {"a": ENTRY}
    assert found.notes == (f"{cache.path(HERE)}: has no schedule for {kind}, what is there is ignored",)


def test_schedules_that_are_no_table(cache: ScheduleCache) -> None:
    cache.keep(HERE, {"a": ENTRY})
    path = cache.path(HERE)
    head = json.loads(path.read_bytes()[schedule_cache_head() :])
    ObjectCache(path.parent).put(path.stem, json.dumps({**head, "schedules": [1]}).encode())
    assert cache.read(HERE).notes == (f"{path}: holds no schedules, and is ignored",)


def schedule_cache_head() -> int:
    from llmir.backends.native.object_cache import HEAD

    return HEAD.size


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = ScheduleCache(tmp_path / "file" / "cache")
    cache.keep(HERE, {"a": ENTRY})
    assert cache.problem is not None
    assert cache.read(HERE).entries == {}
