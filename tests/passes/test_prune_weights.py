"""prune-weights: what stays of each group, against a loop over it; whose weights; refusals."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from architectures import MODELS
from numpy.typing import NDArray
from tiny_model import logits, passed, read, reference_inputs, tiny_program
from tiny_models import huggingface_folder

from llmir.errors import InputError
from llmir.frontends.huggingface import open_huggingface
from llmir.passes.pipeline import Pipeline
from llmir.program import tensors
from llmir.program.absent import is_absent
from llmir.program.tensors import MemoryTensor

WEIGHT = "model.layers.0.mlp.gate_proj.weight"
IDS = [1, 2, 3, 4, 5]


def kept(row: NDArray[Any], n: int, m: int) -> NDArray[Any]:
    """A row with the n largest magnitudes of each m, one group after the other; of equals the first."""
    result = np.zeros_like(row)
    for start in range(0, len(row), m):
        group = [abs(float(v)) for v in row[start : start + m]]
        for index in sorted(range(m), key=lambda i: (-group[i], i))[:n]:
            result[start + index] = row[start + index]
    return result


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize(("options", "n", "m"), [("", 2, 4), ("sparsity=1:8", 1, 8), ("sparsity=7:16", 7, 16)])
def test_what_stays(options: str, n: int, m: int, dtype: Any) -> None:
    original = read(tiny_program(dtype=dtype))
    found = read(passed(f"prune-weights{{{options}}}", tiny_program(dtype=dtype)))
    assert found.keys() == original.keys()
    for name, w in original.items():
        linear = w.ndim == 2 and "embed" not in name
        expected = np.stack([kept(row, n, m) for row in w]) if linear else w
        assert found[name].dtype == dtype
        np.testing.assert_array_equal(found[name], expected)


def test_patterns_and_kinds_choose_layers() -> None:
    original = read(tiny_program())
    found = read(passed('prune-weights{modules="model.*" exclude="*.1.*" ops=embedding,linear}'))
    changed = {name for name in original if not np.array_equal(original[name], found[name])}
    assert changed == {
        n for n, w in original.items() if w.ndim == 2 and "layers.1" not in n and not n.startswith("lm_head")
    }


def test_chunks_of_rows_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = passed("prune-weights,assign-schemes{weight-type=i8},quantize-weights")
    monkeypatch.setattr(tensors, "CHUNK_BYTES", 1)
    chunks = passed("prune-weights,assign-schemes{weight-type=i8},quantize-weights")
    for name, value in read(whole).items():
        np.testing.assert_array_equal(read(chunks)[name], value)


def test_the_program_computes_with_what_stays() -> None:
    original = tiny_program()
    for name, w in read(original).items():
        if w.ndim == 2 and "embed" not in name:
            original.weights.add(name, MemoryTensor(np.stack([kept(row, 2, 4) for row in w])))
    found, (_, expected) = logits(passed("prune-weights"), IDS), reference_inputs(original, IDS)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("sparsity=bitmask", "needs a sparsity N:M, a bitmask does not say how many to keep"),
        ("sparsity=4:2", "unknown sparsity '4:2', expected N:M such as 2:4 (N < M <= 256) or bitmask"),
        ("sparsity=half", "unknown sparsity 'half'"),
        ("sparsity=1:5", "layer 'model.layers.0.self_attn.q_proj': 1:5 needs a last dimension that 5 divides, got 32"),
        ("ops=norm", "unknown kind of layer 'norm'"),
        ("modules=model.norm", "pattern 'model.norm' matches none of 16 layers"),
    ],
)
def test_options_that_make_no_sense(options: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"prune-weights: {message}")):
        passed(f"prune-weights{{{options}}}")


def test_a_value_that_is_no_number_names_the_tensor() -> None:
    program = tiny_program()
    w = program.weights[WEIGHT].read().copy()
    w[19, 7], w[3, 1] = np.nan, np.inf  # infinity is the largest magnitude
    program.weights.add(WEIGHT, MemoryTensor(w))
    passed("prune-weights", program)
    assert program.weights[WEIGHT].rows(0, 8)[3, 1] == np.inf
    with pytest.raises(InputError, match=re.escape(f"tensor '{WEIGHT}': value at [19, 7] is nan; pruning needs")):
        program.weights[WEIGHT].read()
    with pytest.raises(InputError, match=re.escape(f"tensor '{WEIGHT}', rows 16 to 23: value at [3, 7] is nan")):
        program.weights[WEIGHT].rows(16, 24)


def test_a_tied_weight_needs_both_layers() -> None:
    message = "prune-weights: weight 'model.embed_tokens.weight' is also used by model.embed_tokens"
    with pytest.raises(InputError, match=message):
        passed("prune-weights", tiny_program(tied=True))
    w = read(tiny_program(tied=True))["model.embed_tokens.weight"]
    both = read(passed("prune-weights{ops=linear,embedding}", tiny_program(tied=True)))
    np.testing.assert_array_equal(both["model.embed_tokens.weight"], np.stack([kept(row, 2, 4) for row in w]))


def test_codes_are_refused() -> None:
    with pytest.raises(InputError, match=r"layer '.*': its weight is codes; prune, then quantize"):
        passed("assign-schemes{weight-type=i8},quantize-weights,prune-weights")
    with pytest.raises(InputError, match=r"layers that match '\*' are quantized already"):
        passed("assign-schemes{weight-type=i8},quantize-weights,fuse-quantized-ops,prune-weights")


def test_a_program_without_weights_stays_one(tmp_path: Path) -> None:
    plan = open_huggingface(huggingface_folder(tmp_path / "m", MODELS["opt"], {}, tokenizer=False), weights=False)
    Pipeline.parse(
        "prune-weights{exclude=lm_head},assign-schemes{weight-type=i8 exclude=lm_head},quantize-weights"
    ).run(plan)
    assert all(is_absent(tensor) for tensor in plan.stored_tensors().values())
