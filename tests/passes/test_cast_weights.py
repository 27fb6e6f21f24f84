"""cast-weights: values against NumPy's own rounding, and what is left alone."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from tiny_model import passed, read, tiny_program

from llmir.errors import InputError
from llmir.program.tensors import MemoryTensor


@pytest.mark.parametrize(("type", "dtype"), [("f16", np.float16), ("bf16", ml_dtypes.bfloat16), ("f32", np.float32)])
def test_every_float_weight_is_rounded(type: str, dtype: type) -> None:
    original = read(tiny_program())
    for name, value in read(passed(f"cast-weights{{type={type}}}")).items():
        assert value.dtype == dtype
        assert value.tobytes() == original[name].astype(dtype).tobytes()


def test_quantized_weights_are_left_alone() -> None:
    quantized = "assign-schemes{weight-type=i8},quantize-weights"
    before, after = read(passed(quantized)), read(passed(f"{quantized},cast-weights{{type=bf16}}"))
    assert before["lm_head.weight.scale"].tobytes() == after["lm_head.weight.scale"].tobytes()
    assert after["model.norm.weight"].dtype == ml_dtypes.bfloat16


def test_a_value_that_becomes_infinite_names_its_tensor() -> None:
    program = tiny_program()
    program.weights.add("model.norm.weight", MemoryTensor(np.full(32, 1e6, np.float32)))
    program = passed("cast-weights", program)
    with pytest.raises(InputError, match=r"tensor 'model.norm.weight': a magnitude of 1e\+06 does not fit float16"):
        read(program)


def test_some_weights() -> None:
    original, found = read(tiny_program()), read(passed('cast-weights{weights="*.q_proj.*","re:model.norm"}'))
    halves = {name for name, value in found.items() if value.dtype == np.float16}
    assert halves == {n for n in original if ".q_proj." in n or n == "model.norm.weight"}
    assert all(found[name].tobytes() == original[name].astype(np.float16).tobytes() for name in halves)
    assert all(found[name].tobytes() == original[name].tobytes() for name in found.keys() - halves)
    with pytest.raises(InputError, match="pattern 'nope' matches none of"):
        passed("cast-weights{weights=nope}")


def test_unknown_type() -> None:
    with pytest.raises(InputError, match=r"cast-weights: unknown type 'f8', expected one of f16, bf16, f32$"):
        passed("cast-weights{type=f8}")
