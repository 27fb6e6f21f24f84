// RUN: llmir-opt %s -p 'convert-llm-to-kernel' | filecheck %s

// Slices that are all of a weight, in order, are the weight as it is. Positions are rows of a table.

// CHECK: kernel.weight @packed.transformer.h.0.attn.c_attn {members = {{\[\[}}@transformer.h.0.attn.c_attn.weight{{\]\]}}, offset = {{[0-9]+}} : i64, stride = 0 : i64} : !kernel.tiles<tensor<96x32xf32>, tile={{[0-9]+}}>

// CHECK: kernel.step @decode(%[[IDS:.*]]: memref<1xi64, "shared">, %[[POSITION:.*]]: index, %[[LOGITS:.*]]: memref<1x64xf32, "shared">, %[[TOKEN:.*]]: memref<1xi64, "shared">) attributes {rows = 1 : i64} {
// CHECK: %[[X:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "shared">
// CHECK: %[[EMBEDDED:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "private">
// CHECK: %[[WPE_PACKED:.*]] = kernel.weight_at @packed.transformer.wpe :
// CHECK: kernel.embed_positions(%[[WPE_PACKED]], %[[POSITION]]) into(%[[EMBEDDED]]) {count = 48 : i64, offset = 0 : i64, split = #kernel.split<replicated>}
// CHECK: %[[EMBEDDED2:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x32xf32, "private">
// CHECK: %[[WTE_PACKED:.*]] = kernel.weight_at @packed.transformer.wte :
// CHECK: kernel.embed(%[[IDS]], %[[WTE_PACKED]]) into(%[[EMBEDDED2]]) {split = #kernel.split<replicated>}
// CHECK: kernel.add(%[[EMBEDDED2]], %[[EMBEDDED]]) into(%[[X]]) {split = #kernel.split<rows>}
// CHECK: %[[LN:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "private">
// CHECK: %[[LN_1_VECTOR:.*]] = kernel.weight_at @packed.transformer.h.0.ln_1 :
// CHECK: %[[LN_1_BIAS:.*]] = kernel.weight_at @packed.transformer.h.0.ln_1.bias :
// CHECK: kernel.barrier
// CHECK: kernel.layer_norm(%[[X]], %[[LN_1_VECTOR]]) bias(%[[LN_1_BIAS]]) into(%[[LN]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<replicated>}
// CHECK: %[[C_ATTN_BIAS:.*]] = kernel.weight_at @packed.transformer.h.0.attn.c_attn.bias :
// CHECK: %[[QUERY_KEY_VALUE:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x96xf32, "shared">
// CHECK: %[[C_ATTN_PACKED:.*]] = kernel.weight_at @packed.transformer.h.0.attn.c_attn :
// CHECK: kernel.matmul(%[[LN]], %[[C_ATTN_PACKED]]) bias(%[[C_ATTN_BIAS]]) into(%[[QUERY_KEY_VALUE]]) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[KEYS:.*]], %[[VALUES:.*]] = kernel.cache_at @cache.0 : memref<2x?x16x16xf16, "cache">, memref<2x?x16xf16, "cache">
// CHECK: %[[KEY:.*]] = kernel.view %[[QUERY_KEY_VALUE]] : {{.*}} -> memref<1x2x16xf32, strided<[96, 16, 1], offset: 32>, "shared">
// CHECK: %[[VALUE:.*]] = kernel.view %[[QUERY_KEY_VALUE]] : {{.*}} -> memref<1x2x16xf32, strided<[96, 16, 1], offset: 64>, "shared">
// CHECK: kernel.barrier
// CHECK: kernel.append_cache(%[[KEY]], %[[VALUE]], %[[POSITION]]) into(%[[KEYS]], %[[VALUES]]) {split = #kernel.split<heads 2>}
// CHECK: %[[ATTENTION:.*]] = kernel.buffer {offset = 512 : i64} : memref<1x32xf32, "shared">
// CHECK: %[[QUERY:.*]] = kernel.view %[[QUERY_KEY_VALUE]] : {{.*}} -> memref<1x2x16xf32, strided<[96, 16, 1]>, "shared">
// CHECK: %[[ATTENTION2:.*]] = kernel.view %[[ATTENTION]] : {{.*}} -> memref<1x2x16xf32, strided<[32, 16, 1]>, "shared">
// CHECK: kernel.attention(%[[QUERY]], %[[KEYS]], %[[VALUES]], %[[POSITION]]) into(%[[ATTENTION2]]) {scale = 2.500000e-01 : f32, split = #kernel.split<heads 2>}
// CHECK: %[[C_PROJ_BIAS:.*]] = kernel.weight_at @packed.transformer.h.0.attn.c_proj.bias :
// CHECK: %[[C_PROJ_PACKED:.*]] = kernel.weight_at @packed.transformer.h.0.attn.c_proj :
// CHECK: kernel.barrier
// CHECK: kernel.matmul(%[[ATTENTION]], %[[C_PROJ_PACKED]]) bias(%[[C_PROJ_BIAS]]) into(%[[X]]) {activation = "f32", epilogue = "add", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[LN2:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "private">
// CHECK: %[[LN_2_VECTOR:.*]] = kernel.weight_at @packed.transformer.h.0.ln_2 :
// CHECK: %[[LN_2_BIAS:.*]] = kernel.weight_at @packed.transformer.h.0.ln_2.bias :
// CHECK: kernel.barrier
// CHECK: kernel.layer_norm(%[[X]], %[[LN_2_VECTOR]]) bias(%[[LN_2_BIAS]]) into(%[[LN2]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<replicated>}
// CHECK: %[[C_FC_BIAS:.*]] = kernel.weight_at @packed.transformer.h.0.mlp.c_fc.bias :
// CHECK: %[[C_FC:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x128xf32, "shared">
// CHECK: %[[C_FC_PACKED:.*]] = kernel.weight_at @packed.transformer.h.0.mlp.c_fc :
// CHECK: kernel.matmul(%[[LN2]], %[[C_FC_PACKED]]) bias(%[[C_FC_BIAS]]) into(%[[C_FC]]) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: kernel.activate(%[[C_FC]]) into(%[[C_FC]]) {activation = "gelu_tanh", split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[C_PROJ_BIAS2:.*]] = kernel.weight_at @packed.transformer.h.0.mlp.c_proj.bias :
// CHECK: %[[C_PROJ_PACKED2:.*]] = kernel.weight_at @packed.transformer.h.0.mlp.c_proj :
// CHECK: kernel.barrier
// CHECK: kernel.matmul(%[[C_FC]], %[[C_PROJ_PACKED2]]) bias(%[[C_PROJ_BIAS2]]) into(%[[X]]) {activation = "f32", epilogue = "add", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[LN_F:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "private">
// CHECK: %[[LN_F_VECTOR:.*]] = kernel.weight_at @packed.transformer.ln_f :
// CHECK: %[[LN_F_BIAS:.*]] = kernel.weight_at @packed.transformer.ln_f.bias :
// CHECK: kernel.barrier
// CHECK: kernel.layer_norm(%[[X]], %[[LN_F_VECTOR]]) bias(%[[LN_F_BIAS]]) into(%[[LN_F]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<replicated>}
// CHECK: kernel.matmul(%[[LN_F]], %[[WTE_PACKED]]) into(%[[LOGITS]]) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: %[[VALUES2:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x1xf32, "threads">
// CHECK: %[[INDICES:.*]] = kernel.buffer {offset = 64 : i64} : memref<1x1xi64, "threads">
// CHECK: kernel.argmax(%[[LOGITS]]) into(%[[VALUES2]], %[[INDICES]]) {split = #kernel.split<columns {{[0-9]+}}>}
// CHECK: kernel.barrier
// CHECK: kernel.pick(%[[VALUES2]], %[[INDICES]]) into(%[[TOKEN]]) {split = #kernel.split<rows>}
// CHECK: }

builtin.module {
  llm.weight @transformer.wte.weight : tensor<64x32xf32>
  llm.weight @transformer.wpe.weight : tensor<48x32xf32>
  llm.weight @transformer.h.0.ln_1.weight : tensor<32xf32>
  llm.weight @transformer.h.0.ln_1.bias : tensor<32xf32>
  llm.weight @transformer.h.0.attn.c_attn.weight : tensor<96x32xf32>
  llm.weight @transformer.h.0.attn.c_attn.bias : tensor<96xf32>
  llm.weight @transformer.h.0.attn.c_proj.weight : tensor<32x32xf32>
  llm.weight @transformer.h.0.attn.c_proj.bias : tensor<32xf32>
  llm.weight @transformer.h.0.ln_2.weight : tensor<32xf32>
  llm.weight @transformer.h.0.ln_2.bias : tensor<32xf32>
  llm.weight @transformer.h.0.mlp.c_fc.weight : tensor<128x32xf32>
  llm.weight @transformer.h.0.mlp.c_fc.bias : tensor<128xf32>
  llm.weight @transformer.h.0.mlp.c_proj.weight : tensor<32x128xf32>
  llm.weight @transformer.h.0.mlp.c_proj.bias : tensor<32xf32>
  llm.weight @transformer.ln_f.weight : tensor<32xf32>
  llm.weight @transformer.ln_f.bias : tensor<32xf32>
  func.func @embed(%ids: tensor<?xi64>, %position: index) -> tensor<?x32xf32> attributes {llm.role = "embed"} {
    %positions = llm.positions(%ids, %position) {count = 48 : i64, offset = 0 : i64} : (tensor<?xi64>, index) -> tensor<?xi64>
    %wpe.weight = llm.load_weight @transformer.wpe.weight : tensor<48x32xf32>
    %embedded = llm.embedding(%positions, %wpe.weight) : (tensor<?xi64>, tensor<48x32xf32>) -> tensor<?x32xf32>
    %wte.weight = llm.load_weight @transformer.wte.weight : tensor<64x32xf32>
    %embedded_1 = llm.embedding(%ids, %wte.weight) : (tensor<?xi64>, tensor<64x32xf32>) -> tensor<?x32xf32>
    %x = arith.addf %embedded_1, %embedded : tensor<?x32xf32>
    func.return %x : tensor<?x32xf32>
  }
  func.func @transformer.h.0(%x: tensor<?x32xf32>, %position: index, %key_cache: tensor<?x2x16xf32>, %value_cache: tensor<?x2x16xf32>) -> (tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>) attributes {llm.role = "block"} {
    %ln_1.weight = llm.load_weight @transformer.h.0.ln_1.weight : tensor<32xf32>
    %ln_1.bias = llm.load_weight @transformer.h.0.ln_1.bias : tensor<32xf32>
    %ln = llm.layer_norm(%x, %ln_1.weight) bias(%ln_1.bias) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %c_attn.weight = llm.load_weight @transformer.h.0.attn.c_attn.weight : tensor<96x32xf32>
    %c_attn.bias = llm.load_weight @transformer.h.0.attn.c_attn.bias : tensor<96xf32>
    %c_attn = llm.linear(%ln, %c_attn.weight) bias(%c_attn.bias) : (tensor<?x32xf32>, tensor<96x32xf32>, tensor<96xf32>) -> tensor<?x96xf32>
    %c0 = arith.constant 0 : index
    %tokens = tensor.dim %c_attn, %c0 : tensor<?x96xf32>
    %c0_1 = arith.constant 0 : index
    %tokens_1 = tensor.dim %c_attn, %c0_1 : tensor<?x96xf32>
    %query = tensor.extract_slice %c_attn[0, 0] [%tokens_1, 32] [1, 1] : tensor<?x96xf32> to tensor<?x32xf32>
    %key = tensor.extract_slice %c_attn[0, 32] [%tokens_1, 32] [1, 1] : tensor<?x96xf32> to tensor<?x32xf32>
    %value = tensor.extract_slice %c_attn[0, 64] [%tokens_1, 32] [1, 1] : tensor<?x96xf32> to tensor<?x32xf32>
    %heads = tensor.expand_shape %query [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %heads_1 = tensor.expand_shape %key [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %heads_2 = tensor.expand_shape %value [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %keys = llm.update_cache(%key_cache, %heads_1, %position) : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %values = llm.update_cache(%value_cache, %heads_2, %position) : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %attention = llm.attention(%heads, %keys, %values, %position) {scale = 2.500000e-01 : f32} : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %merged = tensor.collapse_shape %attention [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %c_proj.weight = llm.load_weight @transformer.h.0.attn.c_proj.weight : tensor<32x32xf32>
    %c_proj.bias = llm.load_weight @transformer.h.0.attn.c_proj.bias : tensor<32xf32>
    %c_proj = llm.linear(%merged, %c_proj.weight) bias(%c_proj.bias) : (tensor<?x32xf32>, tensor<32x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %attention_residual = arith.addf %x, %c_proj : tensor<?x32xf32>
    %ln_2.weight = llm.load_weight @transformer.h.0.ln_2.weight : tensor<32xf32>
    %ln_2.bias = llm.load_weight @transformer.h.0.ln_2.bias : tensor<32xf32>
    %ln_1 = llm.layer_norm(%attention_residual, %ln_2.weight) bias(%ln_2.bias) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %c_fc.weight = llm.load_weight @transformer.h.0.mlp.c_fc.weight : tensor<128x32xf32>
    %c_fc.bias = llm.load_weight @transformer.h.0.mlp.c_fc.bias : tensor<128xf32>
    %c_fc = llm.linear(%ln_1, %c_fc.weight) bias(%c_fc.bias) : (tensor<?x32xf32>, tensor<128x32xf32>, tensor<128xf32>) -> tensor<?x128xf32>
    %activated = llm.gelu(%c_fc) {approximate = "tanh"} : (tensor<?x128xf32>) -> tensor<?x128xf32>
    %c_proj.weight_1 = llm.load_weight @transformer.h.0.mlp.c_proj.weight : tensor<32x128xf32>
    %c_proj.bias_1 = llm.load_weight @transformer.h.0.mlp.c_proj.bias : tensor<32xf32>
    %c_proj_1 = llm.linear(%activated, %c_proj.weight_1) bias(%c_proj.bias_1) : (tensor<?x128xf32>, tensor<32x128xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %mlp_residual = arith.addf %attention_residual, %c_proj_1 : tensor<?x32xf32>
    func.return %mlp_residual, %keys, %values : tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>
  }
  func.func @head(%x: tensor<?x32xf32>) -> tensor<?x64xf32> attributes {llm.role = "head"} {
    %ln_f.weight = llm.load_weight @transformer.ln_f.weight : tensor<32xf32>
    %ln_f.bias = llm.load_weight @transformer.ln_f.bias : tensor<32xf32>
    %ln_f = llm.layer_norm(%x, %ln_f.weight) bias(%ln_f.bias) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %wte.weight = llm.load_weight @transformer.wte.weight : tensor<64x32xf32>
    %lm_head = llm.linear(%ln_f, %wte.weight) {module = "lm_head"} : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    func.return %lm_head : tensor<?x64xf32>
  }
  func.func @backbone(%ids: tensor<?xi64>, %position: index, %k0_cache: tensor<?x2x16xf32>, %v0_cache: tensor<?x2x16xf32>) -> (tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>) attributes {llm.role = "backbone"} {
    %x = func.call @embed(%ids, %position) : (tensor<?xi64>, index) -> tensor<?x32xf32>
    %x_1, %k0, %v0 = func.call @transformer.h.0(%x, %position, %k0_cache, %v0_cache) : (tensor<?x32xf32>, index, tensor<?x2x16xf32>, tensor<?x2x16xf32>) -> (tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>)
    func.return %x_1, %k0, %v0 : tensor<?x32xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>
  }
}
