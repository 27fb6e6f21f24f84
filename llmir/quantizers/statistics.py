"""Statistics of values seen batch by batch, from which static scales are chosen.

| statistic      | absmax                                     | min, max                                       |
|----------------|--------------------------------------------|------------------------------------------------|
| absmax         | largest magnitude of all batches           |                                                |
| minmax         | the larger magnitude of min and max        | smallest and largest value of all batches      |
| percentile     | mean over batches of the q-th percentile   | mean over batches of the (100 - q)-th and q-th |
|                | of the magnitudes                          | percentile of the values                       |
| moving_average | average with weight `momentum` for the     | likewise                                       |
|                | newest batch, starting at the first        |                                                |
| mse            | mean over batches of the range whose codes | likewise                                       |
|                | have the least squared error (`mse`)       |                                                |

Granularity: `tensor` (one number), `channel` (one for each index of the last dimension, over all tokens) or
`token` (one for each position in a window, over all channels). A batch is [tokens, channels]; the q-th
percentile of n values is the floor(q/100 * n + 0.5)-th smallest, as in Brevitas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.quantized import QuantizedFormat, real
from llmir.quantizers.absmax import code_magnitude
from llmir.quantizers.minmax import scale_steps
from llmir.quantizers.mse import mse

STATISTICS = ("absmax", "minmax", "percentile", "moving_average", "mse")
GRANULARITIES = ("tensor", "channel", "token")

Values = NDArray[np.float32]


@dataclass
class Statistic:
    """Accumulates one statistic; `result` gives float32 arrays by name: absmax, min, max."""

    kind: str
    granularity: str = "tensor"
    percentile: float = 99.999
    momentum: float = 0.1
    target: QuantizedFormat | None = None
    """What `mse` searches ranges for."""
    batches: int = 0

    def __post_init__(self) -> None:
        if self.kind not in STATISTICS:
            raise ValueError(f"unknown statistic '{self.kind}', expected one of {', '.join(STATISTICS)}")
        if self.granularity not in GRANULARITIES:
            raise ValueError(f"unknown granularity '{self.granularity}', expected one of {', '.join(GRANULARITIES)}")
        if not 50 < self.percentile <= 100:
            raise ValueError(f"percentile must be above 50 and at most 100, got {self.percentile}")
        if not 0 < self.momentum <= 1:
            raise ValueError(f"momentum must be above 0 and at most 1, got {self.momentum}")
        if self.kind == "mse" and (self.target is None or self.granularity != "tensor"):
            raise ValueError("statistic mse is for layers with an input scheme, and for granularity tensor")
        self._state: dict[str, NDArray[np.float64]] = {}

    def update(self, batch: Values) -> None:
        """Take in a batch [tokens, channels]; ValueError when it is not finite."""
        if not np.isfinite(batch).all():
            raise ValueError("a value is not finite")
        rows = self._rows(batch)
        new = self._ranges(rows)
        self.batches += 1
        for name, value in new.items():
            self._state[name] = self._merge(name, self._state.get(name), value.astype(np.float64))

    def result(self) -> dict[str, NDArray[np.float32]]:
        """The statistic over all batches, by name."""
        if not self.batches:
            raise ValueError("no batch was seen")
        values = {name: state.astype(np.float32) for name, state in self._state.items()}
        if self.kind == "absmax":
            return {"absmax": values["absmax"]}
        return values

    def _rows(self, batch: Values) -> Values:
        """[parameters, values that share one]."""
        if self.granularity == "tensor":
            return batch.reshape(1, -1)
        return batch.reshape(-1, batch.shape[-1]).T if self.granularity == "channel" else batch

    def _merge(self, name: str, old: Any, new: NDArray[np.float64]) -> NDArray[np.float64]:
        if old is None:
            return new
        if self.granularity == "token" and len(new) != len(old):
            raise ValueError(f"windows of {len(old)} and {len(new)} tokens cannot be merged per token")
        match self.kind:
            case "percentile" | "mse":
                return old + (new - old) / self.batches
            case "moving_average":
                return old + self.momentum * (new - old)
            case _:
                return np.minimum(old, new) if name == "min" else np.maximum(old, new)

    def _ranges(self, rows: Values) -> dict[str, Values]:
        if self.kind == "percentile":
            return self._percentiles(rows)
        return _extremes(rows) if self.target is None or self.kind != "mse" else _least_squares(rows, self.target)

    def _percentiles(self, rows: Values) -> dict[str, Values]:
        high = self.percentile
        return {
            "absmax": _percentile(np.abs(rows), high),
            "min": _percentile(rows, 100 - high),
            "max": _percentile(rows, high),
        }


def _extremes(rows: Values) -> dict[str, Values]:
    lo, hi = rows.min(axis=1), rows.max(axis=1)
    return {"absmax": np.maximum(np.abs(lo), np.abs(hi)), "min": lo, "max": hi}


def _least_squares(rows: Values, target: QuantizedFormat) -> dict[str, Values]:
    """The range [1] that the codes of least squared error span."""
    found = mse(rows, target)
    scale = real(found.scale)
    if target.symmetric:
        return {"absmax": scale * np.float32(code_magnitude(target))}
    assert found.zero_point is not None
    lo = (np.float32(target.lowest) - real(found.zero_point)) * scale
    hi = lo + scale * scale_steps(target)
    return {"absmax": np.maximum(np.abs(lo), np.abs(hi)), "min": lo, "max": hi}


def _percentile(rows: Values, q: float) -> Values:
    count = rows.shape[1]
    rank = min(count, max(1, int(np.floor(q / 100 * count + 0.5))))
    return np.partition(rows, rank - 1, axis=1)[:, rank - 1]
