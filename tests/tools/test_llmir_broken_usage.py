"""Options, data and outputs that cannot be used: one line that says so, nothing written or damaged."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import config_of, huggingface_folder, llmir, random_weights, tree, write_gguf

from llmir.tools.quantize_options import NOT_YET

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a tokenizer."""
    return huggingface_folder(tmp_path_factory.mktemp("models") / "bare", tokenizer=False)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose linear inputs are no multiples of 128."""
    config = config_of(hidden_size=96, head_dim=24)
    return huggingface_folder(tmp_path_factory.mktemp("models") / "odd", config)


# Options of quantize

USAGE: dict[str, tuple[list[str], str]] = {
    "nothing": ([], "say how to quantize: -q SCHEME, -c CONFIG or --weight-bit-width N"),
    "unknown scheme": (
        ["-q", "q4f16"],
        "unknown scheme 'q4f16', did you mean 'q4f16_2'?; known are MLC codes (q4f16_1),",
    ),
    "far scheme": (["-q", "zzz"], "unknown scheme 'zzz'; known are MLC codes (q4f16_1), compressed-tensors presets"),
    "refused scheme": (["-q", "q4f16_awq"], "scheme 'q4f16_awq': not available yet: AWQ's search for scales"),
    "two sources": (["-q", "W4A16", "-c", "x.toml"], "-q and -c both say how to quantize; give one"),
    "options and file": (
        ["-c", "x.toml", "--weight-bit-width", "4", "--pad"],
        "-c: the file says how to quantize, --weight-bit-width, --pad would not be used",
    ),
    "options and scheme": (
        ["-q", "W4A16", "--weight-quant-type", "asym", "--input-bit-width", "8"],
        "-q: a scheme says how to quantize, --weight-quant-type, --input-bit-width would not be used; leave -q out",
    ),
    "nothing at all": (
        ["--no-quantize", "-q", "W4A16", "--weight-type", "i4"],
        "--no-quantize leaves everything alone, -q, --weight-type would not be used",
    ),
    "mix of no mix": (["-q", "W4A16", "--pure"], "--pure: for GGUF mixes only, W4A16 is none"),
    "block type": (["-q", "Q4_K_M", "--output-tensor-type", "i4"], "unknown block type 'I4', expected one of Q4_0,"),
    "combination": (
        ["--weight-bit-width", "4", "--weight-param-method", "hqo"],
        "--weight: int, float_scale, hqo, per_group, sym: is asym only",
    ),
    "gptq": (["--weight-bit-width", "4", "--gptq"], "--gptq: not available yet: GPTQ"),
    "attention": (["--quant-sdpa", "eager"], "--quant-sdpa: not available yet: quantized attention and KV caches"),
    "static options without data": (
        ["--weight-bit-width", "8", "--input-bit-width", "8"],
        "the recipe of these options has static input scales, which need data: give --calibration FILE",
    ),
    "samples without data": (["-q", "W8A16", "--samples", "3"], "--samples needs data: give --calibration FILE"),
    "two widths": (
        ["--weight-bit-width", "4", "--weight-type", "i4"],
        "--weight-bit-width and --weight-type both say how wide a weight is; give one",
    ),
    "two widths of a scheme": (
        ["-q", "W4A16", "--weight-bit-width", "4", "--weight-type", "i4"],
        "--weight-bit-width and --weight-type both say how wide a weight is; give one",
    ),
    "fixed by name": (
        ["-q", "q4f16_1", "--group-size", "64"],
        "q4f16_1 fixes its formula, --weight-group-size cannot change it; use a W scheme instead",
    ),
    "cast has no numbers": (
        ["-q", "q0f16", "--weight-method", "mse"],
        "q0f16 fixes its formula, --weight-method cannot change it; use a W scheme instead",
    ),
    "cast has no layers": (
        ["-q", "q0f16", "--exclude", "lm_head"],
        "q0f16 quantizes no layer, there is nothing to select",
    ),
    "static without data": (
        ["-q", "FP8"],
        "FP8 has static input scales, which need data: give --calibration FILE, or use a dynamic scheme",
    ),
    "unknown target": (["-q", "W8A16", "--target", "abacus"], "unknown target 'abacus', expected one of arm-i8mm,"),
    "granularity": (["-q", "W8A16", "--weight-granularity", "foo"], "'foo' is not one of 'per_tensor', 'per_channel'"),
    "width": (["--weight-bit-width", "9"], "'--weight-bit-width': 9 is not in the range 2<=x<=8"),
    "group size": (["-q", "W4A16", "--group-size", "0"], "0 is not in the range x>=1"),
    "threads": (["-q", "W8A16", "--threads", "0"], "'--threads': 0 is not in the range x>=1"),
    "signed input scales": (
        ["--weight-bit-width", "8", "--input-scale-precision", "signed_float_scale"],
        "'signed_float_scale' is not one of 'float_scale', 'po2_scale'",
    ),
    "groups of nothing": (
        ["-q", "W8A16", "--weight-group-dim", "0"],
        "--weight-group-dim 0 is for groups, give --weight-group-size N too",
    ),
    "group dimension": (["-q", "W4A16", "--weight-group-dim", "2"], "'2' is not one of '0', '1'"),
    "unknown option": (["--wieght-type", "i4"], "No such option"),
}


@pytest.mark.parametrize("case", USAGE)
def test_usage(case: str, model: Path, tmp_path: Path, capsys: Capture) -> None:
    options, expected = USAGE[case]
    assert expected in llmir(capsys, "quantize", model, "-o", tmp_path / "out", *options).error(2)
    assert tree(tmp_path) == []


@pytest.mark.parametrize(
    ("flag", "what", "takes_value"),
    [(flag, what, flag in options) for what, (flags, options) in NOT_YET.items() for flag in (*flags, *options)],
)
def test_options_that_are_not_available_yet(flag: str, what: str, takes_value: bool, capsys: Capture) -> None:
    given = [flag, "x"] if takes_value else [flag]
    message = llmir(capsys, "quantize", "no-model", "--weight-bit-width", "4", *given, "--print-pipeline").error(2)
    assert message == f"{flag}: not available yet: {what}"


def test_no_output(model: Path, capsys: Capture) -> None:
    message = llmir(capsys, "quantize", model, "-q", "W8A16").error(2)
    assert message == "give the output folder with -o OUT (or --print-pipeline, or --dry-run)"


def test_unknown_command(capsys: Capture) -> None:
    assert "No such command 'quantise'" in llmir(capsys, "quantise").error(2)


VALUES: dict[str, tuple[list[str], str]] = {
    "type": (["--weight-type", "i9"], "assign-schemes: unknown element format 'i9'"),
    "method": (["-q", "W4A16", "--weight-method", "foo"], "unknown quantization method 'foo', expected one of absmax"),
    "scale": (
        ["-q", "W4A16", "--weight-scale", "f8"],
        "unknown float type 'f8' of weight-scale, expected one of f16, bf16, f32",
    ),
    "zero point": (["-q", "W4A16", "--weight-zero-point", "foo"], "unknown element format 'foo'"),
    "min": (["-q", "W4A16", "--weight-min", "i4"], "unknown float type 'i4' of weight-min, expected one of f16"),
    "zero point and min": (
        ["--weight-bit-width", "4", "--weight-zero-point", "ui4", "--weight-min", "f16"],
        "zp and min exclude each other",
    ),
    "group and tensor": (
        ["-q", "W4A16", "--weight-granularity", "per_tensor", "--group-size", "32"],
        "assign-schemes: ",
    ),
    "groups without a size": (["-q", "W8A16", "--weight-granularity", "per_group"], "assign-schemes: "),
    "unsigned symmetric": (
        ["--weight-type", "ui4"],
        "absmax scales need signed codes, ui4 is unsigned",
    ),
    "minmax symmetric": (
        ["-q", "W4A16", "--weight-method", "minmax"],
        "minmax scales need integer codes with a zero point or a minimum; use absmax",
    ),
    "float with zero point": (
        ["--weight-type", "f8E4M3FN", "--weight-zero-point", "ui8"],
        "f8E4M3FN codes are floats and have no zero point",
    ),
    "exclude": (
        ["-q", "W8A16", "--exclude", "model.layers.7.*"],
        "assign-schemes: pattern 'model.layers.7.*' matches none of 16 layers; the nearest layer is",
    ),
    "mlc with zero points": (
        ["-q", "W4A16_ASYM", "--weight-method", "mlc"],
        "mlc group quantization has signed integer codes and no zero point",
    ),
}


@pytest.mark.parametrize("case", VALUES)
def test_option_values(case: str, model: Path, tmp_path: Path, capsys: Capture) -> None:
    options, expected = VALUES[case]
    assert expected in llmir(capsys, "quantize", model, "-o", tmp_path / "out", *options).error()
    assert tree(tmp_path) == []


def test_group_size_that_does_not_divide(odd: Path, tmp_path: Path, capsys: Capture) -> None:
    message = llmir(capsys, "quantize", odd, "-q", "W4A16", "-o", tmp_path / "out").error()
    assert "layer 'model.layers.0.self_attn.q_proj': " in message
    assert "group_size 128 does not divide its input size 96" in message
    assert tree(tmp_path) == []
    assert llmir(capsys, "quantize", odd, "-q", "W4A16", "--pad", "-o", tmp_path / "out").status == 0


@pytest.mark.parametrize("options", [["--quantize-embedding"], ["--quantize-last-layer"]])
def test_tied_weights_need_one_scheme(options: list[str], tmp_path: Path, capsys: Capture) -> None:
    model = huggingface_folder(tmp_path / "model", config_of(tie_word_embeddings=True))
    before = tree(tmp_path)
    message = llmir(capsys, "quantize", model, "-q", "W8A16", "-o", tmp_path / "out", *options).error()
    assert "weight 'model.embed_tokens.weight' is shared by layers with different schemes, give them one:" in message
    assert "model.embed_tokens: " in message
    assert "lm_head: " in message
    assert tree(tmp_path) == before
    both = ["--quantize-embedding", "--quantize-last-layer"]
    done = llmir(capsys, "quantize", model, "-q", "W8A16", "-o", tmp_path / "out", *both, "--json").json()
    assert {t["type"].split(",")[0] for t in done["tensors"] if "norm" not in t["name"]} == {"i8"}


# Calibration data

STATIC = ["-q", "FP8", "--context", "16", "--calibration"]


def test_calibration_file_is_missing(model: Path, tmp_path: Path, capsys: Capture) -> None:
    message = llmir(capsys, "quantize", model, "-o", tmp_path / "out", *STATIC, "absent.txt").error()
    assert message == "absent.txt: the text cannot be read: No such file or directory"
    assert tree(tmp_path) == []


def test_calibration_without_tokenizer(bare: Path, tmp_path: Path, capsys: Capture) -> None:
    data = text_file(tmp_path, "some text " * 10)
    message = llmir(capsys, "quantize", bare, "-o", tmp_path / "out", *STATIC, data).error()
    assert message.startswith(f"{bare}: has no tokenizer.json, which text needs")
    assert tree(tmp_path) == ["text.txt"]


def test_calibration_text_is_short(model: Path, tmp_path: Path, capsys: Capture) -> None:
    data = text_file(tmp_path, "short")
    message = llmir(capsys, "quantize", model, "-o", tmp_path / "out", *STATIC, data).error()
    assert "shorter than one window of 16 tokens" in message


def test_statistic_is_unknown(model: Path, tmp_path: Path, capsys: Capture) -> None:
    data = text_file(tmp_path, "some text " * 10)
    options = [*STATIC, data, "--statistic", "mode"]
    message = llmir(capsys, "quantize", model, "-o", tmp_path / "out", *options).error()
    assert "calibrate: unknown statistic 'mode', expected" in message


def test_calibration_token_outside_the_vocabulary(model: Path, tmp_path: Path, capsys: Capture) -> None:
    np.save(tmp_path / "ids.npy", np.full(64, 259))
    message = llmir(capsys, "quantize", model, "-o", tmp_path / "out", *STATIC, str(tmp_path / "ids.npy")).error()
    assert "token id 259 is outside the model's vocabulary of 259" in message
    assert tree(tmp_path) == ["ids.npy"]


def test_calibration_that_nothing_needs(model: Path, tmp_path: Path, capsys: Capture) -> None:
    data = text_file(tmp_path, "some text " * 10)
    options = ["-q", "W8A16", "--calibration", data]
    message = llmir(capsys, "quantize", model, "-o", tmp_path / "out", *options).error(2)
    assert message == "W8A16 has no static input scales, --calibration would not be used; leave it out"


def test_calibration_of_an_mllm_configuration(model: Path, tmp_path: Path, capsys: Capture) -> None:
    hints = '{"hints": {"quant_method": "gguf", "gguf_type": "Q4_0", "replace": true}}'
    (tmp_path / "c.json").write_text('{"model.layers.0.self_attn.q_proj.weight": ' + hints + "}")
    data = text_file(tmp_path, "some text " * 10)
    options = ["-c", str(tmp_path / "c.json"), "--calibration", data, "--print-pipeline"]
    message = llmir(capsys, "quantize", model, *options).error(2)
    assert message == "-c with an mllm configuration has no static input scales, leave --calibration out"


# Data of eval and run


def text_file(folder: Path, content: str | bytes) -> str:
    path = folder / "text.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_eval_needs_one_kind_of_data(model: Path, tmp_path: Path, capsys: Capture) -> None:
    expected = "give the data as either --text FILE or --tokens FILE"
    assert llmir(capsys, "eval", model).error(2) == expected
    text = text_file(tmp_path, "text")
    assert llmir(capsys, "eval", model, "--text", text, "--tokens", text).error(2) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"caf\xe9 " * 20, "text.txt: not UTF-8 text: "),
        (b"", "text.txt: 0 tokens are less than one window of 16"),
        (b"fifteen letters", "text.txt: 15 tokens are less than one window of 16"),
    ],
)
def test_eval_text(content: bytes, expected: str, model: Path, tmp_path: Path, capsys: Capture) -> None:
    message = llmir(capsys, "eval", model, "--text", text_file(tmp_path, content), "--context", "16").error()
    assert expected in message


def test_eval_text_is_missing(model: Path, capsys: Capture) -> None:
    message = llmir(capsys, "eval", model, "--text", "absent.txt").error()
    assert message == "absent.txt: the text cannot be read: No such file or directory"


def test_no_tokenizer(bare: Path, tmp_path: Path, capsys: Capture) -> None:
    expected = f"{bare}: has no tokenizer.json, which text needs; give token ids, or add the file"
    assert llmir(capsys, "eval", bare, "--text", text_file(tmp_path, "text")).error() == expected
    assert llmir(capsys, "run", bare, "--prompt", "Hi").error() == expected


TOKENS: dict[str, tuple[str, bytes, str]] = {
    "too large": ("ids.txt", b"1 2 3 259", "ids.txt: token id 259 is outside the model's vocabulary of 259"),
    "negative": ("ids.txt", b"1 2 -3 4", "ids.txt: token id -3 is outside the model's vocabulary of 259"),
    "beyond 64 bits": ("ids.txt", b"1 2 3 99999999999999999999", "ids.txt: not token ids: "),
    "words": ("ids.txt", b"one two three four", "ids.txt: not token ids: "),
    "fractions": ("ids.txt", b"1.5 2 3 4", "ids.txt: not token ids: "),
    "truncated": ("ids.npy", b"\x93NUMPY\x01\x00", "ids.npy: not token ids: "),
    "empty": ("ids.npy", b"", "ids.npy: not token ids: "),
    "pickle": ("ids.npy", b"\x80\x04N.", "ids.npy: not token ids: "),
    "archive": ("ids.npy", b"PK\x03\x04" + bytes(40), "ids.npy: not token ids: "),
}


@pytest.mark.parametrize("case", TOKENS)
def test_eval_tokens(case: str, model: Path, tmp_path: Path, capsys: Capture) -> None:
    name, content, expected = TOKENS[case]
    (tmp_path / name).write_bytes(content)
    message = llmir(capsys, "eval", model, "--tokens", tmp_path / name, "--context", "4").error()
    assert message.startswith(f"{tmp_path}/{expected}")


@pytest.mark.parametrize("ids", [np.zeros((4, 4), np.int64), np.zeros(16), np.array([{}] * 16)])
def test_eval_arrays(ids: Any, model: Path, tmp_path: Path, capsys: Capture) -> None:
    np.save(tmp_path / "ids.npy", ids, allow_pickle=True)
    message = llmir(capsys, "eval", model, "--tokens", tmp_path / "ids.npy", "--context", "4").error()
    assert message.startswith(f"{tmp_path}/ids.npy: ")


def test_eval_options(model: Path, tmp_path: Path, capsys: Capture) -> None:
    text = text_file(tmp_path, "text")
    assert "1 is not in the range x>=2" in llmir(capsys, "eval", model, "--text", text, "--context", "1").error(2)
    assert "'--backend': 'tpu' is not" in llmir(capsys, "eval", model, "--text", text, "--backend", "tpu").error(2)
    assert "--threads" in llmir(capsys, "eval", model, "--text", text, "--threads", "0").error(2)


def test_reference_with_another_vocabulary(model: Path, tmp_path: Path, capsys: Capture) -> None:
    other = huggingface_folder(tmp_path / "other", config_of(vocab_size=300))
    text = text_file(tmp_path, "some text " * 10)
    message = llmir(capsys, "eval", model, "--text", text, "--context", "16", "--reference", other).error()
    assert message.startswith(f"{other}: its vocabulary has 300 tokens, the model's 259;")


RUNS: dict[str, tuple[list[str], int, str]] = {
    "empty": (["--prompt", ""], 1, "the prompt is empty, generation needs at least one token"),
    "not text": (["--prompt", "\udcff"], 1, "the prompt is not UTF-8 text"),
    "negative temperature": (["--prompt", "Hi", "--temperature", "-1"], 2, "temperature must"),
    "no temperature": (["--prompt", "Hi", "--temperature", "nan"], 2, "temperature must"),
    "negative seed": (["--prompt", "Hi", "--seed", "-1"], 2, "seed must be 0 or more, got -1"),
    "no tokens": (["--prompt", "Hi", "-n", "0"], 2, "0 is not in the range x>=1"),
    "too many tokens": (["--prompt", "Hi", "-n", str(10**14)], 1, "out of memory: "),
    "no prompt": ([], 2, "Missing option '-p' / '--prompt'"),
}


@pytest.mark.parametrize("case", RUNS)
def test_run(case: str, model: Path, capsys: Capture) -> None:
    options, status, expected = RUNS[case]
    assert expected in llmir(capsys, "run", model, *options, "--json").error(status)


def test_chat_template(model: Path, tmp_path: Path, capsys: Capture) -> None:
    from tiny_models import write_tokenizer

    folder = shutil.copytree(model, tmp_path / "model")
    write_tokenizer(folder, chat_template=None)
    message = llmir(capsys, "run", folder, "--prompt", "Hi", "--chat").error()
    assert message == f"{folder}: has no chat template; give the prompt without --chat"
    for template in ("{% if %}", "{{ raise_exception('no') }}", "{{ 1 / 0 }}", "{{ range(10 ** 9) }}", "{{ 'a' + 1 }}"):
        write_tokenizer(folder, chat_template=template)
        message = llmir(capsys, "run", folder, "--prompt", "Hi", "--chat").error()
        assert message.startswith(f"{folder}: its chat template fails: ")


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"\xff"])
def test_tokenizer_files(content: bytes, model: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    (folder / "tokenizer_config.json").write_bytes(content)
    assert (
        llmir(capsys, "run", folder, "--prompt", "Hi")
        .error()
        .startswith(f"{folder}: tokenizer_config.json is not JSON: ")
    )
    (folder / "tokenizer.json").write_bytes(content)
    assert f"{folder}: tokenizer.json cannot be used: " in llmir(capsys, "run", folder, "--prompt", "Hi").error()


def test_gguf_without_tokenizer(tmp_path: Path, capsys: Capture) -> None:
    path = write_gguf(tmp_path / "model.gguf", config_of(), random_weights(config_of()), tokenizer=False)
    assert llmir(capsys, "run", path, "--prompt", "Hi").error().startswith(f"{path}: has no tokenizer.json")
