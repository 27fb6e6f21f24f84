"""Writes docs/passes.md from the passes' docstrings and fields: `python docs/generate_passes.py`.

A pass module's docstring is prose; a paragraph that starts with a line `Options:` lists `name  meaning`, one
or several names (`a, b  meaning`) a line, continued on lines that are indented further.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

from xdsl.passes import ModulePass

from llmir.passes.pipeline_text import options_of, type_text, value_text
from llmir.passes.registry import PASSES

PAGE = Path(__file__).with_name("passes.md")

HEADER = """\
# Passes

Generated from the passes' docstrings by `python docs/generate_passes.py`.

`a,b{x=1 y=p,q}` is a pipeline: options are separated by blanks, values of one option by commas, and `-` and
`_` in an option's name are the same. `llmir-opt --list-passes` prints the options too. A pass rewrites the
module in place and verifies before and after; what it decides not to do, it writes on the operation as
`llm.remark`.
"""

ENTRY = re.compile(r"  ([a-z][a-z-]*(?:, [a-z][a-z-]*)*)\s+(\S.*)")


def page() -> str:
    """The text of docs/passes.md."""
    contents = "".join(f"- [`{name}`](#{name}): {_summary(PASSES[name]())}\n" for name in PASSES)
    return "\n".join([HEADER, contents, *(section(name, PASSES[name]()) for name in PASSES)])


def section(name: str, cls: type[ModulePass]) -> str:
    """One pass: class, docstring, table of options."""
    module = sys.modules[cls.__module__]
    prose, meanings = split_options(inspect.getdoc(module) or "", name)
    lines = [f"## `{name}`", "", f"`{cls.__module__}.{cls.__name__}`", "", prose, ""]
    options = options_of(cls)
    unknown = sorted(set(meanings) - {key.replace("_", "-") for key in options})
    if unknown:
        raise SystemExit(f"{name}: the docstring describes options that do not exist: {', '.join(unknown)}")
    if options:
        lines += ["| option | type | default | meaning |", "|---|---|---|---|"]
    for key, option in options.items():
        shown = key.replace("_", "-")
        default = "required" if option.required else f"`{value_text(option.default)}`"
        cells = [f"`{shown}`", type_text(option.type), default, meanings.get(shown, "see above")]
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join(lines).rstrip() + "\n"


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
    """Meanings by option name; SystemExit for a line that is neither an entry nor its continuation."""
    meanings: dict[str, str] = {}
    names: list[str] = []
    for line in text.splitlines():
        entry = ENTRY.fullmatch(line.rstrip())
        if entry is not None:
            names = entry[1].split(", ")
            meanings |= dict.fromkeys(names, entry[2])
        elif names and line.startswith("   "):
            meanings |= {n: f"{meanings[n]} {line.strip()}" for n in names}
        else:
            raise SystemExit(f"{name}: cannot read this line of its options: {line!r}")
    return meanings


def _summary(cls: type[ModulePass]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]


if __name__ == "__main__":
    PAGE.write_text(page())
