"""Writes docs/passes.md from the passes' docstrings and fields: `python docs/generate_passes.py`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from xdsl.passes import ModulePass

from llmir.passes.pass_documentation import split_options, summary
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


def page() -> str:
    """The text of docs/passes.md."""
    contents = "".join(f"- [`{name}`](#{name}): {summary(PASSES[name]())}\n" for name in PASSES)
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


if __name__ == "__main__":
    PAGE.write_text(page())
