"""Mixed and sparse weights: stored, read back, run, counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from differential import check_same, program
from numpy.typing import NDArray

from llmir.backends.reference import Reference
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.passes.pipeline import compile_numpy
from llmir.program.irregular_weights import read_irregular
from llmir.program.program import Program, open_program
from llmir.program.tensors import MemoryTensor
from llmir.reports.sizes import size_report

DENSE = "!llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, group_size=8>"
TYPES = {
    "mixed": "!llm.mixed_quantized_tensor<8x16x!llm.mixed<i8,i3,f8E4M3FN>, scale=f16>",
    "2:4": f"!llm.sparse_quantized_tensor<2:4, {DENSE}>",
    "1:8": "!llm.sparse_quantized_tensor<1:8, !llm.quantized_tensor<8x16xi8, scale=f32, symmetric=true, axis=0>>",
    "bitmask": f"!llm.sparse_quantized_tensor<bitmask, {DENSE}>",
    "bitmask fp8": "!llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32>>",
}


def text(type: str) -> str:
    return f"""
llm.weight @w : {type}
func.func @main(%x: tensor<?x16xf32>) -> tensor<?x8xf32> {{
  %w = llm.load_weight @w : {type}
  %y = llm.quantized_matmul(%x, %w) : (tensor<?x16xf32>, {type}) -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}}"""


def weight_of(program: Program) -> Any:
    type: Any = weights(program.module)["w"].type
    return read_irregular(program.weights, "w", type)


@pytest.fixture(params=TYPES)
def case(request: pytest.FixtureRequest) -> Program:
    return program(text(TYPES[request.param]), np.random.default_rng(3))


def test_products(case: Program) -> None:
    x = np.random.default_rng(1).standard_normal((3, 16)).astype(np.float32)
    (found,) = Reference(case.module, case.weights).run("main", x)
    real: NDArray[np.float32] = weight_of(case).dequantize()
    np.testing.assert_allclose(found, x.astype(np.float64) @ real.astype(np.float64).T, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", TYPES)
def test_numpy_backend(name: str) -> None:
    check_same(text(TYPES[name]), "lower-to-target{target=numpy}", tolerance=1e-6)


def test_files(case: Program, tmp_path: Path) -> None:
    expected = weight_of(case).dequantize()
    case.save(tmp_path / "p")
    again = open_program(tmp_path / "p")
    np.testing.assert_array_equal(weight_of(again).dequantize(), expected)
    session = compile_numpy(again.module, again.weights)
    x = np.eye(16, dtype=np.float32)
    np.testing.assert_allclose(session.call("main", x), expected.T, rtol=1e-6)


def test_true_sizes() -> None:
    sizes = {n: size_report(program(text(t), np.random.default_rng(3))).tensors[0].bits for n, t in TYPES.items()}
    mixed = program(text(TYPES["mixed"]), np.random.default_rng(3))
    rows = np.array([16, 6, 16])[weight_of(mixed).selector].sum()  # bytes of codes: 16 of 8, 3, 8 bits
    assert sizes["mixed"] == 8 * (rows + 8 + 8 * 2)
    assert sizes["2:4"] == 8 * (8 * 4 + 8 * 2 + 8 * 2 * 2)  # 8 codes of 4 bits, 8 positions of 2 bits, 2 scales a row
    assert sizes["1:8"] == 8 * (8 * 2 + 8 * 1 + 8 * 4)
    kept = np.count_nonzero(weight_of(program(text(TYPES["bitmask"]), np.random.default_rng(3))).unpack().codes)
    assert sizes["bitmask"] == 8 * (-(-kept // 2) + 8 * 2 + 8 * 2 * 2)


def broken(name: str, **parts: NDArray[Any]) -> Program:
    case = program(text(TYPES[name]), np.random.default_rng(3))
    for suffix, values in parts.items():
        case.weights.remove(f"w.{suffix}")
        case.weights.add(f"w.{suffix}", MemoryTensor(values))
    return case


@pytest.mark.parametrize(
    ("name", "parts", "message"),
    [
        ("mixed", {"selector": np.zeros(7, np.uint8)}, r"tensor 'w.selector' is uint8 \[7\], but .* needs uint8 \[8\]"),
        ("mixed", {"codes": np.zeros(5, np.uint8)}, r"weight 'w': the rows take \d+ bytes of codes, got \[5\]"),
        ("mixed", {"selector": np.full(8, 3, np.uint8)}, "weight 'w': the selector holds 3, expected 0 to 2"),
        ("2:4", {"positions": np.zeros((8, 2), np.uint8)}, "positions must rise within each group and be below 4"),
        ("bitmask", {"codes": np.zeros(1, np.uint8)}, r"the mask keeps \d+ codes, which take \d+ bytes, got 1"),
    ],
    ids=lambda x: str(x)[:20],
)
def test_broken_parts(name: str, parts: dict[str, NDArray[Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        weight_of(broken(name, **parts))
