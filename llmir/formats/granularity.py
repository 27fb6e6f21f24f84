"""Granularity: which elements of a tensor share one scale.

| group_size | axis | meaning                                                        | parameters            |
|------------|------|----------------------------------------------------------------|-----------------------|
| none       | none | per tensor                                                     | [1]                   |
| none       | A    | per channel: one for each index of dimension A                 | [shape[A]]            |
| G          | none | groups of G along the last dimension                           | [..., ceil(K / G)]    |
| G          | A    | groups of G along dimension A                                  | same, at dimension A  |

With `group_rows` R a group is a block of R rows (indices of the dimension before the last) by G elements of the last
dimension: of [..., N, K] there are [..., ceil(N / R), ceil(K / G)] parameters.

When G does not divide the dimension the last group is shorter, when R does not divide the rows the last block has
fewer; for statistics they are filled up with zeros.
Whether that is allowed is for the caller to say: nothing is padded silently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Granularity:
    """Which elements share one scale; see the module's table."""

    axis: int | None = None
    group_size: int | None = None
    group_rows: int | None = None

    def parameter_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the scales of a tensor of `shape`."""
        if self.group_size is not None:
            sizes = self.group_shape(len(shape))
            return tuple(-(-whole // size) for whole, size in zip(shape, sizes, strict=True))
        return (1,) if self.axis is None else (shape[self.axis],)

    def group_shape(self, rank: int) -> tuple[int, ...]:
        """How many elements of each dimension a group has; only for granularities with groups."""
        assert self.group_size is not None
        sizes = [1] * rank
        sizes[self.group_axis(rank)] = self.group_size
        if self.group_rows is not None:
            sizes[rank - 2] = self.group_rows
        return tuple(sizes)

    def rows_per_parameter(self, rank: int) -> int:
        """How many indices of dimension 0 in succession share the parameters of groups, in a tensor of this rank."""
        return self.group_shape(rank)[0] if self.group_size is not None else 1

    def group_axis(self, rank: int) -> int:
        """The dimension groups run along."""
        return rank - 1 if self.axis is None else self.axis

    def padding(self, shape: tuple[int, ...]) -> int:
        """How many elements the last group of each row lacks."""
        if self.group_size is None:
            return 0
        return -shape[self.group_axis(len(shape))] % self.group_size

    def row_padding(self, shape: tuple[int, ...]) -> int:
        """How many rows the last block lacks."""
        return 0 if self.group_rows is None else -shape[-2] % self.group_rows

    def split(self, array: NDArray[Any]) -> NDArray[Any]:
        """[R, g]: one row for each scale, in the order of the scales; a short last group is zero-padded."""
        if self.group_rows is not None:
            return self._split_blocks(array)
        if self.group_size is None:
            if self.axis is None:
                return array.reshape(1, -1)
            moved = np.moveaxis(array, self.axis, 0)
            return moved.reshape(len(moved), math.prod(moved.shape[1:]))
        rows = np.moveaxis(array, self.group_axis(array.ndim), -1)
        padding = self.padding(array.shape)
        if padding:
            rows = np.concatenate([rows, np.zeros((*rows.shape[:-1], padding), array.dtype)], axis=-1)
        return np.ascontiguousarray(rows).reshape(-1, self.group_size)

    def _split_blocks(self, array: NDArray[Any]) -> NDArray[Any]:
        assert self.group_size is not None
        assert self.group_rows is not None
        filled = np.zeros(self._filled_shape(array.shape), array.dtype)
        filled[..., : array.shape[-2], : array.shape[-1]] = array
        blocks = filled.reshape(self._block_shape(array.shape)).swapaxes(-3, -2)
        return blocks.reshape(math.prod(blocks.shape[:-2]), self.group_rows * self.group_size)

    def _filled_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """[..., rows, columns] of whole blocks."""
        return (*shape[:-2], shape[-2] + self.row_padding(shape), shape[-1] + self.padding(shape))

    def _block_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """[..., blocks, rows of a block, groups, columns of a group]."""
        assert self.group_size is not None
        assert self.group_rows is not None
        *lead, blocks, groups = self.parameter_shape(shape)
        return (*lead, blocks, self.group_rows, groups, self.group_size)

    def join(self, groups: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """Inverse of `split`: the tensor of `shape`, padding dropped."""
        if self.group_rows is not None:
            *lead, blocks, rows, count, columns = self._block_shape(shape)
            filled = groups.reshape(*lead, blocks, count, rows, columns).swapaxes(-3, -2)
            whole = filled.reshape(self._filled_shape(shape))
            return np.ascontiguousarray(whole[..., : shape[-2], : shape[-1]])
        if self.group_size is None:
            if self.axis is None:
                return groups.reshape(shape)
            moved = (shape[self.axis], *shape[: self.axis], *shape[self.axis + 1 :])
            return np.ascontiguousarray(np.moveaxis(groups.reshape(moved), 0, self.axis))
        axis = self.group_axis(len(shape))
        lead = (*shape[:axis], *shape[axis + 1 :])
        rows = groups.reshape(*lead, shape[axis] + self.padding(shape))[..., : shape[axis]]
        return np.ascontiguousarray(np.moveaxis(rows, -1, axis))

    def join_parameters(self, parameters: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """Parameters [R], as the rows of `split`, in the shape they are stored in.

        Parameters [R / S] of S consecutive rows each (a second level of scales) come back S times shorter along
        the dimension of groups.
        """
        if self.group_size is None:
            return parameters
        axis, whole = self.group_axis(len(shape)), self.parameter_shape(shape)
        lead = (*whole[:axis], *whole[axis + 1 :])
        rows = math.prod(lead)
        count = len(parameters) // rows if rows else whole[axis]
        return np.ascontiguousarray(np.moveaxis(parameters.reshape(*lead, count), -1, axis))

    def expand(self, parameters: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """Stored parameters, broadcastable against the tensor of `shape`."""
        if self.group_size is not None:
            repeated = parameters
            for axis, size in enumerate(self.group_shape(len(shape))):
                if size > 1:
                    repeated = np.repeat(repeated, size, axis=axis)
            return repeated[tuple(map(slice, shape))]
        if self.axis is None:
            return parameters.reshape((1,) * len(shape))
        return parameters.reshape([-1 if d == self.axis else 1 for d in range(len(shape))])
