"""Read by lit: `lit tests/filecheck`. Runs in a clone that is neither installed nor activated."""

# lit defines config and lit_config
# ruff: noqa: F821
# pyright: basic, reportUndefinedVariable=false

import os
import sys

import lit.formats

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

config.name = "llmir"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.excludes = ["Inputs"]
config.test_source_root = HERE
config.test_exec_root = os.path.join(ROOT, "build", "lit")
os.makedirs(config.test_exec_root, exist_ok=True)

config.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
config.environment["OPENBLAS_NUM_THREADS"] = "1"

# tests/untested_errors.py measures the tools these tests run
config.environment.update({key: value for key, value in os.environ.items() if key.startswith("COVERAGE_")})

# lit replaces these once, in order: what is made of tools stands before the tools
config.substitutions += [
    ("%roundtrip", "llmir-opt %s | llmir-opt | filecheck %s"),
    ("%generic-roundtrip", "llmir-opt %s --print-op-generic | llmir-opt | filecheck %s"),
    (r"\bllmir-opt\b", f"{sys.executable} -m llmir.tools.llmir_opt"),
    (r"\bfilecheck\b", f"{sys.executable} -m filecheck"),
]
