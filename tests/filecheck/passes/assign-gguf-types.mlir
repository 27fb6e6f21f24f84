// RUN: llmir-opt %s -p 'assign-gguf-types{type=Q4_K_M}' | filecheck %s --check-prefix=MIX
// RUN: llmir-opt %s -p 'assign-gguf-types{type=Q4_K_M pure=true}' | filecheck %s --check-prefix=PURE
// RUN: llmir-opt %s -p 'assign-gguf-types{type=Q8_0 output-tensor-type=Q6_K token-embedding-type=Q4_0}' | filecheck %s --check-prefix=CHOSEN
// RUN: llmir-opt %s -p 'assign-gguf-types{type=Q4_K_M exclude="*.v_proj"}' | filecheck %s --check-prefix=EXCLUDE
// RUN: not llmir-opt %s -p 'assign-gguf-types{type=Q9_K}' 2>&1 | filecheck %s --check-prefix=TYPE
// RUN: not llmir-opt %s -p 'assign-gguf-types{type=Q8_0 output-tensor-type=Q4_K_M}' 2>&1 | filecheck %s --check-prefix=BLOCK
// RUN: not llmir-opt %s -p 'assign-gguf-types{type=Q8_0 exclude="k_proj"}' 2>&1 | filecheck %s --check-prefix=PATTERN
// RUN: not llmir-opt %s -p assign-gguf-types 2>&1 | filecheck %s --check-prefix=REQUIRED
// RUN: not llmir-opt %s -p 'assign-gguf-types{type=Q8_0},quantize-weights,fuse-quantized-ops,assign-gguf-types{type=Q8_0}' 2>&1 | filecheck %s --check-prefix=AGAIN

func.func @main(%ids: tensor<?xi64>) -> tensor<?x4xf32> {
  %table = arith.constant dense<1.0> : tensor<4x256xf32>
  %x = llm.embedding(%ids, %table) {module = "model.embed_tokens"} : (tensor<?xi64>, tensor<4x256xf32>) -> tensor<?x256xf32>
  %w = arith.constant dense<1.0> : tensor<256x256xf32>
  %v = llm.linear(%x, %w) {module = "model.layers.0.self_attn.v_proj"} : (tensor<?x256xf32>, tensor<256x256xf32>) -> tensor<?x256xf32>
  %u = arith.constant dense<1.0> : tensor<96x256xf32>
  %up = llm.linear(%v, %u) {module = "model.layers.0.mlp.up_proj"} : (tensor<?x256xf32>, tensor<96x256xf32>) -> tensor<?x96xf32>
  %d = arith.constant dense<1.0> : tensor<40x96xf32>
  %down = llm.linear(%up, %d) {module = "model.layers.0.mlp.down_proj"} : (tensor<?x96xf32>, tensor<40x96xf32>) -> tensor<?x40xf32>
  %o = arith.constant dense<1.0> : tensor<256x40xf32>
  %back = llm.linear(%down, %o) {module = "model.layers.0.other"} : (tensor<?x40xf32>, tensor<256x40xf32>) -> tensor<?x256xf32>
  %h = arith.constant dense<1.0> : tensor<4x256xf32>
  %y = llm.linear(%back, %h) {module = "lm_head"} : (tensor<?x256xf32>, tensor<4x256xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// one block of one: i >= 7 * 1 / 8, so that v_proj and down_proj have more bits; rows of 96 are no super-blocks
// MIX: module = "model.embed_tokens", llm.scheme = #llm.scheme<weight=#llm.quantization<ui4, scale=!llm.scale<ui6, scale=f16, group_size=8>, min=!llm.scale<ui6, scale=f16, group_size=8>, granularity=per_group, group_size=32, method=gguf>>
// MIX: module = "model.layers.0.self_attn.v_proj", llm.scheme = #llm.scheme<weight=#llm.quantization<i6, scale=!llm.scale<i8, scale=f16, group_size=16>, granularity=per_group, group_size=16, method=gguf>>
// MIX: module = "model.layers.0.mlp.up_proj", llm.scheme = #llm.scheme<weight=#llm.quantization<ui4, scale=!llm.scale<ui6
// MIX: module = "model.layers.0.mlp.down_proj", llm.scheme = #llm.scheme<weight=#llm.quantization<i8, scale=f16, granularity=per_group, group_size=32, method=gguf>>, llm.remark = "Q8_0 instead of Q6_K: its input size 96 is no multiple of 256"
// MIX: module = "model.layers.0.other", llm.remark = "not quantized: its input size 40 is no multiple of 32, which GGUF blocks need"
// MIX: module = "lm_head", llm.scheme = #llm.scheme<weight=#llm.quantization<i6,

// PURE: module = "model.layers.0.self_attn.v_proj", llm.scheme = #llm.scheme<weight=#llm.quantization<ui4,
// PURE: module = "model.layers.0.mlp.down_proj", llm.scheme = #llm.scheme<weight=#llm.quantization<i5, scale=f16
// PURE: module = "lm_head", llm.scheme = #llm.scheme<weight=#llm.quantization<ui4,

// CHOSEN: module = "model.embed_tokens", llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f16, granularity=per_group, group_size=32, method=gguf>>
// CHOSEN: module = "model.layers.0.self_attn.v_proj", llm.scheme = #llm.scheme<weight=#llm.quantization<i8,
// CHOSEN: module = "lm_head", llm.scheme = #llm.scheme<weight=#llm.quantization<i6,

// EXCLUDE: module = "model.layers.0.self_attn.v_proj", llm.remark = "not quantized: excluded by the recipe"
// EXCLUDE: module = "lm_head", llm.scheme

// TYPE: pass 'assign-gguf-types': unknown type 'Q9_K', expected one of Q4_0,
// BLOCK: pass 'assign-gguf-types': unknown block type 'Q4_K_M', expected one of Q4_0,
// PATTERN: assign-gguf-types: pattern 'k_proj' matches none of 6 layers; the nearest layer is
// REQUIRED: pass 'assign-gguf-types' needs the option 'type'
// AGAIN: assign-gguf-types.mlir:15:3: error: 'llm.quantized_matmul' op 4 layers are quantized already, such as 'model.layers.0.self_attn.v_proj'; start from the original model
