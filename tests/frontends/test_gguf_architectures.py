"""GGUF files of every architecture beyond the Llama family: logits in float64, codes, configurations, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from architectures import random_weights, reference_logits
from gguf import GGMLQuantizationType as Type
from gguf_files import SAID, write
from tiny_models import Array, Config, Encode, huggingface_folder, quantized_tensors

from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.frontends.gguf import open_gguf
from llmir.frontends.huggingface import open_huggingface
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.program import Program

IDS = np.random.default_rng(1).integers(0, 259, 24)


def logits(program: Program) -> Array:
    return compile_numpy(program.module, program.weights).logits(IDS)


def assert_close(ours: Array, theirs: Array, tolerance: float = 1e-5) -> None:
    assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


@pytest.mark.parametrize("name", SAID)
def test_logits(name: str, tmp_path: Path) -> None:
    program = open_gguf(write(tmp_path / "model.gguf", SAID[name]))
    program.module.verify()
    assert program.notes == []
    assert_close(logits(program), reference_logits(SAID[name], random_weights(SAID[name]), IDS))


def test_files_that_say_they_have_no_tokenizer(tmp_path: Path) -> None:
    program = open_gguf(write(tmp_path / "model.gguf", SAID["phi3"], more=lambda w: w.add_tokenizer_model("no_vocab")))
    assert set(program.files) == {"config.json"}


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox", "phi3", "mixtral", "qwen3_moe"])
def test_the_configuration_it_writes_is_the_checkpoints(name: str, tmp_path: Path) -> None:
    """config.json with the checkpoint's own tensors is the same model."""
    program = open_gguf(write(tmp_path / "model.gguf", SAID[name]))
    config = json.loads(program.files["config.json"])
    folder = huggingface_folder(tmp_path / "model", config, random_weights(SAID[name]), tokenizer=False)
    assert_close(logits(open_huggingface(folder)), logits(program))


def wide(name: str) -> Config:
    """A model all of whose rows are blocks of 32."""
    sizes = {"moe_intermediate_size": 64} if name == "qwen3_moe" else {}
    return {**SAID[name], **sizes}


@pytest.mark.parametrize("encoding", [Type.Q8_0, Type.Q4_1, Type.F16])
@pytest.mark.parametrize("name", ["gpt2", "gpt_neox", "gemma2", "phi3", "mixtral", "qwen3_moe"])
def test_codes_are_kept(name: str, encoding: Type, tmp_path: Path) -> None:
    """Experts' too: a quantized file as it is gives what its dequantized values give."""
    config = wide(name)
    encode: Encode = quantized_tensors(encoding)
    if encoding is Type.F16:
        encode = lambda _name, array: (array.astype(np.float16), None)  # noqa: E731
    path = write(tmp_path / "model.gguf", config, encode)
    kept, real = open_gguf(path), open_gguf(path, dequantize=True)
    types = {n: op.type for n, op in weights(kept.module).items()}
    quantized = {n for n, type in types.items() if isinstance(type, QuantizedTensorType)}
    matrices = {n for n, type in types.items() if len(type.get_shape()) == 2}  # pyright: ignore
    assert quantized == (matrices if encoding is not Type.F16 else set())
    assert not any(isinstance(op.type, QuantizedTensorType) for op in weights(real.module).values())
    assert_close(logits(kept), logits(real))
    plain = open_gguf(write(tmp_path / "plain.gguf", config))
    error = np.abs(logits(kept) - logits(plain)).max(axis=1) / np.abs(logits(plain)).max()
    assert 0 < np.median(error) < {Type.Q8_0: 0.05, Type.Q4_1: 0.6, Type.F16: 0.01}[encoding]


def test_quantized_again(tmp_path: Path) -> None:
    """A mixture from GGUF goes through the pipeline like any model."""
    program = open_gguf(write(tmp_path / "model.gguf", SAID["mixtral"]))
    before = logits(program)
    Pipeline.parse("assign-schemes{exclude=lm_head weight-type=i8},quantize-weights,fuse-quantized-ops").run(program)
    error = np.abs(logits(program) - before).max(axis=1) / np.abs(before).max()
    assert np.median(error) < 0.05


REFUSED: list[tuple[str, Callable[[Any], None], str]] = [
    ("mixtral", lambda w: w.add_tensor("rope_freqs.weight", np.ones(8, np.float32)), "with rope_freqs.weight is not"),
    ("gemma2", lambda w: w.add_string("gemma2.rope.scaling.type", "yarn"), "gemma2.rope.scaling.type is 'yarn'"),
    ("gpt_neox", lambda w: w.add_string("gptneox.rope.freq_base", "x"), "needs a positive number 'gptneox.rope"),
]


@pytest.mark.parametrize(("name", "more", "message"), REFUSED)
def test_refused(name: str, more: Callable[[Any], None], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", SAID[name], more=more)
    with pytest.raises(InputError) as e:
        open_gguf(path)
    assert str(e.value).startswith(f"{path}: ")
    assert message in str(e.value)


def test_long_factors_without_short_ones(tmp_path: Path) -> None:
    def more(writer: Any) -> None:
        writer.add_rope_scaling_orig_ctx_len(16)
        writer.add_tensor("rope_factors_long.weight", np.ones(8, np.float32))

    path = write(tmp_path / "model.gguf", SAID["phi3"], more=more)
    with pytest.raises(InputError, match=r"tensor 'rope_factors_short.weight' must be a vector of float32"):
        open_gguf(path)


def test_experts_that_are_missing(tmp_path: Path) -> None:
    """A file that says five experts and holds four."""
    path = write(tmp_path / "model.gguf", SAID["mixtral"])
    content, key = path.read_bytes(), b"llama.expert_count"
    at = content.index(key) + len(key) + 4  # behind the type
    path.write_bytes(content[:at] + (5).to_bytes(4, "little") + content[at + 4 :])
    with pytest.raises(InputError, match=r"ffn_gate_inp.weight' is \[4, 64\], the metadata needs \[5, 64\]"):
        open_gguf(path)


def test_a_missing_table(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer: Any = gguf.GGUFWriter(path, "gemma2")
    writer.add_block_count(1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(InputError, match=r"model.gguf: tensor 'token_embd.weight' is missing"):
        open_gguf(path)
