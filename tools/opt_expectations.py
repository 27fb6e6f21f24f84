"""--verify-diagnostics: compares the diagnostics of a run with those its text says it expects.

A line of the text says `expected-error {{words of the message}}`, or the same with `warning`, `remark` or `note`;
`@+N`, `@-N`, `@above` and `@below` mean another line, `@unknown` a diagnostic that has no place; `-re` after the
severity makes what stands in inner braces a regular expression; a number before the braces is how many such
diagnostics there are, `N+` that there are at least so many. `@above` and `@below` skip lines that expect something.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from llmir.tools.opt_diagnostics import Diagnostic, Place

EXPECTED = re.compile(
    r"expected-(?P<severity>error|warning|remark|note)(?P<re>-re)? *"
    r"(?:@(?P<line>[+-]\d+|above|below|unknown))? *(?:(?P<count>\d+)(?P<more>\+)?)? *\{\{(?P<text>.*)\}\}\s*$"
)
LOOKS_EXPECTED = re.compile(r"//.*expected-(?:error|warning|remark|note)\b")
INNER = re.compile(r"\{\{(.*?)\}\}")


@dataclass(frozen=True)
class Expectation:
    """Diagnostics that are expected: on `line`, or without a place; between `least` and `most` of them."""

    severity: str
    line: int | None
    text: str
    is_pattern: bool
    least: int
    most: int | None
    place: Place

    def matches(self, diagnostic: Diagnostic, file: str) -> bool:
        """Whether this is such a diagnostic."""
        if diagnostic.severity != self.severity:
            return False
        place = diagnostic.place
        here = (
            place is None if self.line is None else place is not None and (place.file, place.line) == (file, self.line)
        )
        return here and self._says(diagnostic.message)

    def _says(self, message: str) -> bool:
        if not self.is_pattern:
            return self.text in message
        pieces = INNER.split(self.text)
        pattern = "".join(f"(?:{piece})" if i % 2 else re.escape(piece) for i, piece in enumerate(pieces))
        return re.search(pattern, message) is not None


def expectations(text: str, file: str) -> tuple[list[Expectation], list[Diagnostic]]:
    """What a text expects, and an error for each line that looks as if it expected something but cannot be read."""
    lines = text.split("\n")
    expecting = {number for number, line in enumerate(lines, 1) if LOOKS_EXPECTED.search(line)}
    found: list[Expectation] = []
    unreadable: list[Diagnostic] = []
    for number in sorted(expecting):
        match = EXPECTED.search(lines[number - 1])
        start = lines[number - 1].index("expected-") + 1
        place = Place(file, number, start)
        problem = _problem(match)
        if match is None or problem:
            unreadable.append(Diagnostic("error", problem, place))
            continue
        count = int(match["count"] or 1)
        found.append(
            Expectation(
                match["severity"],
                _line(match["line"], number, expecting),
                match["text"],
                match["re"] is not None,
                count,
                None if match["more"] else count,
                Place(file, number, match.start() + 1, match.end("text") + 2 - match.start()),
            )
        )
    return found, unreadable


def _problem(match: re.Match[str] | None) -> str:
    if match is None:
        return "cannot read this, expected as in: expected-error@+1 {{words of the message}}"
    try:
        for pattern in INNER.findall(match["text"]) if match["re"] else ():
            re.compile(pattern)
    except re.error as e:
        return f"not a regular expression: {e}"
    return ""


def _line(where: str | None, number: int, expecting: set[int]) -> int | None:
    """The line an expectation on line `number` means."""
    match where:
        case None:
            return number
        case "unknown":
            return None
        case "above" | "below":
            step = 1 if where == "below" else -1
            number += step
            while number in expecting:
                number += step
            return number
        case offset:
            return number + int(offset)


def mismatches(
    expected: list[Expectation], diagnostics: list[Diagnostic], file: str, *, only_expected: bool = False
) -> Iterator[Diagnostic]:
    """An error for each diagnostic nobody expects, unless `only_expected`, and for each missing one."""
    counts = dict.fromkeys(range(len(expected)), 0)
    for diagnostic in diagnostics:
        takers = [i for i, e in enumerate(expected) if e.matches(diagnostic, file)]
        open_ones = [i for i in takers if expected[i].most is None or counts[i] < (expected[i].most or 0)]
        if open_ones:
            counts[open_ones[0]] += 1
        elif not only_expected:
            yield Diagnostic("error", f"unexpected {diagnostic.severity}: {diagnostic.message}", diagnostic.place)
    for i, expectation in enumerate(expected):
        if counts[i] < expectation.least:
            times = f" {expectation.least} times, but {counts[i]}" if expectation.least > 1 else ""
            message = f'expected {expectation.severity} "{expectation.text}" was not produced{times}'
            yield Diagnostic("error", message, expectation.place)
