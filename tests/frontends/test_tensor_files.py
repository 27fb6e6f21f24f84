"""Files of no known architecture: safetensors, GGUF and `.mllm` files as flattened programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter, quants
from tiny_models import config_of, huggingface_folder, random_weights, write_safetensors

from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.exporters.mllm import write_mllm
from llmir.formats.mllm import CODES, TYPES
from llmir.frontends.registry import open_model, open_runnable, open_tensors
from llmir.frontends.tensor_file import flattened_program, plain
from llmir.passes.locations import module_name
from llmir.passes.remarks import remark_of
from llmir.program.mllm_file import MllmTensor
from llmir.program.program import Program, open_program
from llmir.program.quantized_weights import read_quantized
from llmir.program.tensors import MemoryTensor, read_chunks

GOLDEN = Path(__file__).parents[1] / "program" / "data" / "mllm"
TENSORS: dict[str, Any] = {
    "h.0.attn.c_attn.weight": np.zeros((6, 4), np.float16),
    "h.0.attn.c_attn.bias": np.zeros(6, np.float16),
    "h.0.mlp.c_fc.weight": np.zeros((5, 4), np.float32),
    "h.0.mlp.c_fc.bias": np.zeros(7, np.float32),
    "h.0.ln_1.weight": np.zeros((4, 1), np.float32),
    "wte.weight": np.zeros((9, 4), np.float32),
    "norm.weight": np.zeros(4, np.float32),
    "conv.weight": np.zeros((2, 2, 2), np.float32),
    "codes.weight": np.zeros((2, 2), np.int32),
    "empty.weight": np.zeros((0, 4), np.float32),
    "lora_a": np.zeros((2, 2), np.float32),
    "fc.weight": np.zeros((2, 2), np.float32),
    "fc.weight.scale": np.zeros(2, np.float32),
}


def layers(program: Program) -> dict[str, str]:
    return {module_name(op): op.name for op in program.module.walk() if op.name in ("llm.linear", "llm.embedding")}


def remarks(program: Program) -> dict[str, str]:
    return {name: said for name, op in weights(program.module).items() if (said := remark_of(op)) is not None}


def test_which_tensors_are_layers() -> None:
    program = flattened_program(Path("m"), {n: plain(MemoryTensor(t)) for n, t in TENSORS.items()}, "test")
    program.module.verify()
    assert layers(program) == {
        "h.0.attn.c_attn": "llm.linear",
        "h.0.mlp.c_fc": "llm.linear",
        "wte": "llm.embedding",
    }
    assert remarks(program) == {
        "h.0.attn.c_attn.bias": "not quantized: the bias of a layer",
        "h.0.mlp.c_fc.bias": "not quantized: its rank is 1, a layer's weight has two dimensions",
        "h.0.ln_1.weight": "not quantized: its name is that of a norm or of positions",
        "norm.weight": "not quantized: its rank is 1, a layer's weight has two dimensions",
        "conv.weight": "not quantized: its rank is 3, a layer's weight has two dimensions",
        "codes.weight": "not quantized: its elements are i32",
        "empty.weight": "not quantized: it has no elements",
        "lora_a": "not quantized: its name does not end in .weight",
        "fc.weight": "not quantized: its parameters would take the place of tensor 'fc.weight.scale'",
        "fc.weight.scale": "not quantized: its rank is 1, a layer's weight has two dimensions",
    }
    text = str(program.module)
    assert "%c_attn = llm.linear(%x, %c_attn.weight) bias(%c_attn.bias)" in text
    assert "%c_fc = llm.linear(%x_1, %c_fc.weight) :" in text
    assert "%wte = llm.embedding(%ids, %wte.weight) : (tensor<?xi64>, tensor<9x4xf32>) -> tensor<?x4xf32>" in text


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model.embed_tokens.weight", "llm.embedding"),
        ("token_embd.weight", "llm.embedding"),
        ("transformer.wpe.weight", "llm.embedding"),
        ("blk.0.ffn_up.weight", "llm.linear"),
        ("lm_head.weight", "llm.linear"),
        ("ln.weight", None),
        ("ln_f.weight", None),
        ("vln.weight", "llm.linear"),
        ("encoder.layer_norm.weight", None),
        ("q_norm.weight", None),
        ("rope_freqs.weight", None),
        ("bn1.weight", None),
    ],
)
def test_names(name: str, kind: str | None) -> None:
    program = flattened_program(Path("m"), {name: plain(MemoryTensor(np.zeros((2, 2), np.float32)))}, "test")
    assert list(layers(program).values()) == ([] if kind is None else [kind])


def test_a_program_folder(tmp_path: Path) -> None:
    """It is written and opened again, every stored type included."""
    dtypes = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")
    tensors = {f"t{n}": np.arange(6).reshape(2, 3).astype(d) for n, d in enumerate(dtypes)}
    program = flattened_program(Path("m"), {n: plain(MemoryTensor(t)) for n, t in tensors.items()}, "test")
    program.save(tmp_path / "out")
    opened = open_program(tmp_path / "out")
    assert str(opened.module) == str(program.module)
    for name, values in tensors.items():
        assert np.array_equal(opened.weights[name].read(), values)
        assert opened.weights[name].dtype == values.dtype


# what opens which file


def test_safetensors_file(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "m.safetensors", TENSORS)
    program = open_model(str(tmp_path / "m.safetensors"))
    assert set(program.weights) == set(TENSORS)
    assert program.history == [{"source": "m.safetensors", "format": "safetensors"}]
    assert program.notes == [
        "only the layers' weights are named (flattened module): to be quantized, inspected and exported, not run"
    ]


def test_folder_of_files(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    write_safetensors(folder / "1.safetensors", {"a.weight": np.zeros((2, 2), np.float32)})
    write_safetensors(folder / "2.safetensors", {"b.weight": np.zeros((2, 2), np.float32)})
    (folder / "tokenizer.json").write_text("{}")
    program = open_model(str(folder))
    assert set(program.weights) == {"a.weight", "b.weight"}
    assert program.files == {"tokenizer.json": b"{}"}
    write_safetensors(folder / "3.safetensors", {"b.weight": np.zeros((2, 2), np.float32)})
    with pytest.raises(InputError, match=r"3\.safetensors: tensor 'b\.weight' is in another file of the folder too"):
        open_model(str(folder))


def test_no_tensors(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "m.safetensors", {})
    with pytest.raises(InputError, match=r"m\.safetensors: holds no tensors"):
        open_model(str(tmp_path / "m.safetensors"))


def test_unknown_architecture(tmp_path: Path) -> None:
    """Only who asks for tensors gets them; the error of the architecture is told to all others."""
    config = config_of()
    folder = huggingface_folder(
        tmp_path / "m", config | {"architectures": ["ElmanForCausalLM"]}, random_weights(config)
    )
    with pytest.raises(InputError, match="architectures is"):
        open_model(str(folder))
    program = open_model(str(folder), flatten=True)
    assert layers(program)["model.layers.0.mlp.up_proj"] == "llm.linear"
    assert set(open_tensors(str(folder)).weights) == set(program.weights)


def test_nothing_runs_it(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "m.safetensors", TENSORS)
    with pytest.raises(InputError, match=r"m\.safetensors: its architecture is not known, so it cannot be run"):
        open_runnable(str(tmp_path / "m.safetensors"))


def test_demo_as_tensors() -> None:
    assert layers(open_tensors("demo"))["model.layers.0.self_attn.q_proj"] == "llm.linear"


# GGUF


def gguf_file(path: Path) -> dict[str, Any]:
    """A file of an architecture nobody knows; its values, encoded where they are blocks."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((4, 256)).astype(np.float32)
    kinds = {"q4_0": GGMLQuantizationType.Q4_0, "q8_0": GGMLQuantizationType.Q8_0}
    tensors = {f"blk.0.{name}.weight": quants.quantize(values, kind) for name, kind in kinds.items()}
    writer = GGUFWriter(path, "elman")
    for (name, raw), kind in zip(tensors.items(), kinds.values(), strict=True):
        writer.add_tensor(name, raw, raw_dtype=kind)
    iq = rng.integers(0, 255, (4, 66), dtype=np.uint8)
    writer.add_tensor("blk.0.iq.weight", iq, raw_dtype=GGMLQuantizationType.IQ2_XXS)
    writer.add_tensor("blk.0.up.weight", values.astype(np.float16))
    writer.add_tensor("ids", np.arange(3, dtype=np.int32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors | {"blk.0.iq.weight": iq, "blk.0.up.weight": values.astype(np.float16)}


def test_gguf(tmp_path: Path) -> None:
    raw = gguf_file(tmp_path / "m.gguf")
    with pytest.raises(InputError, match=r"general\.architecture is 'elman', expected one of"):
        open_model(str(tmp_path / "m.gguf"))
    program = open_model(str(tmp_path / "m.gguf"), flatten=True)
    assert program.notes[1:] == ["general.architecture is 'elman'"]
    assert layers(program) == dict.fromkeys(("blk.0.q4_0", "blk.0.q8_0", "blk.0.up"), "llm.linear")
    for name, kind in (("q4_0", GGMLQuantizationType.Q4_0), ("q8_0", GGMLQuantizationType.Q8_0)):
        weight: Any = weights(program.module)[f"blk.0.{name}.weight"].type
        array = read_quantized(program.weights, f"blk.0.{name}.weight", weight)
        assert np.array_equal(array.dequantize(), quants.dequantize(raw[f"blk.0.{name}.weight"], kind))
        part = program.weights[f"blk.0.{name}.weight.scale"]
        assert np.array_equal(np.concatenate(list(read_chunks(part))), part.read())
    assert np.array_equal(program.weights["blk.0.up.weight"].read(), raw["blk.0.up.weight"])
    assert np.array_equal(program.weights["blk.0.iq.weight"].read(), raw["blk.0.iq.weight"].ravel())
    assert np.array_equal(program.weights["ids"].read(), [0, 1, 2])
    assert remarks(program)["blk.0.iq.weight"] == "not quantized: it is stored as IQ2_XXS"
    assert 'llm.encoding = "IQ2_XXS", llm.encoded_shape = array<i64: 4, 256>' in str(program.module)
    program.save(tmp_path / "out")


# .mllm


@pytest.mark.parametrize("sample", ["v1", "v2_static", "v2_streaming", "prev2"])
def test_mllm(sample: str) -> None:
    program = open_model(str(GOLDEN / f"sample_{sample}.mllm"))
    program.module.verify()
    program.stored_tensors()
    assert layers(program) == ({} if sample == "v1" else {"model.embed_tokens": "llm.embedding"})
    assert program.history[0]["format"] == f"mllm {'pre-v2' if sample == 'prev2' else sample[:2]}"
    packed = weights(program.module)["model.layers.0.self_attn.q_proj.weight"]
    encoding = '{llm.encoding = "Byte", ' if sample != "prev2" else "{"
    assert f"{encoding}llm.remark" in str(packed)


def test_parts_that_collide(tmp_path: Path) -> None:
    """A quantized tensor's scales would be stored under the name of another tensor."""
    path = tmp_path / "m.mllm"
    blocks = MllmTensor(TYPES[CODES["Q8_0"]], (32,), MemoryTensor(np.zeros(34, np.uint8)))
    write_mllm(path, {"w.scale": MllmTensor(TYPES[0], (1,), MemoryTensor(np.zeros(1, np.float32))), "w": blocks})
    with pytest.raises(InputError, match=r"m\.mllm: tensor 'w\.scale' takes the place of a part of quantized 'w'"):
        open_model(str(path))
