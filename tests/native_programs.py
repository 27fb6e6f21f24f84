"""Tiny programs, plain and quantized in many forms, for tests of whole programs as machine code."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import architectures
import numpy as np
import tiny_models
from numpy.typing import NDArray

from llmir.backends.native.session import NativeSession
from llmir.frontends.registry import open_runnable
from llmir.passes.pipeline import Pipeline
from llmir.program.program import Program

Float = NDArray[Any]

TOKENS = 37
IDS = np.random.default_rng(1).integers(0, 250, TOKENS)
LLAMAS = {
    "llama": tiny_models.config_of(),
    "mistral": tiny_models.config_of("mistral", num_key_value_heads=1, sliding_window=None),
    "qwen2": tiny_models.config_of("qwen2", tie_word_embeddings=True),
    "odd": tiny_models.config_of(
        hidden_size=96, intermediate_size=72, num_attention_heads=3, num_key_value_heads=3, head_dim=20, vocab_size=261
    ),
    "wide": tiny_models.config_of(hidden_size=256, intermediate_size=256, head_dim=64),
}
"""`wide` has inputs of whole super-blocks of 256."""


def program(folder: Path, name: str) -> Program:
    """A model of `LLAMAS` or `architectures.MODELS`, written once."""
    path = folder / name
    config = LLAMAS.get(name) or architectures.MODELS[name]
    if not path.exists():
        kind = tiny_models if name in LLAMAS else architectures
        tiny_models.huggingface_folder(path, config, kind.random_weights(config), tokenizer=False)
    return open_runnable(str(path))


CALIBRATION = "calibration.npy"
"""The file that `calibrate` reads in `QUANTIZED`."""


def _by_layer(mlp: str, **others: str) -> str:
    """Weights of a form for each layer, `mlp` for the gate and the up projection, which are one product."""
    layers = {"gate_proj": mlp, "up_proj": mlp, **others}
    rules = [f"assign-schemes{{modules=*{name} {form}}}" for name, form in layers.items()]
    return ",".join([*rules, "quantize-weights"])


CODED = "_a8_g32"
"""How names of `FORMS` with quantized inputs end."""
_DYNAMIC = "input_dynamic=true},quantize-weights,quantize-activations"
_STATIC = "},calibrate{tokens=CALIBRATION context=37},quantize-weights,quantize-activations"
_QUANTIZE_INPUTS = ",fuse-quantized-ops,quantize-matmul-inputs{type=i8 group-size=32}"
_MXFP4 = "weight_type=f4E2M1FN weight_scale=f8E8M0FNU weight_group_size=32"
_NVFP4 = "weight_type=f4E2M1FN weight_scale=f8E4M3FN weight_scale_scale=f32 weight_group_size=16"

FORMS = {
    "integers": _by_layer(
        q_proj="weight_type=i2 weight_scale=f16 weight_group_size=16",
        k_proj="weight_type=i3",
        v_proj="weight_type=i5 weight_scale=f16 weight_group_size=32",
        o_proj="weight_type=i6 weight_granularity=per_tensor",
        mlp="weight_type=i6 weight_scale=bf16 weight_group_size=64",
        down_proj="weight_type=i2 weight_group_size=128",
        lm_head="weight_type=i7 weight_scale=f16 weight_group_size=256",
    ),
    "offsets": _by_layer(
        q_proj="weight_type=ui2 weight_zero_point=ui2 weight_scale=f16 weight_group_size=32",
        k_proj="weight_type=ui4 weight_min=f16 weight_scale=f16 weight_group_size=32",
        v_proj="weight_type=ui8 weight_min=f32 weight_granularity=per_tensor",
        o_proj="weight_type=ui4 weight_zero_point=f16 weight_scale=f16 weight_group_size=64",
        mlp="weight_type=ui4 weight_zero_point=ui4 weight_group_size=32",
        down_proj="weight_type=i5 weight_zero_point=i5 weight_scale=f16 weight_group_size=32",
        lm_head="weight_type=ui3 weight_min=f32 weight_group_size=64",
    ),
    "floats": _by_layer(
        q_proj=_MXFP4,
        k_proj="weight_type=nf4 weight_group_size=64",
        v_proj="weight_type=f8E5M2 weight_scale=f8E8M0FNU weight_group_size=32",
        o_proj="weight_type=f8E4M3FN weight_group_size=32 weight_group_rows=8",
        mlp=_NVFP4,
        down_proj=_MXFP4,
        lm_head="weight_type=f8E4M3FN",
    ),
    "q2_k_q3_k_q5_k": "assign-gguf-types{type=Q2_K output-tensor-type=Q5_K},quantize-weights",
    "q4_k_q6_k": "assign-gguf-types{type=Q4_K_M},quantize-weights",
}
"""Weights of `wide`, several forms in one program."""

EVEN_FLOATS = _by_layer(
    q_proj=_MXFP4,
    k_proj="weight_type=iq4_nl weight_scale=f16 weight_group_size=32",
    v_proj="weight_type=f4E2M1FN weight_scale=f16 weight_group_size=64",
    o_proj=_NVFP4,
    mlp=_MXFP4,
    down_proj="weight_type=iq4_nl weight_scale=f16 weight_group_size=32",
    lm_head="weight_type=f4E2M1FN",
)
"""Those whose codes stand for multiples of one number, as products of integers need it."""

QUANTIZED = {
    "w4a32_g32": "assign-schemes{weight_type=i4 weight_scale=f16 weight_group_size=32},quantize-weights",
    "nf4": "assign-schemes{weight_type=nf4 weight_group_size=64},quantize-weights",
    "w4a8_g32": "assign-schemes{weight_type=i4 weight_scale=f16 weight_group_size=32 input_type=i8 "
    f"input_granularity=per_group input_group_size=32 {_DYNAMIC}",
    "w4a8_token": "assign-schemes{weight_type=i4 weight_scale=f16 weight_group_size=32 input_type=i8 "
    f"input_granularity=per_token {_DYNAMIC}",
    "w8a8_token": "assign-schemes{weight_type=i8 weight_granularity=per_channel input_type=i8 "
    f"input_granularity=per_token {_DYNAMIC}",
    "w8a8_tensor": "assign-schemes{weight_type=i8 weight_granularity=per_channel input_type=i8 "
    f"input_granularity=per_tensor {_DYNAMIC}",
    "w8a8_static": "assign-schemes{weight_type=i8 weight_granularity=per_channel input_type=i8 "
    f"input_granularity=per_tensor{_STATIC}",
    "w4a8_zero_points_g32": "assign-schemes{weight_type=i4 weight_scale=f16 weight_group_size=32 input_type=ui8 "
    f"input_zero_point=ui8 input_granularity=per_group input_group_size=32 {_DYNAMIC}",
    "w8a8_zero_points_tensor": "assign-schemes{weight_type=i8 weight_granularity=per_channel input_type=ui8 "
    f"input_zero_point=ui8 input_granularity=per_tensor {_DYNAMIC}",
    "w8a8_zero_points_static": "assign-schemes{weight_type=i8 weight_granularity=per_channel input_type=ui8 "
    f"input_zero_point=ui8 input_granularity=per_tensor{_STATIC}",
    **FORMS,
    **{f"{name}{CODED}": form + _QUANTIZE_INPUTS for name, form in (FORMS | {"floats": EVEN_FLOATS}).items()},
}


def has_coded_inputs(scheme: str) -> bool:
    """Whether inputs of products are quantized."""
    return "a8" in scheme


def shares_scales(scheme: str) -> bool:
    """Whether tokens of a call have a scale in common."""
    return scheme.endswith("_tensor")


@cache
def quantized(folder: Path, scheme: str) -> Program:
    """A program of `QUANTIZED`."""
    np.save(folder / CALIBRATION, IDS)
    made = program(folder, "wide" if scheme.removesuffix(CODED) in FORMS else "llama")
    Pipeline.parse(QUANTIZED[scheme].replace("CALIBRATION", str(folder / CALIBRATION))).run(made)
    return made


def assert_close(ours: Float, theirs: Float, tolerance: float) -> None:
    """Differences are at most a part of the largest value."""
    assert ours.shape == theirs.shape
    assert distance(ours, theirs) <= tolerance


def distance(ours: Float, theirs: Float) -> float:
    """The largest difference as a part of the largest value."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def decoded(native: NativeSession, ids: NDArray[np.int64]) -> Float:
    """Logits [T, V], token by token."""
    text = native.new_cache(len(ids))
    return np.array([native.decode(int(id), at, text).copy() for at, id in enumerate(ids)])
