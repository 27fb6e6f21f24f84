// RUN: llmir-opt %s -p 'convert-llm-to-kernel' | filecheck %s

// Slices of a fused product are rows of its weight and bias, so that heads lie one after another. The residual is added to
// when its other reader is done: both sums are made in its place.

// CHECK: kernel.weight @packed.gpt_neox.layers.0.attention.query_key_value {members = {{\[\[}}#kernel.rows<@gpt_neox.layers.0.attention.query_key_value.weight, start=0, size=16, stride=48, count=2>, #kernel.rows<@gpt_neox.layers.0.attention.query_key_value.weight, start=16, size=16, stride=48, count=2>, #kernel.rows<@gpt_neox.layers.0.attention.query_key_value.weight, start=32, size=16, stride=48, count=2>{{\]\]}}, offset = {{[0-9]+}} : i64, stride = 0 : i64} : !kernel.tiles<tensor<96x32xf32>, tile={{[0-9]+}}>

// CHECK: kernel.weight @packed.gpt_neox.layers.0.attention.query_key_value.bias {members = {{\[\[}}#kernel.rows<@gpt_neox.layers.0.attention.query_key_value.bias, start=0, size=16, stride=48, count=2>, #kernel.rows<@gpt_neox.layers.0.attention.query_key_value.bias, start=16, size=16, stride=48, count=2>, #kernel.rows<@gpt_neox.layers.0.attention.query_key_value.bias, start=32, size=16, stride=48, count=2>{{\]\]}}, offset = {{[0-9]+}} : i64, stride = 0 : i64} : memref<96xf32, "weights">

// CHECK: kernel.step @decode(%[[IDS:.*]]: memref<1xi64, "shared">, %[[POSITION:.*]]: index, %[[LOGITS:.*]]: memref<1x64xf32, "shared">, %[[TOKEN:.*]]: memref<1xi64, "shared">) attributes {rows = 1 : i64} {
// CHECK: %[[X:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "shared">
// CHECK: %[[EMBED_IN_PACKED:.*]] = kernel.weight_at @packed.gpt_neox.embed_in :
// CHECK: kernel.embed(%[[IDS]], %[[EMBED_IN_PACKED]]) into(%[[X]]) {split = #kernel.split<rows>}
// CHECK: %[[INPUT_LAYERNORM:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "private">
// CHECK: %[[INPUT_LAYERNORM_VECTOR:.*]] = kernel.weight_at @packed.gpt_neox.layers.0.input_layernorm :
// CHECK: %[[INPUT_LAYERNORM_BIAS:.*]] = kernel.weight_at @packed.gpt_neox.layers.0.input_layernorm.bias :
// CHECK: kernel.barrier
// CHECK: kernel.layer_norm(%[[X]], %[[INPUT_LAYERNORM_VECTOR]]) bias(%[[INPUT_LAYERNORM_BIAS]]) into(%[[INPUT_LAYERNORM]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<replicated>}
// CHECK: %[[QUERY_KEY_VALUE_BIAS:.*]] = kernel.weight_at @packed.gpt_neox.layers.0.attention.query_key_value.bias :
// CHECK: %[[QUERY_KEY_VALUE:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x96xf32, "shared">
// CHECK: %[[QUERY_KEY_VALUE_PACKED:.*]] = kernel.weight_at @packed.gpt_neox.layers.0.attention.query_key_value :
// CHECK: kernel.matmul(%[[INPUT_LAYERNORM]], %[[QUERY_KEY_VALUE_PACKED]]) bias(%[[QUERY_KEY_VALUE_BIAS]]) into(%[[QUERY_KEY_VALUE]]) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[QUERY:.*]] = kernel.view %[[QUERY_KEY_VALUE]] : {{.*}} -> memref<1x2x16xf32, strided<[96, 16, 1]>, "shared">
// CHECK: %[[ANGLES:.*]] = kernel.table_at @rope.0 : memref<?x4xf32, "tables">
// CHECK: kernel.barrier
// CHECK: kernel.rope(%[[ANGLES]], %[[POSITION]]) into(%[[QUERY]]) {split = #kernel.split<heads 2>}
// CHECK: %[[KEY:.*]] = kernel.view %[[QUERY_KEY_VALUE]] : {{.*}} -> memref<1x2x16xf32, strided<[96, 16, 1], offset: 32>, "shared">
// CHECK: kernel.rope(%[[ANGLES]], %[[POSITION]]) into(%[[KEY]]) {split = #kernel.split<heads 2>}
// CHECK: %[[KEYS:.*]], %[[VALUES:.*]] = kernel.cache_at @cache.0 : memref<2x?x16x16xf16, "cache">, memref<2x?x16xf16, "cache">
// CHECK: %[[VALUE:.*]] = kernel.view %[[QUERY_KEY_VALUE]] : {{.*}} -> memref<1x2x16xf32, strided<[96, 16, 1], offset: 64>, "shared">
// CHECK: kernel.append_cache(%[[KEY]], %[[VALUE]], %[[POSITION]]) into(%[[KEYS]], %[[VALUES]]) {split = #kernel.split<heads 2>}
// CHECK: %[[ATTENTION:.*]] = kernel.buffer {offset = 512 : i64} : memref<1x32xf32, "shared">
// CHECK: %[[ATTENTION2:.*]] = kernel.view %[[ATTENTION]] : {{.*}} -> memref<1x2x16xf32, strided<[32, 16, 1]>, "shared">
// CHECK: kernel.attention(%[[QUERY]], %[[KEYS]], %[[VALUES]], %[[POSITION]]) into(%[[ATTENTION2]]) {scale = 2.500000e-01 : f32, split = #kernel.split<heads 2>}
// CHECK: %[[POST_ATTENTION_LAYERNORM:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "private">
// CHECK: %[[POST_ATTENTION_LAYERNORM_VECTOR:.*]] = kernel.weight_at @packed.gpt_neox.layers.0.post_attention_layernorm :
// CHECK: %[[POST_ATTENTION_LAYERNORM_BIAS:.*]] = kernel.weight_at @packed.gpt_neox.layers.0.post_attention_layernorm.bias :
// CHECK: kernel.layer_norm(%[[X]], %[[POST_ATTENTION_LAYERNORM_VECTOR]]) bias(%[[POST_ATTENTION_LAYERNORM_BIAS]]) into(%[[POST_ATTENTION_LAYERNORM]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<replicated>}
// CHECK: %[[DENSE_H_TO_4H_BIAS:.*]] = kernel.weight_at @packed.gpt_neox.layers.0.mlp.dense_h_to_4h.bias :
// CHECK: %[[DENSE_H_TO_4H:.*]] = kernel.buffer {offset = 640 : i64} : memref<1x64xf32, "shared">
// CHECK: %[[DENSE_H_TO_4H_PACKED:.*]] = kernel.weight_at @packed.gpt_neox.layers.0.mlp.dense_h_to_4h :
// CHECK: kernel.matmul(%[[POST_ATTENTION_LAYERNORM]], %[[DENSE_H_TO_4H_PACKED]]) bias(%[[DENSE_H_TO_4H_BIAS]]) into(%[[DENSE_H_TO_4H]]) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: kernel.activate(%[[DENSE_H_TO_4H]]) into(%[[DENSE_H_TO_4H]]) {activation = "gelu", split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[DENSE_4H_TO_H_BIAS:.*]] = kernel.weight_at @packed.gpt_neox.layers.0.mlp.dense_4h_to_h.bias :
// CHECK: %[[DENSE_BIAS:.*]] = kernel.weight_at @packed.gpt_neox.layers.0.attention.dense.bias :
// CHECK: %[[DENSE_PACKED:.*]] = kernel.weight_at @packed.gpt_neox.layers.0.attention.dense :
// CHECK: kernel.barrier
// CHECK: kernel.matmul(%[[ATTENTION]], %[[DENSE_PACKED]]) bias(%[[DENSE_BIAS]]) into(%[[X]]) {activation = "f32", epilogue = "add", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[DENSE_4H_TO_H_PACKED:.*]] = kernel.weight_at @packed.gpt_neox.layers.0.mlp.dense_4h_to_h :
// CHECK: kernel.matmul(%[[DENSE_H_TO_4H]], %[[DENSE_4H_TO_H_PACKED]]) bias(%[[DENSE_4H_TO_H_BIAS]]) into(%[[X]]) {activation = "f32", epilogue = "add", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[FINAL_LAYER_NORM:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "private">
// CHECK: %[[FINAL_LAYER_NORM_VECTOR:.*]] = kernel.weight_at @packed.gpt_neox.final_layer_norm :
// CHECK: %[[FINAL_LAYER_NORM_BIAS:.*]] = kernel.weight_at @packed.gpt_neox.final_layer_norm.bias :
// CHECK: kernel.barrier
// CHECK: kernel.layer_norm(%[[X]], %[[FINAL_LAYER_NORM_VECTOR]]) bias(%[[FINAL_LAYER_NORM_BIAS]]) into(%[[FINAL_LAYER_NORM]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<replicated>}
// CHECK: %[[EMBED_OUT_PACKED:.*]] = kernel.weight_at @packed.embed_out :
// CHECK: kernel.matmul(%[[FINAL_LAYER_NORM]], %[[EMBED_OUT_PACKED]]) into(%[[LOGITS]]) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[VALUES2:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x1xf32, "threads">
// CHECK: %[[INDICES:.*]] = kernel.buffer {offset = 64 : i64} : memref<1x1xi64, "threads">
// CHECK: kernel.argmax(%[[LOGITS]]) into(%[[VALUES2]], %[[INDICES]]) {split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: kernel.barrier
// CHECK: kernel.pick(%[[VALUES2]], %[[INDICES]]) into(%[[TOKEN]]) {split = #kernel.split<rows>}
// CHECK: }

builtin.module {
  llm.weight @gpt_neox.embed_in.weight : tensor<64x32xf32>
  llm.weight @gpt_neox.layers.0.input_layernorm.weight : tensor<32xf32>
  llm.weight @gpt_neox.layers.0.input_layernorm.bias : tensor<32xf32>
  llm.weight @gpt_neox.layers.0.post_attention_layernorm.weight : tensor<32xf32>
  llm.weight @gpt_neox.layers.0.post_attention_layernorm.bias : tensor<32xf32>
  llm.weight @gpt_neox.layers.0.attention.query_key_value.weight : tensor<96x32xf32>
  llm.weight @gpt_neox.layers.0.attention.query_key_value.bias : tensor<96xf32>
  llm.weight @gpt_neox.layers.0.attention.dense.weight : tensor<32x32xf32>
  llm.weight @gpt_neox.layers.0.attention.dense.bias : tensor<32xf32>
  llm.weight @gpt_neox.layers.0.mlp.dense_h_to_4h.weight : tensor<64x32xf32>
  llm.weight @gpt_neox.layers.0.mlp.dense_h_to_4h.bias : tensor<64xf32>
  llm.weight @gpt_neox.layers.0.mlp.dense_4h_to_h.weight : tensor<32x64xf32>
  llm.weight @gpt_neox.layers.0.mlp.dense_4h_to_h.bias : tensor<32xf32>
  llm.weight @gpt_neox.final_layer_norm.weight : tensor<32xf32>
  llm.weight @gpt_neox.final_layer_norm.bias : tensor<32xf32>
  llm.weight @embed_out.weight : tensor<64x32xf32>
  func.func @embed(%ids: tensor<?xi64>) -> tensor<?x32xf32> attributes {llm.role = "embed"} {
    %embed_in.weight = llm.load_weight @gpt_neox.embed_in.weight : tensor<64x32xf32>
    %embedded = llm.embedding(%ids, %embed_in.weight) : (tensor<?xi64>, tensor<64x32xf32>) -> tensor<?x32xf32>
    func.return %embedded : tensor<?x32xf32>
  }
  func.func @gpt_neox.layers.0(%x: tensor<?x32xf32>, %position: index, %key_cache: tensor<?x2x16xf32>, %value_cache: tensor<?x2x16xf32>) -> (tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>) attributes {llm.role = "block"} {
    %input_layernorm.weight = llm.load_weight @gpt_neox.layers.0.input_layernorm.weight : tensor<32xf32>
    %input_layernorm.bias = llm.load_weight @gpt_neox.layers.0.input_layernorm.bias : tensor<32xf32>
    %input_layernorm = llm.layer_norm(%x, %input_layernorm.weight) bias(%input_layernorm.bias) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %query_key_value.weight = llm.load_weight @gpt_neox.layers.0.attention.query_key_value.weight : tensor<96x32xf32>
    %query_key_value.bias = llm.load_weight @gpt_neox.layers.0.attention.query_key_value.bias : tensor<96xf32>
    %query_key_value = llm.linear(%input_layernorm, %query_key_value.weight) bias(%query_key_value.bias) : (tensor<?x32xf32>, tensor<96x32xf32>, tensor<96xf32>) -> tensor<?x96xf32>
    %c0 = arith.constant 0 : index
    %tokens = tensor.dim %query_key_value, %c0 : tensor<?x96xf32>
    %heads = tensor.expand_shape %query_key_value [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 48] : tensor<?x96xf32> into tensor<?x2x48xf32>
    %c0_1 = arith.constant 0 : index
    %tokens_1 = tensor.dim %heads, %c0_1 : tensor<?x2x48xf32>
    %query = tensor.extract_slice %heads[0, 0, 0] [%tokens_1, 2, 16] [1, 1, 1] : tensor<?x2x48xf32> to tensor<?x2x16xf32>
    %key = tensor.extract_slice %heads[0, 0, 16] [%tokens_1, 2, 16] [1, 1, 1] : tensor<?x2x48xf32> to tensor<?x2x16xf32>
    %value = tensor.extract_slice %heads[0, 0, 32] [%tokens_1, 2, 16] [1, 1, 1] : tensor<?x2x48xf32> to tensor<?x2x16xf32>
    %rotated_query = llm.rope(%query, %position) {theta = 1.000000e+04 : f64, dimensions = 4 : i64} : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %rotated_key = llm.rope(%key, %position) {theta = 1.000000e+04 : f64, dimensions = 4 : i64} : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %keys = llm.update_cache(%key_cache, %rotated_key, %position) : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %values = llm.update_cache(%value_cache, %value, %position) : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %attention = llm.attention(%rotated_query, %keys, %values, %position) {scale = 2.500000e-01 : f32} : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %merged = tensor.collapse_shape %attention [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %dense.weight = llm.load_weight @gpt_neox.layers.0.attention.dense.weight : tensor<32x32xf32>
    %dense.bias = llm.load_weight @gpt_neox.layers.0.attention.dense.bias : tensor<32xf32>
    %dense = llm.linear(%merged, %dense.weight) bias(%dense.bias) : (tensor<?x32xf32>, tensor<32x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %attention_residual = arith.addf %x, %dense : tensor<?x32xf32>
    %post_attention_layernorm.weight = llm.load_weight @gpt_neox.layers.0.post_attention_layernorm.weight : tensor<32xf32>
    %post_attention_layernorm.bias = llm.load_weight @gpt_neox.layers.0.post_attention_layernorm.bias : tensor<32xf32>
    %post_attention_layernorm = llm.layer_norm(%x, %post_attention_layernorm.weight) bias(%post_attention_layernorm.bias) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %dense_h_to_4h.weight = llm.load_weight @gpt_neox.layers.0.mlp.dense_h_to_4h.weight : tensor<64x32xf32>
    %dense_h_to_4h.bias = llm.load_weight @gpt_neox.layers.0.mlp.dense_h_to_4h.bias : tensor<64xf32>
    %dense_h_to_4h = llm.linear(%post_attention_layernorm, %dense_h_to_4h.weight) bias(%dense_h_to_4h.bias) : (tensor<?x32xf32>, tensor<64x32xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %activated = llm.gelu(%dense_h_to_4h) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %dense_4h_to_h.weight = llm.load_weight @gpt_neox.layers.0.mlp.dense_4h_to_h.weight : tensor<32x64xf32>
    %dense_4h_to_h.bias = llm.load_weight @gpt_neox.layers.0.mlp.dense_4h_to_h.bias : tensor<32xf32>
    %dense_4h_to_h = llm.linear(%activated, %dense_4h_to_h.weight) bias(%dense_4h_to_h.bias) : (tensor<?x64xf32>, tensor<32x64xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %mlp_residual = arith.addf %attention_residual, %dense_4h_to_h : tensor<?x32xf32>
    func.return %mlp_residual, %keys, %values : tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>
  }
  func.func @head(%x: tensor<?x32xf32>) -> tensor<?x64xf32> attributes {llm.role = "head"} {
    %final_layer_norm.weight = llm.load_weight @gpt_neox.final_layer_norm.weight : tensor<32xf32>
    %final_layer_norm.bias = llm.load_weight @gpt_neox.final_layer_norm.bias : tensor<32xf32>
    %final_layer_norm = llm.layer_norm(%x, %final_layer_norm.weight) bias(%final_layer_norm.bias) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %embed_out.weight = llm.load_weight @embed_out.weight : tensor<64x32xf32>
    %lm_head = llm.linear(%final_layer_norm, %embed_out.weight) {module = "lm_head"} : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    func.return %lm_head : tensor<?x64xf32>
  }
  func.func @backbone(%ids: tensor<?xi64>, %position: index, %k0_cache: tensor<?x2x16xf32>, %v0_cache: tensor<?x2x16xf32>) -> (tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>) attributes {llm.role = "backbone"} {
    %x = func.call @embed(%ids) : (tensor<?xi64>) -> tensor<?x32xf32>
    %x_1, %k0, %v0 = func.call @gpt_neox.layers.0(%x, %position, %k0_cache, %v0_cache) : (tensor<?x32xf32>, index, tensor<?x2x16xf32>, tensor<?x2x16xf32>) -> (tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>)
    func.return %x_1, %k0, %v0 : tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>
  }
}
