"""Blocks are used again only when nothing refers to them any more."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from llmir.backends.numpy import workspace

LARGE = (workspace.SMALLEST // 64, 64)


@pytest.fixture(autouse=True)
def fresh() -> None:
    workspace.release()


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_a_dead_block_is_used_again() -> None:
    first = workspace.empty(LARGE)
    place = address(first)
    del first
    gc.collect()
    assert address(workspace.empty(LARGE)) == place


def test_a_live_block_is_not() -> None:
    first = workspace.empty(LARGE)
    second = workspace.empty(LARGE)
    assert not np.shares_memory(first, second)


def test_a_view_of_a_view_keeps_its_block() -> None:
    first = workspace.empty(LARGE)
    first[:] = 1
    view = first.reshape(-1, 8)[4:, ::2].T
    del first
    second = workspace.empty(LARGE)
    second[:] = 2
    assert not np.shares_memory(view, second)
    assert (view == 1).all()


def test_blocks_much_too_large_are_left_alone() -> None:
    first = workspace.empty((4 * LARGE[0], 64))
    place = address(first)
    del first
    assert address(workspace.empty(LARGE)) != place


def test_small_arrays_come_from_the_library() -> None:
    small = workspace.empty((2, 3))
    assert small.shape == (2, 3)
    assert small.base is None


def test_release_keeps_only_what_is_alive() -> None:
    kept = workspace.empty(LARGE)
    kept[:] = 3
    place = address(kept)
    del kept
    alive = workspace.empty((LARGE[0] * 3, 64))
    workspace.release()
    again = workspace.empty(LARGE)
    again[:] = 4
    assert alive.shape == (LARGE[0] * 3, 64)
    assert not np.shares_memory(again, alive)
    assert place
