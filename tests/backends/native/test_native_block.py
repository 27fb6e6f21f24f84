"""One decoder block with the widths of a real model, weights of 4 bits and inputs of 8: codes and results as NumPy's.

Over many layers a code that is rounded the other way changes what all later layers see, in NumPy's own results too
when its input changes by the last bit. So the block is where the two can be held to each other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tiny_models
from fenced_session import Apart, ApartSession
from native_programs import Float
from numpy.typing import NDArray

from llmir.backends.numpy import quantized_kernels
from llmir.formats.quantized import QuantizedArray
from llmir.frontends.registry import open_runnable
from llmir.passes.pipeline import compile_numpy
from llmir.program.program import Program
from llmir.recipes.schemes import pipeline, recipe

WIDTHS = tiny_models.config_of(
    num_hidden_layers=1,
    hidden_size=576,
    intermediate_size=1536,
    num_attention_heads=9,
    num_key_value_heads=3,
    head_dim=64,
)
Codes = tuple[NDArray[np.int8], Float]
IDS = np.random.default_rng(5).integers(0, 250, 61)


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A model of one block, its products W4A8 in groups of 32."""
    folder = tiny_models.huggingface_folder(tmp_path_factory.mktemp("models") / "block", WIDTHS, tokenizer=False)
    made = open_runnable(str(folder))
    pipeline(recipe("w4g32a8g32")).run(made)
    return made


@pytest.fixture(scope="module")
def truth(block: Program) -> tuple[Float, list[QuantizedArray]]:
    """Hidden states behind the block, and what NumPy quantizes: inputs of qkv, o, gate and up, down."""
    quantize, seen = quantized_kernels.quantize, list[QuantizedArray]()

    def noted(*arguments: Any, **options: Any) -> QuantizedArray:
        seen.append(quantize(*arguments, **options))
        return seen[-1]

    numpy = compile_numpy(block.module, block.weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantized_kernels, "quantize", noted)
        hidden = numpy.backbone(IDS, 0, numpy.new_cache(len(IDS)))
    assert [q.codes.shape for q in seen] == [(len(IDS), k) for k in (576, 576, 576, 1536)]
    return hidden, seen


@pytest.fixture(scope="module")
def native(block: Program) -> Iterator[ApartSession]:
    with contextlib.closing(ApartSession(Apart.of(block, "f32"), threads=2)) as made:
        yield made


QUANTIZED = ("input_layernorm", "attention", "post_attention_layernorm", "gated")
"""What is quantized, by its name in the steps."""


def rows_of(native: ApartSession, step: str, name: str, rows: int, like: NDArray[Any]) -> NDArray[Any]:
    """Rows of a buffer, which may be farther apart than those that they are like are long."""
    content = np.frombuffer(native.content(step, name, rows), like.dtype)
    return content.reshape(rows, -1)[:, : like.shape[1]]


def quantized(native: ApartSession, step: str, rows: int, like: list[QuantizedArray]) -> list[Codes]:
    """Codes and scales of everything that a step has quantized."""
    return [
        (
            rows_of(native, step, f"{name}_codes", rows, wanted.codes),
            rows_of(native, step, f"{name}_scales", rows, np.asarray(wanted.scale)),
        )
        for name, wanted in zip(QUANTIZED, like, strict=True)
    ]


def check(hidden: Float, found: list[Codes], truth: tuple[Float, list[QuantizedArray]]) -> None:
    """The first codes are bit-equal, of later ones a few have been rounded the other way; results agree."""
    expected, wanted = truth
    for (codes, scales), their in zip(found, wanted, strict=True):
        steps = np.abs(codes.astype(int) - their.codes.astype(int))
        if their is wanted[0]:
            assert not steps.any()
            np.testing.assert_allclose(scales, np.asarray(their.scale), rtol=1e-6)
        assert steps.max() <= 2
        assert np.mean(steps != 0) <= 1e-2
    assert cosine(hidden, expected) >= 0.99999


def cosine(a: Float, b: Float) -> float:
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_many_tokens(native: ApartSession, truth: tuple[Float, list[QuantizedArray]]) -> None:
    hidden = native.backbone(IDS, 0, native.new_cache(len(IDS)))
    check(hidden, quantized(native, "prefill", len(IDS), truth[1]), truth)


def test_one_token_at_a_time(native: ApartSession, truth: tuple[Float, list[QuantizedArray]]) -> None:
    text = native.new_cache(len(IDS))
    hidden: list[Float] = []
    found: list[list[Codes]] = []
    for at, id in enumerate(IDS):
        native.decode(int(id), at, text)
        hidden.append(rows_of(native, "decode", "x", 1, truth[0]))
        found.append(quantized(native, "decode", 1, truth[1]))
    together = [
        (np.concatenate([c for c, _ in rows]), np.concatenate([s for _, s in rows]))
        for rows in zip(*found, strict=True)
    ]
    check(np.concatenate(hidden), together, truth)
