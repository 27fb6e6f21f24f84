// RUN: llmir-opt %s -p 'convert-llm-to-kernel' | filecheck %s

// The sum with a residual that each thread has for itself is a phase of its own, and so is what ends the block: rows into
// the residual buffer.

// CHECK: kernel.step @decode(%[[IDS:.*]]: memref<1xi64, "shared">, %[[POSITION:.*]]: index, %[[LOGITS:.*]]: memref<1x64xf32, "shared">, %[[TOKEN:.*]]: memref<1xi64, "shared">) attributes {rows = 1 : i64} {
// CHECK: %[[X:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "shared">
// CHECK: %[[EMBEDDED:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "private">
// CHECK: %[[EMBED_TOKENS_PACKED:.*]] = kernel.weight_at @packed.model.decoder.embed_tokens :
// CHECK: kernel.embed(%[[IDS]], %[[EMBED_TOKENS_PACKED]]) into(%[[EMBEDDED]]) {split = #kernel.split<replicated>}
// CHECK: %[[EMBEDDED2:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x32xf32, "private">
// CHECK: %[[EMBED_POSITIONS_PACKED:.*]] = kernel.weight_at @packed.model.decoder.embed_positions :
// CHECK: kernel.embed_positions(%[[EMBED_POSITIONS_PACKED]], %[[POSITION]]) into(%[[EMBEDDED2]]) {count = 48 : i64, offset = 2 : i64, split = #kernel.split<replicated>}
// CHECK: kernel.add(%[[EMBEDDED]], %[[EMBEDDED2]]) into(%[[X]]) {split = #kernel.split<rows>}
// CHECK: %[[Q_PROJ_K_PROJ_V_PROJ_BIAS:.*]] = kernel.weight_at @packed.model.decoder.layers.0.self_attn.q_proj_k_proj_v_proj.bias :
// CHECK: %[[Q_PROJ_K_PROJ_V_PROJ:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x96xf32, "shared">
// CHECK: %[[Q_PROJ_K_PROJ_V_PROJ_PACKED:.*]] = kernel.weight_at @packed.model.decoder.layers.0.self_attn.q_proj_k_proj_v_proj :
// CHECK: kernel.barrier
// CHECK: kernel.matmul(%[[X]], %[[Q_PROJ_K_PROJ_V_PROJ_PACKED]]) bias(%[[Q_PROJ_K_PROJ_V_PROJ_BIAS]]) into(%[[Q_PROJ_K_PROJ_V_PROJ]]) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[KEYS:.*]], %[[VALUES:.*]] = kernel.cache_at @cache.0 : memref<2x?x16x16xf16, "cache">, memref<2x?x16xf16, "cache">
// CHECK: %[[K_PROJ:.*]] = kernel.view %[[Q_PROJ_K_PROJ_V_PROJ]] : {{.*}} -> memref<1x2x16xf32, strided<[96, 16, 1], offset: 32>, "shared">
// CHECK: %[[V_PROJ:.*]] = kernel.view %[[Q_PROJ_K_PROJ_V_PROJ]] : {{.*}} -> memref<1x2x16xf32, strided<[96, 16, 1], offset: 64>, "shared">
// CHECK: kernel.barrier
// CHECK: kernel.append_cache(%[[K_PROJ]], %[[V_PROJ]], %[[POSITION]]) into(%[[KEYS]], %[[VALUES]]) {split = #kernel.split<heads 2>}
// CHECK: %[[ATTENTION:.*]] = kernel.buffer {offset = 512 : i64} : memref<1x32xf32, "shared">
// CHECK: %[[Q_PROJ:.*]] = kernel.view %[[Q_PROJ_K_PROJ_V_PROJ]] : {{.*}} -> memref<1x2x16xf32, strided<[96, 16, 1]>, "shared">
// CHECK: %[[ATTENTION2:.*]] = kernel.view %[[ATTENTION]] : {{.*}} -> memref<1x2x16xf32, strided<[32, 16, 1]>, "shared">
// CHECK: kernel.attention(%[[Q_PROJ]], %[[KEYS]], %[[VALUES]], %[[POSITION]]) into(%[[ATTENTION2]]) {scale = 2.500000e-01 : f32, split = #kernel.split<heads 2>}
// CHECK: %[[OUT_PROJ_BIAS:.*]] = kernel.weight_at @packed.model.decoder.layers.0.self_attn.out_proj.bias :
// CHECK: %[[OUT_PROJ_PACKED:.*]] = kernel.weight_at @packed.model.decoder.layers.0.self_attn.out_proj :
// CHECK: kernel.barrier
// CHECK: kernel.matmul(%[[ATTENTION]], %[[OUT_PROJ_PACKED]]) bias(%[[OUT_PROJ_BIAS]]) into(%[[X]]) {activation = "f32", epilogue = "add", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[SELF_ATTN_LAYER_NORM:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "private">
// CHECK: %[[SELF_ATTN_LAYER_NORM_VECTOR:.*]] = kernel.weight_at @packed.model.decoder.layers.0.self_attn_layer_norm :
// CHECK: %[[SELF_ATTN_LAYER_NORM_BIAS:.*]] = kernel.weight_at @packed.model.decoder.layers.0.self_attn_layer_norm.bias :
// CHECK: kernel.barrier
// CHECK: kernel.layer_norm(%[[X]], %[[SELF_ATTN_LAYER_NORM_VECTOR]]) bias(%[[SELF_ATTN_LAYER_NORM_BIAS]]) into(%[[SELF_ATTN_LAYER_NORM]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<replicated>}
// CHECK: %[[FC1_BIAS:.*]] = kernel.weight_at @packed.model.decoder.layers.0.fc1.bias :
// CHECK: %[[FC1:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x64xf32, "shared">
// CHECK: %[[FC1_PACKED:.*]] = kernel.weight_at @packed.model.decoder.layers.0.fc1 :
// CHECK: kernel.matmul(%[[SELF_ATTN_LAYER_NORM]], %[[FC1_PACKED]]) bias(%[[FC1_BIAS]]) into(%[[FC1]]) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: kernel.activate(%[[FC1]]) into(%[[FC1]]) {activation = "relu", split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[FC2_BIAS:.*]] = kernel.weight_at @packed.model.decoder.layers.0.fc2.bias :
// CHECK: %[[FC2:.*]] = kernel.buffer {offset = 384 : i64} : memref<1x32xf32, "shared">
// CHECK: %[[FC2_PACKED:.*]] = kernel.weight_at @packed.model.decoder.layers.0.fc2 :
// CHECK: kernel.barrier
// CHECK: kernel.matmul(%[[FC1]], %[[FC2_PACKED]]) bias(%[[FC2_BIAS]]) into(%[[FC2]]) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: kernel.add(%[[SELF_ATTN_LAYER_NORM]], %[[FC2]]) into(%[[FC2]]) {split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[FINAL_LAYER_NORM_VECTOR:.*]] = kernel.weight_at @packed.model.decoder.layers.0.final_layer_norm :
// CHECK: %[[FINAL_LAYER_NORM_BIAS:.*]] = kernel.weight_at @packed.model.decoder.layers.0.final_layer_norm.bias :
// CHECK: kernel.barrier
// CHECK: kernel.layer_norm(%[[FC2]], %[[FINAL_LAYER_NORM_VECTOR]]) bias(%[[FINAL_LAYER_NORM_BIAS]]) into(%[[X]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<rows>}
// CHECK: kernel.barrier
// CHECK: kernel.matmul(%[[X]], %[[EMBED_TOKENS_PACKED]]) into(%[[LOGITS]]) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[VALUES2:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x1xf32, "threads">
// CHECK: %[[INDICES:.*]] = kernel.buffer {offset = 64 : i64} : memref<1x1xi64, "threads">
// CHECK: kernel.argmax(%[[LOGITS]]) into(%[[VALUES2]], %[[INDICES]]) {split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: kernel.barrier
// CHECK: kernel.pick(%[[VALUES2]], %[[INDICES]]) into(%[[TOKEN]]) {split = #kernel.split<rows>}
// CHECK: }

builtin.module {
  llm.weight @model.decoder.embed_tokens.weight : tensor<64x32xf32>
  llm.weight @model.decoder.embed_positions.weight : tensor<50x32xf32>
  llm.weight @model.decoder.layers.0.self_attn_layer_norm.weight : tensor<32xf32>
  llm.weight @model.decoder.layers.0.self_attn_layer_norm.bias : tensor<32xf32>
  llm.weight @model.decoder.layers.0.self_attn.q_proj.weight : tensor<32x32xf32>
  llm.weight @model.decoder.layers.0.self_attn.q_proj.bias : tensor<32xf32>
  llm.weight @model.decoder.layers.0.self_attn.k_proj.weight : tensor<32x32xf32>
  llm.weight @model.decoder.layers.0.self_attn.k_proj.bias : tensor<32xf32>
  llm.weight @model.decoder.layers.0.self_attn.v_proj.weight : tensor<32x32xf32>
  llm.weight @model.decoder.layers.0.self_attn.v_proj.bias : tensor<32xf32>
  llm.weight @model.decoder.layers.0.self_attn.out_proj.weight : tensor<32x32xf32>
  llm.weight @model.decoder.layers.0.self_attn.out_proj.bias : tensor<32xf32>
  llm.weight @model.decoder.layers.0.final_layer_norm.weight : tensor<32xf32>
  llm.weight @model.decoder.layers.0.final_layer_norm.bias : tensor<32xf32>
  llm.weight @model.decoder.layers.0.fc1.weight : tensor<64x32xf32>
  llm.weight @model.decoder.layers.0.fc1.bias : tensor<64xf32>
  llm.weight @model.decoder.layers.0.fc2.weight : tensor<32x64xf32>
  llm.weight @model.decoder.layers.0.fc2.bias : tensor<32xf32>
  func.func @embed(%ids: tensor<?xi64>, %position: index) -> tensor<?x32xf32> attributes {llm.role = "embed"} {
    %embed_tokens.weight = llm.load_weight @model.decoder.embed_tokens.weight : tensor<64x32xf32>
    %embedded = llm.embedding(%ids, %embed_tokens.weight) : (tensor<?xi64>, tensor<64x32xf32>) -> tensor<?x32xf32>
    %positions = llm.positions(%ids, %position) {count = 48 : i64, offset = 2 : i64} : (tensor<?xi64>, index) -> tensor<?xi64>
    %embed_positions.weight = llm.load_weight @model.decoder.embed_positions.weight : tensor<50x32xf32>
    %embedded_1 = llm.embedding(%positions, %embed_positions.weight) : (tensor<?xi64>, tensor<50x32xf32>) -> tensor<?x32xf32>
    %x = arith.addf %embedded, %embedded_1 : tensor<?x32xf32>
    func.return %x : tensor<?x32xf32>
  }
  func.func @model.decoder.layers.0(%x: tensor<?x32xf32>, %position: index, %key_cache: tensor<?x2x16xf32>, %value_cache: tensor<?x2x16xf32>) -> (tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>) attributes {llm.role = "block"} {
    %c0 = arith.constant 0 : index
    %tokens = tensor.dim %x, %c0 : tensor<?x32xf32>
    %q_proj.weight = llm.load_weight @model.decoder.layers.0.self_attn.q_proj.weight : tensor<32x32xf32>
    %q_proj.bias = llm.load_weight @model.decoder.layers.0.self_attn.q_proj.bias : tensor<32xf32>
    %q_proj = llm.linear(%x, %q_proj.weight) bias(%q_proj.bias) : (tensor<?x32xf32>, tensor<32x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %heads = tensor.expand_shape %q_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %k_proj.weight = llm.load_weight @model.decoder.layers.0.self_attn.k_proj.weight : tensor<32x32xf32>
    %k_proj.bias = llm.load_weight @model.decoder.layers.0.self_attn.k_proj.bias : tensor<32xf32>
    %k_proj = llm.linear(%x, %k_proj.weight) bias(%k_proj.bias) : (tensor<?x32xf32>, tensor<32x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %heads_1 = tensor.expand_shape %k_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %v_proj.weight = llm.load_weight @model.decoder.layers.0.self_attn.v_proj.weight : tensor<32x32xf32>
    %v_proj.bias = llm.load_weight @model.decoder.layers.0.self_attn.v_proj.bias : tensor<32xf32>
    %v_proj = llm.linear(%x, %v_proj.weight) bias(%v_proj.bias) : (tensor<?x32xf32>, tensor<32x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %heads_2 = tensor.expand_shape %v_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %keys = llm.update_cache(%key_cache, %heads_1, %position) : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %values = llm.update_cache(%value_cache, %heads_2, %position) : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %attention = llm.attention(%heads, %keys, %values, %position) {scale = 2.500000e-01 : f32} : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %merged = tensor.collapse_shape %attention [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %out_proj.weight = llm.load_weight @model.decoder.layers.0.self_attn.out_proj.weight : tensor<32x32xf32>
    %out_proj.bias = llm.load_weight @model.decoder.layers.0.self_attn.out_proj.bias : tensor<32xf32>
    %out_proj = llm.linear(%merged, %out_proj.weight) bias(%out_proj.bias) : (tensor<?x32xf32>, tensor<32x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %attention_residual = arith.addf %x, %out_proj : tensor<?x32xf32>
    %self_attn_layer_norm.weight = llm.load_weight @model.decoder.layers.0.self_attn_layer_norm.weight : tensor<32xf32>
    %self_attn_layer_norm.bias = llm.load_weight @model.decoder.layers.0.self_attn_layer_norm.bias : tensor<32xf32>
    %self_attn_layer_norm = llm.layer_norm(%attention_residual, %self_attn_layer_norm.weight) bias(%self_attn_layer_norm.bias) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %fc1.weight = llm.load_weight @model.decoder.layers.0.fc1.weight : tensor<64x32xf32>
    %fc1.bias = llm.load_weight @model.decoder.layers.0.fc1.bias : tensor<64xf32>
    %fc1 = llm.linear(%self_attn_layer_norm, %fc1.weight) bias(%fc1.bias) : (tensor<?x32xf32>, tensor<64x32xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %activated = llm.relu(%fc1) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %fc2.weight = llm.load_weight @model.decoder.layers.0.fc2.weight : tensor<32x64xf32>
    %fc2.bias = llm.load_weight @model.decoder.layers.0.fc2.bias : tensor<32xf32>
    %fc2 = llm.linear(%activated, %fc2.weight) bias(%fc2.bias) : (tensor<?x64xf32>, tensor<32x64xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %mlp_residual = arith.addf %self_attn_layer_norm, %fc2 : tensor<?x32xf32>
    %final_layer_norm.weight = llm.load_weight @model.decoder.layers.0.final_layer_norm.weight : tensor<32xf32>
    %final_layer_norm.bias = llm.load_weight @model.decoder.layers.0.final_layer_norm.bias : tensor<32xf32>
    %final_layer_norm = llm.layer_norm(%mlp_residual, %final_layer_norm.weight) bias(%final_layer_norm.bias) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    func.return %final_layer_norm, %keys, %values : tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>
  }
  func.func @head(%x: tensor<?x32xf32>) -> tensor<?x64xf32> attributes {llm.role = "head"} {
    %embed_tokens.weight = llm.load_weight @model.decoder.embed_tokens.weight : tensor<64x32xf32>
    %lm_head = llm.linear(%x, %embed_tokens.weight) {module = "lm_head"} : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    func.return %lm_head : tensor<?x64xf32>
  }
  func.func @backbone(%ids: tensor<?xi64>, %position: index, %k0_cache: tensor<?x2x16xf32>, %v0_cache: tensor<?x2x16xf32>) -> (tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>) attributes {llm.role = "backbone"} {
    %x = func.call @embed(%ids, %position) : (tensor<?xi64>, index) -> tensor<?x32xf32>
    %x_1, %k0, %v0 = func.call @model.decoder.layers.0(%x, %position, %k0_cache, %v0_cache) : (tensor<?x32xf32>, index, tensor<?x2x16xf32>, tensor<?x2x16xf32>) -> (tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>)
    func.return %x_1, %k0, %v0 : tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>
  }
}
