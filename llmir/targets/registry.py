"""The targets: TOML files that come with the package by name, others by path."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from llmir.errors import InputError
from llmir.targets.reader import read_target
from llmir.targets.target import Target

FOLDER = Path(__file__).parent
SUFFIX = ".toml"
NUMPY = "numpy"
"""The target whose kernels the NumPy backend has."""


def target_names() -> tuple[str, ...]:
    """The targets that come with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}")))


def target(name_or_path: str) -> Target:
    """The target of a name, or of a path ending in .toml; InputError lists the names, or says what is wrong."""
    if name_or_path.endswith(SUFFIX):
        return read_target(Path(name_or_path), _base)
    return _shipped(name_or_path)


@cache
def _shipped(name: str) -> Target:
    if name not in target_names():
        known = ", ".join(target_names())
        raise InputError(f"unknown target '{name}', expected one of {known}, or the path of a {SUFFIX} file")
    return read_target(FOLDER / f"{name}{SUFFIX}", _base)


def _base(name: str) -> Target:
    """What a target extends is one that comes with the package, so that files cannot extend each other in a circle."""
    return _shipped(name)
