// RUN: llmir-opt %s -p 'convert-llm-to-kernel' | filecheck %s

// Blocks that alternate are a loop of two, what is left over stands after it. Norms of 1 + weight get a shifted vector.

// CHECK: kernel.weight @packed.layers.0.input_layernorm {members = {{\[\[}}@model.layers.0.input_layernorm.weight], [@model.layers.2.input_layernorm.weight{{\]\]}}, offset = {{[0-9]+}} : i64, stride = {{[0-9]+}} : i64, shift = 1.000000e+00 : f32} : memref<32xf32, "weights">

// CHECK: kernel.weight @packed.layers.1.input_layernorm {members = {{\[\[}}@model.layers.1.input_layernorm.weight], [@model.layers.3.input_layernorm.weight{{\]\]}}, offset = {{[0-9]+}} : i64, stride = {{[0-9]+}} : i64, shift = 1.000000e+00 : f32} : memref<32xf32, "weights">

// CHECK: kernel.weight @packed.model.layers.4.input_layernorm {members = {{\[\[}}@model.layers.4.input_layernorm.weight{{\]\]}}, offset = {{[0-9]+}} : i64, stride = 0 : i64, shift = 1.000000e+00 : f32} : memref<32xf32, "weights">

// CHECK: kernel.cache @cache.0 {layers = 2 : i64, kv_heads = 1 : i64, head_dim = 16 : i64, element = f16, lanes = 16 : i64}
// CHECK-NEXT: kernel.cache @cache.1 {layers = 2 : i64, kv_heads = 1 : i64, head_dim = 16 : i64, element = f16, lanes = 16 : i64}
// CHECK-NEXT: kernel.cache @cache.2 {layers = 1 : i64, kv_heads = 1 : i64, head_dim = 16 : i64, element = f16, lanes = 16 : i64}
// CHECK-NEXT: kernel.rope_table @rope.0 {theta = 1.000000e+04 : f64, dimensions = 16 : i64}
// CHECK-NEXT: kernel.rope_table @rope.1 {theta = 1.000000e+06 : f64, dimensions = 16 : i64}

// CHECK: kernel.loop %[[LAYER:.*]] = 0 to 2 {

builtin.module {
  llm.weight @model.embed_tokens.weight : tensor<64x32xf32>
  llm.weight @model.layers.0.input_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.0.self_attn.q_proj.weight : tensor<32x32xf32>
  llm.weight @model.layers.0.self_attn.k_proj.weight : tensor<16x32xf32>
  llm.weight @model.layers.0.self_attn.v_proj.weight : tensor<16x32xf32>
  llm.weight @model.layers.0.self_attn.q_norm.weight : tensor<16xf32>
  llm.weight @model.layers.0.self_attn.k_norm.weight : tensor<16xf32>
  llm.weight @model.layers.0.self_attn.o_proj.weight : tensor<32x32xf32>
  llm.weight @model.layers.0.post_attention_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.0.pre_feedforward_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.0.mlp.gate_proj.weight : tensor<64x32xf32>
  llm.weight @model.layers.0.mlp.up_proj.weight : tensor<64x32xf32>
  llm.weight @model.layers.0.mlp.down_proj.weight : tensor<32x64xf32>
  llm.weight @model.layers.0.post_feedforward_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.1.input_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.1.self_attn.q_proj.weight : tensor<32x32xf32>
  llm.weight @model.layers.1.self_attn.k_proj.weight : tensor<16x32xf32>
  llm.weight @model.layers.1.self_attn.v_proj.weight : tensor<16x32xf32>
  llm.weight @model.layers.1.self_attn.q_norm.weight : tensor<16xf32>
  llm.weight @model.layers.1.self_attn.k_norm.weight : tensor<16xf32>
  llm.weight @model.layers.1.self_attn.o_proj.weight : tensor<32x32xf32>
  llm.weight @model.layers.1.post_attention_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.1.pre_feedforward_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.1.mlp.gate_proj.weight : tensor<64x32xf32>
  llm.weight @model.layers.1.mlp.up_proj.weight : tensor<64x32xf32>
  llm.weight @model.layers.1.mlp.down_proj.weight : tensor<32x64xf32>
  llm.weight @model.layers.1.post_feedforward_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.2.input_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.2.self_attn.q_proj.weight : tensor<32x32xf32>
  llm.weight @model.layers.2.self_attn.k_proj.weight : tensor<16x32xf32>
  llm.weight @model.layers.2.self_attn.v_proj.weight : tensor<16x32xf32>
  llm.weight @model.layers.2.self_attn.q_norm.weight : tensor<16xf32>
  llm.weight @model.layers.2.self_attn.k_norm.weight : tensor<16xf32>
  llm.weight @model.layers.2.self_attn.o_proj.weight : tensor<32x32xf32>
  llm.weight @model.layers.2.post_attention_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.2.pre_feedforward_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.2.mlp.gate_proj.weight : tensor<64x32xf32>
  llm.weight @model.layers.2.mlp.up_proj.weight : tensor<64x32xf32>
  llm.weight @model.layers.2.mlp.down_proj.weight : tensor<32x64xf32>
  llm.weight @model.layers.2.post_feedforward_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.3.input_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.3.self_attn.q_proj.weight : tensor<32x32xf32>
  llm.weight @model.layers.3.self_attn.k_proj.weight : tensor<16x32xf32>
  llm.weight @model.layers.3.self_attn.v_proj.weight : tensor<16x32xf32>
  llm.weight @model.layers.3.self_attn.q_norm.weight : tensor<16xf32>
  llm.weight @model.layers.3.self_attn.k_norm.weight : tensor<16xf32>
  llm.weight @model.layers.3.self_attn.o_proj.weight : tensor<32x32xf32>
  llm.weight @model.layers.3.post_attention_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.3.pre_feedforward_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.3.mlp.gate_proj.weight : tensor<64x32xf32>
  llm.weight @model.layers.3.mlp.up_proj.weight : tensor<64x32xf32>
  llm.weight @model.layers.3.mlp.down_proj.weight : tensor<32x64xf32>
  llm.weight @model.layers.3.post_feedforward_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.4.input_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.4.self_attn.q_proj.weight : tensor<32x32xf32>
  llm.weight @model.layers.4.self_attn.k_proj.weight : tensor<16x32xf32>
  llm.weight @model.layers.4.self_attn.v_proj.weight : tensor<16x32xf32>
  llm.weight @model.layers.4.self_attn.q_norm.weight : tensor<16xf32>
  llm.weight @model.layers.4.self_attn.k_norm.weight : tensor<16xf32>
  llm.weight @model.layers.4.self_attn.o_proj.weight : tensor<32x32xf32>
  llm.weight @model.layers.4.post_attention_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.4.pre_feedforward_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.4.mlp.gate_proj.weight : tensor<64x32xf32>
  llm.weight @model.layers.4.mlp.up_proj.weight : tensor<64x32xf32>
  llm.weight @model.layers.4.mlp.down_proj.weight : tensor<32x64xf32>
  llm.weight @model.layers.4.post_feedforward_layernorm.weight : tensor<32xf32>
  llm.weight @model.norm.weight : tensor<32xf32>
  func.func @embed(%ids: tensor<?xi64>) -> tensor<?x32xf32> attributes {llm.role = "embed"} {
    %embed_tokens.weight = llm.load_weight @model.embed_tokens.weight : tensor<64x32xf32>
    %embedded = llm.embedding(%ids, %embed_tokens.weight) : (tensor<?xi64>, tensor<64x32xf32>) -> tensor<?x32xf32>
    %scaled = llm.scale(%embedded) {factor = 5.65685415 : f32} : (tensor<?x32xf32>) -> tensor<?x32xf32>
    func.return %scaled : tensor<?x32xf32>
  }
  func.func @model.layers.0(%x: tensor<?x32xf32>, %position: index, %key_cache: tensor<?x1x16xf32>, %value_cache: tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>) attributes {llm.role = "block"} {
    %input_layernorm.weight = llm.load_weight @model.layers.0.input_layernorm.weight : tensor<32xf32>
    %weight = llm.shift(%input_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %input_layernorm = llm.rms_norm(%x, %weight) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
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
    %q_norm.weight = llm.load_weight @model.layers.0.self_attn.q_norm.weight : tensor<16xf32>
    %weight_1 = llm.shift(%q_norm.weight) {offset = 1.000000e+00 : f32} : (tensor<16xf32>) -> tensor<16xf32>
    %q_norm = llm.rms_norm(%heads, %weight_1) {epsilon = 1.000000e-06 : f32} : (tensor<?x2x16xf32>, tensor<16xf32>) -> tensor<?x2x16xf32>
    %k_norm.weight = llm.load_weight @model.layers.0.self_attn.k_norm.weight : tensor<16xf32>
    %weight_2 = llm.shift(%k_norm.weight) {offset = 1.000000e+00 : f32} : (tensor<16xf32>) -> tensor<16xf32>
    %k_norm = llm.rms_norm(%heads_1, %weight_2) {epsilon = 1.000000e-06 : f32} : (tensor<?x1x16xf32>, tensor<16xf32>) -> tensor<?x1x16xf32>
    %rotated_query = llm.rope(%q_norm, %position) {theta = 1.000000e+04 : f64} : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %rotated_key = llm.rope(%k_norm, %position) {theta = 1.000000e+04 : f64} : (tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %keys = llm.update_cache(%key_cache, %rotated_key, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %values = llm.update_cache(%value_cache, %heads_2, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %attention = llm.attention(%rotated_query, %keys, %values, %position) {scale = 0.223606795 : f32, window = 7 : i64} : (tensor<?x2x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x2x16xf32>
    %merged = tensor.collapse_shape %attention [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %o_proj.weight = llm.load_weight @model.layers.0.self_attn.o_proj.weight : tensor<32x32xf32>
    %o_proj = llm.linear(%merged, %o_proj.weight) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %post_attention_layernorm.weight = llm.load_weight @model.layers.0.post_attention_layernorm.weight : tensor<32xf32>
    %weight_3 = llm.shift(%post_attention_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %post_attention_layernorm = llm.rms_norm(%o_proj, %weight_3) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %attention_residual = arith.addf %x, %post_attention_layernorm : tensor<?x32xf32>
    %pre_feedforward_layernorm.weight = llm.load_weight @model.layers.0.pre_feedforward_layernorm.weight : tensor<32xf32>
    %weight_4 = llm.shift(%pre_feedforward_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %pre_feedforward_layernorm = llm.rms_norm(%attention_residual, %weight_4) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %gate_proj.weight = llm.load_weight @model.layers.0.mlp.gate_proj.weight : tensor<64x32xf32>
    %gate_proj = llm.linear(%pre_feedforward_layernorm, %gate_proj.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %activated = llm.gelu(%gate_proj) {approximate = "tanh"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %up_proj.weight = llm.load_weight @model.layers.0.mlp.up_proj.weight : tensor<64x32xf32>
    %up_proj = llm.linear(%pre_feedforward_layernorm, %up_proj.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %gated = arith.mulf %activated, %up_proj : tensor<?x64xf32>
    %down_proj.weight = llm.load_weight @model.layers.0.mlp.down_proj.weight : tensor<32x64xf32>
    %down_proj = llm.linear(%gated, %down_proj.weight) : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
    %post_feedforward_layernorm.weight = llm.load_weight @model.layers.0.post_feedforward_layernorm.weight : tensor<32xf32>
    %weight_5 = llm.shift(%post_feedforward_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %post_feedforward_layernorm = llm.rms_norm(%down_proj, %weight_5) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %mlp_residual = arith.addf %attention_residual, %post_feedforward_layernorm : tensor<?x32xf32>
    func.return %mlp_residual, %keys, %values : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
  func.func @model.layers.1(%x: tensor<?x32xf32>, %position: index, %key_cache: tensor<?x1x16xf32>, %value_cache: tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>) attributes {llm.role = "block"} {
    %input_layernorm.weight = llm.load_weight @model.layers.1.input_layernorm.weight : tensor<32xf32>
    %weight = llm.shift(%input_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %input_layernorm = llm.rms_norm(%x, %weight) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %c0 = arith.constant 0 : index
    %tokens = tensor.dim %input_layernorm, %c0 : tensor<?x32xf32>
    %q_proj.weight = llm.load_weight @model.layers.1.self_attn.q_proj.weight : tensor<32x32xf32>
    %q_proj = llm.linear(%input_layernorm, %q_proj.weight) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %heads = tensor.expand_shape %q_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %k_proj.weight = llm.load_weight @model.layers.1.self_attn.k_proj.weight : tensor<16x32xf32>
    %k_proj = llm.linear(%input_layernorm, %k_proj.weight) : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
    %heads_1 = tensor.expand_shape %k_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %v_proj.weight = llm.load_weight @model.layers.1.self_attn.v_proj.weight : tensor<16x32xf32>
    %v_proj = llm.linear(%input_layernorm, %v_proj.weight) : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
    %heads_2 = tensor.expand_shape %v_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %q_norm.weight = llm.load_weight @model.layers.1.self_attn.q_norm.weight : tensor<16xf32>
    %weight_1 = llm.shift(%q_norm.weight) {offset = 1.000000e+00 : f32} : (tensor<16xf32>) -> tensor<16xf32>
    %q_norm = llm.rms_norm(%heads, %weight_1) {epsilon = 1.000000e-06 : f32} : (tensor<?x2x16xf32>, tensor<16xf32>) -> tensor<?x2x16xf32>
    %k_norm.weight = llm.load_weight @model.layers.1.self_attn.k_norm.weight : tensor<16xf32>
    %weight_2 = llm.shift(%k_norm.weight) {offset = 1.000000e+00 : f32} : (tensor<16xf32>) -> tensor<16xf32>
    %k_norm = llm.rms_norm(%heads_1, %weight_2) {epsilon = 1.000000e-06 : f32} : (tensor<?x1x16xf32>, tensor<16xf32>) -> tensor<?x1x16xf32>
    %rotated_query = llm.rope(%q_norm, %position) {theta = 1.000000e+06 : f64} : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %rotated_key = llm.rope(%k_norm, %position) {theta = 1.000000e+06 : f64} : (tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %keys = llm.update_cache(%key_cache, %rotated_key, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %values = llm.update_cache(%value_cache, %heads_2, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %attention = llm.attention(%rotated_query, %keys, %values, %position) {scale = 0.223606795 : f32} : (tensor<?x2x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x2x16xf32>
    %merged = tensor.collapse_shape %attention [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %o_proj.weight = llm.load_weight @model.layers.1.self_attn.o_proj.weight : tensor<32x32xf32>
    %o_proj = llm.linear(%merged, %o_proj.weight) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %post_attention_layernorm.weight = llm.load_weight @model.layers.1.post_attention_layernorm.weight : tensor<32xf32>
    %weight_3 = llm.shift(%post_attention_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %post_attention_layernorm = llm.rms_norm(%o_proj, %weight_3) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %attention_residual = arith.addf %x, %post_attention_layernorm : tensor<?x32xf32>
    %pre_feedforward_layernorm.weight = llm.load_weight @model.layers.1.pre_feedforward_layernorm.weight : tensor<32xf32>
    %weight_4 = llm.shift(%pre_feedforward_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %pre_feedforward_layernorm = llm.rms_norm(%attention_residual, %weight_4) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %gate_proj.weight = llm.load_weight @model.layers.1.mlp.gate_proj.weight : tensor<64x32xf32>
    %gate_proj = llm.linear(%pre_feedforward_layernorm, %gate_proj.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %activated = llm.gelu(%gate_proj) {approximate = "tanh"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %up_proj.weight = llm.load_weight @model.layers.1.mlp.up_proj.weight : tensor<64x32xf32>
    %up_proj = llm.linear(%pre_feedforward_layernorm, %up_proj.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %gated = arith.mulf %activated, %up_proj : tensor<?x64xf32>
    %down_proj.weight = llm.load_weight @model.layers.1.mlp.down_proj.weight : tensor<32x64xf32>
    %down_proj = llm.linear(%gated, %down_proj.weight) : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
    %post_feedforward_layernorm.weight = llm.load_weight @model.layers.1.post_feedforward_layernorm.weight : tensor<32xf32>
    %weight_5 = llm.shift(%post_feedforward_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %post_feedforward_layernorm = llm.rms_norm(%down_proj, %weight_5) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %mlp_residual = arith.addf %attention_residual, %post_feedforward_layernorm : tensor<?x32xf32>
    func.return %mlp_residual, %keys, %values : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
  func.func @model.layers.2(%x: tensor<?x32xf32>, %position: index, %key_cache: tensor<?x1x16xf32>, %value_cache: tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>) attributes {llm.role = "block"} {
    %input_layernorm.weight = llm.load_weight @model.layers.2.input_layernorm.weight : tensor<32xf32>
    %weight = llm.shift(%input_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %input_layernorm = llm.rms_norm(%x, %weight) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %c0 = arith.constant 0 : index
    %tokens = tensor.dim %input_layernorm, %c0 : tensor<?x32xf32>
    %q_proj.weight = llm.load_weight @model.layers.2.self_attn.q_proj.weight : tensor<32x32xf32>
    %q_proj = llm.linear(%input_layernorm, %q_proj.weight) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %heads = tensor.expand_shape %q_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %k_proj.weight = llm.load_weight @model.layers.2.self_attn.k_proj.weight : tensor<16x32xf32>
    %k_proj = llm.linear(%input_layernorm, %k_proj.weight) : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
    %heads_1 = tensor.expand_shape %k_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %v_proj.weight = llm.load_weight @model.layers.2.self_attn.v_proj.weight : tensor<16x32xf32>
    %v_proj = llm.linear(%input_layernorm, %v_proj.weight) : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
    %heads_2 = tensor.expand_shape %v_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %q_norm.weight = llm.load_weight @model.layers.2.self_attn.q_norm.weight : tensor<16xf32>
    %weight_1 = llm.shift(%q_norm.weight) {offset = 1.000000e+00 : f32} : (tensor<16xf32>) -> tensor<16xf32>
    %q_norm = llm.rms_norm(%heads, %weight_1) {epsilon = 1.000000e-06 : f32} : (tensor<?x2x16xf32>, tensor<16xf32>) -> tensor<?x2x16xf32>
    %k_norm.weight = llm.load_weight @model.layers.2.self_attn.k_norm.weight : tensor<16xf32>
    %weight_2 = llm.shift(%k_norm.weight) {offset = 1.000000e+00 : f32} : (tensor<16xf32>) -> tensor<16xf32>
    %k_norm = llm.rms_norm(%heads_1, %weight_2) {epsilon = 1.000000e-06 : f32} : (tensor<?x1x16xf32>, tensor<16xf32>) -> tensor<?x1x16xf32>
    %rotated_query = llm.rope(%q_norm, %position) {theta = 1.000000e+04 : f64} : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %rotated_key = llm.rope(%k_norm, %position) {theta = 1.000000e+04 : f64} : (tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %keys = llm.update_cache(%key_cache, %rotated_key, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %values = llm.update_cache(%value_cache, %heads_2, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %attention = llm.attention(%rotated_query, %keys, %values, %position) {scale = 0.223606795 : f32, window = 7 : i64} : (tensor<?x2x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x2x16xf32>
    %merged = tensor.collapse_shape %attention [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %o_proj.weight = llm.load_weight @model.layers.2.self_attn.o_proj.weight : tensor<32x32xf32>
    %o_proj = llm.linear(%merged, %o_proj.weight) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %post_attention_layernorm.weight = llm.load_weight @model.layers.2.post_attention_layernorm.weight : tensor<32xf32>
    %weight_3 = llm.shift(%post_attention_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %post_attention_layernorm = llm.rms_norm(%o_proj, %weight_3) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %attention_residual = arith.addf %x, %post_attention_layernorm : tensor<?x32xf32>
    %pre_feedforward_layernorm.weight = llm.load_weight @model.layers.2.pre_feedforward_layernorm.weight : tensor<32xf32>
    %weight_4 = llm.shift(%pre_feedforward_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %pre_feedforward_layernorm = llm.rms_norm(%attention_residual, %weight_4) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %gate_proj.weight = llm.load_weight @model.layers.2.mlp.gate_proj.weight : tensor<64x32xf32>
    %gate_proj = llm.linear(%pre_feedforward_layernorm, %gate_proj.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %activated = llm.gelu(%gate_proj) {approximate = "tanh"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %up_proj.weight = llm.load_weight @model.layers.2.mlp.up_proj.weight : tensor<64x32xf32>
    %up_proj = llm.linear(%pre_feedforward_layernorm, %up_proj.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %gated = arith.mulf %activated, %up_proj : tensor<?x64xf32>
    %down_proj.weight = llm.load_weight @model.layers.2.mlp.down_proj.weight : tensor<32x64xf32>
    %down_proj = llm.linear(%gated, %down_proj.weight) : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
    %post_feedforward_layernorm.weight = llm.load_weight @model.layers.2.post_feedforward_layernorm.weight : tensor<32xf32>
    %weight_5 = llm.shift(%post_feedforward_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %post_feedforward_layernorm = llm.rms_norm(%down_proj, %weight_5) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %mlp_residual = arith.addf %attention_residual, %post_feedforward_layernorm : tensor<?x32xf32>
    func.return %mlp_residual, %keys, %values : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
  func.func @model.layers.3(%x: tensor<?x32xf32>, %position: index, %key_cache: tensor<?x1x16xf32>, %value_cache: tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>) attributes {llm.role = "block"} {
    %input_layernorm.weight = llm.load_weight @model.layers.3.input_layernorm.weight : tensor<32xf32>
    %weight = llm.shift(%input_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %input_layernorm = llm.rms_norm(%x, %weight) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %c0 = arith.constant 0 : index
    %tokens = tensor.dim %input_layernorm, %c0 : tensor<?x32xf32>
    %q_proj.weight = llm.load_weight @model.layers.3.self_attn.q_proj.weight : tensor<32x32xf32>
    %q_proj = llm.linear(%input_layernorm, %q_proj.weight) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %heads = tensor.expand_shape %q_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %k_proj.weight = llm.load_weight @model.layers.3.self_attn.k_proj.weight : tensor<16x32xf32>
    %k_proj = llm.linear(%input_layernorm, %k_proj.weight) : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
    %heads_1 = tensor.expand_shape %k_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %v_proj.weight = llm.load_weight @model.layers.3.self_attn.v_proj.weight : tensor<16x32xf32>
    %v_proj = llm.linear(%input_layernorm, %v_proj.weight) : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
    %heads_2 = tensor.expand_shape %v_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %q_norm.weight = llm.load_weight @model.layers.3.self_attn.q_norm.weight : tensor<16xf32>
    %weight_1 = llm.shift(%q_norm.weight) {offset = 1.000000e+00 : f32} : (tensor<16xf32>) -> tensor<16xf32>
    %q_norm = llm.rms_norm(%heads, %weight_1) {epsilon = 1.000000e-06 : f32} : (tensor<?x2x16xf32>, tensor<16xf32>) -> tensor<?x2x16xf32>
    %k_norm.weight = llm.load_weight @model.layers.3.self_attn.k_norm.weight : tensor<16xf32>
    %weight_2 = llm.shift(%k_norm.weight) {offset = 1.000000e+00 : f32} : (tensor<16xf32>) -> tensor<16xf32>
    %k_norm = llm.rms_norm(%heads_1, %weight_2) {epsilon = 1.000000e-06 : f32} : (tensor<?x1x16xf32>, tensor<16xf32>) -> tensor<?x1x16xf32>
    %rotated_query = llm.rope(%q_norm, %position) {theta = 1.000000e+06 : f64} : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %rotated_key = llm.rope(%k_norm, %position) {theta = 1.000000e+06 : f64} : (tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %keys = llm.update_cache(%key_cache, %rotated_key, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %values = llm.update_cache(%value_cache, %heads_2, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %attention = llm.attention(%rotated_query, %keys, %values, %position) {scale = 0.223606795 : f32} : (tensor<?x2x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x2x16xf32>
    %merged = tensor.collapse_shape %attention [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %o_proj.weight = llm.load_weight @model.layers.3.self_attn.o_proj.weight : tensor<32x32xf32>
    %o_proj = llm.linear(%merged, %o_proj.weight) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %post_attention_layernorm.weight = llm.load_weight @model.layers.3.post_attention_layernorm.weight : tensor<32xf32>
    %weight_3 = llm.shift(%post_attention_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %post_attention_layernorm = llm.rms_norm(%o_proj, %weight_3) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %attention_residual = arith.addf %x, %post_attention_layernorm : tensor<?x32xf32>
    %pre_feedforward_layernorm.weight = llm.load_weight @model.layers.3.pre_feedforward_layernorm.weight : tensor<32xf32>
    %weight_4 = llm.shift(%pre_feedforward_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %pre_feedforward_layernorm = llm.rms_norm(%attention_residual, %weight_4) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %gate_proj.weight = llm.load_weight @model.layers.3.mlp.gate_proj.weight : tensor<64x32xf32>
    %gate_proj = llm.linear(%pre_feedforward_layernorm, %gate_proj.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %activated = llm.gelu(%gate_proj) {approximate = "tanh"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %up_proj.weight = llm.load_weight @model.layers.3.mlp.up_proj.weight : tensor<64x32xf32>
    %up_proj = llm.linear(%pre_feedforward_layernorm, %up_proj.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %gated = arith.mulf %activated, %up_proj : tensor<?x64xf32>
    %down_proj.weight = llm.load_weight @model.layers.3.mlp.down_proj.weight : tensor<32x64xf32>
    %down_proj = llm.linear(%gated, %down_proj.weight) : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
    %post_feedforward_layernorm.weight = llm.load_weight @model.layers.3.post_feedforward_layernorm.weight : tensor<32xf32>
    %weight_5 = llm.shift(%post_feedforward_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %post_feedforward_layernorm = llm.rms_norm(%down_proj, %weight_5) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %mlp_residual = arith.addf %attention_residual, %post_feedforward_layernorm : tensor<?x32xf32>
    func.return %mlp_residual, %keys, %values : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
  func.func @model.layers.4(%x: tensor<?x32xf32>, %position: index, %key_cache: tensor<?x1x16xf32>, %value_cache: tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>) attributes {llm.role = "block"} {
    %input_layernorm.weight = llm.load_weight @model.layers.4.input_layernorm.weight : tensor<32xf32>
    %weight = llm.shift(%input_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %input_layernorm = llm.rms_norm(%x, %weight) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %c0 = arith.constant 0 : index
    %tokens = tensor.dim %input_layernorm, %c0 : tensor<?x32xf32>
    %q_proj.weight = llm.load_weight @model.layers.4.self_attn.q_proj.weight : tensor<32x32xf32>
    %q_proj = llm.linear(%input_layernorm, %q_proj.weight) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %heads = tensor.expand_shape %q_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %k_proj.weight = llm.load_weight @model.layers.4.self_attn.k_proj.weight : tensor<16x32xf32>
    %k_proj = llm.linear(%input_layernorm, %k_proj.weight) : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
    %heads_1 = tensor.expand_shape %k_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %v_proj.weight = llm.load_weight @model.layers.4.self_attn.v_proj.weight : tensor<16x32xf32>
    %v_proj = llm.linear(%input_layernorm, %v_proj.weight) : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
    %heads_2 = tensor.expand_shape %v_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %q_norm.weight = llm.load_weight @model.layers.4.self_attn.q_norm.weight : tensor<16xf32>
    %weight_1 = llm.shift(%q_norm.weight) {offset = 1.000000e+00 : f32} : (tensor<16xf32>) -> tensor<16xf32>
    %q_norm = llm.rms_norm(%heads, %weight_1) {epsilon = 1.000000e-06 : f32} : (tensor<?x2x16xf32>, tensor<16xf32>) -> tensor<?x2x16xf32>
    %k_norm.weight = llm.load_weight @model.layers.4.self_attn.k_norm.weight : tensor<16xf32>
    %weight_2 = llm.shift(%k_norm.weight) {offset = 1.000000e+00 : f32} : (tensor<16xf32>) -> tensor<16xf32>
    %k_norm = llm.rms_norm(%heads_1, %weight_2) {epsilon = 1.000000e-06 : f32} : (tensor<?x1x16xf32>, tensor<16xf32>) -> tensor<?x1x16xf32>
    %rotated_query = llm.rope(%q_norm, %position) {theta = 1.000000e+04 : f64} : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %rotated_key = llm.rope(%k_norm, %position) {theta = 1.000000e+04 : f64} : (tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %keys = llm.update_cache(%key_cache, %rotated_key, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %values = llm.update_cache(%value_cache, %heads_2, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %attention = llm.attention(%rotated_query, %keys, %values, %position) {scale = 0.223606795 : f32, window = 7 : i64} : (tensor<?x2x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x2x16xf32>
    %merged = tensor.collapse_shape %attention [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %o_proj.weight = llm.load_weight @model.layers.4.self_attn.o_proj.weight : tensor<32x32xf32>
    %o_proj = llm.linear(%merged, %o_proj.weight) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %post_attention_layernorm.weight = llm.load_weight @model.layers.4.post_attention_layernorm.weight : tensor<32xf32>
    %weight_3 = llm.shift(%post_attention_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %post_attention_layernorm = llm.rms_norm(%o_proj, %weight_3) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %attention_residual = arith.addf %x, %post_attention_layernorm : tensor<?x32xf32>
    %pre_feedforward_layernorm.weight = llm.load_weight @model.layers.4.pre_feedforward_layernorm.weight : tensor<32xf32>
    %weight_4 = llm.shift(%pre_feedforward_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %pre_feedforward_layernorm = llm.rms_norm(%attention_residual, %weight_4) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %gate_proj.weight = llm.load_weight @model.layers.4.mlp.gate_proj.weight : tensor<64x32xf32>
    %gate_proj = llm.linear(%pre_feedforward_layernorm, %gate_proj.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %activated = llm.gelu(%gate_proj) {approximate = "tanh"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %up_proj.weight = llm.load_weight @model.layers.4.mlp.up_proj.weight : tensor<64x32xf32>
    %up_proj = llm.linear(%pre_feedforward_layernorm, %up_proj.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %gated = arith.mulf %activated, %up_proj : tensor<?x64xf32>
    %down_proj.weight = llm.load_weight @model.layers.4.mlp.down_proj.weight : tensor<32x64xf32>
    %down_proj = llm.linear(%gated, %down_proj.weight) : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
    %post_feedforward_layernorm.weight = llm.load_weight @model.layers.4.post_feedforward_layernorm.weight : tensor<32xf32>
    %weight_5 = llm.shift(%post_feedforward_layernorm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %post_feedforward_layernorm = llm.rms_norm(%down_proj, %weight_5) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %mlp_residual = arith.addf %attention_residual, %post_feedforward_layernorm : tensor<?x32xf32>
    func.return %mlp_residual, %keys, %values : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
  func.func @head(%x: tensor<?x32xf32>) -> tensor<?x64xf32> attributes {llm.role = "head"} {
    %norm.weight = llm.load_weight @model.norm.weight : tensor<32xf32>
    %weight = llm.shift(%norm.weight) {offset = 1.000000e+00 : f32} : (tensor<32xf32>) -> tensor<32xf32>
    %norm = llm.rms_norm(%x, %weight) {epsilon = 1.000000e-06 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %embed_tokens.weight = llm.load_weight @model.embed_tokens.weight : tensor<64x32xf32>
    %lm_head = llm.linear(%norm, %embed_tokens.weight) {module = "lm_head"} : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    func.return %lm_head : tensor<?x64xf32>
  }
  func.func @backbone(%ids: tensor<?xi64>, %position: index, %k0_cache: tensor<?x1x16xf32>, %v0_cache: tensor<?x1x16xf32>, %k1_cache: tensor<?x1x16xf32>, %v1_cache: tensor<?x1x16xf32>, %k2_cache: tensor<?x1x16xf32>, %v2_cache: tensor<?x1x16xf32>, %k3_cache: tensor<?x1x16xf32>, %v3_cache: tensor<?x1x16xf32>, %k4_cache: tensor<?x1x16xf32>, %v4_cache: tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>) attributes {llm.role = "backbone"} {
    %x = func.call @embed(%ids) : (tensor<?xi64>) -> tensor<?x32xf32>
    %x_1, %k0, %v0 = func.call @model.layers.0(%x, %position, %k0_cache, %v0_cache) : (tensor<?x32xf32>, index, tensor<?x1x16xf32>, tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>)
    %x_2, %k1, %v1 = func.call @model.layers.1(%x_1, %position, %k1_cache, %v1_cache) : (tensor<?x32xf32>, index, tensor<?x1x16xf32>, tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>)
    %x_3, %k2, %v2 = func.call @model.layers.2(%x_2, %position, %k2_cache, %v2_cache) : (tensor<?x32xf32>, index, tensor<?x1x16xf32>, tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>)
    %x_4, %k3, %v3 = func.call @model.layers.3(%x_3, %position, %k3_cache, %v3_cache) : (tensor<?x32xf32>, index, tensor<?x1x16xf32>, tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>)
    %x_5, %k4, %v4 = func.call @model.layers.4(%x_4, %position, %k4_cache, %v4_cache) : (tensor<?x32xf32>, index, tensor<?x1x16xf32>, tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>)
    func.return %x_5, %k0, %v0, %k1, %v1, %k2, %v2, %k3, %v3, %k4, %v4 : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
}
