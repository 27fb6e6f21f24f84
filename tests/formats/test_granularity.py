"""Granularity against its definition: the index of the parameter each element uses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmir.formats.granularity import Granularity


def parameter_index(g: Granularity, at: tuple[int, ...]) -> tuple[int, ...]:
    """Where in the stored parameters the element at `at` finds its own."""
    if g.group_size is None:
        return (0,) if g.axis is None else (at[g.axis],)
    axis = len(at) - 1 if g.axis is None else g.axis
    place = [*at[:axis], at[axis] // g.group_size, *at[axis + 1 :]]
    if g.group_rows is not None:
        place[-2] //= g.group_rows
    return tuple(place)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Granularity, tuple[int, ...]]:
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    axis = draw(st.none() | st.integers(0, len(shape) - 1))
    size = draw(st.none() | st.integers(1, 8))
    if axis is None and size is not None and len(shape) > 1:
        return Granularity(None, size, draw(st.none() | st.integers(1, 8))), shape
    return Granularity(axis, size), shape


@given(cases())
def test_join_undoes_split(case: tuple[Granularity, tuple[int, ...]]) -> None:
    g, shape = case
    array = np.random.default_rng(0).integers(1, 100, shape)
    np.testing.assert_array_equal(g.join(g.split(array), shape), array)


@given(cases())
def test_every_element_is_in_the_row_of_its_parameter(case: tuple[Granularity, tuple[int, ...]]) -> None:
    g, shape = case
    array = np.arange(1, 1 + np.prod(shape)).reshape(shape)
    rows = g.split(array)
    labels = g.join_parameters(np.arange(len(rows)), shape)
    assert labels.shape == g.parameter_shape(shape)
    expanded = np.broadcast_to(g.expand(labels, shape), shape)
    for at in np.ndindex(shape):
        label = labels[parameter_index(g, at)]
        assert expanded[at] == label
        assert array[at] in rows[label]
    filled = rows.size - array.size  # what is not an element is a zero
    assert np.count_nonzero(rows == 0) == filled


@given(cases())
def test_padding_completes_the_last_group(case: tuple[Granularity, tuple[int, ...]]) -> None:
    g, shape = case
    if g.group_size is None:
        assert g.padding(shape) == 0
        return
    size = shape[g.group_axis(len(shape))]
    assert 0 <= g.padding(shape) < g.group_size
    assert (size + g.padding(shape)) % g.group_size == 0
    if g.group_rows is None:
        assert g.row_padding(shape) == 0
        return
    assert 0 <= g.row_padding(shape) < g.group_rows
    assert (shape[-2] + g.row_padding(shape)) % g.group_rows == 0


@pytest.mark.parametrize(
    ("granularity", "parameters"),
    [
        (Granularity(), (1,)),
        (Granularity(axis=1), (5,)),
        (Granularity(group_size=2), (4, 5, 4)),
        (Granularity(axis=0, group_size=3), (2, 5, 7)),
        (Granularity(group_size=2, group_rows=3), (4, 2, 4)),
    ],
)
def test_parameter_shapes_of_the_table(granularity: Granularity, parameters: tuple[int, ...]) -> None:
    assert granularity.parameter_shape((4, 5, 7)) == parameters


def test_a_tensor_without_elements_has_no_blocks() -> None:
    g = Granularity(group_size=3, group_rows=2)
    assert g.split(np.zeros((0, 4))).shape == (0, 6)
    assert g.join(np.zeros((0, 6)), (0, 4)).shape == (0, 4)
    assert g.join_parameters(np.zeros(0), (0, 4)).shape == (0, 2)
