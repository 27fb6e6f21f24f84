"""Attention over caches of every element against its formula in float64; all buffers end at guard pages.

The caches are packed by NumPy and hold garbage (NaN where there is one) in all tokens no row may see.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from cache_elements import ELEMENTS, held, packed_keys, packed_values
from hypothesis import given, settings
from hypothesis import strategies as st
from native_kernels import HERE, call, machines
from numpy.typing import NDArray

from llmir.backends.native.kernels.attention import Attention
from llmir.backends.native.kernels.attention_lines import KEY_BLOCK
from llmir.backends.native.kernels.attention_parts import CHUNKS, AttentionParts, MergeParts
from llmir.backends.native.kernels.attention_tile import Heads
from llmir.targets.machine import Machine

Rows = NDArray[np.float32]

GAP = 3
"""Columns between the rows of queries, and of results."""


def heads_of(heads: int, kv_heads: int, head_dim: int, element: str = "f16", **more: Any) -> Heads:
    """Attention with rows that have a gap between them."""
    columns = heads * head_dim + GAP
    return Heads(heads, kv_heads, head_dim, head_dim**-0.5, element, columns, columns, **more)


SPECS = {
    "smollm": heads_of(9, 3, 64),
    "one kv head": heads_of(7, 1, 64),
    "no sharing": heads_of(2, 2, 128),
    "odd size": heads_of(4, 2, 20, "i8"),
    "phi": heads_of(2, 2, 80, "f8E4M3FN"),
    "window": heads_of(4, 2, 32, "f16", window=50),
    "small window": heads_of(2, 1, 16, "f32", window=3),
    "capped": heads_of(2, 1, 64, "i8", softcap=20.0),
    "gemma": heads_of(4, 2, 32, "f16", window=200, softcap=30.0),
    **{element: heads_of(6, 2, 32, element) for element in ELEMENTS},
}
SMALL = {
    **{element: heads_of(2, 1, 8, element) for element in ELEMENTS},
    "gemma": heads_of(2, 1, 8, "f16", window=100, softcap=30.0),
}


class Problem:
    """Random queries, keys and values, and what comes out of them."""

    def __init__(self, spec: Heads, rows: int, position: int, lanes: int, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.spec, self.rows, self.position = spec, rows, position
        tokens = position + rows
        self.capacity = -(-tokens // lanes) * lanes
        self.queries = rng.normal(size=(rows, spec.q_stride)).astype(np.float32) * 2
        shape = (self.capacity, spec.kv_heads, spec.head_dim)
        keys, values = (rng.normal(size=shape).astype(np.float32) * 1.5 for _ in range(2))
        self.seen = [held(x[:tokens], spec.element).astype(np.float64) for x in (keys, values)]
        if spec.element in ("f32", "f16"):
            keys[tokens:] = values[tokens:] = np.nan
        self.keys, self.values = packed_keys(keys, spec.element, lanes), packed_values(values, spec.element)

    def exact(self) -> NDArray[np.float64]:
        """[rows, heads * head_dim] in float64."""
        spec, (keys, values) = self.spec, self.seen
        q = self.queries[:, : spec.heads * spec.head_dim].astype(np.float64).reshape(self.rows, spec.heads, -1)
        out = np.zeros_like(q)
        for row in range(self.rows):
            last = self.position + row
            first = 0 if spec.window is None else max(0, last - spec.window + 1)
            for head in range(spec.heads):
                kv = head // spec.shared
                scores = keys[first : last + 1, kv] @ q[row, head] * spec.scale
                if spec.softcap is not None:
                    scores = spec.softcap * np.tanh(scores / spec.softcap)
                powers = np.exp(scores - scores.max())
                out[row, head] = powers / powers.sum() @ values[first : last + 1, kv]
        return out.reshape(self.rows, -1)

    def attention(self, chosen: Machine, parts: list[tuple[int, int, int, int]]) -> Rows:
        """What `Attention` makes of ranges (m0, m1, h0, h1)."""
        spec = Attention(self.spec)
        out = np.full((self.rows, self.spec.out_stride), -5, np.float32)
        scratch = np.full(spec.scratch_bytes(chosen), 0xFF, np.uint8)
        for part in parts:
            arguments = [self.queries, self.keys, self.values, out, scratch, self.position, self.capacity]
            call(spec, chosen, *arguments, *part)
        assert (out[:, -GAP:] == -5).all()
        return out[:, :-GAP]

    def decode(self, chosen: Machine, threads: int) -> Rows:
        """What `AttentionParts` and `MergeParts` make of the last row."""
        spec = AttentionParts(self.spec)
        parts = np.full(spec.parts_bytes(chosen), 0xFF, np.uint8)
        last = self.position + self.rows - 1
        query = self.queries[-1].copy()
        for thread in range(threads):
            scratch = np.full(spec.scratch_bytes(chosen), 0xFF, np.uint8)
            arguments = [query, self.keys, self.values, parts, scratch, last, self.capacity]
            call(spec, chosen, *arguments, thread, threads)
        out = np.zeros(self.spec.heads * self.spec.head_dim, np.float32)
        middle = self.spec.heads // 2
        for h0, h1 in ((0, middle), (middle, self.spec.heads)):
            call(MergeParts(spec), chosen, parts, out, last, h0, h1)
        return out

    @property
    def everything(self) -> tuple[int, int, int, int]:
        """All rows and heads."""
        return 0, self.rows, 0, self.spec.kv_heads


def check(problem: Problem, chosen: Machine) -> None:
    """Many rows at once, and the last one alone."""
    exact = problem.exact()
    np.testing.assert_allclose(problem.attention(chosen, [problem.everything]), exact, atol=2e-5)
    np.testing.assert_allclose(problem.decode(chosen, 2), exact[-1], atol=2e-5)


@pytest.mark.parametrize("name", SPECS)
def test_against_the_formula(name: str) -> None:
    """More rows than a tile has, keys of several blocks before them."""
    spec = SPECS[name]
    check(Problem(spec, Attention(spec).tile.rows + 5, 2 * KEY_BLOCK + 30, HERE[0].lanes), HERE[0])


@machines
@pytest.mark.parametrize("name", SMALL)
def test_every_machine(name: str, chosen: Machine) -> None:
    """Registers of any width, fewer of them."""
    check(Problem(SMALL[name], 9, 140, chosen.lanes), chosen)


@settings(max_examples=25)
@given(st.integers(1, 40), st.one_of(st.integers(0, 3), st.integers(0, 400)), st.sampled_from(list(SPECS)))
def test_any_rows_at_any_position(rows: int, position: int, name: str) -> None:
    """From the first token on."""
    check(Problem(SPECS[name], rows, position, HERE[0].lanes, rows), HERE[0])


@pytest.mark.parametrize("position", [KEY_BLOCK * CHUNKS - 1, KEY_BLOCK * CHUNKS, 9000])
def test_long_context(position: int) -> None:
    """Where chunks become longer, and far beyond; scratch stays what it is."""
    check(Problem(SPECS["f16"], 1, position, HERE[0].lanes), HERE[0])


LONG = {
    "f16, each head its own keys": heads_of(2, 2, 64, "f16"),
    "f16, 3 heads share": heads_of(3, 1, 64, "f16"),
    "f16, 4 heads share": heads_of(4, 1, 128, "f16"),
    "i8, each head its own keys": heads_of(1, 1, 128, "i8"),
    "i8, 3 heads share": heads_of(6, 2, 64, "i8"),
    "i8, 4 heads share, odd size": heads_of(4, 1, 52, "i8"),
    "f8, each head its own keys, odd size": heads_of(2, 2, 52, "f8E4M3FN"),
    "f8, 3 heads share": heads_of(3, 1, 128, "f8E4M3FN"),
    "f8, 4 heads share": heads_of(4, 1, 64, "f8E4M3FN"),
    "f16, 3 heads share, odd size, window": heads_of(3, 1, 52, "f16", window=4096),
}


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("name", LONG)
def test_contexts_of_8k(name: str, rows: int) -> None:
    """The last rows of somewhat more tokens: many at once, and the last by a team whose parts are merged."""
    check(Problem(LONG[name], rows, 8233 - rows, HERE[0].lanes, seed=rows), HERE[0])


@settings(max_examples=20)
@given(st.lists(st.integers(0, 70), max_size=3), st.sampled_from(["f16", "i8", "window", "gemma", "f32"]))
def test_rows_do_not_depend_on_the_split(cuts: list[int], name: str) -> None:
    """To the bit: tiles that begin anywhere, heads one by one."""
    problem = Problem(SPECS[name], 70, 90, HERE[0].lanes)
    whole = problem.attention(HERE[0], [problem.everything])
    ends = [0, *sorted(cuts), 70]
    pieces = [(a, b, h, h + 1) for a, b in pairwise(ends) for h in reversed(range(problem.spec.kv_heads))]
    assert np.array_equal(whole, problem.attention(HERE[0], pieces))


@pytest.mark.parametrize("position", [5, 700, 3000])
@pytest.mark.parametrize("name", ["smollm", "i8", "gemma"])
def test_one_row_does_not_depend_on_the_threads(name: str, position: int) -> None:
    """To the bit, more threads than there is work too."""
    problem = Problem(SPECS[name], 1, position, HERE[0].lanes)
    alone = problem.decode(HERE[0], 1)
    for threads in (2, 3, 7, 40):
        assert np.array_equal(alone, problem.decode(HERE[0], threads))


def test_large_scores() -> None:
    """Scores of thousands, whose exponentials are infinite unless the largest is taken off, and equal ones."""
    spec = heads_of(2, 1, 16, "f32")
    problem = Problem(spec, 3, 200, HERE[0].lanes)
    problem.queries *= 1000
    exact = problem.exact()
    np.testing.assert_allclose(problem.attention(HERE[0], [problem.everything]), exact, atol=2e-3)
    problem.queries[:] = 0
    np.testing.assert_allclose(problem.attention(HERE[0], [problem.everything]), problem.exact(), atol=1e-6)
    assert np.isfinite(exact).all()


def test_names_tell_specs_apart() -> None:
    """Functions of one module with different numbers have different names."""
    base = SPECS["gemma"]
    others = [
        replace(base, window=100),
        replace(base, softcap=31.0),
        replace(base, scale=0.5),
        replace(base, head_dim=64),
    ]
    assert len({Attention(h).name for h in [base, *others]}) == 5
