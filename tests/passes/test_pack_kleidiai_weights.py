"""`pack-kleidiai-weights`: the bytes of KleidiAI's own packing routines, bias folded in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flat_program import flat_program
from tiny_model import passed

import llmir.passes.pack_kleidiai_weights as module_under_test
from llmir.dialects.llm.flattened import encoded_shape, encoding_of
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.passes.pipeline import Pipeline

GOLDEN = Path(__file__).parents[1] / "formats" / "data" / "kleidiai"
BLOCKS = "assign-schemes{weight-type=i4 weight-group-size=32 "
SYMMETRIC = BLOCKS + "weight-scale=bf16 weight-method=mllm_qsi4c32p},quantize-weights"
ASYMMETRIC = BLOCKS + "weight-min=f32 weight-method=mllm_qai4c32p},quantize-weights"


def golden(name: str) -> Any:
    return np.load(GOLDEN / f"{name}.npz")


@pytest.mark.parametrize(
    ("name", "pipeline"),
    [
        ("rhs_qsi4c32p__qai8dxp1x4_qsi4c32p4x4_1x4__n8_k64", SYMMETRIC),
        ("rhs_qsi4c32p__qai8dxp4x8_qsi4c32p4x8_8x4x32__n8_k64", SYMMETRIC),
        ("rhs_qsi4c32p__qai8dxp4x8_qsi4c32p8x8_4x8x32__n8_k64", SYMMETRIC),
        ("rhs_qsi4c32p__nr8_kr16_sr2__scale_truncate", SYMMETRIC),
        ("rhs_qsi4c32p__nr8_kr16_sr2__scale_rne", SYMMETRIC.replace("qsi4c32p}", "qsi4c32p_rne}")),
        ("rhs_qai4c32p__n8_k64_nr4_kr16", ASYMMETRIC),
    ],
)
@pytest.mark.parametrize("rows_at_once", [8, 4])
def test_golden(name: str, pipeline: str, rows_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quantized and packed, in one piece or in several."""
    data = golden(name)
    nr, kr, sr = (int(data[size]) if size in data else 2 for size in ("nr", "kr", "sr"))
    monkeypatch.setattr(module_under_test, "CHUNK_BYTES", 4 * 64 * rows_at_once)
    bias = {"fc__bias": data["bias"]} if data["bias"].size else {}
    program = flat_program(fc__weight=data["w_f32"], **bias)
    Pipeline.parse(f"{pipeline},pack-kleidiai-weights{{nr={nr} kr={kr} sr={sr}}}").run(program)
    assert program.weights["fc.weight"].read().tobytes() == data["packed"].tobytes()
    assert list(program.weights) == ["fc.weight"]
    weight = weights(program.module)["fc.weight"]
    assert (encoding_of(weight), encoded_shape(weight)) == ("Byte", (8, 64))
    program.module.verify()
    program.stored_tensors()


def test_float_golden() -> None:
    """The golden weight is stored K by N."""
    data = golden("rhs_kxn_f16p16x1biasf16__n11_k5")
    values, bias = data["rhs"].view(np.float16), data["bias"].view(np.float16)
    program = flat_program(fc__weight=np.ascontiguousarray(values.T), fc__bias=bias)
    Pipeline.parse("pack-kleidiai-weights{nr=16}").run(program)
    packed = program.weights["fc.weight"].read().view(np.float16).reshape(-1, 16)
    expected = data["packed"].view(np.float16).reshape(-1, 16)
    assert np.array_equal(packed[:, :11], expected[:, :11])  # biases past N mean nothing


def test_layers_leave_the_module() -> None:
    """Only what is packed: another layer's bias and weight stay."""
    rng = np.random.default_rng(0)
    names = {name: rng.standard_normal((8, 64), np.float32) for name in ("a__weight", "b__weight")}
    program = flat_program(**names, a__bias=np.ones(8, np.float32), b__bias=np.ones(8, np.float32))
    Pipeline.parse(f"{SYMMETRIC},pack-kleidiai-weights{{modules=b nr=4}}").run(program)
    text = str(program.module)
    assert "func.func @flat(%x: tensor<?x64xf32>) -> tensor<?x8xf32>" in text
    assert text.count("llm.linear") == 1
    assert set(program.weights) == {"a.weight.codes", "a.weight.scale", "a.bias", "b.weight"}
    assert 'llm.remark = "packed for KleidiAI as qsi4c32p with nr=4 kr=16 sr=2, its bias folded in"' in str(
        weights(program.module)["b.weight"]
    )


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ("pack-kleidiai-weights{nr=4 modules=c}", "pack-kleidiai-weights: pattern 'c' matches none of 2 layers"),
        (
            "assign-schemes{weight-type=i8},quantize-weights,pack-kleidiai-weights{nr=4 modules=fc}",
            "layer 'fc': is !llm.quantized_tensor<8x64xi8, scale=f32, symmetric=true, axis=0>, expected i4 in groups",
        ),
        (
            "assign-schemes{weight-type=i4 weight-scale=bf16 weight-group-size=32 weight-group-rows=4},"
            "quantize-weights,pack-kleidiai-weights{nr=4 modules=fc}",
            "group_size=32, group_rows=4>, expected i4 in groups along K with bf16 scales",
        ),
        ("pack-kleidiai-weights{nr=4 modules=embed}", "layer 'embed': is an embedding, only linear layers are packed"),
        ("pack-kleidiai-weights{nr=0 modules=fc}", "pack-kleidiai-weights: nr=0, expected at least 1"),
        (
            f"{SYMMETRIC},pack-kleidiai-weights{{nr=4 kr=16 sr=3 modules=fc}}",
            "layer 'fc': kr=16, sr=3: sr must divide kr",
        ),
    ],
)
def test_refusals(pipeline: str, expected: str) -> None:
    program = flat_program(fc__weight=np.ones((8, 64), np.float32), embed__weight=np.ones((8, 64), np.float32))
    with pytest.raises(InputError) as error:
        Pipeline.parse(pipeline).run(program)
    assert expected in str(error.value)


def test_biases_that_do_not_fit_are_not_lost() -> None:
    program = flat_program(fc__weight=np.ones((8, 64), np.float32), fc__bias=np.ones(7, np.float32))
    with pytest.raises(InputError, match=r"layer 'fc': 'fc\.bias' is not a bias of it that fits, and would be lost"):
        Pipeline.parse("pack-kleidiai-weights{nr=16}").run(program)


def test_shared_weights_are_refused() -> None:
    program = flat_program(fc__weight=np.ones((8, 64), np.float32))
    text = str(program.module).replace("func.func @flat", "func.func @other").replace("@flat", "@other")
    from llmir.program.program import parse_program_text

    other = parse_program_text(text, "t")
    (function,) = (op for op in other.body.ops if op.name == "func.func")
    function.detach()
    program.module.body.block.add_op(function)
    with pytest.raises(InputError, match=r"shares weight 'fc\.weight' with another layer"):
        Pipeline.parse("pack-kleidiai-weights{nr=16}").run(program)


def test_other_modules_compute() -> None:
    with pytest.raises(InputError, match="packed weights cannot be computed with, it is for flattened modules"):
        passed("pack-kleidiai-weights{nr=4}")
