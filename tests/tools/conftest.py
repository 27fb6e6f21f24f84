"""What tests of the tools share."""

from __future__ import annotations

from pathlib import Path

import pytest
from opt_runner import SILU, write


@pytest.fixture
def silu(tmp_path: Path) -> str:
    """A file with a function."""
    return write(tmp_path / "silu.mlir", SILU)
