"""Each statistic and granularity against a NumPy formula over all batches at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.statistics import GRANULARITIES, STATISTICS, Statistic

Rows = NDArray[np.float64]
BATCHES = [np.random.default_rng(i).standard_normal((7, 5)).astype(np.float32) * (i + 1) for i in range(4)]


def shared(batch: NDArray[np.float32], granularity: str) -> Rows:
    """[parameters, values that share one]."""
    b = batch.astype(np.float64)
    return {"tensor": b.reshape(1, -1), "channel": b.T, "token": b}[granularity]


def ranked(rows: Rows, q: float) -> Rows:
    """The floor(q / 100 * n + 0.5)-th smallest value of each row, the first and last being the limits."""
    count = rows.shape[1]
    rank = min(max(int(np.floor(q / 100 * count + 0.5)), 1), count)
    return np.sort(rows, axis=1)[:, rank - 1]


def over_batches(granularity: str, f: Callable[[Rows], Rows]) -> Rows:
    return np.stack([f(shared(b, granularity)) for b in BATCHES])


def observed(
    kind: str, granularity: str, percentile: float = 90.0, momentum: float = 0.3
) -> dict[str, NDArray[np.float32]]:
    statistic = Statistic(kind, granularity, percentile, momentum)
    for batch in BATCHES:
        statistic.update(batch)
    return statistic.result()


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_absmax(granularity: str) -> None:
    result = observed("absmax", granularity)
    assert set(result) == {"absmax"}
    expected = over_batches(granularity, lambda r: np.abs(r).max(axis=1)).max(axis=0)
    np.testing.assert_array_equal(result["absmax"], expected)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_minmax(granularity: str) -> None:
    result = observed("minmax", granularity)
    lo = over_batches(granularity, lambda r: r.min(axis=1)).min(axis=0)
    hi = over_batches(granularity, lambda r: r.max(axis=1)).max(axis=0)
    np.testing.assert_array_equal(result["min"], lo)
    np.testing.assert_array_equal(result["max"], hi)
    np.testing.assert_array_equal(result["absmax"], np.maximum(-lo, hi))


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("percentile", [60.0, 90.0, 99.999, 100.0])
def test_percentile_is_the_mean_over_batches(granularity: str, percentile: float) -> None:
    result = observed("percentile", granularity, percentile=percentile)
    formulas: dict[str, Callable[[Rows], Rows]] = {
        "absmax": lambda r: ranked(np.abs(r), percentile),
        "min": lambda r: ranked(r, 100 - percentile),
        "max": lambda r: ranked(r, percentile),
    }
    for name, f in formulas.items():
        expected = over_batches(granularity, f).mean(axis=0)
        np.testing.assert_allclose(result[name], expected, rtol=1e-6)


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("momentum", [0.1, 0.5, 1.0])
def test_moving_average_weighs_the_newest_batch(granularity: str, momentum: float) -> None:
    result = observed("moving_average", granularity, momentum=momentum)
    count = len(BATCHES)
    weights = [(1 - momentum) ** (count - 1)] + [momentum * (1 - momentum) ** (count - 1 - i) for i in range(1, count)]
    assert sum(weights) == pytest.approx(1)
    formulas: dict[str, Callable[[Rows], Rows]] = {
        "absmax": lambda r: np.abs(r).max(axis=1),
        "min": lambda r: r.min(axis=1),
        "max": lambda r: r.max(axis=1),
    }
    for name, f in formulas.items():
        expected = np.tensordot(np.array(weights), over_batches(granularity, f), 1)
        np.testing.assert_allclose(result[name], expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [kind for kind in STATISTICS if kind != "mse"])
def test_results_are_float32_of_the_granularitys_length(kind: str) -> None:
    for granularity, length in (("tensor", 1), ("channel", 5), ("token", 7)):
        for value in observed(kind, granularity).values():
            assert value.dtype == np.float32
            assert value.shape == (length,)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_batch_that_is_not_finite_is_refused(bad: float) -> None:
    batch = BATCHES[0].copy()
    batch[1, 2] = bad
    with pytest.raises(ValueError, match="a value is not finite"):
        Statistic("minmax").update(batch)


def test_no_batch_no_result() -> None:
    with pytest.raises(ValueError, match="no batch was seen"):
        Statistic("minmax").result()


def test_windows_of_different_lengths_have_no_statistic_per_token() -> None:
    statistic = Statistic("minmax", "token")
    statistic.update(BATCHES[0])
    with pytest.raises(ValueError, match="windows of 7 and 3 tokens cannot be merged per token"):
        statistic.update(BATCHES[1][:3])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Statistic("mean"), "unknown statistic 'mean', expected one of absmax, minmax"),
        (lambda: Statistic("minmax", "row"), "unknown granularity 'row', expected one of tensor, channel, token"),
        (lambda: Statistic("percentile", percentile=50), "percentile must be above 50 and at most 100, got 50"),
        (lambda: Statistic("percentile", percentile=101), "percentile must be above 50 and at most 100, got 101"),
        (lambda: Statistic("moving_average", momentum=0), "momentum must be above 0 and at most 1, got 0"),
    ],
)
def test_bad_options(make: Callable[[], Statistic], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("symmetric", [True, False])
def test_mse_is_the_mean_range_of_least_squared_error(symmetric: bool) -> None:
    """For codes of 3 bits, which do not reach the largest values; the range of a batch is found by trying all."""
    zero_point = None if symmetric else np.dtype(np.float32)
    target = QuantizedFormat(Integer(3, symmetric), zero_point=zero_point)
    statistic, tops, lows = Statistic("mse", target=target), list[float](), list[float]()
    fractions = [1 / 20 + 19 / 20 * k / 19 for k in range(20)]
    for batch in BATCHES:
        statistic.update(batch)
        x = batch.astype(np.float64).ravel()
        lo, hi = (0.0, np.abs(x).max()) if symmetric else (min(x.min(), 0), max(x.max(), 0))

        def error(scale: float, low: float, x: np.ndarray = x) -> float:
            z = 0 if symmetric else -low / scale
            codes = np.clip(np.rint(x / scale + z), -4 if symmetric else 0, 3 if symmetric else 7)
            return float(np.square((codes - z) * scale - x).sum())

        full = hi / 4 if symmetric else (hi - lo) / 7
        scale = min((full * f for f in fractions), key=lambda s: error(s, lo))
        low = 0.0 if symmetric else min((lo * f for f in fractions), key=lambda e: error(scale, e))
        tops.append(4 * scale if symmetric else low + 7 * scale)
        lows.append(low)
    result = statistic.result()
    if symmetric:
        np.testing.assert_allclose(result["absmax"], np.mean(tops), rtol=1e-5)
        assert set(result) == {"absmax"}
    else:
        np.testing.assert_allclose(result["max"], np.mean(tops), rtol=1e-5)
        np.testing.assert_allclose(result["min"], np.mean(lows), rtol=1e-5)


@pytest.mark.parametrize("wrong", [{"granularity": "channel", "target": QuantizedFormat(Integer(8, True))}, {}])
def test_mse_needs_a_scheme_for_a_tensor(wrong: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match="statistic mse is for layers with an input scheme, and for granularity tensor"
    ):
        Statistic("mse", **wrong)
