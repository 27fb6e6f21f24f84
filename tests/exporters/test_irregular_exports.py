"""Weights no other format has a place for are refused by name, before a file is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from differential import program

from llmir.errors import InputError
from llmir.exporters.mllm import export_mllm
from llmir.exporters.mllm_ir import flattened_ir

TYPES = {
    "mixed": "!llm.mixed_quantized_tensor<6x32x!llm.mixed<i8,i4>, scale=f16>",
    "sparse": "!llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<6x32xi4, scale=f16, symmetric=true, axis=0>>",
}


@pytest.mark.parametrize("name", TYPES)
def test_mllm(name: str, tmp_path: Path) -> None:
    case = program(f"llm.weight @w : {TYPES[name]}", np.random.default_rng(0))
    with pytest.raises(InputError, match=f"f.mllm: weight 'w' is {TYPES[name]}, which mllm has no data type for"):
        export_mllm(case, tmp_path / "f.mllm")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TYPES)
def test_mllm_ir(name: str) -> None:
    case = program(f"llm.weight @w : {TYPES[name]}", np.random.default_rng(0))
    with pytest.raises(InputError, match=f"weight 'w' is {TYPES[name]}, which mllm has no data type for"):
        flattened_ir(case.module)
