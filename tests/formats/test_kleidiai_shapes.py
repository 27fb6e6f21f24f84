"""Codes of shapes and types that KleidiAI's packings do not have."""

from __future__ import annotations

import re
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.formats.kleidiai import pack_rhs_qsi4c32p, pack_rhs_qsi4cxp, pack_rhs_qsi8cxp


@pytest.mark.parametrize("shape", [(32,), (2, 2, 32), (0, 32)])
def test_blocks_of_something_else_than_a_matrix(shape: tuple[int, ...]) -> None:
    message = f"codes are {list(shape)}, expected [N, K] with at least one row"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pack_rhs_qsi4c32p(np.zeros(shape, np.int8), np.zeros((2, 1), ml_dtypes.bfloat16), None, 4, 16, 2)


@pytest.mark.parametrize("codes", [np.zeros((2, 32), np.int16), np.zeros(32, np.int8), np.zeros((0, 32), np.int8)])
def test_channels_of_something_else_than_a_matrix_of_int8(codes: NDArray[Any]) -> None:
    scale = np.zeros(len(codes), np.float32)
    message = f"^codes are {codes.dtype} {re.escape(str(list(codes.shape)))}, expected int8 {re.escape('[N, K]')}$"
    with pytest.raises(ValueError, match=message):
        pack_rhs_qsi4cxp(codes, scale, None, 4, 16, 2)
    with pytest.raises(ValueError, match=message):
        pack_rhs_qsi8cxp(codes, scale, None, 4, 8)
