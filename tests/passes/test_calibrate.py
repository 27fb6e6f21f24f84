"""calibrate: statistics of layer inputs against a float64 run of the model, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_model import layers, logits, passed, reference_inputs, tiny_program
from xdsl.dialects.builtin import DictionaryAttr, IntegerAttr, StringAttr

from llmir.dialects.llm.model import LinearOp
from llmir.errors import InputError
from llmir.passes.calibrate import STATISTICS, statistics_of
from llmir.program.folder import TOKENIZER
from llmir.program.program import Program
from llmir.program.tensors import MemoryTensor

CONTEXT, WINDOWS = 6, 3
IDS = np.random.default_rng(5).integers(0, 40, CONTEXT * WINDOWS + 4)  # the last 4 do not fill a window
ALL = {n for n, op in layers(tiny_program().module).items() if isinstance(op, LinearOp)}


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "ids.npy"
    np.save(path, IDS)
    return path


def pipeline(tokens: Path, options: str = "") -> str:
    return f'calibrate{{tokens="{tokens}" context={CONTEXT} {options}}}'.replace(" }", "}")


def found(program: Program) -> dict[str, dict[str, Any]]:
    all_layers = layers(program.module).items()
    return {n: s for n, op in all_layers if isinstance(op, LinearOp) and (s := statistics_of(op)) is not None}


def expected_inputs(windows: int = WINDOWS) -> list[dict[str, NDArray[np.float64]]]:
    program = tiny_program()
    data = IDS[: windows * CONTEXT].reshape(windows, CONTEXT)
    return [reference_inputs(program, list(window))[0] for window in data]


def test_minmax_per_tensor_of_every_layer(tokens: Path) -> None:
    program = passed(pipeline(tokens))
    statistics = found(program)
    assert set(statistics) == ALL
    inputs = expected_inputs()
    for name, s in statistics.items():
        x = np.stack([i[name] for i in inputs])
        np.testing.assert_allclose(s["min"], [x.min()], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(s["max"], [x.max()], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(s["absmax"], [np.abs(x).max()], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("granularity", "axes"), [("channel", (0, 1)), ("token", (0, 2))])
def test_absmax_per_channel_and_token(tokens: Path, granularity: str, axes: tuple[int, int]) -> None:
    statistics = found(passed(pipeline(tokens, f"statistic=absmax granularity={granularity}")))
    inputs = expected_inputs()
    for name, s in statistics.items():
        x = np.stack([i[name] for i in inputs])
        np.testing.assert_allclose(s["absmax"], np.abs(x).max(axis=axes), rtol=1e-4, atol=1e-5)
        assert "min" not in s


def test_moving_average_takes_windows_in_order(tokens: Path) -> None:
    statistics = found(passed(pipeline(tokens, "statistic=moving_average momentum=0.5")))
    inputs = expected_inputs()
    for name, s in statistics.items():
        peaks = [i[name].max() for i in inputs]
        np.testing.assert_allclose(s["max"], [0.25 * peaks[0] + 0.25 * peaks[1] + 0.5 * peaks[2]], rtol=1e-4, atol=1e-6)


def test_percentile(tokens: Path) -> None:
    statistics = found(passed(pipeline(tokens, "statistic=percentile percentile=80")))
    for name, s in statistics.items():
        ranked = [np.sort(i[name].ravel()) for i in expected_inputs()]
        rank = int(np.floor(0.8 * len(ranked[0]) + 0.5)) - 1
        np.testing.assert_allclose(s["max"], [np.mean([r[rank] for r in ranked])], rtol=1e-4, atol=1e-6)


def test_samples_limits_the_windows_and_the_attribute_says_what_was_run(tokens: Path) -> None:
    program = passed(pipeline(tokens, "samples=2"))
    attribute = layers(program.module)["lm_head"].attributes[STATISTICS]
    assert isinstance(attribute, DictionaryAttr)
    assert attribute.data["statistic"] == StringAttr("minmax")
    assert attribute.data["granularity"] == StringAttr("tensor")
    assert attribute.data["windows"] == IntegerAttr(2, 64)
    assert attribute.data["context"] == IntegerAttr(CONTEXT, 64)
    x = np.stack([i["lm_head"] for i in expected_inputs(2)])
    np.testing.assert_allclose(found(program)["lm_head"]["max"], [x.max()], rtol=1e-4)


def test_only_layers_with_a_static_input_scheme_are_observed_if_there_are_any(tokens: Path) -> None:
    static = 'assign-schemes{input-type=i8 modules="*.up_proj"},'
    dynamic = 'assign-schemes{input-type=i8 input-dynamic=true modules="*.q_proj"},'
    assert set(found(passed(static + dynamic + pipeline(tokens)))) == {f"model.layers.{i}.mlp.up_proj" for i in (0, 1)}
    assert set(found(passed(dynamic + pipeline(tokens)))) == ALL


def test_the_module_is_only_annotated(tokens: Path) -> None:
    program = passed(pipeline(tokens))
    for layer in layers(program.module).values():
        layer.attributes.pop(STATISTICS, None)
    assert str(program.module) == str(tiny_program().module)
    ids = [int(i) for i in IDS[:5]]
    np.testing.assert_array_equal(logits(program, ids), logits(tiny_program(), ids))


def test_text_is_tokenized_without_special_tokens(tmp_path: Path) -> None:
    words = {f"w{i}": i for i in range(39)}
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "w0", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"w0": {"id": "w0", "ids": [0], "tokens": ["w0"]}},
        },
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"},
    }
    text, ids = tmp_path / "text.txt", tmp_path / "ids.txt"
    text.write_text("w5 w7 w1\nw30 w2 w9 w9")
    ids.write_text("5 7 1\n30 2 9 9")
    program = tiny_program()
    program.files[TOKENIZER] = json.dumps(tokenizer).encode()
    from_text = found(passed(f'calibrate{{text="{text}" context=3}}', program))
    from_ids = found(passed(f'calibrate{{tokens="{ids}" context=3}}'))
    assert from_text["lm_head"]["max"] == from_ids["lm_head"]["max"]


# -- refusals --


def refused(options: str, program: Program | None = None) -> str:
    with pytest.raises(InputError) as caught:
        passed(f"calibrate{{{options}}}" if options else "calibrate", program)
    return str(caught.value)


def test_data_are_needed_once(tokens: Path) -> None:
    wanted = "calibrate: give the data as text=FILE, tokens=FILE, inputs=FILE, or as llm.calibration of @main"
    assert refused("") == wanted
    for options in (f'text="{tokens}" tokens="{tokens}"', f'tokens="{tokens}" inputs="{tokens}"'):
        assert "give the data in one way, as text=FILE, tokens=FILE or inputs=FILE" in refused(options)


def test_at_least_one_sample(tokens: Path) -> None:
    assert refused(f'tokens="{tokens}" samples=0') == "calibrate: samples must be at least 1, got 0"


def test_text_needs_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("hello")
    assert "has no tokenizer.json, which text needs; give token ids" in refused(f'text="{tmp_path / "t.txt"}"')


def test_too_few_tokens(tokens: Path) -> None:
    assert "the data are shorter than one window of 64 tokens" in refused(f'tokens="{tokens}" context=64')


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("statistic=mean", "calibrate: unknown statistic 'mean'"),
        ("granularity=row", "calibrate: unknown granularity 'row'"),
        ("statistic=percentile percentile=10", "calibrate: percentile must be above 50"),
        ("statistic=moving_average momentum=2", "calibrate: momentum must be above 0"),
    ],
)
def test_bad_options(tokens: Path, option: str, message: str) -> None:
    assert message in refused(f'tokens="{tokens}" context=6 {option}')


def test_values_that_are_not_finite_name_the_layer(tokens: Path) -> None:
    program = tiny_program()
    program.weights.add("model.layers.1.input_layernorm.weight", MemoryTensor(np.full(32, np.nan, np.float32)))
    message = refused(f'tokens="{tokens}" context=6', program)
    assert message == "calibrate: input of layer 'model.layers.1.self_attn.q_proj': a value is not finite"


@pytest.mark.parametrize("id", [99, 40, -1])
def test_ids_outside_the_vocabulary_are_refused(tmp_path: Path, id: int) -> None:
    (tmp_path / "ids.txt").write_text(f"1 2 {id} 3")
    message = refused(f'tokens="{tmp_path / "ids.txt"}" context=4')
    assert f"token id {id} is outside the model's vocabulary of 40" in message
