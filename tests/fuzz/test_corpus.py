"""Every input the fuzzers kept, and mutations of them, are still refused properly or read back unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.targets import TARGETS
from hypothesis import given
from hypothesis import strategies as st

CORPUS = Path(__file__).parent / "corpus"
INPUTS = {name: sorted((CORPUS / name).glob("*")) for name in TARGETS}


@pytest.mark.parametrize("name", TARGETS)
def test_kept_inputs(name: str) -> None:
    assert INPUTS[name], f"no corpus for {name}"
    for path in INPUTS[name]:
        TARGETS[name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_mutations(name: str, data: st.DataObject) -> None:
    content = data.draw(st.sampled_from(INPUTS[name])).read_bytes()
    start = data.draw(st.integers(0, len(content)))
    stop = min(len(content), start + data.draw(st.integers(0, 8)))
    TARGETS[name](content[:start] + data.draw(st.binary(max_size=8)) + content[stop:])
