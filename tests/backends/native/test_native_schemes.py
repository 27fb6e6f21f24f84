"""Whole programs as machine code against NumPy: weights and inputs in every form.

With float inputs, results differ by no more than sums in another order do. Quantized inputs are integers, and what is
made of equal codes is equal but for the rounding of scales; but a value that lies in the middle between two codes may
become the one here and the other there, as values before it differ by their last bit. That is a step of its scale, and
rare: so most of many short texts, which have no code in common, must be equal to the last bits, and none farther away
than a few steps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native_programs import (
    IDS,
    QUANTIZED,
    TOKENS,
    assert_close,
    decoded,
    distance,
    has_coded_inputs,
    quantized,
    shares_scales,
)

from llmir.backends.native.program_cache import ProgramCache
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import weights
from llmir.passes.native import compile_native
from llmir.passes.pipeline import compile_numpy

ROUNDING = 2e-5
"""Sums of up to 256 float products in another order, through two layers, of the largest logit."""
EQUAL_CODES = 2e-6
"""Products of equal codes, of the largest logit: a few roundings of float32, through two layers."""
STEPS = 1e-1
"""Some codes one step away, of the largest logit."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> ProgramCache:
    return ProgramCache(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize(
    ("scheme", "elements"),
    [
        ("integers", "i2 i3 i5 i6 i7"),
        ("offsets", "i5 ui2 ui3 ui4 ui8"),
        ("floats", "f4E2M1FN f8E4M3FN f8E5M2 nf4"),
        ("floats_a8_g32", "f4E2M1FN iq4_nl"),
        ("q2_k_q3_k_q5_k", "i3 ui2 ui5"),
        ("q4_k_q6_k", "i6 ui4"),
    ],
)
def test_forms_are_what_they_are_called(models: Path, scheme: str, elements: str):
    """Nothing was left a float, or given another form because it does not fit."""
    types = [op.type for op in weights(quantized(models, scheme).module).values()]
    found = {type.format().element.name for type in types if isinstance(type, QuantizedTensorType)}
    assert " ".join(sorted(found)) == elements


@pytest.mark.parametrize("scheme", QUANTIZED)
def test_quantized_programs_agree_with_numpy(models: Path, cached: ProgramCache, scheme: str):
    made = quantized(models, scheme)
    numpy = compile_numpy(made.module, made.weights)
    expected, text = numpy.logits(IDS), numpy.new_cache(TOKENS)
    one_by_one = expected
    if shares_scales(scheme):
        one_by_one = np.array([numpy.head(numpy.backbone(IDS[i : i + 1], i, text))[0] for i in range(TOKENS)])
    results: list[list[np.ndarray]] = []
    for threads in (1, 2):
        with compile_native(made.module, made.weights, threads=threads, kv_cache="f32", cache=cached) as native:
            results.append([native.logits(IDS), decoded(native, IDS)])
            if not has_coded_inputs(scheme) or threads == 2:
                continue
            texts = np.random.default_rng(3).integers(0, 250, (8, 9))
            errors = [distance(native.logits(ids), numpy.logits(ids)) for ids in texts]
            assert np.mean(np.array(errors) <= EQUAL_CODES) >= 1 / 4, f"hardly a text has equal codes: {errors}"
            alone = [distance(decoded(native, ids), numpy.logits(ids)) for ids in texts.reshape(-1, 1)]
            assert np.mean(np.array(alone) <= EQUAL_CODES) >= 3 / 4, f"few tokens have equal codes: {alone}"
    for ours, theirs in zip(results[0], (expected, one_by_one), strict=True):
        assert_close(ours, theirs, STEPS if has_coded_inputs(scheme) else ROUNDING)
    for one, two in zip(*results, strict=True):
        assert one.tobytes() == two.tobytes(), "results depend on the number of threads"


@pytest.mark.parametrize("scheme", ["w4a32_g32", "nf4"])
def test_inputs_rounded_to_bf16(models: Path, cached: ProgramCache, scheme: str):
    """Each product rounds its inputs and weights to 8 bits of precision, and no more than that."""
    made = quantized(models, scheme)
    expected = compile_numpy(made.module, made.weights).logits(IDS)
    results: list[list[np.ndarray]] = []
    for threads in (1, 2):
        with compile_native(
            made.module, made.weights, threads=threads, kv_cache="f32", activation="bf16", cache=cached
        ) as native:
            results.append([native.logits(IDS), decoded(native, IDS)])
    for ours in results[0]:
        assert_close(ours, expected, 3e-2)
        assert np.abs(ours - expected).max() > 1e-4 * np.abs(expected).max()
    for one, two in zip(*results, strict=True):
        assert one.tobytes() == two.tobytes(), "results depend on the number of threads"


@pytest.mark.parametrize("scheme", ["w8a8_tensor", "w8a8_zero_points_tensor"])
def test_a_prompt_whose_tokens_share_a_scale_goes_through_at_once(models: Path, cached: ProgramCache, scheme: str):
    """Also one longer than the chunks of others. A very large value in the last token moves the codes of the first."""
    made = quantized(models, scheme)
    ids = np.random.default_rng(2).integers(0, 250, 300)
    numpy = compile_numpy(made.module, made.weights)
    with compile_native(made.module, made.weights, threads=2, kv_cache="f32", cache=cached) as native:
        ours, theirs = native.logits(ids), numpy.logits(ids)
        assert np.sum(ours * theirs) > 0.99 * np.sqrt(np.sum(ours**2) * np.sum(theirs**2))
        hidden = numpy.backbone(ids, 0, numpy.new_cache(300))
        hidden[-1, 3] *= 1e3
        assert_close(native.head(hidden), numpy.head(hidden), 1e-5)
        assert np.abs(native.head(hidden[:299]) - native.head(hidden)[:299]).max() > 1e-3
        assert native.decode(5, 0, native.new_cache(4)).shape == (259,)
