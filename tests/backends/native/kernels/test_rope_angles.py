"""Tables of cosines and sines against NumPy's float64, and against exact values at large angles."""

from __future__ import annotations

import numpy as np
import pytest
from native_kernels import HERE, call, machines

from llmir.backends.native.kernels.rope_angles import MOST_QUARTERS, RopeAngles, quarter_parts
from llmir.targets.machine import Machine


def table(frequencies: tuple[float, ...], magnitude: float, p0: int, p1: int, chosen: Machine) -> np.ndarray:
    """Rows p0 .. p1; those in front of them must stay as they are."""
    out = np.full((p1, 2 * len(frequencies)), 9, np.float32)
    call(RopeAngles(len(frequencies), frequencies, magnitude), chosen, out, p0, p1)
    assert (out[:p0] == 9).all()
    return out[p0:]


@machines
@pytest.mark.parametrize("magnitude", [1.0, 1.19])
def test_float32_of_the_float64_formula(magnitude: float, chosen: Machine) -> None:
    frequencies = tuple(float(x) for x in 10000.0 ** (-np.arange(32) / 32))
    got = table(frequencies, magnitude, 3, 4000, chosen)
    angles = np.outer(np.arange(3, 4000), frequencies)
    expected = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * magnitude
    assert np.array_equal(got, expected.astype(np.float32))


def test_the_largest_angles() -> None:
    """A million positions, where a pi of 53 bits would be 1e-10 off; float32 to the bit but for ties."""
    end = 1 << 20
    frequencies = (1.0, 0.7, 1.5)
    assert end * max(frequencies) < MOST_QUARTERS * np.pi / 2
    got = table(frequencies, 1.0, end - 500, end, HERE[0])
    angles = np.outer(np.arange(end - 500, end), frequencies)
    expected = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    assert (np.abs(got - expected) <= 2.0**-25 * (1 + 1e-6)).all()


def test_parts_of_pi_have_few_bits() -> None:
    high, middle, low = quarter_parts()
    assert high * 2**32 == int(high * 2**32) < 2**33
    assert middle * 2**65 == int(middle * 2**65) < 2**33
    assert 0 <= low < 2**-65
    assert high + middle + low == np.pi / 2
