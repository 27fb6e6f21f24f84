// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-size=32 weight-scale=f16}' | filecheck %s --check-prefix=GROUPS
// RUN: llmir-opt %s -p 'assign-schemes{modules="model.layers.*" exclude="*.up_proj" weight-type=ui4 weight-zero-point=ui4 weight-method=mse input-type=i8 input-granularity=per_token input-dynamic=true}' | filecheck %s --check-prefix=SOME
// RUN: llmir-opt %s -p 'assign-schemes{ops=embedding weight-type=f8E4M3FN},assign-schemes{modules="lm_head" weight-type=i8 weight-narrow-range=true},assign-schemes{modules="lm_head" weight-type=i6}' | filecheck %s --check-prefix=RULES
// RUN: not llmir-opt %s -p 'assign-schemes{modules="model.layers.0.mlp.up_prj" weight-type=i8}' 2>&1 | filecheck %s --check-prefix=NOTHING
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-size=48}' 2>&1 | filecheck %s --check-prefix=DIVIDE
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-size=48 weight-pad=true}' | filecheck %s --check-prefix=PAD
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=ui4 weight-group-size=32 weight-scale=ui6 weight-scale-scale=f16 weight-scale-group-size=2 weight-min=ui6 weight-min-scale=f16 weight-min-group-size=2 weight-method=gguf}' | filecheck %s --check-prefix=SUPER
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=f4E2M1FN weight-group-size=32 weight-scale=f8E8M0FNU weight-scale-rounding=midmax input-type=f8E4M3FN input-scale=f8E8M0FNU input-group-size=32 input-dynamic=true}' | filecheck %s --check-prefix=MX
// RUN: llmir-opt %s -p 'assign-schemes{weight-type="codebook:[-1, 0, 0.5, 1]" weight-group-size=64}' | filecheck %s --check-prefix=CODEBOOK
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=ui4 weight-zero-point=ui6 weight-zero-point-scale=f16 weight-zero-point-group-size=2 weight-group-size=32 input-type=f4E2M1FN input-scale=f8E4M3FN input-scale-scale=f32 input-scale-group-size=4 input-group-size=16 input-dynamic=true}' | filecheck %s --check-prefix=NESTED

llm.weight @model.embed_tokens.weight : tensor<10x64xf32>
llm.weight @model.layers.0.mlp.gate_proj.weight : tensor<96x64xf32>
llm.weight @model.layers.0.mlp.up_proj.weight : tensor<96x64xf32>
func.func @main(%ids: tensor<?xi64>) {
  %table = llm.load_weight @model.embed_tokens.weight : tensor<10x64xf32>
  %gate = llm.load_weight @model.layers.0.mlp.gate_proj.weight : tensor<96x64xf32>
  %up = llm.load_weight @model.layers.0.mlp.up_proj.weight : tensor<96x64xf32>
  %x = llm.embedding(%ids, %table) : (tensor<?xi64>, tensor<10x64xf32>) -> tensor<?x64xf32>
  %a = llm.linear(%x, %gate) : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %b = llm.linear(%x, %up) : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %y = llm.linear(%x, %table) {module = "lm_head"} : (tensor<?x64xf32>, tensor<10x64xf32>) -> tensor<?x10xf32>
  func.return
}

// groups of the input dimension, scales in f16; the embedding is another kind of layer
// GROUPS:      %x = llm.embedding(%ids, %table) {llm.remark = "not quantized: the recipe is for linear layers"}
// GROUPS-NEXT: %a = llm.linear(%x, %gate) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f16, granularity=per_group, group_size=32, method=absmax>>}
// GROUPS-NEXT: %b = llm.linear(%x, %up) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f16, granularity=per_group, group_size=32, method=absmax>>}
// GROUPS-NEXT: %y = llm.linear(%x, %table) {module = "lm_head", llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f16, granularity=per_group, group_size=32, method=absmax>>}

// patterns choose and exclude by the checkpoint's names
// SOME:      %x = llm.embedding(%ids, %table) {llm.remark = "not quantized: the recipe is for linear layers"}
// SOME-NEXT: %a = llm.linear(%x, %gate) {llm.scheme = #llm.scheme<weight=#llm.quantization<ui4, scale=f32, zp=ui4, granularity=per_channel, method=mse>, input=#llm.quantization<i8, scale=f32, granularity=per_token, method=absmax, dynamic=true>>}
// SOME-NEXT: %b = llm.linear(%x, %up) {llm.remark = "not quantized: excluded by the recipe"}
// SOME-NEXT: %y = llm.linear(%x, %table) {module = "lm_head", llm.remark = "not quantized: matched by no rule of the recipe"}

// a later rule replaces an earlier one
// RULES:      %x = llm.embedding(%ids, %table) {llm.scheme = #llm.scheme<weight=#llm.quantization<f8E4M3FN, scale=f32, granularity=per_channel, method=absmax>>}
// RULES-NEXT: %a = llm.linear(%x, %gate) {llm.remark = "not quantized: matched by no rule of the recipe"}
// RULES-NEXT: %b = llm.linear(%x, %up) {llm.remark = "not quantized: matched by no rule of the recipe"}
// RULES-NEXT: %y = llm.linear(%x, %table) {module = "lm_head", llm.scheme = #llm.scheme<weight=#llm.quantization<i6, scale=f32, granularity=per_channel, method=absmax>>}

// NOTHING: assign-schemes: pattern 'model.layers.0.mlp.up_prj' matches none of 4 layers; the nearest layer is 'model.layers.0.mlp.up_proj'
// DIVIDE: assign-schemes.mlir:20:3: error: 'llm.linear' op group_size 48 does not divide its input size 64; use a divisor, or allow a short last group with weight-pad (llmir quantize --pad)
// PAD: granularity=per_group, group_size=48, method=absmax, pad=true

// scales and minima that are quantized themselves, as in GGUF's Q4_K
// SUPER: %a = llm.linear(%x, %gate) {llm.scheme = #llm.scheme<weight=#llm.quantization<ui4, scale=!llm.scale<ui6, scale=f16, group_size=2>, min=!llm.scale<ui6, scale=f16, group_size=2>, granularity=per_group, group_size=32, method=gguf>>}
// MX: %a = llm.linear(%x, %gate) {llm.scheme = #llm.scheme<weight=#llm.quantization<f4E2M1FN, scale=f8E8M0FNU, granularity=per_group, group_size=32, method=absmax, scale_rounding=midmax>, input=#llm.quantization<f8E4M3FN, scale=f8E8M0FNU, granularity=per_group, group_size=32, method=absmax, dynamic=true>>}
// CODEBOOK: %a = llm.linear(%x, %gate) {llm.scheme = #llm.scheme<weight=#llm.quantization<!llm.codebook<2, [-1.0, 0.0, 0.5, 1.0]>, scale=f32, granularity=per_group, group_size=64, method=absmax>>}
// NESTED: %a = llm.linear(%x, %gate) {llm.scheme = #llm.scheme<weight=#llm.quantization<ui4, scale=f32, zp=!llm.scale<ui6, scale=f16, group_size=2>, granularity=per_group, group_size=32, method=minmax>, input=#llm.quantization<f4E2M1FN, scale=!llm.scale<f8E4M3FN, scale=f32, group_size=4>, granularity=per_group, group_size=16, method=absmax, dynamic=true>>}
