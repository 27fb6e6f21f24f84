"""Granularity: which elements of a tensor share one scale.

| group_size | axis | meaning                                                        | parameters            |
|------------|------|----------------------------------------------------------------|-----------------------|
| none       | none | per tensor                                                     | [1]                   |
| none       | A    | per channel: one for each index of dimension A                 | [shape[A]]            |
| G          | none | groups of G along the last dimension                           | [..., ceil(K / G)]    |
| G          | A    | groups of G along dimension A                                  | same, at dimension A  |

When G does not divide the dimension the last group is shorter; for statistics it is filled up with zeros.
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

    def parameter_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the scales of a tensor of `shape`."""
        if self.group_size is not None:
            axis = self.group_axis(len(shape))
            groups = -(-shape[axis] // self.group_size)
            return (*shape[:axis], groups, *shape[axis + 1 :])
        return (1,) if self.axis is None else (shape[self.axis],)

    def group_axis(self, rank: int) -> int:
        """The dimension groups run along."""
        return rank - 1 if self.axis is None else self.axis

    def padding(self, shape: tuple[int, ...]) -> int:
        """How many elements the last group of each row lacks."""
        if self.group_size is None:
            return 0
        return -shape[self.group_axis(len(shape))] % self.group_size

    def split(self, array: NDArray[Any]) -> NDArray[Any]:
        """[R, g]: one row for each scale, in the order of the scales; a short last group is zero-padded."""
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

    def join(self, groups: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """Inverse of `split`: the tensor of `shape`, padding dropped."""
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
        axis = self.group_axis(len(shape))
        lead = (*shape[:axis], *shape[axis + 1 :])
        rows = math.prod(lead)
        count = len(parameters) // rows if rows else -(-shape[axis] // self.group_size)
        return np.ascontiguousarray(np.moveaxis(parameters.reshape(*lead, count), -1, axis))

    def expand(self, parameters: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """Stored parameters, broadcastable against the tensor of `shape`."""
        if self.group_size is not None:
            axis = self.group_axis(len(shape))
            repeated = np.repeat(parameters, self.group_size, axis=axis)
            return repeated[(slice(None),) * axis + (slice(shape[axis]),)]
        if self.axis is None:
            return parameters.reshape((1,) * len(shape))
        return parameters.reshape([-1 if d == self.axis else 1 for d in range(len(shape))])
