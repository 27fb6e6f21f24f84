"""The documentation says all there is: options, JSON keys, passes, operations, schemes, pages, links."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import cast

import click
import pytest

from llmir.dialects.kernel import KERNEL
from llmir.dialects.llm import LLM
from llmir.formats.elements import MINIFLOATS
from llmir.formats.weight_packings import PACKINGS, sizes_of
from llmir.frontends import gguf, gguf_architectures, huggingface
from llmir.passes.pass_documentation import read_entries
from llmir.passes.registry import PASSES
from llmir.quantizers.registry import METHODS
from llmir.recipes.schemes import SCHEMES
from llmir.targets.registry import target_names
from llmir.tools.llmir import cli
from llmir.tools.opt_arguments import ArgumentParser
from llmir.tools.opt_registry import Registry

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
COMMANDS = sorted(cli.commands)
ANYWHERE = {"--threads", "--json", "--help", "-h"}
"""Options of every command, described once."""


def text(page: str) -> str:
    return (DOCS / page).read_text()


def section(command: str) -> str:
    """The part of cli.md about one command."""
    found = re.search(rf"^## `llmir {command}`\n(.*?)(?=^## |\Z)", text("cli.md"), re.MULTILINE | re.DOTALL)
    assert found is not None, f"cli.md has no section on llmir {command}"
    return found[1]


def spellings(command: str) -> set[str]:
    options = (p for p in cli.commands[command].params if isinstance(p, click.Option))
    return {spelling for option in options for spelling in (*option.opts, *option.secondary_opts)}


def described(command: str) -> set[str]:
    """Every option in the first column of the section's tables."""
    cells = re.findall(r"^\| (`-[^|]*?) \|", section(command).replace("\\|", "/"), re.MULTILINE)
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", " ".join(cells)))


@pytest.mark.parametrize("command", COMMANDS)
def test_options(command: str) -> None:
    assert described(command) == spellings(command) - ANYWHERE


def test_common_options() -> None:
    introduction = text("cli.md").partition("\n## ")[0]
    assert all(f"`{option}" in introduction for option in ANYWHERE)


@pytest.mark.parametrize(
    "arguments",
    [
        "import demo -o a",
        "quantize demo -q W8A16 -o b",
        "quantize demo -q W8A16 --dry-run",
        "quantize demo -q W8A16 --print-pipeline",
        "eval demo --text demo --reference demo --max-tokens 512",
        "run demo --prompt The -n 2",
        "inspect demo",
    ],
)
def test_json_keys(arguments: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llmir.tools.llmir", *arguments.split(), "--json"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    keys = all_keys(json.loads(done.stdout))
    assert {key for key in keys if f"`{key}`" not in text("cli.md")} == set()


def all_keys(value: object) -> set[str]:
    """Keys of an object and of the objects in its lists; `history` and `reasons` are data."""
    if isinstance(value, list):
        return set[str]().union(*map(all_keys, cast("list[object]", value)))
    if not isinstance(value, dict):
        return set()
    data = cast("dict[str, object]", value)
    return set(data).union(*(all_keys(v) for k, v in data.items() if k not in ("history", "reasons")))


def test_llmir_opt_flags() -> None:
    """Every flag of the tool is in the page, and the other way round."""
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text("llmir-opt.md").partition("## Pipelines")[0]))
    parser = ArgumentParser(Registry())
    flags = {flag for action in parser._actions for flag in action.option_strings}  # pyright: ignore[reportPrivateUsage]
    assert named == flags


def generator(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("page", "name"), [("passes.md", "generate_passes"), ("operations.md", "generate_dialect")])
def test_generated_page_is_current(page: str, name: str) -> None:
    assert text(page) == generator(name).page(), f"run python docs/{name}.py"


def test_every_pass_option_has_a_meaning() -> None:
    for row in re.findall(r"^\| `([\w-]+)` \| .* \| see above \|$", text("passes.md"), re.MULTILINE):
        assert f"Options: `{row}`" in text("passes.md"), f"option {row} is described nowhere"


def test_generator_refuses_unknown_lines() -> None:
    assert read_entries("  a, b-c  one\n       two", "x") == {"a": "one two", "b-c": "one two"}
    assert read_entries("  a, b,\n  c  one", "x") == {"a": "one", "b": "one", "c": "one"}
    with pytest.raises(ValueError, match="cannot read this line"):
        read_entries("no entry", "x")


def test_passes() -> None:
    assert re.findall(r"^## `([\w-]+)`$", text("passes.md"), re.MULTILINE) == list(PASSES)


def test_operations_have_examples() -> None:
    examples = "".join(re.findall(r"^```mlir\n(.*?)^```$", text("dialect.md"), re.MULTILINE | re.DOTALL))
    names = [op.name for dialect in (LLM, KERNEL) for op in dialect.operations]
    assert [name for name in names if re.search(rf"\b{re.escape(name)}[ (\n]", examples) is None] == []
    attributes = [attribute.name for attribute in LLM.attributes]
    assert [name for name in attributes if f"{name}<" not in examples] == []


def test_every_definition_has_a_section() -> None:
    headings = set(re.findall(r"^### (?:Type |Attribute )?`([!#]?)([\w.]+)`$", text("operations.md"), re.MULTILINE))
    for dialect in (LLM, KERNEL):
        assert {("", op.name) for op in dialect.operations} <= headings
        assert {attribute.name for attribute in dialect.attributes} <= {name for mark, name in headings if mark}


def test_reference_says_what_an_operation_takes() -> None:
    """Operands, results and properties of one operation, and how it is written, as its definition has them."""
    linear = text("operations.md").partition("### `llm.linear`\n")[2].partition("\n### ")[0]
    assert "    llm.linear($input, $weight) [bias($bias)] attr-dict : (operand types) -> result types\n" in linear
    assert re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", linear, re.MULTILINE) == [
        ("input", "operand", "a tensor of floats"),
        ("weight", "operand", "a tensor of floats"),
        ("bias", "operand", "a tensor of floats, optional"),
        ("output", "result", "a tensor of floats"),
        ("module", "property", "a string, optional"),
    ]


def test_architectures() -> None:
    """Each in its column."""
    rows = re.findall(r"^\| (`\w+`.*?) \| (.*?) \| .* \|$", text("architectures.md"), re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row[0])] == list(huggingface.ARCHITECTURES)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    assert named == {*gguf.ARCHITECTURES, *gguf_architectures.ARCHITECTURES}


def test_mlir_is_highlighted() -> None:
    """The lexer of the docs extra knows all that stands in the pages; a page without one would be plain text."""
    lexer = pytest.importorskip("mlir_pygments").MLIRLexer()
    for page in sorted(DOCS.glob("*.md")):
        for block in re.findall(r"^```mlir\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
            unknown = {value for kind, value in lexer.get_tokens(block) if str(kind) == "Token.Error"}
            assert unknown <= {"-"}, page.name  # signs of integers are left plain


def test_element_formats() -> None:
    assert [name for name in MINIFLOATS if f"`{name}`" not in text("dialect.md")] == []


@pytest.mark.parametrize("name", SCHEMES)
def test_schemes(name: str) -> None:
    table = text("schemes.md").partition("\n## ")[0]
    assert re.search(rf"^\| .*`{name}`", table, re.MULTILINE)


def test_methods() -> None:
    assert [method for method in METHODS if f"`{method}`" not in text("cli.md")] == []


def test_targets() -> None:
    assert [name for name in target_names() if f"| `{name}` |" not in text("targets.md")] == []
    assert [name for name in PACKINGS if f"| `{name}` |" not in text("targets.md")] == []
    for name in PACKINGS:
        row = re.search(rf"^\| `{name}` \| (.*?) \|", text("targets.md"), re.MULTILINE)
        assert row is not None
        assert tuple(re.findall(r"`(\w+)`", row[1])) == sizes_of(name)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_links(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        place = page.parent / file if file else page
        assert place.is_file(), target
        assert not anchor or anchor in anchors(place), target


def test_index() -> None:
    """The first page leads to every other one."""
    linked = set(re.findall(r"\]\((\S+\.md)\)", text("index.md")))
    assert linked == {page.name for page in DOCS.glob("*.md")} - {"index.md"}


def test_rooms_and_slow_checks() -> None:
    """CONTRIBUTING.md names every room of .importlinter but the smallest, and every script of benchmarks/."""
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    layers = (ROOT / ".importlinter").read_text().partition("layers =\n")[2].partition("\n\n")[0]
    rooms = set(re.findall(r"llmir\.(\w+)", layers)) - {"universe", "errors", "demo"}
    assert {room for room in rooms if f"{room}/`" not in contributing} == set()
    scripts = {path.name for path in (ROOT / "benchmarks").glob("*.py")} - {"fetch_smollm2.py"}
    assert {name for name in scripts if f"benchmarks/{name}" not in contributing} == set()


def test_navigation() -> None:
    listed = re.findall(r"^ +- (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md"))
