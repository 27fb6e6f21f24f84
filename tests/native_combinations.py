"""Random matrix multiplications: forms of weights and activations, shapes, tails, tiles, schedules, epilogues.

    python tests/native_combinations.py [--count 10000] [--seed 0]

checks so many against float64, several in each module, on guard pages, and says which failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any, cast

import numpy as np
from native_matmul import Case, activation_format, expected, multiply
from native_weights import FORMS, random_weight

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.matmul import Matmul, Schedule
from llmir.formats.elements import Integer
from llmir.formats.native_tiles import DENSE, TileLayout
from llmir.targets.host import host_machine

BOUND = 2e-6
"""Errors may be this part of the sum of magnitudes that is summed."""


def combination(rng: np.random.Generator) -> Case:
    """One of very many cases."""
    while True:
        try:
            return _combination(rng)
        except ValueError:  # refused: see the tests of refusals
            continue


def _combination(rng: np.random.Generator) -> Case:
    names = [*FORMS, *map(str, DENSE)]
    name = str(rng.choice(names))
    rows = int(rng.integers(1, 12))
    n = int(rng.integers(1, 130))
    k = int(rng.choice([rng.integers(1, 70), 32 * rng.integers(1, 12), 256 * rng.integers(1, 4)]))
    tile = host_machine().lanes * int(rng.integers(1, 5))
    schedule = Schedule(
        int(rng.choice([1, 2, 3, 4, 6])),
        int(rng.integers(1, 4)),
        int(rng.choice([4, 8, 16])),
        int(rng.choice([0, 512])),
    )
    dense = name not in FORMS
    form = np.dtype(DENSE[list(map(str, DENSE)).index(name)]) if dense else FORMS[name]
    activation = str(rng.choice(["f32", "bf16"])) if dense else str(rng.choice(["i8", "i8", "f32", "bf16"]))
    act_group = None if activation != "i8" else [None, 16, 32, 64, 128, 48][int(rng.integers(0, 6))]
    asymmetric = activation == "i8" and rng.random() < 0.25
    options: dict[str, Any] = {"schedule": schedule, "epilogue": str(rng.choice(["store", "add"]))}
    if rng.random() < 0.3:
        options["out_stride"] = n + int(rng.integers(0, 9))
    options["bias"] = bool(rng.random() < 0.3)
    spec = Matmul(TileLayout(n, k, form, tile), activation, act_group, asymmetric, **options)
    if dense:
        weight: Any = rng.standard_normal((n, k)).astype(cast(Any, form))
    else:
        weight = random_weight(FORMS[name], n, k, rng)
    x = (rng.standard_normal((rows, k)) * 10.0 ** rng.integers(-3, 4)).astype(np.float32)
    kind = str(rng.choice(["i8", "ui8"])) if asymmetric else "i8"
    point = Integer(8, kind == "i8") if asymmetric else None
    return Case(
        spec, weight, x, activation_format(act_group, kind, zero_point=point),
        rng.standard_normal(n).astype(np.float32) if spec.bias else None,
        rng.standard_normal((rows, n)).astype(np.float32) if spec.epilogue == "add" else None,
    )  # fmt: skip


def check(m: ModuleBuilder, case: Case) -> None:
    """The kernels give what the formula gives."""
    y, quantized = multiply(m, case)
    exact, size = expected(case, quantized)
    for more in (case.bias, case.before):
        if more is not None:
            exact, size = exact + more, size + np.abs(more)
    error = np.abs(y - exact)
    assert (error <= BOUND * size).all(), (
        f"off by {(error / np.maximum(size, 1e-30)).max():.2g} of the sum: {case.spec}"
    )


def main() -> None:
    """Run many, and count those that fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    failed, started = 0, time.perf_counter()
    for i in range(given.count):
        try:
            check(ModuleBuilder(host_machine()), combination(np.random.default_rng([given.seed, i])))
        except AssertionError as e:
            failed += 1
            print(f"combination {i}: {e}", flush=True)
        if i % 500 == 499:
            print(f"{i + 1} checked, {failed} failed, {time.perf_counter() - started:.0f} s", flush=True)
    print(f"{given.count} combinations, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
