"""A program run on tokens by the reference backend, as `llmir.evaluation` wants it: slow, by definition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp, TensorType

from llmir.backends.reference.interpreter import Reference
from llmir.program.store import WeightStore

Float = NDArray[np.float32]


class ReferenceSession:
    """A callable program at the `llm` level; InputError when it has no function to run tokens with."""

    def __init__(self, module: ModuleOp, store: WeightStore):
        self._reference = Reference(module, store)

    def new_cache(self, capacity: int) -> list[Float]:
        """Empty key and value caches for `capacity` tokens."""
        inputs = self._reference.function("backbone").function_type.inputs.data
        shapes = [tuple(t.get_shape()) for t in inputs if isinstance(t, TensorType)]
        return [np.zeros((capacity, *shape[1:]), np.float32) for shape in shapes if len(shape) == 3]

    def backbone(self, ids: Sequence[int] | NDArray[np.int64], position: int, caches: list[Float]) -> Float:
        """Hidden states [T, hidden] of ids [T] at `position`; the caches are written in place."""
        hidden, *written = self._reference.run("backbone", np.asarray(ids, np.int64), position, *caches)
        for cache, new in zip(caches, written, strict=True):
            cache[:] = new
        return hidden

    def head(self, hidden: Float) -> Float:
        """Logits [T, vocabulary] of hidden states [T, hidden]."""
        (logits,) = self._reference.run("head", hidden)
        return logits

    @property
    def vocabulary(self) -> int:
        """How many tokens the program knows."""
        (logits,) = self._reference.function("head").function_type.outputs.data
        assert isinstance(logits, TensorType)
        return logits.get_shape()[-1]
