"""A compiled program that runs: machine code, packed weights and a team of threads.

Nothing here knows the compiler, so that a program that was compiled before starts at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.backends.native.context import Context
from llmir.backends.native.control import FIRST_STEP, SOFTMAX, TOP_K
from llmir.backends.native.memory import Memory
from llmir.backends.native.plan import CHUNK_ROWS, Plan, TablePlan
from llmir.backends.native.workers import Compiled, Workers
from llmir.errors import InputError

Float = NDArray[np.float32]


class NativeCache:
    """Keys and values of one text, with room for `capacity` tokens, and the tables that go with so many."""

    def __init__(self, memory: Memory, tables: Tables, capacity: int):
        self.memory, self.tables, self.capacity = memory, tables, capacity


class Tables:
    """Cosines and sines of positions 0 .. capacity, for short contexts and for long ones where these differ."""

    def __init__(self, plans: Sequence[TablePlan], capacity: int):
        self._plans = plans
        self._short = _tables([(p.frequencies, p.magnitude) for p in plans], capacity)
        self._long = self._short
        if any(p.long_frequencies for p in plans):
            self._long = _tables([(p.long_frequencies or p.frequencies, p.magnitude) for p in plans], capacity)

    def address(self, end: int) -> int:
        """Those for a call whose last token is number `end`, counted from 1."""
        long = any(p.original_context is not None and end > p.original_context for p in self._plans)
        return (self._long if long else self._short).address


def _tables(plans: Sequence[tuple[tuple[float, ...], float]], capacity: int) -> Memory:
    """One table behind the other, [capacity, cosines then sines]."""
    sizes = [8 * len(frequencies) * capacity for frequencies, _ in plans]
    memory = Memory(max(1, sum(sizes)))
    at = 0
    for (frequencies, magnitude), size in zip(plans, sizes, strict=True):
        angles = np.outer(np.arange(capacity), frequencies)
        table = memory.array[at : at + size].view(np.float32).reshape(capacity, -1)
        table[:] = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * magnitude
        at += size
    return memory


class NativeSession:
    """A program as `llmir.evaluation` calls it, and `decode`, which is the fast way to go on by one token.

    `weights` is the packed file's data; `notes` are what a user should be told. Close it, or use it in `with`, to end
    its threads and give the memory back.
    """

    def __init__(self, plan: Plan, library: Compiled, weights: Memory, threads: int):
        self.plan, self.threads = plan, threads
        self.notes: list[str] = []
        self._weights = weights
        self._context = Context()
        self._workers = Workers(library, self._context, threads)
        self._top_k = library.function(TOP_K, *[ctypes.c_void_p] * 3, ctypes.c_int64)
        self._softmax = library.function(SOFTMAX, *[ctypes.c_void_p] * 2, ctypes.c_float)
        self._scratch: list[Memory] = []
        self._room = 0
        self._make_room(CHUNK_ROWS)
        self._logits: Float = np.empty(plan.vocabulary, np.float32)
        self._token: NDArray[np.int64] = np.zeros(1, np.int64)
        self._tables: dict[int, Tables] = {}

    def _make_room(self, rows: int) -> None:
        """Have scratch memory for calls of so many rows."""
        if rows <= self._room:
            return
        size, stride = self.plan.scratch(rows)
        shared, private = Memory(size), Memory(stride * self.threads)
        self._context.set(shared=shared.address, private=private.address, private_stride=stride)
        for memory in self._scratch:
            memory.close()
        self._scratch, self._room = [shared, private], rows

    def _at_once(self, rows: int) -> int:
        """Of so many rows of a call those that go through a step at once."""
        if not self.plan.whole_calls:
            return CHUNK_ROWS
        self._make_room(rows)
        return max(1, rows)

    @property
    def vocabulary(self) -> int:
        """How many tokens the program knows."""
        return self.plan.vocabulary

    def new_cache(self, capacity: int) -> NativeCache:
        """An empty cache for at least `capacity` tokens."""
        lanes = max((c.lanes for c in self.plan.caches), default=1)
        room = -(-max(capacity, 1) // lanes) * lanes
        if room not in self._tables:
            self._tables = {room: Tables(self.plan.tables, room)}
        memory = Memory(max(1, room * sum(c.token_bytes for c in self.plan.caches)))
        return NativeCache(memory, self._tables[room], room)

    def backbone(self, ids: Sequence[int] | NDArray[np.int64], position: int, cache: Any) -> Float:
        """Hidden states [T, hidden] of ids [T] at `position`; their keys and values are written to the cache.

        InputError when an id is none of the vocabulary, or the cache has no room for them.
        """
        array = np.ascontiguousarray(ids, np.int64)
        self._check(array, position, cache)
        hidden: Float = np.empty((len(array), self.plan.hidden), np.float32)
        most = self._at_once(len(array))
        for start in range(0, len(array), most):
            rows = min(most, len(array) - start)
            self._run(
                "prefill",
                ids=array[start:].ctypes.data,
                hidden=hidden[start:].ctypes.data,
                rows=rows,
                **_place(cache, position + start, len(array) - start),
            )
        return hidden

    def head(self, hidden: Float) -> Float:
        """Logits [T, vocabulary] of hidden states [T, hidden]."""
        states = np.ascontiguousarray(hidden, np.float32)
        logits: Float = np.empty((len(states), self.plan.vocabulary), np.float32)
        most = self._at_once(len(states))
        for start in range(0, len(states), most):
            rows = min(most, len(states) - start)
            self._run("head", hidden=states[start:].ctypes.data, logits=logits[start:].ctypes.data, rows=rows)
        return logits

    def decode(self, token: int, position: int, cache: NativeCache) -> Float:
        """Logits [vocabulary] after one more token, which stands at `position`; overwritten by the next call."""
        ids = np.array([token], np.int64)
        self._check(ids, position, cache)
        self._run(
            "decode",
            ids=ids.ctypes.data,
            logits=self._logits.ctypes.data,
            token=self._token.ctypes.data,
            rows=1,
            **_place(cache, position, 1),
        )
        return self._logits

    def top_k(self, logits: Float, count: int) -> NDArray[np.int64]:
        """The ids [count] of the largest of logits [vocabulary], falling; of equals the lower first."""
        logits = np.ascontiguousarray(logits, np.float32)
        values, ids = np.empty(count, np.float32), np.empty(count, np.int64)
        self._top_k(logits.ctypes.data, values.ctypes.data, ids.ctypes.data, count)
        return ids

    def softmax(self, logits: Float, temperature: float) -> Float:
        """softmax(logits / temperature) in float32, [vocabulary]; the temperature is at least 1e-30."""
        logits = np.ascontiguousarray(logits, np.float32)
        shares: Float = np.empty_like(logits)
        self._softmax(logits.ctypes.data, shares.ctypes.data, 1 / temperature)
        return shares

    def logits(self, ids: Sequence[int] | NDArray[np.int64]) -> Float:
        """Logits [T, vocabulary] of ids [T], read from an empty cache."""
        return self.head(self.backbone(ids, 0, self.new_cache(len(ids))))

    def _check(self, ids: NDArray[np.int64], position: int, cache: NativeCache) -> None:
        outside = ids[(ids < 0) | (ids >= self.plan.vocabulary)]
        if outside.size:
            raise InputError(f"token id {outside[0]} is outside of a vocabulary of {self.plan.vocabulary} tokens")
        end = position + len(ids)
        if position < 0 or end > cache.capacity:
            raise InputError(f"tokens {position} to {end - 1} do not fit into a cache for {cache.capacity}")
        if self.plan.positions is not None and end > self.plan.positions:
            raise InputError(
                f"the model has learned positions for {self.plan.positions} tokens, position {end - 1} is beyond them"
            )

    def _run(self, step: str, **fields: int) -> None:
        job, _ = self.plan.step(step)
        self._workers.run(FIRST_STEP + job, weights=self._weights.address, **fields)

    def close(self) -> None:
        """End the threads and give the memory back."""
        self._workers.close()
        for memory in (self._weights, *self._scratch):
            memory.close()

    def __enter__(self) -> NativeSession:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()


def _place(cache: NativeCache, position: int, left: int) -> dict[str, int]:
    """The fields that say where a call's tokens go; `left` tokens of the text are still to come, these included."""
    return {
        "cache": cache.memory.address,
        "capacity": cache.capacity,
        "position": position,
        "tables": cache.tables.address(position + left),
    }
