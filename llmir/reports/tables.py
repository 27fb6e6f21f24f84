"""Tables for a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from llmir.reports.sizes import SizeReport


def bytes_text(count: float) -> str:
    """`12.3 MB`; powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError  # unreachable: the last unit takes every count


def size_table(report: SizeReport, title: str) -> Table:
    """One row for each kind of tensor."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("tensors", "count", "parameters", "bits/weight", "bytes"):
        table.add_column(heading, justify="left" if heading == "tensors" else "right", no_wrap=True)
    table.add_column("stored as", overflow="fold")
    for (kind, type), tensors in report.kinds().items():
        parameters = sum(t.parameters for t in tensors)
        bits = sum(t.bits for t in tensors)
        table.add_row(
            kind,
            str(len(tensors)),
            f"{parameters:,}",
            f"{bits / parameters:.3f}" if parameters else "",
            bytes_text(bits / 8),
            type,
        )
    table.add_section()
    table.add_row(
        "all",
        str(len(report.tensors)),
        f"{report.parameters:,}",
        f"{report.bits_per_weight:.3f}",
        bytes_text(report.weight_bytes),
    )
    return table


def table_of(*headings: str) -> Table:
    """A table without rows; the first column is text, the others are numbers."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    return table


def facts_table(rows: list[tuple[str, str]]) -> Table:
    """Names and values."""
    table = Table(show_header=False, box=None)
    for name, value in rows:
        table.add_row(name, value)
    return table
