"""The functions a machine is measured by do what is counted; the meter divides by the right time."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from native import run

from llmir.backends.native import jit
from llmir.backends.native.kernels.peaks import COLUMNS, OPERANDS_BYTES, ROWS, Product, Products, ReadStream
from llmir.backends.native.machine_peaks import PeakMeter, peaks_module, team_seconds
from llmir.targets.host import PREFERENCE, host_machine, machine, missing_features
from llmir.targets.machine import Machine
from llmir.targets.registry import target_names

HERE = [m for m in (machine(name) for name in PREFERENCE if name in target_names()) if not missing_features(m)]
machines = pytest.mark.parametrize("chosen", HERE, ids=lambda m: m.name)


@machines
def test_all_bytes_are_read(chosen: Machine) -> None:
    """In every lane, the sum of what is at its place in all registers of the memory."""
    module = peaks_module(chosen)
    words = ReadStream.step_bytes(chosen.register_bytes) // 4 * 5
    data = np.random.default_rng(0).integers(-(2**31), 2**31, words).astype(np.int32)
    out = np.zeros(chosen.lanes, np.int32)
    run(module, ReadStream().name(), data, data.nbytes, out, machine=host_machine(chosen.name))
    expected = data.reshape(-1, chosen.lanes).astype(np.int64).sum(0).astype(np.int32)
    np.testing.assert_array_equal(out, expected)


@machines
@pytest.mark.parametrize("product", ["dot4", "fma"])
def test_all_products_are_computed(product: Product, chosen: Machine) -> None:
    """Row i is `register` bytes after row i - 1 and goes round; every step adds rows times columns."""
    steps, register = 150, chosen.register_bytes
    spec = Products(product)
    random = np.random.default_rng(1)
    size = OPERANDS_BYTES + COLUMNS * register
    if product == "dot4":
        operands = random.integers(0, 128, size, np.uint8)
        values = operands.astype(np.int64)
        out = np.zeros(chosen.lanes, np.int32)
    else:
        operands = random.standard_normal(size // 4).astype(np.float32)
        values = operands.astype(np.float64)
        out = np.zeros(chosen.lanes, np.float32)
    run(peaks_module(chosen), spec.name(), operands, steps, out, machine=host_machine(chosen.name))
    per_register = len(values) * register // size
    registers = values.reshape(-1, per_register)
    columns = registers[OPERANDS_BYTES // register :][:COLUMNS].sum(0)
    first = np.arange(steps) % (OPERANDS_BYTES // register)
    rows = sum(registers[first + k].sum(0) for k in range(ROWS))
    expected = (rows * columns).reshape(chosen.lanes, -1).sum(1)
    slack = (1e-4, 1e-2) if product == "fma" else (0, 0)
    np.testing.assert_allclose(out, expected, *slack)
    assert spec.operations(chosen.lanes) == 2 * ROWS * COLUMNS * chosen.lanes * (4 if product == "dot4" else 1)


def test_time_of_a_team() -> None:
    """All jobs run at once; the time is from the first start to the last end."""
    together = threading.Barrier(3)
    seen: list[tuple[int, int, int]] = []

    def function(data: int, size: int, out: int) -> None:
        together.wait(5)
        time.sleep(size / 1000)
        seen.append((data, size, out))

    jobs = [(1, 10, 2), (3, 40, 4), (5, 20, 6)]
    assert 0.04 <= team_seconds(function, jobs) < 1
    assert sorted(seen) == jobs


def test_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmir.backends.native.machine_peaks.READ_BYTES", 1 << 20)
    monkeypatch.setattr("llmir.backends.native.machine_peaks.BURST_SECONDS", 0.001)
    here = host_machine()
    meter = PeakMeter(jit.compile_module(peaks_module(here), here), here, threads=2)
    for threads in (1, 2):
        peaks = meter.measure(threads, bursts=3)
        assert peaks.threads == threads
        assert peaks.read_bytes_per_second > 1e8
        assert peaks.int8_operations_per_second > 1e9
        assert peaks.float32_operations_per_second > 1e9
