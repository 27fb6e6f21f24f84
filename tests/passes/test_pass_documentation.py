"""Options that a pass's documentation describes."""

from __future__ import annotations

import re

import pytest

from llmir.passes.pass_documentation import read_entries


def test_entries() -> None:
    text = "  size, width  elements of a group\n               or of a row\n  flag  whether"
    assert read_entries(text, "p") == {
        "size": "elements of a group or of a row",
        "width": "elements of a group or of a row",
        "flag": "whether",
    }


@pytest.mark.parametrize("line", ["no entry", "   a continuation of nothing"])
def test_a_line_that_is_no_entry(line: str) -> None:
    message = f"p: cannot read this line of its options: {line!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_entries(line, "p")
