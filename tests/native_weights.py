"""Random weights in every form that tiles hold, for the tests of tiles and of the kernels that read them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import ml_dtypes
import numpy as np

from llmir.formats.elements import Integer, element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat

F32, F16 = np.dtype(np.float32), np.dtype(np.float16)
BF16, E8M0 = np.dtype(ml_dtypes.bfloat16), np.dtype(ml_dtypes.float8_e8m0fnu)


def formats(
    name: str, granularity: Granularity, scale: Any = F16, zero_point: Any = None, minimum: Any = None
) -> QuantizedFormat:
    """A format by the name of its element."""
    return QuantizedFormat(element(name), scale, zero_point, minimum, granularity)


def super_block(name: str, group: int, scale: str, minimum: str | None = None, count: int | None = None) -> Any:
    """A format whose scales (and minima) are codes with one float16 for each `count` groups (256 elements)."""
    level = Granularity(group_size=count or 256 // group)
    return QuantizedFormat(
        element(name),
        QuantizedFormat(element(scale), F16, granularity=level),
        minimum=None if minimum is None else QuantizedFormat(element(minimum), F16, granularity=level),
        granularity=Granularity(group_size=group),
    )


def random_weight(form: QuantizedFormat, n: int, k: int, rng: np.random.Generator) -> QuantizedArray:
    """Random codes and parameters [n, k]; every finite code occurs with equal probability."""
    shape = form.granularity.parameter_shape((n, k))

    def codes(kind: Any, shape: tuple[int, ...]) -> Any:
        if isinstance(kind, Integer):
            return rng.integers(kind.minimum, kind.maximum + 1, shape).astype(kind.dtype)
        usable = np.arange(1 << kind.bits, dtype=np.uint8)
        usable = usable[np.isfinite(kind.decode(usable))]
        return rng.choice(usable, shape)

    def floats(dtype: Any, shape: tuple[int, ...], signed: bool) -> Any:
        if dtype == E8M0:
            return np.ldexp(np.float32(1), rng.integers(-6, 3, shape)).astype(np.float32).astype(dtype)
        values = rng.uniform(0.25, 1.0, shape).astype(np.float32)
        return (values * rng.choice([-1.0, 1.0], shape) if signed else values).astype(dtype)

    def parameter(kind: Any, signed: bool) -> Any:
        if kind is None:
            return None
        if isinstance(kind, QuantizedFormat):
            inner = kind.granularity.parameter_shape(shape)
            second = floats(kind.scale, inner, signed) * np.float32(1 / kind.element.magnitude)
            return QuantizedArray(codes(kind.element, shape), second.astype(kind.scale), kind)
        if isinstance(kind, np.dtype):
            return floats(kind, shape, signed)
        return codes(kind, shape)

    offset = parameter(form.minimum if form.minimum is not None else form.zero_point, True)
    return QuantizedArray(
        codes(form.element, (n, k)),
        parameter(form.scale, False),
        form,
        None if form.minimum is not None else offset,
        None if form.minimum is None else offset,
    )


def group(size: int) -> Granularity:
    """Groups of `size` along K."""
    return Granularity(group_size=size)


CHANNEL, TENSOR = Granularity(axis=0), Granularity()

FORMS: dict[str, QuantizedFormat] = {
    **{f"i{bits}_g{size}": formats(f"i{bits}", group(size)) for bits in (2, 3, 4, 5, 6, 8) for size in (16, 32)},
    "i4_g64": formats("i4", group(64)),
    "i7_g32": formats("i7", group(32)),
    "i4_g128": formats("i4", group(128)),
    "i4_g256_f32": formats("i4", group(256), F32),
    "i4_g32_bf16": formats("i4", group(32), BF16),
    "i4_g48": formats("i4", group(48)),
    "i3_g48": formats("i3", group(48)),
    "i5_g20": formats("i5", group(20)),
    "i4_channel": formats("i4", CHANNEL, F32),
    "i8_channel": formats("i8", CHANNEL, F32),
    "i3_channel": formats("i3", CHANNEL, F32),
    "i8_tensor": formats("i8", TENSOR, F32),
    "i6_tensor": formats("i6", TENSOR, F16),
    "i1_g32": formats("i1", group(32)),
    "ui4_g32_zp4": formats("ui4", group(32), F16, Integer(4, False)),
    "ui4_g128_zp4": formats("ui4", group(128), F16, Integer(4, False)),
    "i4_g32_zp4": formats("i4", group(32), F16, Integer(4, True)),
    "i4_g32_zp8": formats("i4", group(32), F32, Integer(8, True)),
    "ui8_channel_zp": formats("ui8", CHANNEL, F32, Integer(8, False)),
    "i8_g64_zp": formats("i8", group(64), F16, Integer(8, True)),
    "ui2_g16_zp2": formats("ui2", group(16), F16, Integer(2, False)),
    "ui3_g64_zp3": formats("ui3", group(64), F16, Integer(3, False)),
    "ui4_g64_zpf": formats("ui4", group(64), F16, F16),
    "ui4_g32_min": formats("ui4", group(32), F16, minimum=F16),
    "ui5_g32_min": formats("ui5", group(32), F16, minimum=F16),
    "ui8_tensor_min": formats("ui8", TENSOR, F32, minimum=F32),
    "nf4_g64": formats("nf4", group(64), F32),
    "iq4_nl_g32": formats("iq4_nl", group(32), F16),
    "mxfp4": formats("f4E2M1FN", group(32), E8M0),
    "f8e4m3_channel": formats("f8E4M3FN", CHANNEL, F32),
    "f8e5m2_g32": formats("f8E5M2", group(32), E8M0),
    "f8e4m3_block": formats("f8E4M3FN", Granularity(group_size=32, group_rows=8), F32),
    "f6e2m3_g32": formats("f6E2M3FN", group(32), E8M0),
    "f6e3m2_g32": formats("f6E3M2FN", group(32), F16),
    "book8": formats("codebook:[-3.0, -1.5, -0.5, 0.0, 0.25, 0.75, 2.0, 4.0]", group(32), F16),
    "q2_k": super_block("ui2", 16, "ui4", "ui4"),
    "q3_k": super_block("i3", 16, "i6"),
    "q4_k": super_block("ui4", 32, "ui6", "ui6"),
    "q5_k": super_block("ui5", 32, "ui6", "ui6"),
    "q6_k": super_block("i6", 16, "i8"),
    "iq4_xs": super_block("iq4_nl", 32, "i6"),
    "nvfp4": QuantizedFormat(
        element("f4E2M1FN"), QuantizedFormat(element("f8E4M3FN"), F32), granularity=Granularity(group_size=16)
    ),
}
"""Forms by name: all kinds of elements, parameters and granularities."""


def real_weight(weight: QuantizedArray, codes: Any = None) -> Any:
    """The values in float64, computed anew from codes (or what stands for them) and parameters."""

    def level(values: Any) -> Any:
        if not isinstance(values, QuantizedArray):
            return values.astype(np.float64)
        second = cast(Any, values.scale).astype(np.float64)
        g = values.format.granularity
        wide = second if g.group_size is None else np.repeat(second, g.group_size, axis=1)[:, : values.codes.shape[1]]
        return values.format.element.decode(values.codes).astype(np.float64) * wide

    def spread(values: Any) -> Any:
        g, (n, k) = weight.format.granularity, weight.codes.shape
        values = level(values)
        if g.group_size is None:
            return values.reshape(-1, 1)
        return np.repeat(np.repeat(values, g.group_rows or 1, axis=0)[:n], g.group_size, axis=1)[:, :k]

    if codes is None:
        codes = weight.format.element.decode(weight.codes).astype(np.float64)
    if weight.zero_point is not None:
        codes = codes - spread(weight.zero_point)
    real = codes * spread(weight.scale)
    return real if weight.minimum is None else real + spread(weight.minimum)


def integral_weight(form: QuantizedFormat, n: int, k: int, rng: np.random.Generator) -> QuantizedArray:
    """Random codes whose scales, zero points and minima are small integers, so that sums of products may be exact."""
    weight = random_weight(form, n, k, rng)

    def floats(values: Any, low: int) -> Any:
        drawn = np.asarray(rng.integers(low, 3, values.shape), np.float32)
        return drawn.astype(values.dtype)

    def parameter(values: Any, low: int) -> Any:
        """Integer codes (zero points) stay as they are."""
        if isinstance(values, QuantizedArray):
            low = max(low, int(values.format.element.minimum))
            codes = values.format.element.encode(rng.integers(low, 3, values.codes.shape).astype(np.float32))
            return replace(values, codes=codes, scale=np.ones_like(values.scale))
        return values if values is None or np.issubdtype(values.dtype, np.integer) else floats(values, low)

    return replace(
        weight,
        scale=parameter(weight.scale, 1),
        zero_point=parameter(weight.zero_point, -2),
        minimum=parameter(weight.minimum, -2),
    )


def unit_scales(weight: QuantizedArray) -> QuantizedArray:
    """The same with scales of 1, where they are plain floats: then sums of products are integers."""
    assert isinstance(weight.scale, np.ndarray)
    return replace(weight, scale=np.ones_like(weight.scale))
