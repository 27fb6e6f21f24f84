"""Random matrix multiplications: forms of weights and activations, shapes, tails, tiles, schedules, epilogues, parts.

    python tests/native_combinations.py [--count 10000] [--start 0] [--jobs 2] [--machine arm-i8mm] [--seed 0]

checks so many against float64, on guard pages, and says which failed. Where everything that is added up is an integer,
results must be exact. What `--machine` names is run here or in an emulator, or else interpreted at the `vk` level;
AVX-VNNI's code runs with AVX512-VNNI's encodings. A combination that kills its process is a failure like others.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from multiprocessing.connection import Connection
from typing import Any, cast

import emulator
import numpy as np
from native_matmul import Case, activation_format, multiply, result
from native_weights import FORMS, integral_weight, random_weight

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.kernels.matmul_spec import Schedule, spread_stride
from llmir.backends.native.kernels.vector_math import ACTIVATIONS
from llmir.errors import InputError
from llmir.formats.elements import Element, Integer
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import DENSE, STEP, TileLayout
from llmir.targets.host import PREFERENCE, host_machine, machine, missing_features
from llmir.targets.machine import Machine
from llmir.targets.registry import target
from llmir.targets.schedules import rule_for

BOUND = 2e-6
"""Errors may be this part of the sum of magnitudes that is summed."""
EXACT = 1 << 24
"""float32 has all integers below."""
MANY_ROWS = 32
"""More rows at once are for matrix registers."""
SLICE = 100
"""Combinations of one process."""


def combination(rng: np.random.Generator, chosen: Machine | None = None) -> Case:
    """One of very many cases."""
    while True:
        try:
            return _combination(rng, chosen or host_machine())
        except ValueError:  # refused: see the tests of refusals
            continue


def _combination(rng: np.random.Generator, chosen: Machine) -> Case:
    dense = {str(dtype): dtype for dtype in DENSE}
    name = str(rng.choice([*FORMS, *dense]))
    form = dense.get(name) or FORMS[name]
    activation = str(rng.choice(["f32", "bf16"] if name in dense else ["i8", "i8", "i8", "f32", "bf16"]))
    integers = bool(rng.random() < 0.4)
    many = rng.random() < (0.2 if chosen.tiles is None else 0.6)
    rows = int(rng.integers(13, 71) if many else rng.integers(1, 13))
    n = int(rng.integers(1, 130))
    k = int(rng.choice([rng.integers(1, 70), 32 * rng.integers(1, 12), 256 * rng.integers(1, 4)]))
    vectors, schedule = _schedule(rng, chosen, activation, form)
    epilogue = str(rng.choice(["store", "add", "gated"], p=[0.5, 0.25, 0.25]))
    if epilogue == "gated":
        epilogue = f"gated_{rng.choice([*ACTIVATIONS])}"
    options: dict[str, Any] = {"schedule": schedule, "epilogue": epilogue, "bias": bool(rng.random() < 0.3)}
    if rng.random() < 0.3:
        options["out_stride"] = n + int(rng.integers(0, 9))
    if rng.random() < 0.3:
        options["q_stride"] = _stride(rng, k, activation)
    layout = TileLayout(n, k, form, chosen.lanes * vectors)
    if epilogue.startswith("gated"):
        options["columns"] = n
        layout = replace(layout, n=2 * layout.tiles * layout.tile)
    codes, constants = _codes(rng, integers) if activation == "i8" else (None, {})
    act_group = None if codes is None else codes.granularity.group_size
    asymmetric = codes is not None and codes.zero_point is not None
    spec = Matmul(layout, activation, act_group, asymmetric, **options)
    weights = [_weight(rng, form, n, k, integers) for _ in range(2 if spec.gated else 1)]
    shape = (2, n) if spec.gated else (n,)
    return Case(
        spec,
        weights[0],
        _activations(rng, rows, k, act_group, asymmetric, integers),
        codes,
        _floats(rng, shape, integers) if spec.bias else None,
        _floats(rng, (rows, n), integers) if epilogue == "add" else None,
        weights[1] if spec.gated else None,
        constants,
        integers,
        _parts(rng, rows, layout.tiles, 2 if spec.gated else 1) if rng.random() < 0.3 else (),
    )


def _schedule(rng: np.random.Generator, chosen: Machine, activation: str, form: Any) -> tuple[int, Schedule]:
    """Vectors of a tile, and a schedule: of the machine's table, of another one's, or any."""
    draw, bits = rng.random(), form.itemsize * 8 if isinstance(form, np.dtype) else form.element.bits
    if draw < 0.35:
        name = chosen.name.partition("+")[0] if draw < 0.25 else str(rng.choice(PREFERENCE))
        rule = rule_for(target(name).schedules, activation, bits, int(rng.choice([1, 4096])))
        if rule is not None and (rule.schedule.rows < MANY_ROWS or chosen.tiles is not None):
            found = rule.schedules.many_rows if rng.random() < 0.7 else rule.schedules.one_row
            return found.columns, Schedule(found.rows, found.n_block, found.k_unroll, found.prefetch)
    rows = int(rng.choice([1, 2, 3, 4, 5, 6, 8, 12], p=[0.2, 0.25, 0.15, 0.15, 0.1, 0.08, 0.05, 0.02]))
    if chosen.tiles is not None and rng.random() < 0.6:
        rows = int(rng.choice([16, MANY_ROWS]))
    unroll = int(rng.choice([1, 4, 8, 16, 32], p=[0.15, 0.4, 0.3, 0.12, 0.03]))
    vectors = int(rng.choice([1, 2, 3, 4], p=[0.4, 0.4, 0.1, 0.1])) if rows < 8 else int(rng.integers(1, 3))
    return vectors, Schedule(rows, int(rng.integers(1, 5)), unroll, int(rng.choice([0, 512, 4096])))


def _stride(rng: np.random.Generator, k: int, activation: str) -> int:
    """Elements from one row of activations to the next: odd cache lines, or any."""
    if rng.random() < 0.5:
        return spread_stride(k, {"i8": 1, "bf16": 2, "f32": 4}[activation])
    return (-(-k // STEP) * STEP if activation == "bf16" else k) + int(rng.integers(0, 9))


def _codes(rng: np.random.Generator, integers: bool) -> tuple[Any, dict[str, Any]]:
    """The format of activations' codes, and their scale and zero point where these are constants."""
    asymmetric = rng.random() < 0.4
    kind = str(rng.choice(["i8", "ui8"])) if asymmetric else "i8"
    point = Integer(8, kind == "i8") if asymmetric else None
    if rng.random() < 0.75:
        group = [None, 16, 32, 64, 128, 48][int(rng.integers(0, 6))]
        return activation_format(group, kind, zero_point=point), {}
    constants: dict[str, Any] = {}
    if rng.random() < 0.5:
        constants["scale"] = 1.0 if integers else float(np.float32(rng.uniform(0.001, 0.1)))
        if point is not None:
            constants["zero_point"] = int(rng.integers(point.minimum, point.maximum + 1))
    return replace(activation_format(None, kind, zero_point=point), granularity=Granularity()), constants


def _activations(
    rng: np.random.Generator, rows: int, k: int, group: int | None, asymmetric: bool, integers: bool
) -> Any:
    """Normally distributed; or integers, whose scale is found to be 1 as each group has the extremes."""
    if not integers:
        return (rng.standard_normal((rows, k)) * 10.0 ** rng.integers(-3, 4)).astype(np.float32)
    low, span, width = (-int(rng.integers(0, 256)), 255, group or k) if asymmetric else (-128, 254, group or k)
    x = rng.integers(low, low + span + 1, (rows, k)).astype(np.float32)
    x[:, ::width] = low
    x[:, 1::width] = low + span
    if asymmetric and 1 in (k % width, width):  # a group of one, whose range starts or ends at 0
        x[:, -1] = rng.choice([-span, span])
    return x


def _floats(rng: np.random.Generator, shape: tuple[int, ...], integers: bool) -> Any:
    values = rng.integers(-99, 100, shape) if integers else rng.standard_normal(shape)
    return values.astype(np.float32)


def _weight(rng: np.random.Generator, form: Any, n: int, k: int, integers: bool) -> Any:
    if isinstance(form, np.dtype):
        return (rng.integers(-8, 9, (n, k)) if integers else rng.standard_normal((n, k))).astype(cast(Any, form))
    return (integral_weight if integers else random_weight)(form, n, k, rng)


def _parts(rng: np.random.Generator, rows: int, tiles: int, together: int) -> list[tuple[int, int, int, int]]:
    """Rows and tiles, each in two parts, either of which may be empty."""
    row, tile = int(rng.integers(0, rows + 1)), together * int(rng.integers(0, tiles // together + 1))
    return [(a, b, c, d) for a, b in ((0, row), (row, rows)) for c, d in ((tile, tiles), (0, tile))]


@cache
def unit_of(element: Element) -> float | None:
    """The largest power of two that all codes of an element are multiples of; None when it is very small."""
    values = element.decode(np.arange(1 << element.bits).astype(element.dtype)).astype(np.float64)
    values = values[np.isfinite(values)]
    return next((unit for unit in 0.5 ** np.arange(17) if (values % unit == 0).all()), None)


def is_exact(case: Case, largest: float) -> bool:
    """Whether sums of magnitudes of at most `largest` are exact in float32, in any order."""
    form = case.spec.layout.form
    unit = 1.0 if isinstance(form, np.dtype) else unit_of(form.element)
    return case.integers and case.spec.gated in (None, "relu") and unit is not None and largest < EXACT * unit


def check(m: ModuleBuilder, case: Case) -> bool:
    """The kernels give what the formula gives; whether to the bit."""
    y, quantized = multiply(m, case)
    if case.integers and quantized is not None:
        assert (quantized.scale == 1).all()
    real, allowed, size = result(case, quantized, BOUND)
    error = np.abs(y - real)
    assert (error <= allowed).all(), (
        f"off by {(error / np.maximum(allowed, 1e-30)).max():.3g} times what is allowed: {case.spec}"
    )
    if not is_exact(case, float(size.max())):
        return False
    assert (y == real.astype(np.float32)).all(), f"sums of integers are off by {error.max()}: {case.spec}"
    return True


# -- many of them --


def check_slice(first: int, last: int, seed: int, machine_name: str | None, pipe: Connection) -> None:
    """Check some, and tell for each one its number before, and what came out behind."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    chosen = machine_of(machine_name)
    for i in range(first, last):
        pipe.send(i)
        try:
            pipe.send(check(ModuleBuilder(chosen), combination(np.random.default_rng([seed, i]), chosen)))
        except Exception as e:
            pipe.send(f"{type(e).__name__}: {e}")


def outcomes(first: int, last: int, seed: int, machine_name: str | None) -> Iterator[tuple[int, bool | str]]:
    """Of each combination: whether it is exact, or what is wrong."""
    context = multiprocessing.get_context("spawn")
    while first < last:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=check_slice, args=(first, last, seed, machine_name, sender))
        process.start()
        sender.close()
        with receiver:
            try:
                while True:
                    first = receiver.recv()
                    yield first, receiver.recv()
                    first += 1
            except EOFError:
                process.join()
        if first < last:
            yield first, f"ended its process with status {process.exitcode}"
            first += 1


def machine_of(name: str | None) -> Machine:
    """The machine to generate code for. InputError when there is none of the name, or no emulator for it."""
    if name is None:
        return host_machine()
    chosen = machine(name)
    if chosen.architecture == emulator.ARCHITECTURE and emulator.MISSING:
        raise InputError(f"{', '.join(emulator.MISSING)} not installed, needed for machine '{name}'")
    return chosen if missing_features(chosen) else host_machine(name)


def main() -> None:
    """Run many, and count those that fail."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--count", type=int, default=10_000, help="how many, 10000 by default")
    parser.add_argument("--start", type=int, default=0, help="the number of the first, to run them in parts")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--machine", help="the machine, by default the best this processor is")
    parser.add_argument("--seed", type=int, default=0, help="another seed makes other combinations")
    given = parser.parse_args()
    try:
        machine_of(given.machine)
    except InputError as e:
        parser.error(str(e))
    end, started = given.start + given.count, time.perf_counter()
    done = failed = exact = 0

    def run(first: int) -> None:
        nonlocal done, failed, exact
        for i, outcome in outcomes(first, min(first + SLICE, end), given.seed, given.machine):
            done += 1
            exact += outcome is True
            if isinstance(outcome, str):
                failed += 1
                print(f"combination {i}: {outcome}", flush=True)
            if done % 500 == 0:
                print(f"{done} checked, {failed} failed, {time.perf_counter() - started:.0f} s", flush=True)

    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(run, range(given.start, end, SLICE)))
    print(f"{done} combinations, {exact} of them exact, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
