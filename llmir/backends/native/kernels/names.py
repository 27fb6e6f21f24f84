"""Parts of generated functions' names."""

from __future__ import annotations

import hashlib


def digest(spec: object) -> str:
    """A few digits that say which of all specifications this is, by its text."""
    return hashlib.sha256(repr(spec).encode()).hexdigest()[:12]


def number_text(value: float | None) -> str:
    """A number in letters, digits and _."""
    return "none" if value is None else repr(float(value)).replace("-", "m").replace("+", "").replace(".", "p")
