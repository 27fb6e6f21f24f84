"""The documentation runs: commands, Python, C and MLIR of docs/*.md and README.md, each page in its own folder.

Conventions in the pages: an `mlir` block whose first line is `// NAME.mlir` is also written to that file (and must be
refused if it says `expected-error`), and so is a `python` block whose first line is `# NAME.py`; a `toml` block begins
with `# NAME.toml` and is written; a `c` block that begins with `// NAME.c` is written. A folder with a
`pyproject.toml` counts as installed: its entry points are found. A `console` block has commands after `$ `, each
followed by its output, where `...` stands for any text; a command must succeed unless `; echo $?` prints its status.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from xdsl.ir import Dialect
from xdsl.utils.exceptions import ParseError, VerifyException

from llmir.backends.numpy import kernels
from llmir.dialects.llm.weights import symbol_errors
from llmir.dialects.parser import LLMParser, parse_module
from llmir.formats.codebooks import CODEBOOKS
from llmir.program.context import LLMContext
from llmir.quantizers.registry import METHODS
from llmir.semantics.registry import DEFINITIONS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

TOOLS = {"llmir": "llmir.tools.llmir", "llmir-opt": "llmir.tools.llmir_opt"}
COMPILERS = ("gcc", "aarch64-linux-gnu-gcc")
"""A block that runs one, or what it made (`./NAME`), is skipped where it is not installed."""
NOT_RUN = ("pip ", "venv ", "fetch_smollm2")
"""What needs the network or a new environment; .ci/run runs it."""
SHELL = {"|", ">", ">>", "<", ";", "&", "||"}
STATUS = "; echo $?"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, and the line its text starts on."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command line and the output a page promises, if it does."""

    text: str
    output: str | None


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for match in re.finditer(r"^```(\S*)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(page, text.count("\n", 0, match.start(2)) + 1, match[1], match[2])


def commands(block: Block) -> Iterator[Command]:
    if block.language == "sh":
        lines = block.text.replace("\\\n", " ").splitlines()
        yield from (Command(line, None) for line in lines if line.strip() and not line.startswith("#"))
        return
    before, *parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert not before, f"{block.place}: a console block begins with '$ '"
    for part in parts:
        line, _, output = part.partition("\n")
        yield Command(line, output or None)


def steps(command: str) -> Iterator[tuple[list[str], bool]]:
    """The programs a line runs, as arguments, and whether the exit status is printed."""
    for part in command.split(" && "):
        if any(mark in part for mark in NOT_RUN):
            continue
        words = shlex.split(part.removesuffix(STATUS), comments=True)
        if not words or SHELL & set(words):
            raise ValueError(f"not a plain command: {part}")
        program = words[0].removeprefix(".venv/bin/")
        if program == "pytest":
            continue
        if program in COMPILERS or program.startswith("./"):
            yield words, part.endswith(STATUS)
            continue
        if program not in TOOLS:
            raise ValueError(f"do not know how to run '{program}': {part}")
        yield [sys.executable, "-m", TOOLS[program], *words[1:]], part.endswith(STATUS)


def run(arguments: list[str], folder: Path, *, errors: int = subprocess.STDOUT) -> tuple[int, str]:
    """Exit status and output of a program, standard error among it."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        arguments, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, check=False
    )
    return done.returncode, done.stdout


def run_shell(block: Block, folder: Path) -> None:
    if any(not (ROOT / file).exists() for file in re.findall(r"models/\S+", block.text)):
        return
    wanted = re.findall(r"^\$ ([\w-]*gcc) ", block.text, re.MULTILINE)
    if any(shutil.which(name) is None for name in wanted):
        return
    for command in commands(block):
        output = ""
        for arguments, shows_status in steps(command.text):
            status, printed = run(arguments, folder)
            assert shows_status or status == 0, f"{block.place}: {command.text}\n{printed}"
            output += printed + (f"{status}\n" if shows_status else "")
        if command.output is not None:
            assert matches(output, command.output), f"{block.place}: {command.text}\n{output}"


def matches(output: str, promised: str) -> bool:
    """Whether an output is the promised one: `...` stands for anything, blanks at line ends for nothing."""

    def bare(text: str) -> str:
        return "\n".join(line.rstrip() for line in text.rstrip().splitlines())

    pattern = re.escape(bare(promised)).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, bare(output), re.DOTALL) is not None


def run_python(block: Block, namespace: dict[str, Any], folder: Path) -> None:
    if (named := re.match(r"# (\w+\.py)\n", block.text)) is not None:
        (folder / named[1]).write_text(block.text)
    code = compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")
    exec(code, namespace)


def install(project: dict[str, Any], folder: Path) -> None:
    """What `pip install -e` leaves of a package for importlib.metadata, in the package's own folder."""
    name = project["name"].replace("-", "_")
    metadata = folder / f"{name}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = (f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups)
    (metadata / "entry_points.txt").write_text("".join(lines))


REGISTRIES: tuple[dict[str, Any], ...] = (CODEBOOKS, DEFINITIONS, METHODS, kernels.__dict__)


@pytest.fixture
def registries() -> Iterator[None]:
    """What examples register is forgotten after a page."""
    before, exported = [dict(registry) for registry in REGISTRIES], list(kernels.__all__)
    yield
    for registry, entries in zip(REGISTRIES, before, strict=True):
        for name in set(registry) - set(entries):
            del registry[name]
        registry.update(entries)
    kernels.__all__[:] = exported


def check_mlir(block: Block, namespace: dict[str, Any], folder: Path) -> None:
    """Parse and verify a module, or types and attributes, one on each line; dialects of the page are known."""
    ctx = LLMContext.new()
    for dialect in [value for value in namespace.values() if isinstance(value, Dialect)]:
        ctx.load_dialect(dialect)
    lines = [line for line in block.text.splitlines() if line.strip()]
    if all(line.startswith(("!", "#")) for line in lines):
        for line in lines:
            parser = LLMParser(ctx, line, block.place)
            assert str(parser.parse_attribute()).startswith(line[:8])
            assert not parser.lexer.input.content[parser.pos :].strip(), f"{block.place}: {line}"
        return
    if "// expected-error" in block.text:
        with pytest.raises((ParseError, VerifyException)):
            check_module(ctx, block)
    else:
        check_module(ctx, block)
    named = re.fullmatch(r"// (\w+\.mlir)", lines[0])
    if named is not None:
        (folder / named[1]).write_text(block.text)


def check_module(ctx: LLMContext, block: Block) -> None:
    module = parse_module(ctx, block.text, block.place)
    module.verify()
    assert [message for _, message in symbol_errors(module)] == []


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    module = ModuleType(f"docs_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks(page):
        match block.language:
            case "sh" | "console":
                run_shell(block, tmp_path)
            case "python":
                run_python(block, vars(module), tmp_path)
            case "mlir":
                check_mlir(block, vars(module), tmp_path)
            case "toml":
                named = re.match(r"# (\w+\.toml)\n", block.text)
                assert named is not None, f"{block.place}: a toml block begins with # NAME.toml"
                (tmp_path / named[1]).write_text(block.text)
                if named[1] == "pyproject.toml":
                    install(tomllib.loads(block.text)["project"], tmp_path)
            case "c":
                if (named := re.match(r"// (\w+\.c)\n", block.text)) is not None:
                    (tmp_path / named[1]).write_text(block.text)
            case other:
                pytest.fail(f"{block.place}: a block in '{other}', expected sh, console, python, mlir, toml or c")


def test_the_example_target_is_the_file() -> None:
    example = (ROOT / "docs" / "examples" / "my_accelerator.toml").read_text()
    assert [b.text for b in blocks(ROOT / "docs" / "targets.md") if b.language == "toml"] == [example]


def test_unknown_commands_are_refused() -> None:
    for line in ("curl example.org", "llmir eval demo | head", "llmir eval demo && rm -r x"):
        with pytest.raises(ValueError, match=r"not a plain command|do not know how"):
            list(steps(line))


def test_what_is_not_run() -> None:
    line = "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/llmir inspect demo; echo $?"
    assert list(steps(line)) == [([sys.executable, "-m", "llmir.tools.llmir", "inspect", "demo"], True)]


def test_promised_output() -> None:
    assert matches("a 1 b  \nc\n", "a ... b\nc\n")
    assert not matches("a 1 b\nd\n", "a ... b\nc\n")
    assert not matches("a.b\nc\n", "axb\nc\n")
