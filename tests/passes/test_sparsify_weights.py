"""sparsify-weights: stored parts against a loop over the dense codes, equal results, sizes, refusals."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from architectures import MODELS
from architectures import random_weights as values_of
from tiny_model import layers, logits, passed, read, tiny_program
from tiny_models import huggingface_folder

from llmir.dialects.llm.quantization import QuantizedMatmulOp
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.frontends.huggingface import open_huggingface
from llmir.passes.assign_schemes import weight_of
from llmir.passes.pipeline import Pipeline
from llmir.program.absent import is_absent
from llmir.program.program import Program, open_program
from llmir.program.quantized_weights import read_quantized
from llmir.reports.sizes import size_report

WEIGHT = "model.layers.0.mlp.gate_proj.weight"
IDS = [1, 2, 3, 4, 5]
QUANTIZED = "assign-schemes{weight-type=i4 weight-group-size=16 weight-scale=f16},quantize-weights"
PRUNED = f"prune-weights,{QUANTIZED}"


def sparse(program: Program) -> set[str]:
    return {n for n, w in weights(program.module).items() if isinstance(w.type, SparseQuantizedTensorType)}


@pytest.mark.parametrize("sparsity", ["2:4", "3:8", "bitmask"])
def test_parts_against_a_loop(sparsity: str) -> None:
    """Codes, low nibble first, in the order of their places; places as 2 or 3 bits, masks as one, lowest first."""
    prune = "2:8" if sparsity == "3:8" else "2:4"
    dense = passed(f"prune-weights{{sparsity={prune}}},{QUANTIZED}")
    program = passed(f"prune-weights{{sparsity={prune}}},{QUANTIZED},sparsify-weights{{sparsity={sparsity}}}")
    assert len(sparse(program)) == 15
    for name in sparse(program):
        type = weights(dense.module)[name].type
        assert isinstance(type, QuantizedTensorType)
        codes = read_quantized(dense.weights, name, type).codes
        values: list[str] = []  # the bits of each row, lowest first
        places: list[str] = []
        for row in codes.tolist():
            values.append("")
            places.append("")
            if sparsity == "bitmask":
                values[-1] = "".join(bits(code, 4) for code in row if code)
                places[-1] = "".join("1" if code else "0" for code in row)
                continue
            n, m = map(int, sparsity.split(":"))
            for start in range(0, len(row), m):
                present = [i for i in range(m) if row[start + i]]
                absent = [i for i in range(m) if not row[start + i]]
                for i in sorted(present + absent[: n - len(present)]):
                    values[-1] += bits(row[start + i], 4)
                    places[-1] += bits(i, 2 if m == 4 else 3)
        stored = {suffix: program.weights[f"{name}.{suffix}"].read() for suffix in ("codes", "scale")}
        if sparsity == "bitmask":
            assert stored["codes"].tobytes() == packed("".join(values))
        else:
            assert stored["codes"].tobytes() == b"".join(map(packed, values))
        where = program.weights[f"{name}.{'mask' if sparsity == 'bitmask' else 'positions'}"].read()
        assert where.tobytes() == b"".join(map(packed, places))
        np.testing.assert_array_equal(stored["scale"], dense.weights[f"{name}.scale"].read())


def bits(value: int, width: int) -> str:
    return "".join(str(value >> i & 1) for i in range(width))


def packed(text: str) -> bytes:
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i : i + 8][::-1], 2) for i in range(0, len(text), 8))


@pytest.mark.parametrize("sparsity", ["2:4", "bitmask"])
@pytest.mark.parametrize(
    "pipeline",
    ["{s}", "{s},fuse-quantized-ops", "fuse-quantized-ops,{s}", "{s},fuse-quantized-ops{{merge-projections=true}}"],
)
def test_results_stay_the_same(pipeline: str, sparsity: str) -> None:
    then = pipeline.format(s=f"sparsify-weights{{sparsity={sparsity}}}")
    program = passed(f"{PRUNED},{then}")
    np.testing.assert_allclose(logits(program, IDS), logits(passed(PRUNED), IDS), rtol=1e-5, atol=1e-5)
    products = [op for op in program.module.walk() if isinstance(op, QuantizedMatmulOp)]
    assert len(products) == (15 if "fuse" in then else 0)
    assert all(isinstance(weight_of(op).type, SparseQuantizedTensorType) for op in products)


def test_inputs_that_are_codes() -> None:
    """Products of codes take sparse weights too, as floats."""
    schemes = PRUNED.replace("weight-scale=f16", "input-type=i8 input-granularity=per_token input-dynamic=true")
    dense = passed(f"{schemes},quantize-activations,fuse-quantized-ops")
    program = passed(f"{schemes},quantize-activations,fuse-quantized-ops,sparsify-weights")
    np.testing.assert_allclose(logits(program, IDS), logits(dense, IDS), rtol=1e-4, atol=1e-4)


def test_sizes_and_files(tmp_path: Path) -> None:
    program = passed(f"{PRUNED},sparsify-weights")
    (report,) = [t for t in size_report(program).tensors if t.name == WEIGHT]
    assert report.bits == 48 * (16 * 4 + 16 * 2 + 2 * 16)  # of 32: codes of 4 bits, places of 2, two scales
    program.save(tmp_path / "p")
    np.testing.assert_array_equal(logits(open_program(tmp_path / "p"), IDS), logits(program, IDS))


def test_patterns_choose_among_quantized_layers() -> None:
    half = PRUNED.replace("weight-type", 'modules="model.layers.0.*" weight-type')
    assert sparse(passed(f"{half},sparsify-weights")) == {
        n for n in read(tiny_program()) if n.startswith("model.layers.0.") and "proj.weight" in n
    }
    chosen = sparse(passed(f'{half},sparsify-weights{{modules="*.mlp.*" exclude="*.up_proj"}}'))
    assert chosen == {f"model.layers.0.mlp.{p}_proj.weight" for p in ("gate", "down")}
    with pytest.raises(InputError, match="sparsify-weights: pattern 'lm_head' matches none of 7 layers"):
        passed(f"{half},sparsify-weights{{modules=lm_head}}")
    with pytest.raises(InputError, match="sparsify-weights: pattern 'lm_head' matches none of 7 layers"):
        passed(f"{half},sparsify-weights{{exclude=lm_head}}")


def test_a_tied_weight_is_packed_once() -> None:
    recipe = "prune-weights{ops=linear,embedding},assign-schemes{weight-type=i8 ops=linear,embedding},quantize-weights"
    program = passed(f"{recipe},sparsify-weights", tiny_program(tied=True))
    assert "model.embed_tokens.weight" in sparse(program)
    assert {"lm_head", "model.embed_tokens"} <= set(layers(program.module))
    np.testing.assert_allclose(
        logits(program, IDS), logits(passed(recipe, tiny_program(tied=True)), IDS), rtol=1e-5, atol=1e-5
    )
    with pytest.raises(InputError, match=r"is also used by (lm_head|model.embed_tokens), which is left alone"):
        passed(f"{recipe},sparsify-weights{{exclude=lm_head}}", tiny_program(tied=True))


def test_sparse_codes_are_quantized_again() -> None:
    program = passed(f"{PRUNED},sparsify-weights,assign-schemes{{weight-type=i8}},quantize-weights")
    assert not sparse(program)
    assert {n for n in program.weights if n.startswith(WEIGHT)} == {f"{WEIGHT}.codes", f"{WEIGHT}.scale"}
    dense = passed(f"{PRUNED},assign-schemes{{weight-type=i8}},quantize-weights")
    for name, value in read(dense).items():
        np.testing.assert_array_equal(read(program)[name], value)


def test_dense_codes_name_weight_and_place() -> None:
    message = r"weight 'model.layers.0.self_attn.q_proj.weight': \d of the elements \[0, 0\] to \[0, 3\] are not zero"
    with pytest.raises(InputError, match=message):
        passed(f"{QUANTIZED},sparsify-weights")
    with pytest.raises(InputError, match=r"3:8 has room for 3; prune the tensor first"):
        passed(f"prune-weights{{sparsity=7:8}},{QUANTIZED},sparsify-weights{{sparsity=3:8}}")


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (f"{PRUNED},sparsify-weights{{sparsity=2-4}}", "unknown sparsity '2-4', expected N:M such as 2:4"),
        ("sparsify-weights", "no layer has a quantized weight; run quantize-weights first"),
        (
            "assign-schemes{weight-type=ui4 weight-zero-point=ui4},quantize-weights,sparsify-weights",
            "layer 'model.layers.0.self_attn.q_proj': sparse codes need a symmetric format",
        ),
        (
            "assign-schemes{weight-type=nf4},quantize-weights,sparsify-weights{sparsity=bitmask}",
            "layer 'model.layers.0.self_attn.q_proj': sparse codes need a format whose code 0 is zero, got the",
        ),
    ],
)
def test_refusals(pipeline: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"sparsify-weights: {message}")):
        passed(pipeline)


def test_programs_without_weights(tmp_path: Path) -> None:
    """N:M gives the same text and sizes with values and without; what a mask keeps depends on the values."""
    recipe = (
        "prune-weights{exclude=lm_head},assign-schemes{weight-type=i8 exclude=lm_head},quantize-weights,"
        "sparsify-weights{sparsity=SPARSITY},fuse-quantized-ops"
    )
    model = MODELS["opt"]
    folder = huggingface_folder(tmp_path / "model", model, values_of(model), tokenizer=False)
    whole, plan = open_huggingface(folder), open_huggingface(folder, weights=False)
    for program in (whole, plan):
        Pipeline.parse(recipe.replace("SPARSITY", "2:4")).run(program)
    del plan.module.attributes["llm.no_weights"]
    assert str(plan.module) == str(whole.module)
    assert size_report(plan) == size_report(whole)
    assert all(is_absent(t) for t in plan.stored_tensors().values())
    with pytest.raises(InputError, match=r"the program has no weights, but the values of '.*' are needed"):
        Pipeline.parse(recipe.replace("SPARSITY", "bitmask")).run(open_huggingface(folder, weights=False))
