"""assign-schemes: which layers get a scheme, what the options say in it, and what is refused."""

# ruff: noqa: E501  (MLIR text and tables of cases are not wrapped)

from __future__ import annotations

import re

import pytest
from tiny_model import layers, passed, tiny_program
from xdsl.dialects.builtin import StringAttr

from llmir.errors import InputError, UsageError
from llmir.passes.pipeline import Pipeline
from llmir.program.program import Program

LINEARS = sorted(name for name in layers(tiny_program().module) if name != "model.embed_tokens")


def schemes(program: Program) -> dict[str, str]:
    return {
        n: str(op.attributes["llm.scheme"]) for n, op in layers(program.module).items() if "llm.scheme" in op.attributes
    }


def remarks(program: Program) -> dict[str, str]:
    found = {n: op.attributes.get("llm.remark") for n, op in layers(program.module).items()}
    return {n: r.data for n, r in found.items() if isinstance(r, StringAttr)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", set(LINEARS)),
        ("ops=embedding", {"model.embed_tokens"}),
        ("ops=linear,embedding", {*LINEARS, "model.embed_tokens"}),
        ('modules="lm_head"', {"lm_head"}),
        ('modules="*.mlp.*","lm_head"', {n for n in LINEARS if ".mlp." in n} | {"lm_head"}),
        ('modules="model.layers.[1]*.q_proj"', {"model.layers.1.self_attn.q_proj"}),
        ('exclude="lm_head","*.0.*"', {n for n in LINEARS if n.startswith("model.layers.1")}),
        ('modules="*.mlp.*" exclude="*.down_proj"', {n for n in LINEARS if "gate" in n or "up" in n}),
    ],
)
def test_selected_layers(options: str, expected: set[str]) -> None:
    program = passed(f"assign-schemes{{weight-type=i8 {options}}}".replace(" }", "}"))
    assert set(schemes(program)) == expected


def test_the_rest_carries_remarks_that_say_why() -> None:
    program = passed('assign-schemes{weight-type=i8 modules="model.*" exclude="*.q_proj"}')
    said = remarks(program)
    assert said["model.embed_tokens"] == "not quantized: the recipe is for linear layers"
    assert said["lm_head"] == "not quantized: matched by no rule of the recipe"
    assert said["model.layers.0.self_attn.q_proj"] == "not quantized: excluded by the recipe"
    assert not set(said) & set(schemes(program))


def test_a_later_rule_replaces_an_earlier_one() -> None:
    program = passed('assign-schemes{weight-type=i8},assign-schemes{weight-type=i4 modules="lm_head"}')
    found = schemes(program)
    assert "<i4," in found.pop("lm_head")
    assert all("<i8," in scheme for scheme in found.values())


def test_a_layer_with_a_scheme_loses_its_remark() -> None:
    program = passed('assign-schemes{weight-type=i8 modules="lm_head"},assign-schemes{weight-type=i8}')
    assert set(remarks(program)) == {"model.embed_tokens"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("weight-type=i8", "weight=#llm.quantization<i8, scale=f32, granularity=per_channel, method=absmax>"),
        ("weight-type=ui4 weight-zero-point=ui4", "weight=#llm.quantization<ui4, scale=f32, zp=ui4, granularity=per_channel, method=minmax>"),
        ("weight-type=ui4 weight-zero-point=f16", "weight=#llm.quantization<ui4, scale=f32, zp=f16, granularity=per_channel, method=minmax>"),
        ("weight-type=ui4 weight-min=f16", "weight=#llm.quantization<ui4, scale=f32, min=f16, granularity=per_channel, method=minmax>"),
        ("weight-type=f8E4M3FN weight-scale=bf16", "weight=#llm.quantization<f8E4M3FN, scale=bf16, granularity=per_channel, method=absmax>"),
        ("weight-type=i4 weight-group-size=16", "weight=#llm.quantization<i4, scale=f32, granularity=per_group, group_size=16, method=absmax>"),
        ("weight-type=i4 weight-group-size=10 weight-group-axis=0", "weight=#llm.quantization<i4, scale=f32, granularity=per_group, group_size=10, axis=0, method=absmax>"),
        ("weight-type=i4 weight-group-size=16 weight-group-axis=1", "weight=#llm.quantization<i4, scale=f32, granularity=per_group, group_size=16, method=absmax>"),
        ("weight-type=ui4 weight-zero-point=ui4 weight-narrow-range=true", "weight=#llm.quantization<ui4, scale=f32, zp=ui4, granularity=per_channel, method=minmax, narrow_range=true>"),
        ("input-type=i8 input-scale=f8E8M0FNU input-scale-rounding=ceil input-dynamic=true", "input=#llm.quantization<i8, scale=f8E8M0FNU, granularity=per_tensor, method=absmax, scale_rounding=ceil, dynamic=true>"),
        ("weight-type=i4 weight-granularity=per_tensor", "weight=#llm.quantization<i4, scale=f32, granularity=per_tensor, method=absmax>"),
        ("weight-type=i4 weight-method=mse", "weight=#llm.quantization<i4, scale=f32, granularity=per_channel, method=mse>"),
        ("weight-type=i4 weight-narrow-range=true", "weight=#llm.quantization<i4, scale=f32, granularity=per_channel, method=absmax, narrow_range=true>"),
        ("weight-type=i4 weight-group-size=20 weight-pad=true", "weight=#llm.quantization<i4, scale=f32, granularity=per_group, group_size=20, method=absmax, pad=true>"),
        ("weight-type=f8E4M3FN weight-group-size=16 weight-group-rows=20", "weight=#llm.quantization<f8E4M3FN, scale=f32, granularity=per_group, group_size=16, group_rows=20, method=absmax>"),
        ("input-type=i8 input-dynamic=true input-group-size=20 input-pad=true", "input=#llm.quantization<i8, scale=f32, granularity=per_group, group_size=20, method=absmax, pad=true, dynamic=true>"),
        ("weight-type=e3m4", "weight=#llm.quantization<!llm.minifloat<e3m4>, scale=f32, granularity=per_channel, method=absmax>"),
        ("weight-type=ocp_e4m3", "weight=#llm.quantization<!llm.minifloat<e4m3, ocp>, scale=f32, granularity=per_channel, method=absmax>"),
        ("weight-type=fnuz_e5m2", "weight=#llm.quantization<!llm.minifloat<e5m2, fnuz>, scale=f32, granularity=per_channel, method=absmax>"),
        ("weight-type=nf4 weight-group-size=16", "weight=#llm.quantization<!llm.codebook<nf4>, scale=f32, granularity=per_group, group_size=16, method=absmax>"),
        ('weight-type="codebook:[-1, 0, 0.5, 1]"', "weight=#llm.quantization<!llm.codebook<2, [-1.0, 0.0, 0.5, 1.0]>, scale=f32, granularity=per_channel, method=absmax>"),
        ("weight-type=f4E2M1FN weight-scale=f8E8M0FNU weight-group-size=32", "weight=#llm.quantization<f4E2M1FN, scale=f8E8M0FNU, granularity=per_group, group_size=32, method=absmax>"),
        ("weight-type=i8 weight-scale=f8E8M0FNU weight-scale-rounding=floor", "weight=#llm.quantization<i8, scale=f8E8M0FNU, granularity=per_channel, method=absmax, scale_rounding=floor>"),
        ("weight-type=f4E2M1FN weight-scale=f8E4M3FN weight-scale-scale=f32 weight-group-size=16", "weight=#llm.quantization<f4E2M1FN, scale=!llm.scale<f8E4M3FN, scale=f32>, granularity=per_group, group_size=16, method=absmax>"),
        ("weight-type=ui4 weight-scale=ui6 weight-scale-scale=f16 weight-scale-group-size=2 weight-min=ui6 weight-min-scale=f16 weight-min-group-size=2 weight-group-size=16 weight-method=gguf", "weight=#llm.quantization<ui4, scale=!llm.scale<ui6, scale=f16, group_size=2>, min=!llm.scale<ui6, scale=f16, group_size=2>, granularity=per_group, group_size=16, method=gguf>"),
        ("weight-type=ui4 weight-zero-point=ui6 weight-zero-point-scale=f16 weight-zero-point-group-size=2 weight-group-size=16", "weight=#llm.quantization<ui4, scale=f32, zp=!llm.scale<ui6, scale=f16, group_size=2>, granularity=per_group, group_size=16, method=minmax>"),
        ("input-type=i8 input-scale=f8E8M0FNU input-scale-rounding=ceil", "input=#llm.quantization<i8, scale=f8E8M0FNU, granularity=per_tensor, method=absmax, scale_rounding=ceil>"),
        ("input-type=f4E2M1FN input-scale=f8E4M3FN input-scale-scale=f32 input-scale-group-size=2 input-group-size=16 input-dynamic=true", "input=#llm.quantization<f4E2M1FN, scale=!llm.scale<f8E4M3FN, scale=f32, group_size=2>, granularity=per_group, group_size=16, method=absmax, dynamic=true>"),
        ("input-type=i8", "input=#llm.quantization<i8, scale=f32, granularity=per_tensor, method=absmax>"),
        ("input-type=ui8 input-zero-point=ui8", "input=#llm.quantization<ui8, scale=f32, zp=ui8, granularity=per_tensor, method=minmax>"),
        ("input-type=i8 input-scale=f16", "input=#llm.quantization<i8, scale=f16, granularity=per_tensor, method=absmax>"),
        ("input-type=i8 input-dynamic=true input-granularity=per_token", "input=#llm.quantization<i8, scale=f32, granularity=per_token, method=absmax, dynamic=true>"),
        ("input-type=i8 input-dynamic=true input-group-size=8", "input=#llm.quantization<i8, scale=f32, granularity=per_group, group_size=8, method=absmax, dynamic=true>"),
    ],
)  # fmt: skip
def test_every_option_shows_in_the_scheme(options: str, expected: str) -> None:
    program = passed(f"assign-schemes{{{options} modules=lm_head}}")
    assert schemes(program) == {"lm_head": f"#llm.scheme<{expected}>"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ('weight-type=i8 modules="lm_heed"', "pattern 'lm_heed' matches none of 16 layers; the nearest layer is 'lm_head'"),
        ('weight-type=i8 exclude="nothing*"', "pattern 'nothing*' matches none of 16 layers"),
        ("weight-type=i8 ops=conv", "unknown kind of layer 'conv', expected linear, embedding, router"),
        ("", "a scheme quantizes the weight, the input or both"),
        ("weight-type=i9", "unknown element format 'i9'"),
        ("weight-type=i8 weight-scale=f8", "unknown float type 'f8' of weight-scale, expected one of f16, bf16, f32, f64, f8E8M0FNU, or a type of codes together with weight-scale-scale"),
        ("weight-type=i8 weight-scale=ui6 weight-scale-scale=f8", "unknown float type 'f8', expected one of f16, bf16, f32, f64"),
        ("weight-type=i8 weight-scale=ui9 weight-scale-scale=f16", "unknown element format 'ui9'"),
        ("weight-type=i8 weight-scale=nf4 weight-scale-scale=f16", "weight-scale is nf4; codes of scales are integers or floats"),
        ("weight-type=i8 weight-scale-group-size=8", "weight-scale-group-size is for a second level of scales; give weight-scale-scale too"),
        ("weight-type=ui4 weight-min-scale=f16", "weight-min-scale and weight-min-group-size need weight-min"),
        ("weight-type=ui4 weight-zero-point-group-size=2", "weight-zero-point-scale and weight-zero-point-group-size need weight-zero-point"),
        ("weight-type=ui4 weight-zero-point=e3m4", "zero points are integers or f16, bf16, f32, f64, got e3m4"),
        ("weight-type=i8 weight-scale=f8E8M0FNU weight-scale-rounding=up", "unknown scale rounding 'up', expected one of mx, floor, ceil, round, midmax"),
        ("weight-type=i8 weight-scale=f8E8M0FNU weight-scale-rounding=midmax", "midmax rounds the scales of float codes; use mx, floor, ceil or round for integers"),
        ("weight-type=ui4 weight-zero-point=ui4 weight-scale=f8E8M0FNU weight-scale-rounding=midmax", "midmax rounds the scales of symmetric float codes; use mx, floor, ceil or round"),
        ("weight-type=i8 weight-scale-rounding=ceil", "scale_rounding is for scales that are powers of two, f32 scales are not; use scale=f8E8M0FNU"),
        ("input-type=i8 input-scale=f8E8M0FNU input-scale-rounding=midmax input-dynamic=true", "midmax rounds the scales of float codes; use mx, floor, ceil or round for integers"),
        ("weight-type=i4 weight-group-size=8 weight-group-axis=2", "weight-group-axis is 2, expected 0 or 1"),
        ("weight-type=i4 weight-group-axis=0", "axis=0 is for groups along the rows; leave axis out for everything else"),
        ("weight-type=i4 weight-group-size=20 weight-group-axis=0", "layer 'model.layers.0.self_attn.q_proj': group_size 20 does not divide its output size 32; use a divisor, or allow a short last group with weight-pad"),
        ("weight-type=f8E4M3FN weight-narrow-range=true", "weight-narrow-range is for integers, f8E4M3FN codes are none"),
        ("weight-type=i4 weight-method=mlc weight-narrow-range=true", "weight-narrow-range is for the methods absmax, minmax, mse, hqo"),
        ("weight-type=nf4 weight-zero-point=f16", "nf4 codes are entries of a codebook and have no zero point; remove zp and min"),
        ("weight-type=i3 weight-method=gguf", "gguf quantizes to the formats of Q4_0"),
        ("weight-type=e3m4 weight-method=signed_absmax", "signed_absmax is for signed integer codes of full range; use absmax"),
        ("weight-type=i4 weight-scale=f8E8M0FNU weight-method=signed_absmax", "signed_absmax scales can be negative, which the scale's type cannot hold; use absmax"),
        ("weight-type=f4E2M1FN weight-scale=ui6 weight-scale-scale=f16 weight-scale-group-size=3 weight-group-size=16", "layer 'model.layers.0.self_attn.q_proj': group_size 3 of !llm.scale<ui6, scale=f16, group_size=3> does not divide the 2 groups of dimension 1"),
        ("weight-type=i8 weight-scale=ui6 weight-scale-scale=f16 weight-granularity=per_tensor", "a tensor with one scale has no second level of scales; give axis or group_size"),
        ("weight-type=i4 weight-group-size=20", "layer 'model.layers.0.self_attn.q_proj': group_size 20 does not divide its input size 32"),
        ("weight-type=i4 weight-granularity=per_group", "group_size is given exactly when granularity is per_group"),
        ("weight-type=i4 weight-granularity=per_channel weight-group-size=8", "group_size is given exactly when granularity is per_group"),
        ("weight-type=i4 weight-granularity=per_token", "per_token is for inputs"),
        ("weight-type=i4 weight-granularity=per_row", "unknown granularity 'per_row'"),
        ("input-type=i8 input-granularity=per_channel", "an input's rows are tokens: use per_token instead of per_channel"),
        ("input-type=i8 ops=embedding", "layer 'model.embed_tokens': an embedding's input are token ids"),
        ("input-type=i8 input-group-size=20 input-dynamic=true", "layer 'model.layers.0.self_attn.q_proj': group_size 20 of its input does not divide the input size 32; use a divisor, or allow a short last group with input-pad (llmir quantize --pad)"),
        ("weight-type=i4 weight-group-size=16 weight-group-rows=20", "layer 'model.layers.0.self_attn.q_proj': group_rows 20 does not divide its output size 32; use a divisor, or allow a last block of fewer rows with weight-pad"),
        ("weight-type=i4 weight-group-size=20 weight-group-rows=2", "layer 'model.layers.0.self_attn.q_proj': group_size 20 does not divide its input size 32; use a divisor, or allow a short last group with weight-pad"),
        ("weight-type=i4 weight-group-rows=2", "group_rows is for groups; give group_size too, or remove group_rows"),
        ("weight-type=i4 weight-group-size=16 weight-group-rows=1", "group_rows must be at least 2, got 1; remove it for groups of one row"),
        ("weight-type=i4 weight-group-size=16 weight-group-rows=2 weight-group-axis=0", "blocks lie in the last two dimensions; remove axis or group_rows"),
        ("weight-type=i8 weight-zero-point=i4", "zero point type i4 cannot hold every i8 code"),
        ("weight-type=i8 weight-zero-point=i8 weight-min=f16", "zp and min exclude each other"),
        ("weight-type=f8E5M2 weight-zero-point=f16", "f8E5M2 codes are floats and have no zero point"),
    ],
)  # fmt: skip
def test_refusals(options: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        passed(f"assign-schemes{{{options}}}" if options else "assign-schemes")


def test_an_unknown_option_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="assign-schemes"):
        Pipeline.parse("assign-schemes{weight-bits=4}")
