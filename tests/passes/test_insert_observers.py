"""`insert-observers`, `update-observed-scales` and `use-observed-scales` on a model, against `calibrate`."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_model import passed, tiny_program

from llmir.dialects.llm.quantization import ObserveOp, QuantizeOp
from llmir.dialects.llm.values import dense_array
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.passes.insert_observers import OBSERVED_SCALE
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.program import Program
from llmir.program.tensors import MemoryTensor

RULE = "assign-schemes{exclude=lm_head input-type=i8}"
OBSERVE = f"{RULE},insert-observers"


@pytest.fixture
def tokens(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tokens") / "tokens.npy"
    np.save(path, np.random.default_rng(0).integers(0, 40, 64))
    return str(path)


def constants(program: Program) -> dict[str, float]:
    """The constant input scale by the name of what is quantized."""
    ops = [op for op in program.module.walk() if isinstance(op, QuantizeOp)]
    scales = [(f"{i} {op.input.name_hint}", op.scale) for i, op in enumerate(ops)]
    return {name: float(dense_array(scale)[0]) for name, scale in scales if scale is not None}


def test_scales_are_those_of_calibrate(tokens: str) -> None:
    """With inputs of 8 bits the layers below see nearly the same values; the first see exactly the same."""
    data = f'tokens="{tokens}" context=16'
    observed = passed(f"{OBSERVE},update-observed-scales{{{data}}},use-observed-scales")
    direct = passed(f"{RULE},calibrate{{{data} statistic=absmax}},quantize-activations")
    ours, theirs = constants(observed), constants(direct)
    assert list(ours) == list(theirs)
    assert len(ours) == 8  # q, k and v share one, gate and up another, in each block
    first = next(iter(ours))
    assert ours[first] == theirs[first]
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=0.05)
    ids = list(range(16))
    a, b = (compile_numpy(p.module, p.weights).logits(ids) for p in (observed, direct))
    np.testing.assert_allclose(a, b, atol=0.05 * np.abs(b).max())


def test_observing_changes_nothing_but_the_inputs() -> None:
    """A program with observers is the one whose inputs are quantized at run time."""
    observed = passed(OBSERVE)
    dynamic = passed("assign-schemes{exclude=lm_head input-type=i8 input-dynamic=true},quantize-activations")
    a, b = (compile_numpy(p.module, p.weights).logits([3, 1, 4, 1, 5]) for p in (observed, dynamic))
    np.testing.assert_array_equal(a, b)


def test_nothing_is_left() -> None:
    """Neither observers nor their weights, in the module or in the store."""
    program = passed(OBSERVE)
    names = [name for name in weights(program.module) if name.endswith(OBSERVED_SCALE)]
    assert len(names) == 14
    assert all(program.weights[name].read().tolist() == [0] for name in names)
    for i, name in enumerate(names):
        program.weights.add(name, MemoryTensor(np.array([i + 1], np.float32)))
    passed("use-observed-scales", program)
    assert not [op for op in program.module.walk() if isinstance(op, ObserveOp)]
    assert not [name for name in weights(program.module) if name.endswith(OBSERVED_SCALE)]
    assert not [name for name in program.weights if name.endswith(OBSERVED_SCALE)]
    assert sorted(constants(program).values()) == list(range(1, 15))


@pytest.mark.parametrize("scale", [-1.0, np.nan, np.inf])
def test_scales_that_cannot_be(scale: float) -> None:
    program = passed(OBSERVE)
    for name in [n for n in program.weights if n.endswith(OBSERVED_SCALE)]:
        program.weights.add(name, MemoryTensor(np.array([scale], np.float32)))
    with pytest.raises(
        InputError, match=rf"tensor '.*{OBSERVED_SCALE}': a scale of {scale} is not finite and positive"
    ):
        passed("use-observed-scales", program)


def test_a_missing_observer() -> None:
    program = passed(OBSERVE)
    observer = next(op for op in program.module.walk() if isinstance(op, ObserveOp))
    observer.detach()
    with pytest.raises(InputError, match=r"has no observer or no \.q_calibration_scale weight"):
        passed("use-observed-scales", program)


@pytest.mark.parametrize("pipeline", ["update-observed-scales", "use-observed-scales"])
def test_without_observers(pipeline: str) -> None:
    with pytest.raises(InputError, match=f"{pipeline}: the program has no observers"):
        passed(pipeline, tiny_program())


def test_short_data(tokens: str) -> None:
    with pytest.raises(InputError, match="the data are shorter than one window of 100 tokens"):
        Pipeline.parse(f'update-observed-scales{{tokens="{tokens}" context=100}}').run(passed(OBSERVE))
