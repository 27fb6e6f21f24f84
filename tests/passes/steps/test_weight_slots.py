"""Types of packed weights with the rows of others."""

from __future__ import annotations

import pytest
from xdsl.dialects.builtin import IntegerType, f16

from llmir.dialects.llm.types import QuantizedTensorType
from llmir.passes.steps.weight_slots import rows_come_apart, with_rows


@pytest.mark.parametrize(("rows", "pad"), [(40, None), (48, 12), (10, 10)])
def test_the_last_block_of_other_rows_is_stated(rows: int, pad: int | None) -> None:
    """Blocks of 20 rows over 30: 10 are left, of other rows other ones."""
    given = QuantizedTensorType([30, 64], IntegerType(4), scale=f16, group_size=32, group_rows=20, pad_rows=10)
    wanted = QuantizedTensorType([rows, 64], IntegerType(4), scale=f16, group_size=32, group_rows=20, pad_rows=pad)
    assert with_rows(given, rows, merged=False) == wanted


def test_rows_of_blocks_stay_together() -> None:
    assert rows_come_apart(QuantizedTensorType([30, 64], IntegerType(4), group_size=32))
    assert not rows_come_apart(QuantizedTensorType([30, 64], IntegerType(4), group_size=32, group_rows=15))
