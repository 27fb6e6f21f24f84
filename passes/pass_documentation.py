"""What is said about passes, taken from their docstrings and fields: by docs/passes.md, --help and --list-passes.

A pass module's docstring is prose; a paragraph that starts with a line `Options:` lists `name  meaning`, one
or several names (`a, b  meaning`; a comma at the end of the line says that more follow on the next), continued on
lines that are indented further. Passes of xDSL describe their options, if they do, in strings below the fields.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from textwrap import dedent, wrap

from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import ArgSpecConvertible

from llmir.passes.pipeline_text import Factories, options_of, type_text, value_text

NAMES = re.compile(r"  ((?:[a-z][a-z-]*, )*[a-z][a-z-]*),")
ENTRY = re.compile(r"  ([a-z][a-z-]*(?:, [a-z][a-z-]*)*)\s+(\S.*)")
WIDTH = 100


def summary(cls: type[ModulePass]) -> str:
    """The first line of a pass's docstring."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def split_options(docstring: str, name: str) -> tuple[str, dict[str, str]]:
    """A docstring without its list of options, and the meaning of each option."""
    prose: list[str] = []
    meanings: dict[str, str] = {}
    for paragraph in docstring.strip().split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        if first.strip() == "Options:":
            meanings |= read_entries(rest, name)
        else:
            prose.append(paragraph)
    return "\n\n".join(prose), meanings


def read_entries(text: str, name: str) -> dict[str, str]:
    """Meanings by option name; ValueError for a line that is neither an entry nor its continuation."""
    meanings: dict[str, str] = {}
    names: list[str] = []
    more: list[str] = []
    for raw in text.splitlines():
        line = f"  {raw.strip()}" if more else raw.rstrip()
        if (entry := ENTRY.fullmatch(line)) is not None:
            names, more = [*more, *entry[1].split(", ")], []
            meanings |= dict.fromkeys(names, entry[2])
        elif (listed := NAMES.fullmatch(line)) is not None:
            more += listed[1].split(", ")
        elif names and not more and line.startswith("   "):
            meanings |= {n: f"{meanings[n]} {line.strip()}" for n in names}
        else:
            raise ValueError(f"{name}: cannot read this line of its options: {line!r}")
    return meanings


def option_meanings(cls: type[ArgSpecConvertible]) -> dict[str, str]:
    """What each option does, by its name with dashes, for the options that are described."""
    described = _strings_below_fields(cls)
    if cls.__module__.startswith("llmir."):
        described |= split_options(inspect.getdoc(sys.modules[cls.__module__]) or "", cls.__name__)[1]
    return described


def _strings_below_fields(cls: type[ArgSpecConvertible]) -> dict[str, str]:
    try:
        (definition,) = ast.parse(dedent(inspect.getsource(cls))).body
    except (OSError, SyntaxError, ValueError):
        return {}
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name.replace("_", "-")] = " ".join(text.split())
            case _:
                pass
    return found


def describe_pass(name: str, factories: Factories) -> Iterator[str]:
    """The lines about one pass: its name, its summary, and each option with type, default and meaning."""
    yield name
    try:
        cls = factories[name]()
    except ImportError as e:
        yield f"    (cannot be loaded: {e})"
        return
    yield f"    {summary(cls)}"
    meanings = option_meanings(cls)
    for option in options_of(cls).values():
        shown = option.name.replace("_", "-")
        default = "required" if option.required else f"default {value_text(option.default)}"
        yield f"    {shown}: {type_text(option.type)} ({default})"
        yield from wrap(meanings.get(shown, ""), WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
