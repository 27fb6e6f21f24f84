"""Steps of whole programs against the reference backend, run by teams whose threads come in any order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import architectures
import numpy as np
import pytest
import tiny_models
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_interpreter import KernelInterpreter, operations
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import VerifyException

from llmir.backends.reference.interpreter import Reference
from llmir.dialects.kernel_phases import MatmulOp
from llmir.dialects.kernel_steps import BarrierOp, BufferOp, LoopOp, StepOp, WeightOp
from llmir.dialects.kernel_types import RowsAttr, TilesType
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.frontends.registry import open_model
from llmir.passes.convert_llm_to_kernel import KernelConversionPass, convert
from llmir.passes.pipeline import Pipeline
from llmir.program.program import Program

TARGET = "x86-avx512-vnni"
IDS = np.array([5, 17, 2, 200, 31, 8, 90, 90, 41], np.int64)
DENSE = [n for n, c in architectures.MODELS.items() if "moe" not in n and c["model_type"] != "mixtral"]
Array = np.ndarray[Any, np.dtype[Any]]


def model_program(folder: Path, name: str, pipeline: str = "") -> Program:
    """A tiny model of an architecture, after a pipeline."""
    if name in architectures.MODELS:
        config = architectures.MODELS[name]
        values = architectures.random_weights(config)
    else:
        config = tiny_models.config_of(name)
        values = tiny_models.random_weights(config)
    program = open_model(str(tiny_models.huggingface_folder(folder / name, config, values)))
    if pipeline:
        Pipeline.parse(pipeline).run(program)
    return program


def steps(program: Program, **options: Any) -> ModuleOp:
    """The program's module as steps, verified; the program keeps its own."""
    module = program.module.clone()
    convert(module, options.pop("target", TARGET), **options)
    module.verify()
    return module


class Expected:
    """What the reference backend gives for the program."""

    def __init__(self, program: Program, capacity: int):
        self.reference = Reference(program.module, program.weights)
        types = self.reference.function("backbone").function_type.inputs.data[2:]
        self.caches = [np.zeros((capacity, *t.get_shape()[1:]), np.float32) for t in types]  # type: ignore[attr-defined]

    def hidden(self, ids: Array, position: int) -> Array:
        hidden, *self.caches = self.reference.run("backbone", ids, position, *self.caches)
        return hidden

    def logits(self, hidden: Array) -> Array:
        return self.reference.run("head", hidden)[0]


def check(program: Program, *, threads: int, seed: int = 0, tolerance: float = 2e-5, **options: Any) -> ModuleOp:
    """Prefill of some tokens, then their logits, then three tokens one by one: all as the reference has them."""
    options.setdefault("kv_cache", "f32")
    module = steps(program, **options)
    capacity = len(IDS) + 3
    expected = Expected(program, capacity)
    team = KernelInterpreter(module, program.weights, capacity, threads=threads, seed=seed)
    want = expected.hidden(IDS, 0)
    hidden = np.full(want.shape, np.nan, np.float32)
    team.run("prefill", ids=IDS, position=0, hidden=hidden)
    near(hidden, want, tolerance)
    want = expected.logits(want)
    logits = np.full(want.shape, np.nan, np.float32)
    team.run("head", hidden=hidden, logits=logits)
    near(logits, want, tolerance)
    token = int(np.argmax(want[-1]))
    for position in range(len(IDS), capacity):
        want = expected.logits(expected.hidden(np.array([token], np.int64), position))
        logits, chosen = np.full(want.shape, np.nan, np.float32), np.full(1, -1, np.int64)
        team.run("decode", ids=np.array([token], np.int64), position=position, logits=logits, token=chosen)
        near(logits, want, tolerance)
        assert chosen[0] == np.argmax(logits[0])
        token = int(np.argmax(want[0]))
    return module


def near(found: Array, want: Array, tolerance: float) -> None:
    """Equal but for so much of the largest value."""
    assert found.shape == want.shape
    assert np.isfinite(found).all()
    assert np.abs(found - want).max() <= tolerance * np.abs(want).max()


@pytest.mark.parametrize("name", [*DENSE, *tiny_models.ARCHITECTURES])
def test_architectures(tmp_path: Path, name: str) -> None:
    check(model_program(tmp_path, name), threads=3, seed=1)


QUANTIZED = {
    "w4a8": 'assign-schemes{exclude="lm_head" weight_type="i4" weight_scale="f16" weight_group_size=32 input_type="i8" '
    'input_granularity="per_token" input_dynamic=true},quantize-weights,quantize-activations,fuse-quantized-ops',
    "w4a8 in groups": 'assign-schemes{exclude="lm_head" weight_type="i4" weight_scale="f16" weight_group_size=32 input_type="i8" '
    'input_granularity="per_group" input_group_size=32 input_dynamic=true},quantize-weights,quantize-activations,'
    "fuse-quantized-ops",
    "w4 with zero points": 'assign-schemes{exclude="lm_head" weight_type="ui4" weight_zero_point="ui4" weight_scale="f16" '
    "weight_group_size=32},quantize-weights,fuse-quantized-ops",
    "w8 by channel": 'assign-schemes{exclude="lm_head" weight_type="i8" weight_scale="f32" weight_granularity="per_channel" '
    'input_type="i8" input_granularity="per_token" input_dynamic=true},quantize-weights,quantize-activations,'
    "fuse-quantized-ops",
    "w8 by tensor": 'assign-schemes{exclude="lm_head" weight_type="i8" weight_scale="f32" weight_granularity="per_tensor" '
    'input_type="i8" input_granularity="per_token" input_dynamic=true},quantize-weights,quantize-activations,'
    "fuse-quantized-ops",
    "nf4": 'assign-schemes{exclude="lm_head" weight_type="nf4" weight_scale="f32" weight_group_size=16},quantize-weights,'
    "fuse-quantized-ops",
}


@pytest.mark.parametrize("scheme", QUANTIZED)
@pytest.mark.parametrize("name", ["llama", "gpt2", "phi3", "opt-gelu", "gemma3"])
def test_schemes(tmp_path: Path, name: str, scheme: str) -> None:
    check(model_program(tmp_path, name, QUANTIZED[scheme]), threads=2, seed=3)
