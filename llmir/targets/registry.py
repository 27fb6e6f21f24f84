"""The targets by name."""

from __future__ import annotations

from llmir.errors import InputError
from llmir.targets.numpy import NUMPY
from llmir.targets.target import Target

TARGETS: dict[str, Target] = {NUMPY.name: NUMPY}


def target(name: str) -> Target:
    """The target of that name; InputError lists what exists."""
    if name not in TARGETS:
        raise InputError(f"unknown target '{name}', expected one of {', '.join(TARGETS)}")
    return TARGETS[name]
