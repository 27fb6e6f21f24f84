"""How long whole steps of a program take with one choice of schedules and another.

A kernel that is faster alone need not be so between others, which use the same memory. Programs are compiled with
constants for weights, as no time depends on their values.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from llmir.backends.native import jit
from llmir.backends.native.matmul_timer import BURST_SECONDS, FILL, LEAST_ROUNDS, ROUNDS, urgent
from llmir.backends.native.memory import Memory
from llmir.backends.native.session import NativeCache, NativeSession
from llmir.dialects.kernel_schedule import Schedules
from llmir.passes.native import compile_steps, lower_to_steps
from llmir.program.store import WeightStore
from llmir.targets.machine import Machine

LONGEST_URGENT = 0.2
"""Seconds of a burst beyond which other processes are not kept waiting."""
TOKENS = 64
"""Positions that tokens are written at, over and over."""


@dataclass(eq=False)
class CompiledChoice:
    """A program with a choice of schedules, and the best seconds of a step by its number of rows."""

    session: NativeSession
    cache: NativeCache
    seconds: dict[int, float] = field(default_factory=dict[int, float])

    def close(self) -> None:
        """End its threads and give its memory back."""
        self.session.close()


@dataclass(frozen=True)
class ProgramTimer:
    """Compiles a program with schedules for some of its products, and times choices in turn."""

    module: ModuleOp
    store: WeightStore
    machine: Machine
    activation: str
    threads: int
    rows: tuple[int, ...]

    def compiled(self, schedules: Mapping[str, Schedules]) -> CompiledChoice:
        """The program with these schedules, by kind of product."""
        lowered = self.module.clone()
        lower_to_steps(lowered, self.store, self.machine.name, activation=self.activation, measured=schedules)
        program = compile_steps(lowered, self.store, self.machine, "")
        weights = Memory(max(1, program.plan.weight_bytes))
        weights.array[:] = FILL
        session = NativeSession(program.plan, jit.Library(program.object, self.machine), weights, self.threads)
        return CompiledChoice(session, session.new_cache(max(TOKENS, *self.rows)))

    def compare(self, choices: Sequence[CompiledChoice], deadline: float) -> None:
        """Set `seconds` of choices, measured in turn until about a `time.monotonic`."""
        for rows in self.rows:
            steps = [self._step(choice, rows) for choice in choices]
            once = max(_seconds(step, 1) for step in steps)
            once = max(_seconds(step, 1) for step in steps)
            repeats = max(1, round(BURST_SECONDS / once))
            best = [math.inf] * len(steps)
            for done in range(ROUNDS):
                if done >= LEAST_ROUNDS and time.monotonic() > deadline:
                    break
                for i, step in enumerate(steps):
                    with urgent() if once * repeats < LONGEST_URGENT else nullcontext():
                        best[i] = min(best[i], _seconds(step, repeats))
            for choice, seconds in zip(choices, best, strict=True):
                choice.seconds[rows] = seconds

    def _step(self, choice: CompiledChoice, rows: int) -> Callable[[int], object]:
        session, cache = choice.session, choice.cache
        if rows == 1:
            return lambda n: session.decode(n % session.vocabulary, n % TOKENS, cache)
        most = rows if session.plan.positions is None else min(rows, session.plan.positions)
        ids = np.arange(most, dtype=np.int64) % session.vocabulary
        return lambda _: session.backbone(ids, 0, cache)


def _seconds(step: Callable[[int], object], repeats: int) -> float:
    start = time.perf_counter()
    for n in range(repeats):
        step(n)
    return (time.perf_counter() - start) / repeats


def gain(choice: CompiledChoice, other: CompiledChoice) -> float:
    """Logarithm of how much faster a choice is than another, of all numbers of rows alike."""
    ratios = [math.log(other.seconds[n] / choice.seconds[n]) for n in choice.seconds]
    return sum(ratios) / len(ratios)
