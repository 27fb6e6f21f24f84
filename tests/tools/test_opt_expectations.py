"""--verify-diagnostics: what a line expects, and what does not match."""

from __future__ import annotations

import pytest

from llmir.tools.opt_diagnostics import Diagnostic, Place, Severity
from llmir.tools.opt_expectations import expectations, mismatches

FILE = "a.mlir"


def said(line: int | None, message: str, severity: Severity = "error", file: str = FILE) -> Diagnostic:
    return Diagnostic(severity, message, None if line is None else Place(file, line, 1))


def wrong(text: str, *diagnostics: Diagnostic, only: bool = False) -> list[str]:
    """What is said about a text and the diagnostics of its run: line and message."""
    expected, unreadable = expectations(text, FILE)
    found = [*unreadable, *mismatches(expected, list(diagnostics), FILE, only_expected=only)]
    return [f"{d.place.line if d.place else '-'}: {d.message}" for d in found]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("// expected-error {{words}}", 1),
        ("op // expected-error{{words}}  ", 1),
        ("// expected-error @+2 {{words}}", 3),
        ("\n\n// expected-error@-2 {{words}}", 1),
        ("// expected-error@below {{words}}", 2),
        ("// expected-error@below {{words}}\n// expected-error@below {{words}}", 3),
        ("op\n// expected-error@above {{words}}\n// expected-error@above {{words}}", 1),
        ("// expected-error@unknown {{words}}", None),
        ("// expected-error-re {{w{{[a-z]+}}s}}", 1),
        ("// expected-error-re@+1 {{{{^some}} words (really?){{$}}}}", 2),
    ],
)
def test_places(text: str, line: int | None) -> None:
    message = "some words (really?)"
    times = text.count("expected-error")
    assert wrong(text, *[said(line, message)] * times) == []
    other = 9 if line is None else line + 1
    assert len(wrong(text, *[said(other, message)] * times)) == 2 * times


@pytest.mark.parametrize("severity", ["error", "warning", "remark", "note"])
def test_severities(severity: Severity) -> None:
    text = f"// expected-{severity} {{{{words}}}}"
    assert wrong(text, said(1, "words", severity)) == []
    other: Severity = "note" if severity == "error" else "error"
    assert wrong(text, said(1, "words", other)) == [
        f"1: unexpected {other}: words",
        f'1: expected {severity} "words" was not produced',
    ]


def test_each_expects_one() -> None:
    text = "// expected-error {{a}}"
    assert wrong(text, said(1, "a"), said(1, "a")) == ["1: unexpected error: a"]
    assert wrong(text, said(1, "a"), said(1, "a"), only=True) == []
    assert wrong(text) == ['1: expected error "a" was not produced']
    assert wrong("", said(None, "a")) == ["-: unexpected error: a"]


def test_another_file() -> None:
    assert len(wrong("// expected-error {{a}}", said(1, "a", file="b.mlir"))) == 2


@pytest.mark.parametrize(
    ("count", "good", "bad"),
    [("2", [2], [0, 1, 3]), ("2+", [2, 3, 9], [0, 1]), ("0+", [0, 1, 5], []), ("0", [0], [1])],
)
def test_counts(count: str, good: list[int], bad: list[int]) -> None:
    text = f"// expected-error {count} {{{{a}}}}"
    assert all(wrong(text, *[said(1, "a")] * n) == [] for n in good)
    assert all(wrong(text, *[said(1, "a")] * n) for n in bad)


def test_text_is_not_a_pattern() -> None:
    assert wrong("// expected-error {{a.c}}", said(1, "abc"))
    assert wrong("// expected-error-re {{a.c}}", said(1, "abc"))
    assert wrong("// expected-error-re {{a{{.}}c}}", said(1, "abc")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("// expected-error {{a}", "cannot read this, expected as in: expected-error@+1 {{words of the message}}"),
        ("// expected-error@near {{a}}", "cannot read this"),
        ("// expected-error a", "cannot read this"),
        ("// expected-error {{a}} b", "cannot read this"),
        ("// expected-error-re {{a {{(}}}}", "not a regular expression: missing )"),
    ],
)
def test_unreadable(text: str, message: str) -> None:
    (found,) = wrong(text)
    assert found.startswith(f"1: {message}")


def test_words_that_are_no_comment() -> None:
    assert wrong('%x = "expected-error"() : () -> ()') == []
