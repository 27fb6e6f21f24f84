"""The methods by name: one entry an algorithm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.quantizers.absmax import absmax
from llmir.quantizers.faster_transformer import faster_transformer
from llmir.quantizers.gguf import gguf
from llmir.quantizers.hqo import hqo
from llmir.quantizers.minmax import minmax
from llmir.quantizers.mlc import mlc
from llmir.quantizers.mlc_fp8 import mlc_fp8
from llmir.quantizers.mllm import q8_k, qai4c32p, qsi4c32p, qsi4c32p_rne
from llmir.quantizers.mse import mse
from llmir.quantizers.parameters import Groups, Parameters, assemble, encode
from llmir.quantizers.signed_absmax import signed_absmax
from llmir.quantizers.unit_scale import unit_scale

Method = Callable[[Groups, QuantizedFormat], tuple[NDArray[Any], Parameters]]


def _nearest(choose: Callable[[Groups, QuantizedFormat], Parameters]) -> Method:
    """A method that chooses parameters and then rounds to the nearest code."""

    def method(groups: Groups, target: QuantizedFormat) -> tuple[NDArray[Any], Parameters]:
        parameters = choose(groups, target)
        return encode(groups, parameters, target), parameters

    return method


METHODS: dict[str, Method] = {
    "absmax": _nearest(absmax),
    "signed_absmax": _nearest(signed_absmax),
    "minmax": _nearest(minmax),
    "mse": _nearest(mse),
    "hqo": _nearest(hqo),
    "gguf": gguf,
    "mlc": mlc,
    "mlc_fp8": _nearest(mlc_fp8),
    "faster_transformer": faster_transformer,
    "unit_scale": _nearest(unit_scale),
    "mllm_qsi4c32p": qsi4c32p,
    "mllm_qsi4c32p_rne": qsi4c32p_rne,
    "mllm_qai4c32p": qai4c32p,
    "mllm_q8_k": q8_k,
}

WHOLE_TENSOR = ("hqo",)
"""Methods whose groups depend on each other: they need all of a tensor at once."""


def quantize(values: NDArray[Any], target: QuantizedFormat, method: str) -> QuantizedArray:
    """Quantize a tensor of any shape with a method of `METHODS`.

    Raises ValueError when the values are not finite, or the method cannot produce `target`.
    """
    if method not in METHODS:
        raise ValueError(f"unknown quantization method '{method}', expected one of {', '.join(METHODS)}")
    groups = target.granularity.split(values).astype(np.float32)
    if not np.isfinite(groups).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(values.astype(np.float32)))[0])
        raise ValueError(f"value at {list(at)} is {values[at]}; quantization needs finite values")
    codes, parameters = METHODS[method](groups, target)
    return assemble(codes, parameters, target, values.shape)
