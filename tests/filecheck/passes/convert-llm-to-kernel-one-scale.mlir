// RUN: llmir-opt %s -p convert-llm-to-kernel | filecheck %s

// CHECK: kernel.step @decode(
// CHECK-NOT: kernel.row_ranges
// CHECK: kernel.quantize_rows(%{{.*}}) into(%{{.*}}) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<replicated>}
// CHECK: kernel.step @prefill(
// CHECK: kernel.row_ranges(%[[X:.*]]) into(%[[RANGES:.*]]) {split = #kernel.split<rows>}
// CHECK-NEXT: kernel.barrier
// CHECK-NEXT: kernel.quantize_rows(%[[X]]) ranges(%[[RANGES]]) into(%[[CODES:.*]], %[[SCALES:.*]], %[[SUMS:.*]]) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<rows>}
// CHECK: kernel.matmul(%[[CODES]], %{{.*}}) quantized(%[[SCALES]], %[[SUMS]])

builtin.module {
  llm.weight @model.embed_tokens.weight : tensor<64x32xf32>
  llm.weight @model.layers.0.input_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.0.self_attn.q_proj.weight : tensor<32x32xf32>
  llm.weight @model.layers.0.self_attn.k_proj.weight : tensor<16x32xf32>
  llm.weight @model.layers.0.self_attn.v_proj.weight : tensor<16x32xf32>
  llm.weight @model.layers.0.self_attn.o_proj.weight : tensor<32x32xf32>
  llm.weight @model.layers.0.post_attention_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.0.mlp.gate_proj.weight : tensor<64x32xf32>
  llm.weight @model.layers.0.mlp.up_proj.weight : tensor<64x32xf32>
  llm.weight @model.layers.0.mlp.down_proj.weight : !llm.quantized_tensor<32x64xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.norm.weight : tensor<32xf32>
  func.func @embed(%ids: tensor<?xi64>) -> tensor<?x32xf32> attributes {llm.role = "embed"} {
    %embed_tokens.weight = llm.load_weight @model.embed_tokens.weight : tensor<64x32xf32>
    %embedded = llm.embedding(%ids, %embed_tokens.weight) : (tensor<?xi64>, tensor<64x32xf32>) -> tensor<?x32xf32>
    func.return %embedded : tensor<?x32xf32>
  }
  func.func @model.layers.0(%x: tensor<?x32xf32>, %position: index, %key_cache: tensor<?x1x16xf32>, %value_cache: tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>) attributes {llm.role = "block"} {
    %input_layernorm.weight = llm.load_weight @model.layers.0.input_layernorm.weight : tensor<32xf32>
    %input_layernorm = llm.rms_norm(%x, %input_layernorm.weight) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %c0 = arith.constant 0 : index
    %tokens = tensor.dim %input_layernorm, %c0 : tensor<?x32xf32>
    %q_proj.weight = llm.load_weight @model.layers.0.self_attn.q_proj.weight : tensor<32x32xf32>
    %q_proj = llm.linear(%input_layernorm, %q_proj.weight) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %heads = tensor.expand_shape %q_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %k_proj.weight = llm.load_weight @model.layers.0.self_attn.k_proj.weight : tensor<16x32xf32>
    %k_proj = llm.linear(%input_layernorm, %k_proj.weight) : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
    %heads_1 = tensor.expand_shape %k_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %v_proj.weight = llm.load_weight @model.layers.0.self_attn.v_proj.weight : tensor<16x32xf32>
    %v_proj = llm.linear(%input_layernorm, %v_proj.weight) : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
    %heads_2 = tensor.expand_shape %v_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %rotated_query = llm.rope(%heads, %position) {theta = 1.000000e+04 : f64} : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %rotated_key = llm.rope(%heads_1, %position) {theta = 1.000000e+04 : f64} : (tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %keys = llm.update_cache(%key_cache, %rotated_key, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %values = llm.update_cache(%value_cache, %heads_2, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %attention = llm.attention(%rotated_query, %keys, %values, %position) {scale = 2.500000e-01 : f32} : (tensor<?x2x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x2x16xf32>
    %merged = tensor.collapse_shape %attention [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %o_proj.weight = llm.load_weight @model.layers.0.self_attn.o_proj.weight : tensor<32x32xf32>
    %o_proj = llm.linear(%merged, %o_proj.weight) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %attention_residual = arith.addf %x, %o_proj : tensor<?x32xf32>
    %post_attention_layernorm.weight = llm.load_weight @model.layers.0.post_attention_layernorm.weight : tensor<32xf32>
    %post_attention_layernorm = llm.rms_norm(%attention_residual, %post_attention_layernorm.weight) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %gate_proj.weight = llm.load_weight @model.layers.0.mlp.gate_proj.weight : tensor<64x32xf32>
    %gate_proj = llm.linear(%post_attention_layernorm, %gate_proj.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %activated = llm.silu(%gate_proj) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %up_proj.weight = llm.load_weight @model.layers.0.mlp.up_proj.weight : tensor<64x32xf32>
    %up_proj = llm.linear(%post_attention_layernorm, %up_proj.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %gated = arith.mulf %activated, %up_proj : tensor<?x64xf32>
    %down_proj.weight = llm.load_weight @model.layers.0.mlp.down_proj.weight : !llm.quantized_tensor<32x64xi4, scale=f16, symmetric=true, group_size=32>
    %codes = llm.quantize(%gated) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true>
    %down_proj = llm.quantized_matmul(%codes, %down_proj.weight) : (!llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<32x64xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x32xf32>
    %mlp_residual = arith.addf %attention_residual, %down_proj : tensor<?x32xf32>
    func.return %mlp_residual, %keys, %values : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
  func.func @head(%x: tensor<?x32xf32>) -> tensor<?x64xf32> attributes {llm.role = "head"} {
    %norm.weight = llm.load_weight @model.norm.weight : tensor<32xf32>
    %norm = llm.rms_norm(%x, %norm.weight) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %embed_tokens.weight = llm.load_weight @model.embed_tokens.weight : tensor<64x32xf32>
    %lm_head = llm.linear(%norm, %embed_tokens.weight) {module = "lm_head"} : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    func.return %lm_head : tensor<?x64xf32>
  }
  func.func @backbone(%ids: tensor<?xi64>, %position: index, %k0_cache: tensor<?x1x16xf32>, %v0_cache: tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>) attributes {llm.role = "backbone"} {
    %x = func.call @embed(%ids) : (tensor<?xi64>) -> tensor<?x32xf32>
    %x_1, %k0, %v0 = func.call @model.layers.0(%x, %position, %k0_cache, %v0_cache) : (tensor<?x32xf32>, index, tensor<?x1x16xf32>, tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>)
    func.return %x_1, %k0, %v0 : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
}
