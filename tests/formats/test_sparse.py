"""Sparse codes: what is kept, where it stands, and that nothing else is lost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmir.formats.elements import element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.formats.sparse import Bitmask, NOfM, Pattern, pack_sparse, pattern, prune
from llmir.quantizers.registry import quantize

FORMAT = QuantizedFormat(element("i4"), granularity=Granularity(axis=0))


def array_of(codes: list[list[int]]) -> QuantizedArray:
    return QuantizedArray(np.array(codes, np.int8), np.full(len(codes), 0.5, np.float32), FORMAT)


def test_two_of_four() -> None:
    packed = pack_sparse(array_of([[0, 3, 0, -2, 5, 0, 0, 0]]), NOfM(2, 4))
    assert packed.codes.tolist() == [[3, -2, 5, 0]]
    assert packed.positions.tolist() == [[1, 3, 0, 1]]  # the first zero fills the place that is left
    assert packed.unpack().codes.tolist() == [[0, 3, 0, -2, 5, 0, 0, 0]]
    assert packed.dequantize().tolist() == [[0, 1.5, 0, -1, 2.5, 0, 0, 0]]


def test_every_group_of_two_of_four() -> None:
    for places in itertools.combinations(range(4), 2):
        codes = [0, 0, 0, 0]
        codes[places[0]], codes[places[1]] = -8, 7
        packed = pack_sparse(array_of([codes]), NOfM(2, 4))
        assert packed.positions.tolist() == [list(places)]
        assert packed.codes.tolist() == [[-8, 7]]


def test_bitmask() -> None:
    packed = pack_sparse(array_of([[0, 3, 0], [-2, 5, 1]]), Bitmask())
    assert packed.codes.tolist() == [3, -2, 5, 1]
    assert packed.positions.tolist() == [[False, True, False], [True, True, True]]
    assert packed.unpack().codes.tolist() == [[0, 3, 0], [-2, 5, 1]]


@given(
    kept=st.sampled_from([NOfM(2, 4), NOfM(1, 4), NOfM(4, 8), NOfM(1, 2), Bitmask()]),
    rows=st.integers(1, 4),
    groups=st.integers(1, 4),
    name=st.sampled_from(["i4", "i8", "f8E4M3FN", "f4E2M1FN"]),
    seed=st.integers(0, 99),
)
def test_packing_is_undone(kept: Pattern, rows: int, groups: int, name: str, seed: int) -> None:
    w = np.random.default_rng(seed).standard_normal((rows, 8 * groups)).astype(np.float32)
    w = prune(w, kept) if isinstance(kept, NOfM) else np.where(np.abs(w) > 0.7, w, 0)
    dense = quantize(w, QuantizedFormat(element(name), granularity=Granularity(group_size=8)), "absmax")
    packed = pack_sparse(dense, kept)
    np.testing.assert_array_equal(packed.unpack().codes, dense.codes)
    np.testing.assert_array_equal(packed.dequantize(), dense.dequantize())
    if isinstance(kept, NOfM):
        assert packed.codes.shape == (rows, 8 * groups * kept.n // kept.m)
    else:
        assert len(packed.codes) == np.count_nonzero(dense.codes)


@given(kept=st.sampled_from([NOfM(2, 4), NOfM(1, 4), NOfM(3, 8)]), seed=st.integers(0, 99))
def test_pruning_keeps_the_largest(kept: NOfM, seed: int) -> None:
    w = np.random.default_rng(seed).integers(-4, 5, (3, 16)).astype(np.float32)
    pruned = prune(w, kept)
    for before, after in zip(w.reshape(-1, kept.m), pruned.reshape(-1, kept.m), strict=True):
        assert ((after == before) | (after == 0)).all()
        wanted = sorted(range(kept.m), key=lambda i: (-abs(before[i]), i))[: kept.n]
        for i in range(kept.m):
            assert after[i] == (before[i] if i in wanted else 0)


def test_too_many_elements() -> None:
    with pytest.raises(
        ValueError, match=r"3 of the elements \[1, 4\] to \[1, 7\] are not zero, 2:4 has room for 2; prune the tensor"
    ):
        pack_sparse(array_of([[0] * 8, [0, 0, 0, 0, 1, 1, 1, 0]]), NOfM(2, 4))


def test_length_that_is_not_a_multiple() -> None:
    with pytest.raises(ValueError, match="2:4 needs a last dimension that 4 divides, got 6"):
        pack_sparse(array_of([[0] * 6]), NOfM(2, 4))


@pytest.mark.parametrize(("text", "kept"), [("2:4", NOfM(2, 4)), ("bitmask", Bitmask()), ("255:256", NOfM(255, 256))])
def test_names(text: str, kept: Pattern) -> None:
    assert pattern(text) == kept
    assert str(kept) == text


@pytest.mark.parametrize("text", ["4:4", "5:4", "0:4", "1:512", "2:4x", "mask", ""])
def test_unknown_names(text: str) -> None:
    with pytest.raises(ValueError, match=rf"unknown sparsity '{text}', expected N:M such as 2:4"):
        pattern(text)


@pytest.mark.parametrize(("m", "bits"), [(2, 1), (4, 2), (8, 3), (5, 3), (256, 8)])
def test_bits_of_a_position(m: int, bits: int) -> None:
    assert NOfM(1, m).position_bits == bits


def test_formats_without_a_zero_code() -> None:
    with pytest.raises(ValueError, match="sparse codes need a symmetric format"):
        pack_sparse(
            quantize(np.ones((1, 4), np.float32), QuantizedFormat(element("ui4"), zero_point=element("ui4")), "minmax"),
            NOfM(2, 4),
        )
    with pytest.raises(ValueError, match="got the codebook nf4"):
        pack_sparse(quantize(np.ones((1, 4), np.float32), QuantizedFormat(element("nf4")), "absmax"), NOfM(2, 4))
