"""The float model on the NumPy backend against float64: what the tests of passes build on."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_model import logits, reference_inputs, tiny_program

IDS = [3, 1, 4, 1, 5, 9, 2, 6]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_logits(tied: bool, dtype: type) -> None:
    program = tiny_program(tied=tied, dtype=dtype)
    np.testing.assert_allclose(logits(program, IDS), reference_inputs(program, IDS)[1], atol=5e-6)
