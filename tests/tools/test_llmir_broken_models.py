"""Models that cannot be used: exit status 1, one line that names the file and the fact, nothing written."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import (
    Config,
    config_of,
    huggingface_folder,
    llmir,
    random_weights,
    read_json,
    safetensors_bytes,
    tree,
    write_json,
    write_safetensors,
)

Capture = pytest.CaptureFixture[str]
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
UP = "model.layers.0.mlp.up_proj.weight"
SMALL = config_of(num_hidden_layers=1, hidden_size=32, intermediate_size=32, head_dim=8)


def refused(capsys: Capture, model: Path, *arguments: str) -> str:
    """The error of `llmir import`, which leaves nothing behind."""
    before = tree(model.parent)
    message = llmir(capsys, "import", model, "-o", model.parent / "out", *arguments).error()
    assert tree(model.parent) == before
    return message


def test_missing(tmp_path: Path, capsys: Capture) -> None:
    assert refused(capsys, tmp_path / "absent") == f"{tmp_path}/absent: no such file or folder"


def test_folder_that_is_no_model(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "photos").mkdir()
    message = refused(capsys, tmp_path / "photos")
    assert message.startswith(f"{tmp_path}/photos: not a model, expected a program folder (llmir.json)")


def test_file_that_is_no_model(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert "notes.txt: not a model, expected" in refused(capsys, tmp_path / "notes.txt")


# config.json

Change = dict[str, Any]
CONFIGS: dict[str, tuple[Change, str]] = {
    "unknown architecture": (
        {"architectures": ["BertForMaskedLM"]},
        "architectures is ['BertForMaskedLM'], expected one of LlamaForCausalLM, MistralForCausalLM",
    ),
    "no architecture": ({"architectures": None}, "expected one of LlamaForCausalLM"),
    "architectures is a number": ({"architectures": 5}, "architectures is 5, expected one of LlamaForCausalLM"),
    "architectures of numbers": ({"architectures": [[1]]}, "architectures is [[1]], expected one of"),
    "no hidden size": ({"hidden_size": None}, "needs a positive whole number 'hidden_size', got None"),
    "hidden size is text": ({"hidden_size": "32"}, "needs a positive whole number 'hidden_size', got '32'"),
    "no layers": ({"num_hidden_layers": 0}, "needs a positive whole number 'num_hidden_layers', got 0"),
    "vocabulary is true": ({"vocab_size": True}, "needs a positive whole number 'vocab_size', got True"),
    "heads is a fraction": (
        {"num_attention_heads": 2.5},
        "needs a positive whole number 'num_attention_heads', got 2.5",
    ),
    "no epsilon": ({"rms_norm_eps": None}, "needs a positive number 'rms_norm_eps', got None"),
    "theta is text": ({"rope_theta": "big"}, "needs a positive number 'rope_theta', got 'big'"),
    "theta is negative": ({"rope_theta": -1}, "needs a positive number 'rope_theta', got -1"),
    "theta is infinite": ({"rope_theta": float("inf")}, "needs a positive number 'rope_theta', got inf"),
    "kv heads do not divide": (
        {"num_key_value_heads": 3},
        "4 attention heads cannot share 3 key heads evenly",
    ),
    "odd heads": ({"head_dim": 7}, "head_dim is 7, rotary embeddings need an even one"),
    "gelu": ({"hidden_act": "gelu"}, "hidden_act is 'gelu', the llama architecture here has silu"),
    "quantized": (
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        "the model is already quantized (quantization_config); give the original float model",
    ),
    "yarn": (
        {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
        "rope type 'yarn' is not supported, expected default, linear or llama3",
    ),
    "rope scaling is text": ({"rope_scaling": "linear"}, "rope_scaling is 'linear', expected an object"),
    "linear without a factor": (
        {"rope_scaling": {"type": "linear"}},
        "rope_scaling: needs a positive number 'factor', got None",
    ),
    "llama3 without a context": (
        {"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}},
        "rope_scaling: needs a positive whole number 'original_max_position_embeddings', got None",
    ),
    "half the head rotated": (
        {"partial_rotary_factor": 0.5},
        "partial_rotary_factor is 0.5, only whole heads (1.0) can be rotated",
    ),
    "layers without end": ({"num_hidden_layers": 10**12}, "num_hidden_layers"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_configuration(case: str, tmp_path: Path, capsys: Capture) -> None:
    change, expected = CONFIGS[case]
    config = {key: value for key, value in (SMALL | change).items() if value is not None}
    model = huggingface_folder(tmp_path / "model", SMALL)
    write_json(model / "config.json", config)
    message = refused(capsys, model)
    assert message.startswith(f"{model}/config.json: ")
    assert expected in message


WINDOWS: dict[str, tuple[Config, str]] = {
    "window is text": (config_of("mistral", sliding_window="all"), "positive whole number 'sliding_window', got 'all'"),
    "window is 0": (config_of("mistral", sliding_window=0), "positive whole number 'sliding_window', got 0"),
    "layers without end": (
        config_of("mistral", sliding_window=4, num_hidden_layers=10**12),
        "num_hidden_layers",
    ),
    "kinds of other layers": (
        config_of("mistral", sliding_window=4, layer_types=["sliding_attention"]),
        "layer_types must name sliding_attention or full_attention for each of 2 layers",
    ),
    "kinds is a number": (
        config_of("mistral", sliding_window=4, layer_types=5),
        "layer_types must name sliding_attention or full_attention for each of 2 layers",
    ),
    "unknown kind": (
        config_of("mistral", sliding_window=4, layer_types=["chunked_attention", "full_attention"]),
        "layer_types must name sliding_attention or full_attention for each of 2 layers",
    ),
    "first window is text": (
        config_of("qwen2", use_sliding_window=True, sliding_window=4, max_window_layers="all"),
        "max_window_layers",
    ),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_windows(case: str, tmp_path: Path, capsys: Capture) -> None:
    config, expected = WINDOWS[case]
    model = huggingface_folder(tmp_path / "model", config, {})
    message = refused(capsys, model)
    assert message.startswith(f"{model}/config.json: ")
    assert expected in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", "config.json: not JSON: "),
        (b"\xff\xfe", "config.json: not JSON: "),
        (b"[1]", "config.json: not a JSON object"),
        (b"[" * 100_000, "config.json: not JSON: "),
        (b'{"vocab_size": ' + b"9" * 5000 + b"}", "config.json: not JSON: "),
    ],
)
def test_configuration_that_is_not_json(content: bytes, expected: str, tmp_path: Path, capsys: Capture) -> None:
    model = huggingface_folder(tmp_path / "model", SMALL)
    (model / "config.json").write_bytes(content)
    assert expected in refused(capsys, model)


# Weights


def one_tensor(dtype: Any, offsets: Any, shape: Any = (2, 2)) -> dict[str, Any]:
    return {UP: {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a safetensors file, it has 0 bytes and a header length takes 8"),
    "header larger than the file": (
        struct.pack("<Q", 1 << 40) + b"{}",
        "not a safetensors file, its header claims 1099511627776 bytes of a 10-byte file",
    ),
    "header not JSON": (safetensors_bytes(b"{'a': 1}", b""), "the safetensors header is not JSON: "),
    "header of huge numbers": (safetensors_bytes(b'{"a": ' + b"9" * 5000 + b"}", b""), "header is not JSON: "),
    "header a list": (safetensors_bytes([1], b""), "the safetensors header is not a JSON object"),
    "header nested": (safetensors_bytes(b"[" * 100_000, b""), "the safetensors header is not JSON: "),
    "entry a number": (safetensors_bytes({UP: 1}, b""), "needs dtype, shape and data_offsets, got 1"),
    "shape a number": (safetensors_bytes(one_tensor("F32", [0, 16], 4), bytes(16)), f"tensor '{UP}': "),
    "negative shape": (safetensors_bytes(one_tensor("F32", [0, 16], [-2, -2]), bytes(16)), "whole numbers from 0 up"),
    "unknown dtype": (safetensors_bytes(one_tensor("F4", [0, 16]), bytes(16)), "unknown dtype 'F4', expected"),
    "dtype a list": (safetensors_bytes(one_tensor([], [0, 16]), bytes(16)), "unknown dtype [], expected"),
    "wrong size": (safetensors_bytes(one_tensor("F32", [0, 15]), bytes(16)), "15 bytes of data, but F32 of shape"),
    "absurd size": (
        safetensors_bytes(one_tensor("F32", [0, 1 << 62], [1 << 30, 1 << 30]), bytes(16)),
        "the file is truncated, data ends at byte",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_weights_file(case: str, tmp_path: Path, capsys: Capture) -> None:
    content, expected = FILES[case]
    model = huggingface_folder(tmp_path / "model", SMALL)
    (model / WEIGHTS).write_bytes(content)
    message = refused(capsys, model)
    assert message.startswith(f"{model}/{WEIGHTS}: ")
    assert expected in message


def test_truncated_weights(tmp_path: Path, capsys: Capture) -> None:
    model = huggingface_folder(tmp_path / "model", SMALL)
    content = (model / WEIGHTS).read_bytes()
    (model / WEIGHTS).write_bytes(content[:-1])
    message = refused(capsys, model)
    assert f"the file is truncated, data ends at byte {len(content)} but the file has {len(content) - 1}" in message


def test_no_weights(tmp_path: Path, capsys: Capture) -> None:
    model = huggingface_folder(tmp_path / "model", SMALL)
    (model / WEIGHTS).unlink()
    (model / "pytorch_model.bin").write_bytes(b"\x80\x04")
    message = refused(capsys, model)
    assert message == f"{model}: has neither {WEIGHTS} nor {INDEX}; weights must be safetensors"


def test_missing_tensor(tmp_path: Path, capsys: Capture) -> None:
    weights = random_weights(SMALL)
    del weights[UP]
    message = refused(capsys, huggingface_folder(tmp_path / "model", SMALL, weights))
    assert message.endswith(f"tensor '{UP}' is missing, the configuration needs it with shape [32, 32]")


def test_wrong_shape(tmp_path: Path, capsys: Capture) -> None:
    weights = random_weights(SMALL) | {UP: np.zeros((32, 16), np.float32)}
    message = refused(capsys, huggingface_folder(tmp_path / "model", SMALL, weights))
    assert message.endswith(f"tensor '{UP}' is [32, 16], the configuration needs [32, 32]")


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_wrong_dtype(dtype: Any, tmp_path: Path, capsys: Capture) -> None:
    weights = random_weights(SMALL) | {UP: np.zeros((32, 32), dtype)}
    message = refused(capsys, huggingface_folder(tmp_path / "model", SMALL, weights))
    assert message.endswith(f"tensor '{UP}' is {np.dtype(dtype)}, expected float32, float16 or bfloat16")


def test_missing_shard(tmp_path: Path, capsys: Capture) -> None:
    model = huggingface_folder(tmp_path / "model", SMALL, shards=2)
    (model / "model-00002-of-00002.safetensors").unlink()
    assert refused(capsys, model).endswith(f"{INDEX}: shard model-00002-of-00002.safetensors is missing from {model}")


def test_shard_lacks_a_tensor_of_the_index(tmp_path: Path, capsys: Capture) -> None:
    model = huggingface_folder(tmp_path / "model", SMALL, shards=2)
    index = read_json(model / INDEX)
    here = index["weight_map"][UP]
    other = next(file for file in index["weight_map"].values() if file != here)
    index["weight_map"][UP] = other
    write_json(model / INDEX, index)
    message = refused(capsys, model)
    assert message.endswith(f"{INDEX}: tensor '{UP}' is not in {other}, where the index says it is")


def test_shard_outside_the_folder(tmp_path: Path, capsys: Capture) -> None:
    model = huggingface_folder(tmp_path / "model", SMALL, shards=2)
    write_safetensors(tmp_path / "other.safetensors", random_weights(SMALL))
    write_json(model / INDEX, {"weight_map": {UP: "../other.safetensors"}})
    assert "shard ../other.safetensors is missing" in refused(capsys, model)


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {UP: 1}}])
def test_index(index: Any, tmp_path: Path, capsys: Capture) -> None:
    model = huggingface_folder(tmp_path / "model", SMALL, shards=2)
    write_json(model / INDEX, index)
    assert "needs an object 'weight_map' from tensor names to files" in refused(capsys, model)


# Program folders


@pytest.fixture
def program(tmp_path: Path, capsys: Capture) -> Path:
    model = huggingface_folder(tmp_path / "model", SMALL)
    assert llmir(capsys, "import", model, "-o", tmp_path / "program").status == 0
    return tmp_path / "program"


PROGRAM_FILES: dict[str, tuple[str, bytes | None, str]] = {
    "manifest not JSON": ("llmir.json", b"{", "llmir.json: not JSON: "),
    "manifest nested": ("llmir.json", b"[" * 100_000, "llmir.json: not JSON: "),
    "manifest of huge numbers": ("llmir.json", b"9" * 5000, "llmir.json: not JSON: "),
    "manifest a list": ("llmir.json", b"[]", "not the manifest of a program, it needs a list 'history'"),
    "history of numbers": ("llmir.json", b'{"history": [1]}', "it needs a list 'history' of objects"),
    "history of nothing": ("llmir.json", b'{"history": [{}]}', "it needs a list 'history' of objects"),
    "no module": ("model.mlir", None, "model.mlir: the program's module cannot be read: No such file or directory"),
    "module not UTF-8": ("model.mlir", b"\xff", "model.mlir: not UTF-8 text: "),
    "module not MLIR": ("model.mlir", b"hello", "model.mlir: "),
    "module empty": ("model.mlir", b"", "model.mlir: "),
    "no weights": ("weights.safetensors", None, "weights.safetensors: cannot be read: No such file or directory"),
    "other weights": ("weights.safetensors", safetensors_bytes({}, b""), "there is no tensor 'model.embed_tokens"),
}


@pytest.mark.parametrize("case", PROGRAM_FILES)
def test_program_file(case: str, program: Path, capsys: Capture) -> None:
    file, content, expected = PROGRAM_FILES[case]
    if content is None:
        (program / file).unlink()
    else:
        (program / file).write_bytes(content)
    message = llmir(capsys, "inspect", program).error()
    assert message.startswith(f"{program}/")
    assert expected in message


def test_module_and_weights_disagree(program: Path, capsys: Capture) -> None:
    text = (program / "model.mlir").read_text()
    (program / "model.mlir").write_text(text.replace("32x32xf32", "32x32xf16"))
    message = llmir(capsys, "inspect", program).error()
    assert "is float32 [32, 32], but the module declares float16 [32, 32]" in message


# Values


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("scheme", ["W8A16", "q4f16_1"])
def test_values_that_are_not_finite(value: float, scheme: str, tmp_path: Path, capsys: Capture) -> None:
    weights = random_weights(SMALL)
    weights[UP][3, 5] = value
    model = huggingface_folder(tmp_path / "model", SMALL, weights)
    before = tree(tmp_path)
    message = llmir(capsys, "quantize", model, "-q", scheme, "-o", tmp_path / "out").error()
    assert message == f"tensor '{UP}': value at [3, 5] is {value}; quantization needs finite values"
    assert tree(tmp_path) == before


def test_value_too_large_for_the_cast(tmp_path: Path, capsys: Capture) -> None:
    weights = random_weights(SMALL)
    weights[UP][0, 0] = 1e5
    model = huggingface_folder(tmp_path / "model", SMALL, weights)
    before = tree(tmp_path)
    message = llmir(capsys, "quantize", model, "-q", "q0f16", "-o", tmp_path / "out").error()
    assert message.startswith(f"tensor '{UP}': a magnitude of 100000 does not fit float16; keep a wider type")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("value", [1e38, np.nan])
def test_a_process_says_one_line(value: float, tmp_path: Path) -> None:
    """NumPy's warnings about what it meets on the way are not printed."""
    weights = random_weights(SMALL)
    weights["model.layers.0.self_attn.q_proj.weight"][:] = value
    model = huggingface_folder(tmp_path / "model", SMALL, weights)
    command = [sys.executable, "-m", "llmir.tools.llmir", "run", str(model), "--prompt", "Hello"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    expected = "llmir: error: the model's logits are not finite; its weights or scales are broken\n"
    assert (done.returncode, done.stderr) == (1, expected)


@pytest.mark.parametrize("command", ["eval", "run"])
def test_logits_that_are_not_finite(command: str, tmp_path: Path, capsys: Capture) -> None:
    weights = random_weights(SMALL)
    weights["model.norm.weight"][:] = np.nan
    model = huggingface_folder(tmp_path / "model", SMALL, weights)
    (tmp_path / "text.txt").write_text("some text " * 10)
    given = ("--text", str(tmp_path / "text.txt"), "--context", "16") if command == "eval" else ("--prompt", "Hi")
    message = llmir(capsys, command, model, *given, "--json").error()
    assert message == "the model's logits are not finite; its weights or scales are broken"
