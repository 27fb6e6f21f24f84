"""A session of a program that was compiled before: no compiler is imported, so that the first token comes at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llmir.backends.native.cores import usable_cores
from llmir.backends.native.jit import Library
from llmir.backends.native.program_cache import CompiledProgram, ProgramCache
from llmir.backends.native.session import NativeSession
from llmir.targets.machine import Machine


def cached_session(cache: ProgramCache, key: str, machine: Machine, threads: int | None) -> NativeSession | None:
    """The session of a key; None when the program, or its packed weights, must be made first."""
    compiled = cache.program(key)
    return None if compiled is None else load(cache, compiled, machine, threads)


def load(cache: ProgramCache, compiled: CompiledProgram, machine: Machine, threads: int | None) -> NativeSession | None:
    """The session of a program whose weights are packed in the cache; None when they are not."""
    team = threads or usable_cores()
    weights = cache.weights(compiled.weights, compiled.plan.weight_bytes, team)
    if weights is None:
        return None
    return NativeSession(compiled.plan, Library(compiled.object, machine), weights, team)


def folder_identity(module: Path, weights: Path, manifest: Path) -> bytes | None:
    """What tells a program folder's text and values from others', without reading the values; None for no such folder.

    That is the text, what the manifest says of the values, and the size and time of the file that holds them.
    """
    try:
        text, status = module.read_bytes(), weights.stat()
        read: dict[str, Any] = json.loads(manifest.read_bytes())
    except (OSError, ValueError):
        return None
    fingerprint = read.get("fingerprint")
    if not isinstance(fingerprint, str):
        return None
    return b"\0".join([text, fingerprint.encode(), f"{status.st_size} {status.st_mtime_ns}".encode()])
