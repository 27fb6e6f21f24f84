"""Every architecture: its tensors, text and logits against float64 formulas, its cache, and its quantization."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from architectures import MODELS, SHAPES, random_weights, reference_logits
from tiny_models import Array, Arrays, Config, huggingface_folder
from xdsl.dialects import func
from xdsl.dialects.builtin import TensorType, f32

from llmir.backends.numpy import kernels
from llmir.backends.numpy.session import Session
from llmir.backends.reference.interpreter import Reference
from llmir.dialects.llm.mixture import DispatchOp
from llmir.dialects.llm.model import AttentionOp, RopeOp, ScaleOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import weights
from llmir.dialects.parser import parse_module
from llmir.errors import InputError
from llmir.frontends.decoder import build_module
from llmir.frontends.huggingface import open_huggingface, read_config
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.context import LLMContext
from llmir.program.program import Program
from llmir.reports.sizes import size_report

IDS = np.random.default_rng(1).integers(0, 259, 24)


def program_of(path: Path, config: Config, values: Arrays | None = None) -> Program:
    values = random_weights(config) if values is None else values
    return open_huggingface(huggingface_folder(path, config, values, tokenizer=False))


def session_of(program: Program) -> Session:
    return compile_numpy(program.module, program.weights)


def assert_close(ours: Array, theirs: Array, tolerance: float = 1e-5) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


@pytest.mark.parametrize("name", MODELS)
def test_logits(name: str, tmp_path: Path) -> None:
    """float32 kernels against the published formulas in float64."""
    program = program_of(tmp_path / "model", MODELS[name])
    program.module.verify()
    assert program.notes == []
    assert_close(session_of(program).logits(IDS), reference_logits(MODELS[name], random_weights(MODELS[name]), IDS))


@pytest.mark.parametrize("name", [n for n in MODELS if n != "phi3-long"])
def test_cache(name: str, tmp_path: Path) -> None:
    """A prefill in parts and token by token gives the logits of one pass."""
    session = session_of(program_of(tmp_path / "model", MODELS[name]))
    expected = session.logits(IDS)
    caches = session.new_cache(len(IDS))
    parts = [session.head(session.backbone(IDS[:8], 0, caches)), session.head(session.backbone(IDS[8:15], 8, caches))]
    parts += [session.head(session.backbone(IDS[at : at + 1], at, caches)) for at in range(15, len(IDS))]
    assert_close(np.concatenate(parts), expected)


@pytest.mark.parametrize("name", MODELS)
def test_text(name: str, tmp_path: Path) -> None:
    """The module prints, parses and prints the same, and declares the checkpoint's tensors by their names."""
    config = MODELS[name]
    module = program_of(tmp_path / "model", config).module
    parsed = parse_module(LLMContext.new(), str(module), "test")
    parsed.verify()
    assert str(parsed) == str(module)
    declared = {n: tuple(op.type.get_shape()) for n, op in weights(module).items() if isinstance(op.type, TensorType)}
    turned = config["model_type"] == "gpt2"
    expected = {n: s[::-1] if turned and ".h." in n else s for n, s in SHAPES[config["model_type"]](config).items()}
    assert {n: s for n, s in declared.items() if "rope" not in n} == expected


@pytest.mark.parametrize("name", ["opt", "gpt2", "gpt_neox", "gemma2", "gemma3", "phi3-short", "mixtral", "qwen3_moe"])
def test_the_reference_agrees(name: str, tmp_path: Path) -> None:
    """Operations one by one, by their definitions, give what the kernels give."""
    program = program_of(tmp_path / "model", MODELS[name])
    reference, session = Reference(program.module, program.weights), session_of(program)
    logits, *_ = reference.run("forward", IDS, 0, *(np.zeros_like(c) for c in session.new_cache(len(IDS))))
    assert_close(session.logits(IDS), logits)


SCHEMES = {
    "W8A16": "assign-schemes{exclude=lm_head weight-type=i8 weight-scale=f16},quantize-weights,fuse-quantized-ops",
    "W4A16": "assign-schemes{exclude=lm_head weight-type=i4 weight-group-size=32},quantize-weights,fuse-quantized-ops",
    "W8A8": (
        "assign-schemes{exclude=lm_head weight-type=i8 input-type=i8 input-granularity=per_token input-dynamic=true},"
        "quantize-weights,quantize-activations,fuse-quantized-ops"
    ),
}
TOLERANCES = {"W8A16": 0.1, "W4A16": 0.8, "W8A8": 0.1}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", MODELS)
def test_quantization(name: str, scheme: str, tmp_path: Path) -> None:
    """Every linear layer is codes, experts too; what is not says why; the program runs and is close to the original.

    Tokens that a mixture routes to other experts than before are left out of the comparison.
    """
    program = program_of(tmp_path / "model", MODELS[name])
    before = session_of(program).logits(IDS)
    Pipeline.parse(SCHEMES[scheme]).run(program)
    report = size_report(program)
    left = {t.name: t.reason for t in report.tensors if len(t.shape) == 2 and not t.quantized}
    allowed = ("excluded by the recipe", "the recipe is for linear layers", "router of a mixture of experts")
    assert all(reason is not None and reason.endswith(allowed) for reason in left.values()), left
    matrices = [n for n in left if not n.endswith((".gate.weight", "wte.weight", "wpe.weight"))]
    assert all("embed" in n or "lm_head" in n for n in matrices), matrices
    after = session_of(program).logits(IDS)
    error = np.abs(after - before).max(axis=1) / np.abs(before).max()
    mixture = any(isinstance(op, DispatchOp) for op in program.module.walk())
    assert np.median(error) < TOLERANCES[scheme]
    assert mixture or error.max() < TOLERANCES[scheme]


def test_static_inputs_of_experts(tmp_path: Path) -> None:
    """Each expert's input is calibrated on the tokens routed to it; too few tokens are an error that says so."""
    program = program_of(tmp_path / "model", MODELS["qwen3_moe"])
    tokens = tmp_path / "tokens.npy"
    np.save(tokens, np.random.default_rng(0).integers(0, 259, 256))
    static = (
        "assign-schemes{exclude=lm_head weight-type=f8E4M3FN input-type=f8E4M3FN},"
        f'calibrate{{tokens="{tokens}" context=CONTEXT samples=SAMPLES}},quantize-weights,quantize-activations,'
        "fuse-quantized-ops"
    )
    before = session_of(program).logits(IDS)
    with pytest.raises(InputError, match="no token is routed to it; give more data or use a dynamic scheme"):
        Pipeline.parse(static.replace("CONTEXT", "2").replace("SAMPLES", "1")).run(program)
    program = program_of(tmp_path / "again", MODELS["qwen3_moe"])
    Pipeline.parse(static.replace("CONTEXT", "64").replace("SAMPLES", "4")).run(program)
    error = np.abs(session_of(program).logits(IDS) - before).max(axis=1) / np.abs(before).max()
    assert np.median(error) < 0.2


def test_only_routed_tokens_are_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All experts of a layer together see tokens times top_k rows, and of one token most see none."""
    session = session_of(program_of(tmp_path / "model", MODELS["qwen3_moe"]))
    rows: list[int] = []

    def counted(*arguments: Any, expert: int) -> Array:
        routed = dispatch(*arguments, expert=expert)
        rows.append(len(routed))
        return routed

    dispatch = kernels.dispatch
    monkeypatch.setattr(kernels, "dispatch", counted)
    all_at_once = session.logits(IDS)
    assert [sum(rows[:8]), sum(rows[8:])] == [24 * 3, 24 * 3]
    rows.clear()
    alone = session.logits(IDS[:1])
    assert sorted(rows[:8]) == sorted(rows[8:]) == [0] * 5 + [1] * 3
    assert_close(alone, all_at_once[:1])


def test_fused_experts(tmp_path: Path) -> None:
    """A file that holds a block's experts in one tensor gives the same program."""
    for name, module, parts in (
        ("mixtral", "block_sparse_moe", ("w1", "w3", "w2")),
        ("qwen3_moe", "mlp", ("gate_proj", "up_proj", "down_proj")),
    ):
        config, values = MODELS[name], random_weights(MODELS[name])
        fused = {n: v for n, v in values.items() if ".experts." not in n}
        for layer in range(2):
            block = f"model.layers.{layer}.{module}.experts"
            count = len({n.split(".")[5] for n in values if n.startswith(block)})
            gate, up, down = (np.stack([values[f"{block}.{e}.{part}.weight"] for e in range(count)]) for part in parts)
            fused[f"{block}.gate_up_proj"] = np.concatenate([gate, up], axis=1)
            fused[f"{block}.down_proj"] = down
        program = program_of(tmp_path / name, config, fused)
        assert program.notes == []
        stored = {n: t.read().tobytes() for n, t in program.stored_tensors().items()}
        assert stored == {n: v.tobytes() for n, v in values.items()}


def test_fused_experts_of_another_size(tmp_path: Path) -> None:
    config = MODELS["mixtral"]
    values = {n: v for n, v in random_weights(config).items() if ".experts." not in n}
    values["model.layers.0.block_sparse_moe.experts.gate_up_proj"] = np.zeros((4, 100, 64), np.float32)
    with pytest.raises(InputError, match=r"gate_up_proj' is \[4, 100, 64\], the configuration needs \[96, 64\]"):
        program_of(tmp_path / "model", config, values)


@pytest.mark.parametrize(
    ("name", "begin", "other"),
    [
        ("gpt2", "transformer.", ""),
        ("opt", "model.decoder.", "decoder."),
        ("gpt_neox", "embed_out", "lm_head"),
        ("gpt_neox", "gpt_neox.", ""),
        ("gemma3", "model.", "model.language_model."),
    ],
)
def test_other_names(name: str, begin: str, other: str, tmp_path: Path) -> None:
    """Files of the base model, and of earlier versions, name tensors in other ways."""
    config, values = MODELS[name], random_weights(MODELS[name])
    renamed = {other + n[len(begin) :] if n.startswith(begin) else n: v for n, v in values.items()}
    assert renamed.keys() != values.keys()
    program = program_of(tmp_path / "model", config, renamed)
    assert program.notes == []
    assert_close(session_of(program).logits(IDS), reference_logits(config, values, IDS))


def test_the_text_model_of_gemma3(tmp_path: Path) -> None:
    """What belongs to images is left out, and said."""
    text, values = MODELS["gemma3"], random_weights(MODELS["gemma3"])
    config = {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "text_config": text}
    stored = {f"language_model.{n}": v for n, v in values.items()}
    stored["vision_tower.post_layernorm.bias"] = np.zeros(4, np.float32)
    program = program_of(tmp_path / "model", config, stored)
    assert program.notes == [
        "ignored 1 tensors that are not part of the architecture: vision_tower.post_layernorm.bias"
    ]
    assert_close(session_of(program).logits(IDS), reference_logits(text, values, IDS))


def test_windows_and_rotations_alternate() -> None:
    """Gemma 3: layers with a window have the local theta, the others the global one and its scaling."""
    decoder = read_config(MODELS["gemma3-scaled"], "test")

    module = build_module(decoder, {n: TensorType(f32, s) for n, s in decoder.weight_shapes()})
    blocks = [op for op in module.walk() if isinstance(op, func.FuncOp) and "layers" in op.sym_name.data]
    said: list[tuple[Any, ...]] = []
    for block in blocks:
        rope = next(op for op in block.walk() if isinstance(op, RopeOp))
        attention = next(op for op in block.walk() if isinstance(op, AttentionOp))
        window = None if attention.window is None else attention.window.value.data
        said.append((rope.theta.value.data, rope.scaling is not None, window))
    assert said == [(300.0, False, 7), (5e4, True, None), (300.0, False, 7)]


@pytest.mark.parametrize(("dtype", "factor"), [("f32", np.float32(96**0.5)), ("bf16", 9.8125), ("f16", 9.796875)])
def test_embedding_scale_is_rounded_to_the_stored_type(dtype: str, factor: float, tmp_path: Path) -> None:
    """sqrt(96) = 9.79796 in bfloat16 is 9.8125."""
    config = {**MODELS["gemma2"], "hidden_size": 96}
    program = program_of(tmp_path / "model", config, random_weights(config, dtype))
    (scale,) = [op for op in program.module.walk() if isinstance(op, ScaleOp)]
    assert scale.factor.value.data == factor


def test_bfloat16(tmp_path: Path) -> None:
    """Stored bytes are kept, transposed ones too, and used as they are."""
    for name in ("gpt2", "gemma2", "mixtral"):
        config, values = MODELS[name], random_weights(MODELS[name], "bf16")
        program = program_of(tmp_path / name, config, values)
        assert {str(t.dtype) for t in program.stored_tensors().values()} == {"bfloat16"}
        assert_close(session_of(program).logits(IDS), reference_logits(config, values, IDS))


def test_rope_factors_are_not_cast(tmp_path: Path) -> None:
    """float16 factors would turn far tokens by wrong angles."""
    program = program_of(tmp_path / "model", MODELS["phi3-long"])
    Pipeline.parse("cast-weights{type=f16}").run(program)
    types = {n: str(op.type) for n, op in weights(program.module).items()}
    assert types.pop("model.rope_short_factors") == types.pop("model.rope_long_factors") == "tensor<4xf32>"
    assert all("f16" in t for t in types.values())


def test_long_rope_chooses_by_the_last_position(tmp_path: Path) -> None:
    """16 tokens use the short factors, 17 the long ones for all of them."""
    session = session_of(program_of(tmp_path / "model", MODELS["phi3-long"]))
    expected = {
        n: reference_logits(MODELS["phi3-long"], random_weights(MODELS["phi3-long"]), IDS[:n]) for n in (16, 17)
    }
    for count, logits in expected.items():
        assert_close(session.logits(IDS[:count]), logits)
    assert np.abs(expected[17][:16] - expected[16]).max() > 0.1


@pytest.mark.parametrize("name", ["opt", "gpt2"])
def test_more_tokens_than_positions(name: str, tmp_path: Path) -> None:
    session = session_of(program_of(tmp_path / "model", MODELS[name]))
    session.logits(np.zeros(48, np.int64))
    with pytest.raises(InputError, match="the model has learned positions for 48 tokens, 49 are too many"):
        session.logits(np.zeros(49, np.int64))


REFUSED: list[tuple[str, Config, str]] = [
    ("gpt2", {"n_head": 5}, "n_embd is 64, which 5 heads cannot share evenly"),
    ("gpt2", {"activation_function": "mish"}, "activation_function is 'mish', expected silu or swish or relu"),
    ("gpt2", {"add_cross_attention": True}, "add_cross_attention is True, only False is supported"),
    ("gpt2", {"scale_attn_weights": "yes"}, "scale_attn_weights is 'yes', expected true or false"),
    ("gpt2", {"n_layer": 10**6}, "n_layer is 1000000, at most 10000 are read"),
    ("opt", {"num_attention_heads": 5}, "hidden_size is 64, which 5 heads cannot share evenly"),
    ("opt", {"ffn_dim": None}, "needs a positive whole number 'ffn_dim', got None"),
    ("gpt_neox", {"num_attention_heads": 5}, "hidden_size is 64, which 5 heads cannot share evenly"),
    ("gpt_neox", {"rotary_pct": 0.2}, "3 elements of a head of 16 are rotated, expected even numbers"),
    ("gpt_neox", {"rope_scaling": {"type": "yarn"}}, "rope type 'yarn' is not supported"),
    ("gemma2", {"hidden_activation": "silu"}, "hidden_activation is 'silu', expected gelu or gelu_new"),
    ("gemma2", {"use_bidirectional_attention": True}, "use_bidirectional_attention is true, only causal"),
    ("gemma2", {"layer_types": ["full_attention"]}, "layer_types must name sliding_attention or full_attention"),
    ("gemma2", {"attn_logit_softcapping": -1}, "needs a positive number 'attn_logit_softcapping', got -1"),
    ("gemma3", {"rope_scaling": {"rope_type": "dynamic"}}, "rope type 'dynamic' is not supported"),
    ("phi3", {"attention_bias": True}, "attention_bias is True, only False is supported"),
    ("phi3", {"hidden_act": "gelu"}, "hidden_act is 'gelu', the phi3 architecture here has silu"),
    ("phi3", {"partial_rotary_factor": 0.2}, "3 elements of a head of 16 are rotated, expected an even number"),
    ("phi3-long", {"rope_scaling": {"type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}}, "short_factor"),
    (
        "phi3-long",
        {"rope_scaling": {"type": "longrope", "short_factor": [1, 1, 1, 0], "long_factor": [1, 1, 1, 1]}},
        "short_factor must be positive numbers",
    ),
    ("mixtral", {"num_experts_per_tok": 5}, "5 experts are chosen for a token, but there are 4"),
    ("mixtral", {"num_local_experts": 10**6}, "num_local_experts is 1000000, at most 4096 are read"),
    ("qwen3_moe", {"mlp_only_layers": ["a"]}, "mlp_only_layers is ['a'], expected a list of layer numbers"),
]


@pytest.mark.parametrize(("name", "change", "message"), REFUSED)
def test_refused(name: str, change: Config, message: str) -> None:
    with pytest.raises(InputError) as e:
        read_config({**MODELS[name], **change}, "config.json")
    assert str(e.value).startswith("config.json: ")
    assert message in str(e.value)


def test_refused_without_a_text_model() -> None:
    with pytest.raises(InputError, match="needs an object 'text_config'"):
        read_config({"architectures": ["Gemma3ForConditionalGeneration"]}, "config.json")


def test_missing_tensor(tmp_path: Path) -> None:
    values = random_weights(MODELS["mixtral"])
    del values["model.layers.1.block_sparse_moe.experts.2.w3.weight"]
    with pytest.raises(InputError, match=r"experts.2.w3.weight' is missing, .* needs it with shape \[96, 64\]"):
        program_of(tmp_path / "model", MODELS["mixtral"], values)


def test_sizes_count_experts(tmp_path: Path) -> None:
    """Bits per weight are of all experts, not of those a token uses."""
    program = program_of(tmp_path / "model", MODELS["mixtral"])
    Pipeline.parse(SCHEMES["W4A16"]).run(program)
    report = size_report(program)
    experts = [t for t in report.tensors if ".experts." in t.name]
    assert len(experts) == 2 * 4 * 3
    assert all(t.quantized and t.kind == "linear" for t in experts)
    assert sum(t.parameters for t in experts) == 2 * 4 * 3 * 64 * 96
    assert report.parameters == sum(v.size for v in random_weights(MODELS["mixtral"]).values())


def test_a_router_is_quantized_when_it_is_asked_for(tmp_path: Path) -> None:
    program = program_of(tmp_path / "model", MODELS["mixtral"])
    Pipeline.parse("assign-schemes{modules=*.gate ops=router weight-type=i8},quantize-weights").run(program)
    types = {n: op.type for n, op in weights(program.module).items()}
    quantized = [n for n, type in types.items() if isinstance(type, QuantizedTensorType)]
    assert quantized == [f"model.layers.{layer}.block_sparse_moe.gate.weight" for layer in range(2)]
