"""`declare-layers`: weights that are not named like a layer's become layers of a flattened module."""

from __future__ import annotations

import numpy as np
import pytest
from flat_program import flat_program
from tiny_model import passed

from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.exporters.mllm import export_mllm
from llmir.passes.pipeline import Pipeline
from llmir.program.mllm_file import open_mllm_file

ROW = np.linspace(-1, 1, 64, dtype=np.float32)


def test_shape() -> None:
    program = flat_program(w=np.arange(12, dtype=np.float16))
    Pipeline.parse("declare-layers{weight=w shape=3,4}").run(program)
    assert "%w_1 = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<3x4xf16>) -> tensor<?x3xf32>" in str(program.module)
    assert "llm.remark" not in weights(program.module)["w"].attributes
    assert np.array_equal(program.weights["w"].read(), np.arange(12, dtype=np.float16).reshape(3, 4))
    assert np.array_equal(program.weights["w"].rows(1, 3), np.arange(4, 12, dtype=np.float16).reshape(2, 4))


def test_one_dimension_is_one_row(tmp_path: object) -> None:
    """It stays a tensor of one dimension to whoever reads the file that is written."""
    from pathlib import Path

    path = Path(str(tmp_path)) / "f.mllm"
    program = flat_program(norm__weight=ROW)
    Pipeline.parse(
        'declare-layers{weight="norm.weight"},assign-schemes{weight-type=i8 weight-scale=f16 weight-group-size=32},'
        "quantize-weights"
    ).run(program)
    assert "@norm.weight {llm.encoded_shape = array<i64: 64>} : !llm.quantized_tensor<1x64xi8" in str(program.module)
    export_mllm(program, path)
    (entry,) = open_mllm_file(path).entries.values()
    assert (entry.type.name, entry.shape) == ("Q8_0", (64,))


def test_more_dimensions() -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    program = flat_program(experts=values)
    Pipeline.parse("declare-layers{weight=experts}").run(program)
    assert "@experts {llm.encoded_shape = array<i64: 2, 3, 4>} : tensor<6x4xf32>" in str(program.module)
    assert np.array_equal(program.weights["experts"].read(), values.reshape(6, 4))


def test_bias() -> None:
    program = flat_program(w=np.arange(12, dtype=np.float16), b=np.zeros(3, np.float32))
    Pipeline.parse("declare-layers{weight=w shape=3,4 bias=b}").run(program)
    assert "llm.linear(%x, %w) bias(%b)" in str(program.module)


def test_embedding() -> None:
    program = flat_program(table=np.zeros((5, 4), np.float32))
    Pipeline.parse("declare-layers{weight=table kind=embedding}").run(program)
    assert "llm.embedding(%ids, %table) : (tensor<?xi64>, tensor<5x4xf32>) -> tensor<?x4xf32>" in str(program.module)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("weight=v", "declare-layers: there is no weight 'v', the nearest is"),
        ("weight=w kind=conv", "unknown kind of layer 'conv', expected linear or embedding"),
        ("weight=w shape=3,5", "'w' is 12, which cannot be 3x5; a layer's weight has two dimensions N,K"),
        ("weight=w shape=12", "'w' is 12, which cannot be 12; a layer's weight has two dimensions N,K"),
        ("weight=w shape=3,4 bias=v", "declare-layers: there is no weight 'v'"),
        ("weight=w shape=3,4 bias=ids", "'ids' is tensor<3xi64>, expected 3 floats of a linear layer"),
        ("weight=w shape=4,3 bias=three", "'three' is tensor<3xf32>, expected 4 floats of a linear layer"),
        (
            "weight=w shape=3,4 bias=three kind=embedding",
            "'three' is tensor<3xf32>, expected 3 floats of a linear layer",
        ),
        ("weight=scalar", "'scalar' is scalar, which cannot be scalar; a layer's weight has two dimensions N,K"),
        ("weight=ids", "'ids' is tensor<3xi64>, expected floats"),
        ('weight="fc.weight"', "'fc.weight' is part of a layer already"),
    ],
)
def test_refusals(options: str, expected: str) -> None:
    program = flat_program(
        w=np.zeros(12, np.float32),
        scalar=np.zeros((), np.float32),
        ids=np.zeros(3, np.int64),
        three=np.zeros(3, np.float32),
        fc__weight=np.zeros((2, 2), np.float32),
    )
    with pytest.raises(InputError) as error:
        Pipeline.parse(f"declare-layers{{{options}}}").run(program)
    assert expected in str(error.value)


def test_other_modules_have_their_layers() -> None:
    with pytest.raises(InputError, match="this module has its layers; it is for flattened modules"):
        passed('declare-layers{weight="model.norm.weight"}')
