"""The errors a user sees: every refusal is one line that names the thing, the fact and the rule."""

from __future__ import annotations


class InputError(Exception):
    """Something the user gave us cannot be used (exit status 1).

    The message is one line: the file, op or tensor; what is wrong with it; what would be right.
    """


class UnknownArchitecture(InputError):
    """A model whose architecture we do not know; its tensors can be read all the same."""


class UnsupportedProgram(InputError):
    """A program that a backend cannot run, though it is right: it has no kernel for an operation or a type."""


class OutputError(InputError):
    """The output cannot be written: no permission, no space, something else in its place (exit status 1)."""


class UsageError(Exception):
    """The command line itself is wrong (exit status 2)."""
