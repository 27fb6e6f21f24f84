"""GGUF files as programs: codes and row order against the `gguf` package, logits in float64."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from tiny_models import (
    Array,
    Arrays,
    Config,
    byte_ids,
    config_of,
    float32_tensors,
    gguf_name,
    interleave,
    quantized_tensors,
    random_weights,
    reference_logits,
    write_gguf,
)

from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import weights as declared_weights
from llmir.formats.gguf_blocks import DECODABLE
from llmir.frontends.gguf import checkpoint_name, open_gguf
from llmir.frontends.gguf import read_config as read_gguf_config
from llmir.frontends.gguf_file import GGUFFile
from llmir.frontends.huggingface import read_config
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.chat import prompting
from llmir.program.program import Program, open_program
from llmir.program.quantized_weights import read_quantized
from llmir.reports.sizes import size_report

CONFIG = config_of()
IDS = np.random.default_rng(1).integers(0, 259, 16)
CODES = [Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0]
K_PROJ, UP = "model.layers.1.self_attn.k_proj.weight", "model.layers.0.mlp.up_proj.weight"


def rounded(weights: Arrays, kind: Type) -> Arrays:
    """Matrices after a block type's rounding, which does not depend on the order of rows."""

    def matrix(values: Array) -> Array:
        return gguf.quants.dequantize(gguf.quants.quantize(values.astype(np.float32), kind), kind)

    return {name: matrix(w) if w.ndim == 2 else w for name, w in weights.items()}


def assert_logits(program: Program, config: Config, weights: Arrays) -> None:
    ours = compile_numpy(program.module, program.weights).logits(IDS)
    theirs = reference_logits(config, weights, IDS.tolist())
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("config", [CONFIG, config_of(tie_word_embeddings=True), config_of(head_dim=64)])
def test_floats(config: Config, tmp_path: Path) -> None:
    weights = random_weights(config)
    program = open_gguf(write_gguf(tmp_path / "model.gguf", config, weights))
    assert {name: t.read().tobytes() for name, t in program.stored_tensors().items()} == {
        name: w.tobytes() for name, w in weights.items()
    }
    assert_logits(program, config, weights)


@pytest.mark.parametrize("kind", [Type.F16, Type.BF16])
def test_half_floats(kind: Type, tmp_path: Path) -> None:
    """Kept in their own type."""
    weights = random_weights(CONFIG, kind.name.lower())
    path = write_gguf(tmp_path / "model.gguf", CONFIG, weights, quantized_tensors(kind))
    program = open_gguf(path)
    tensors = program.stored_tensors()
    for name in (K_PROJ, UP):
        assert tensors[name].read().tobytes() == weights[name].tobytes()
    assert_logits(program, CONFIG, weights)


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("saved", [False, True])
def test_codes(kind: Type, saved: bool, tmp_path: Path) -> None:
    """Codes, scales and minima decode to what gguf decodes, also after the program was saved and opened."""
    weights = random_weights(CONFIG)
    program = open_gguf(write_gguf(tmp_path / "model.gguf", CONFIG, weights, quantized_tensors(kind)))
    if saved:
        program.save(tmp_path / "program")
        program = open_program(tmp_path / "program")
    expected = rounded(weights, kind)
    for name in (K_PROJ, UP, "model.embed_tokens.weight", "lm_head.weight"):
        type = declared_weights(program.module)[name].type
        assert isinstance(type, QuantizedTensorType)
        decoded = read_quantized(program.weights, name, type).dequantize()
        assert np.allclose(decoded, expected[name], rtol=1e-6, atol=0)
    assert_logits(program, CONFIG, expected)


@pytest.mark.parametrize("kind", CODES)
def test_dequantize(kind: Type, tmp_path: Path) -> None:
    weights = random_weights(CONFIG)
    path = write_gguf(tmp_path / "model.gguf", CONFIG, weights, quantized_tensors(kind))
    program = open_gguf(path, dequantize=True)
    assert {str(t.dtype) for t in program.stored_tensors().values()} == {"float32"}
    assert program.notes == [f"16 tensors of type {kind.name} were dequantized to float32"]
    assert program.history == [{"source": "model.gguf", "format": "gguf", "dequantize": True}]
    assert_logits(program, CONFIG, rounded(weights, kind))


def test_every_quantizer_takes_a_dequantized_file(tmp_path: Path) -> None:
    weights = random_weights(CONFIG)
    path = write_gguf(tmp_path / "model.gguf", CONFIG, weights, quantized_tensors(Type.Q8_0))
    program = open_gguf(path, dequantize=True)
    passes = "assign-schemes{exclude=lm_head weight-type=i8},quantize-weights,fuse-quantized-ops"
    Pipeline.parse(passes).run(program)
    up = rounded(weights, Type.Q8_0)[UP]
    type = declared_weights(program.module)[UP].type
    assert isinstance(type, QuantizedTensorType)
    decoded = read_quantized(program.weights, UP, type).dequantize()
    step = np.abs(up).max(axis=1, keepdims=True) / 128
    assert (np.abs(decoded - up) <= step * 1.001).all()


def test_rows_of_q_and_k() -> None:
    """llama's interleaved order, from its definition: pairs (j, j + D/2) of each head become neighbours."""
    rows = np.arange(16)
    assert interleave(rows, 2).tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_only_llama_interleaves(kind: str, tmp_path: Path) -> None:
    config = config_of(kind, attention_bias=kind == "llama")
    weights = random_weights(config)
    program = open_gguf(write_gguf(tmp_path / "model.gguf", config, weights))
    tensors = program.stored_tensors()
    assert set(tensors) == set(weights)
    for name, values in weights.items():
        assert np.array_equal(tensors[name].read(), values)
    assert np.array_equal(tensors[K_PROJ].rows(3, 40), weights[K_PROJ][3:40])


def test_names() -> None:
    for name in random_weights(config_of("qwen3", attention_bias=True)):
        assert checkpoint_name(gguf_name(name)) == name
    for other in ("blk.0.ffn_gate_inp.weight", "blk.0", "token_types.weight"):
        assert checkpoint_name(other) == other


def test_other_tensors_are_noted(tmp_path: Path) -> None:
    extra = {"blk.0.extra.weight": np.zeros(4, np.float32)}
    program = open_gguf(write_gguf(tmp_path / "model.gguf", CONFIG, random_weights(CONFIG), extra=extra))
    assert program.notes == ["ignored 1 tensors that are not part of the architecture: blk.0.extra.weight"]


def encoded_file(path: Path, kind: Type) -> tuple[Path, Arrays]:
    """A model of rows of 256 whose matrices are blocks of a type, and what llama.cpp's package decodes them to."""
    config = config_of(hidden_size=256, intermediate_size=256, head_dim=64)
    decoded: Arrays = {}
    elements, size = gguf.GGML_QUANT_SIZES[kind]

    def encode(name: str, values: Array) -> tuple[Array, Type | None]:
        if values.ndim == 1:
            return float32_tensors(name, values)
        random = np.random.default_rng(len(name))
        blocks = random.integers(0, 256, (values.shape[0], values.shape[1] // elements, size), np.uint8)
        scales(kind, blocks, random)
        rows = blocks.reshape(values.shape[0], -1)
        decoded[name] = gguf.quants.dequantize(rows, kind)
        return rows, kind

    return write_gguf(path, config, random_weights(config), encode), decoded


def scales(kind: Type, blocks: Array, random: np.random.Generator) -> None:
    """Put small float16 scales, of either sign, where a block type has them; all other bits are random."""
    if kind is Type.MXFP4:
        blocks[..., 0] = 118
        return
    places = {
        Type.Q2_K: (80, 82),
        Type.Q3_K: (108,),
        Type.Q6_K: (208,),
        Type.TQ2_0: (64,),
        Type.Q4_1: (0, 2),
        Type.Q5_1: (0, 2),
    }
    for at in places.get(kind, (0, 2) if kind in (Type.Q4_K, Type.Q5_K) else (0,)):
        halves = random.uniform(-1e-3, 1e-3, blocks.shape[:-1]).astype(np.float16)
        blocks[..., at : at + 2] = halves[..., None].view(np.uint8)


@pytest.mark.parametrize("kind", sorted(DECODABLE), ids=lambda kind: kind.name)
def test_blocks_keep_their_codes(kind: Type, tmp_path: Path) -> None:
    """The logits are those of the dequantized import bit for bit, and of a program that was saved and opened."""
    path, decoded = encoded_file(tmp_path / "model.gguf", kind)
    program = open_gguf(path)
    assert program.notes == []
    for name, weight in declared_weights(program.module).items():
        if name in decoded and "q_proj" not in name and "k_proj" not in name:  # their rows are reordered
            assert isinstance(weight.type, QuantizedTensorType)
            values = read_quantized(program.weights, name, weight.type).dequantize()
            np.testing.assert_array_equal(values, decoded[name])
    kept = compile_numpy(program.module, program.weights).logits(IDS)
    plain = open_gguf(path, dequantize=True)
    np.testing.assert_array_equal(kept, compile_numpy(plain.module, plain.weights).logits(IDS))
    program.save(tmp_path / "program")
    again = open_program(tmp_path / "program")
    np.testing.assert_array_equal(kept, compile_numpy(again.module, again.weights).logits(IDS))


def test_the_size_of_a_k_quant_is_the_files(tmp_path: Path) -> None:
    path, decoded = encoded_file(tmp_path / "model.gguf", Type.Q4_K)
    report = size_report(open_gguf(path))
    found = {t.name: t.bits / t.parameters for t in report.tensors if t.name in decoded}
    assert set(found.values()) == {144 * 8 / 256}


def test_blocks_without_a_quantized_type_become_floats_and_are_noted(tmp_path: Path) -> None:
    path, decoded = encoded_file(tmp_path / "model.gguf", Type.TQ2_0)
    program = open_gguf(path)
    note = "16 tensors of type TQ2_0 were dequantized to float32, no quantized tensor holds their codes"
    assert program.notes == [note]
    name = "model.layers.0.self_attn.o_proj.weight"
    assert np.array_equal(program.stored_tensors()[name].read(), decoded[name])


def fields_of(writer: Any) -> None:
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(4.0)
    writer.add_uint32("llama.attention.sliding_window", 5)
    writer.add_vocab_size(259)


def test_configuration(tmp_path: Path) -> None:
    """The config.json of the program says the same as the file's metadata."""
    config = config_of(head_dim=48, attention_bias=True, mlp_bias=True, rope_theta=2e4)
    program = open_gguf(write_gguf(tmp_path / "model.gguf", config, random_weights(config), more=fields_of))
    written: Any = read_config(json.loads(program.files["config.json"]), "config.json")
    metadata: Any = read_gguf_config(GGUFFile.open(tmp_path / "model.gguf"))
    assert metadata.windows == (5, 5)
    assert dict(written.weight_shapes()) == dict(metadata.weight_shapes())
    expected: Any = read_config(config | {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}, "config.json")
    for key in ("hidden_size", "intermediate_size", "layers", "heads", "kv_heads", "head_dim", "vocab_size"):
        assert getattr(written, key) == getattr(metadata, key) == getattr(expected, key)
    for key in ("qkv_bias", "output_bias", "mlp_bias", "qk_norm", "tied", "rope_scaling"):
        assert getattr(written, key) == getattr(metadata, key) == getattr(expected, key)
    assert metadata.rope_theta == expected.rope_theta
    assert metadata.rms_norm_eps == pytest.approx(expected.rms_norm_eps, rel=1e-6)


def test_rope_factors_divide_frequencies(tmp_path: Path) -> None:
    """With all factors 4 the angles are those of linear scaling by 4, that is of positions a quarter apart."""
    weights = random_weights(CONFIG)
    extra = {"rope_freqs.weight": np.full(16, 4.0, np.float32)}
    factors = open_gguf(write_gguf(tmp_path / "factors.gguf", CONFIG, weights, extra=extra))
    linear = open_gguf(write_gguf(tmp_path / "linear.gguf", CONFIG, weights, more=fields_of))
    plain = open_gguf(write_gguf(tmp_path / "plain.gguf", CONFIG, weights))
    logits = [compile_numpy(p.module, p.weights).logits(IDS)[:5] for p in (factors, linear, plain)]
    assert np.allclose(logits[0], logits[1], atol=1e-5)
    assert np.abs(logits[0] - logits[2]).max() > 1e-2


def test_tokenizer(tmp_path: Path) -> None:
    program = open_gguf(write_gguf(tmp_path / "model.gguf", CONFIG, random_weights(CONFIG)))
    conventions = prompting(program)
    assert conventions.encode("Hé<s>") == [*byte_ids("Hé"), 0]
    assert conventions.stop_ids == {1}
    assert conventions.named_bos() == 0
    assert conventions.bos_id is None
    assert conventions.chat("Hi") == "[user] Hi\n[assistant] "


def test_no_tokenizer(tmp_path: Path) -> None:
    program = open_gguf(write_gguf(tmp_path / "model.gguf", CONFIG, random_weights(CONFIG), tokenizer=False))
    assert set(program.files) == {"config.json"}
