"""Codebooks: the tables from their definitions, and the nearest entry by enumeration."""

from __future__ import annotations

import re
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants
from hypothesis import given
from hypothesis import strategies as st

from llmir.formats.elements import CODEBOOKS, Codebook, element

finite32 = st.integers(-(2**20), 2**20).map(lambda n: n / 1024)  # distances are exact in float64
tables = st.integers(1, 4).flatmap(lambda bits: st.lists(finite32, min_size=1 << bits, max_size=1 << bits, unique=True))


def test_nf4_is_the_normal_quantiles_of_the_paper() -> None:
    """8 quantiles above 0, 7 below and 0 itself, between the offset's quantile and 0.5, divided by the largest."""
    offset = 1 - 0.5 * (1 / 32 + 1 / 30)
    quantile = NormalDist().inv_cdf
    above = [quantile(offset + (0.5 - offset) * i / 8) for i in range(8)]
    below = [-quantile(offset + (0.5 - offset) * i / 7) for i in range(7)]
    expected = np.sort([*above, 0.0, *below]) / max(above)
    np.testing.assert_allclose(CODEBOOKS["nf4"], expected, atol=2e-7)


def test_iq4_nl_is_ggmls() -> None:
    assert CODEBOOKS["iq4_nl"] == tuple(quants.IQ4_NL.kvalues)
    assert GGMLQuantizationType.IQ4_NL.name == "IQ4_NL"


@given(tables, st.lists(finite32, min_size=1, max_size=40))
def test_encode_is_the_nearest_entry_of_lowest_index(table: list[float], values: list[float]) -> None:
    book = Codebook(tuple(table))
    ties = [(a + b) / 2 for a, b in pairwise(table)]
    x = np.array([*values, *table, *ties], np.float32)
    distances = np.abs(np.array(table)[None, :] - x[:, None].astype(np.float64))
    codes = book.encode(x)
    assert codes.dtype == np.uint8
    assert codes.tolist() == distances.argmin(axis=1).tolist()  # argmin takes the first of equals
    assert book.decode(codes).tolist() == [table[c] for c in codes]


@given(tables)
def test_names_read_back(table: list[float]) -> None:
    book = Codebook(tuple(table))
    assert element(book.name) == book
    assert book.bits == len(table).bit_length() - 1
    assert (book.minimum, book.maximum) == (min(table), max(table))
    assert book.magnitude == max(map(abs, table))


@pytest.mark.parametrize("name", CODEBOOKS)
def test_known_names(name: str) -> None:
    book = element(name)
    assert isinstance(book, Codebook)
    assert book.name == name
    assert book.bits == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("codebook:[1.0, 2.0, 3.0]", "a codebook has 2^bits entries for 1 to 8 bits, got 3"),
        ("codebook:[1.0]", "a codebook has 2^bits entries for 1 to 8 bits, got 1"),
        ("codebook:[0.0, 1e39]", "codebook entry 1e+39 is not a finite float32"),
        ("codebook:[0.0, NaN]", "codebook entry nan is not a finite float32"),
        ("codebook:[0.5, 0.0, 1.0, 0.5]", "codebook entries 0 and 3 are both 0.5; they must be distinct"),
        ("codebook:[1, 1.00000001]", "codebook entries 0 and 1 are both 1; they must be distinct"),
        ("codebook:0.5", "'codebook:0.5' is not a codebook; write codebook:[-1.0, -0.5, 0.5, 1.0]"),
        ('codebook:[0, "a"]', "is not a codebook; write codebook:[-1.0, -0.5, 0.5, 1.0]"),
        ("codebook:[0, true]", "is not a codebook; write codebook:[-1.0, -0.5, 0.5, 1.0]"),
        ("codebook:[0, 1", "is not a codebook; write codebook:[-1.0, -0.5, 0.5, 1.0]"),
    ],
)
def test_refusals(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        element(name)
