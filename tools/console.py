"""What every command of `llmir` does with its output: tables, JSON, progress, errors."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what a command does not show is not imported: `llmir run` starts at once
    from rich.console import RenderableType

    from llmir.program.context import Progress as ProgressCallback

PIPE_WIDTH = 10_000
"""Columns of a table that goes to a file or another program: no name is cut or folded."""


class Output:
    """Prints tables, or with `--json` nothing but one JSON object; knows how long the command took."""

    def __init__(self, as_json: bool):
        self.as_json = as_json
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the command began."""
        return time.perf_counter() - self._started

    def show(self, *parts: RenderableType) -> None:
        """Print for a person."""
        if self.as_json:
            return
        from rich.console import Console

        width = None if sys.stdout.isatty() else PIPE_WIDTH
        console = Console(highlight=False, markup=False, emoji=False, width=width, soft_wrap=width is not None)
        for part in parts:
            console.print(part)

    def remark(self, text: str | None) -> None:
        """Tell a person something on standard error, wherever that goes; a key of the JSON object says it there."""
        if text and not self.as_json:
            print(f"llmir: note: {text}", file=sys.stderr)

    def summarize(self, text: str) -> None:
        """Tell a person at a terminal on standard error what was done."""
        if not self.as_json and on_terminal():
            print(text, file=sys.stderr)

    def finish(self, data: dict[str, Any]) -> None:
        """Print the JSON object, with time and memory added."""
        if self.as_json:
            json.dump({**data, "seconds": self.seconds, "peak_memory_bytes": peak_memory()}, sys.stdout, indent=1)
            sys.stdout.write("\n")


def on_terminal() -> bool:
    """Whether a person reads standard error."""
    return sys.stderr.isatty()


def peak_memory() -> int:
    """Bytes this process has had in memory at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def progress_bar() -> Generator[ProgressCallback]:
    """A progress callback: a bar on a terminal's standard error, nothing in a pipe."""
    if not on_terminal():
        from llmir.program.context import ignore_progress

        yield ignore_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield update
