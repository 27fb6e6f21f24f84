// RUN: llmir-opt %s -p 'convert-llm-to-kernel' | filecheck %s

// Two blocks that are alike are a loop. q, k and v are one product, gate and up are interleaved, o and down add
// themselves to the residual. The input of q, k and v is quantized once. Five barriers a layer.

// CHECK: kernel.weight @packed.layers.self_attn.q_proj_k_proj_v_proj {members = {{\[\[}}@model.layers.0.self_attn.q_proj.weight, @model.layers.0.self_attn.k_proj.weight, @model.layers.0.self_attn.v_proj.weight], [@model.layers.1.self_attn.q_proj.weight, @model.layers.1.self_attn.k_proj.weight, @model.layers.1.self_attn.v_proj.weight{{\]\]}}, offset = 8320 : i64, stride = 5440 : i64} : !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>

// CHECK: kernel.weight @packed.layers.mlp.gate_proj_up_proj {members = {{\[\[}}@model.layers.0.mlp.gate_proj.weight, @model.layers.0.mlp.up_proj.weight], [@model.layers.1.mlp.gate_proj.weight, @model.layers.1.mlp.up_proj.weight{{\]\]}}, offset = 10176 : i64, stride = 5440 : i64} : !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32, interleave=2>

// CHECK: kernel.step @decode(%[[IDS:.*]]: memref<1xi64, "shared">, %[[POSITION:.*]]: index, %[[LOGITS:.*]]: memref<1x64xf32, "shared">, %[[TOKEN:.*]]: memref<1xi64, "shared">) attributes {rows = 1 : i64} {
// CHECK: %[[X:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "shared">
// CHECK: %[[EMBED_TOKENS_PACKED:.*]] = kernel.weight_at @packed.model.embed_tokens :
// CHECK: kernel.embed(%[[IDS]], %[[EMBED_TOKENS_PACKED]]) into(%[[X]]) {split = #kernel.split<rows>}
// CHECK: kernel.loop %[[LAYER:.*]] = 0 to 2 {
// CHECK: %[[INPUT_LAYERNORM:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "private">
// CHECK: %[[INPUT_LAYERNORM_VECTOR:.*]] = kernel.weight_at @packed.layers.input_layernorm{{\[}}%[[LAYER]]{{\]}} :
// CHECK: kernel.barrier
// CHECK: kernel.rms_norm(%[[X]], %[[INPUT_LAYERNORM_VECTOR]]) into(%[[INPUT_LAYERNORM]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<replicated>}
// CHECK: %[[INPUT_LAYERNORM_CODES:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x32xi8, "private">
// CHECK: %[[INPUT_LAYERNORM_SCALES:.*]] = kernel.buffer {offset = 192 : i64} : memref<1x1xf32, "private">
// CHECK: %[[INPUT_LAYERNORM_SUMS:.*]] = kernel.buffer {offset = 256 : i64} : memref<1x1xi32, "private">
// CHECK: kernel.quantize_rows(%[[INPUT_LAYERNORM]]) into(%[[INPUT_LAYERNORM_CODES]], %[[INPUT_LAYERNORM_SCALES]], %[[INPUT_LAYERNORM_SUMS]]) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<replicated>}
// CHECK: %[[Q_PROJ_K_PROJ_V_PROJ:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x64xf32, "shared">
// CHECK: %[[Q_PROJ_K_PROJ_V_PROJ_PACKED:.*]] = kernel.weight_at @packed.layers.self_attn.q_proj_k_proj_v_proj{{\[}}%[[LAYER]]{{\]}} :
// CHECK: kernel.matmul(%[[INPUT_LAYERNORM_CODES]], %[[Q_PROJ_K_PROJ_V_PROJ_PACKED]]) quantized(%[[INPUT_LAYERNORM_SCALES]], %[[INPUT_LAYERNORM_SUMS]]) into(%[[Q_PROJ_K_PROJ_V_PROJ]]) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns 32>}
// CHECK: %[[Q_PROJ:.*]] = kernel.view %[[Q_PROJ_K_PROJ_V_PROJ]] : {{.*}} -> memref<1x2x16xf32, strided<[64, 16, 1]>, "shared">
// CHECK: %[[ANGLES:.*]] = kernel.table_at @rope.0 : memref<?x16xf32, "tables">
// CHECK: kernel.barrier
// CHECK: kernel.rope(%[[ANGLES]], %[[POSITION]]) into(%[[Q_PROJ]]) {split = #kernel.split<heads 1>}
// CHECK: %[[K_PROJ:.*]] = kernel.view %[[Q_PROJ_K_PROJ_V_PROJ]] : {{.*}} -> memref<1x1x16xf32, strided<[64, 16, 1], offset: 32>, "shared">
// CHECK: kernel.rope(%[[ANGLES]], %[[POSITION]]) into(%[[K_PROJ]]) {split = #kernel.split<heads 1>}
// CHECK: %[[KEYS:.*]], %[[VALUES:.*]] = kernel.cache_at @cache.0{{\[}}%[[LAYER]]{{\]}} : memref<1x?x16x16xf16, "cache">, memref<1x?x16xf16, "cache">
// CHECK: %[[V_PROJ:.*]] = kernel.view %[[Q_PROJ_K_PROJ_V_PROJ]] : {{.*}} -> memref<1x1x16xf32, strided<[64, 16, 1], offset: 48>, "shared">
// CHECK: kernel.append_cache(%[[K_PROJ]], %[[V_PROJ]], %[[POSITION]]) into(%[[KEYS]], %[[VALUES]]) {split = #kernel.split<heads 1>}
// CHECK: %[[ATTENTION:.*]] = kernel.buffer {offset = 384 : i64} : memref<1x32xf32, "shared">
// CHECK: %[[ATTENTION2:.*]] = kernel.view %[[ATTENTION]] : {{.*}} -> memref<1x2x16xf32, strided<[32, 16, 1]>, "shared">
// CHECK: kernel.attention(%[[Q_PROJ]], %[[KEYS]], %[[VALUES]], %[[POSITION]]) into(%[[ATTENTION2]]) {scale = 2.500000e-01 : f32, split = #kernel.split<heads 1>}
// CHECK: %[[ATTENTION_CODES:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xi8, "private">
// CHECK: %[[ATTENTION_SCALES:.*]] = kernel.buffer {offset = 64 : i64} : memref<1x1xf32, "private">
// CHECK: %[[ATTENTION_SUMS:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x1xi32, "private">
// CHECK: kernel.barrier
// CHECK: kernel.quantize_rows(%[[ATTENTION]]) into(%[[ATTENTION_CODES]], %[[ATTENTION_SCALES]], %[[ATTENTION_SUMS]]) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<replicated>}
// CHECK: %[[O_PROJ_PACKED:.*]] = kernel.weight_at @packed.layers.self_attn.o_proj{{\[}}%[[LAYER]]{{\]}} :
// CHECK: kernel.matmul(%[[ATTENTION_CODES]], %[[O_PROJ_PACKED]]) quantized(%[[ATTENTION_SCALES]], %[[ATTENTION_SUMS]]) into(%[[X]]) {activation = "i8", epilogue = "add", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns 32>}
// CHECK: %[[POST_ATTENTION_LAYERNORM:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "private">
// CHECK: %[[POST_ATTENTION_LAYERNORM_VECTOR:.*]] = kernel.weight_at @packed.layers.post_attention_layernorm{{\[}}%[[LAYER]]{{\]}} :
// CHECK: kernel.barrier
// CHECK: kernel.rms_norm(%[[X]], %[[POST_ATTENTION_LAYERNORM_VECTOR]]) into(%[[POST_ATTENTION_LAYERNORM]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<replicated>}
// CHECK: %[[POST_ATTENTION_LAYERNORM_CODES:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x32xi8, "private">
// CHECK: %[[POST_ATTENTION_LAYERNORM_SCALES:.*]] = kernel.buffer {offset = 192 : i64} : memref<1x1xf32, "private">
// CHECK: %[[POST_ATTENTION_LAYERNORM_SUMS:.*]] = kernel.buffer {offset = 256 : i64} : memref<1x1xi32, "private">
// CHECK: kernel.quantize_rows(%[[POST_ATTENTION_LAYERNORM]]) into(%[[POST_ATTENTION_LAYERNORM_CODES]], %[[POST_ATTENTION_LAYERNORM_SCALES]], %[[POST_ATTENTION_LAYERNORM_SUMS]]) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<replicated>}
// CHECK: %[[GATED:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x64xf32, "shared">
// CHECK: %[[GATE_PROJ_UP_PROJ_PACKED:.*]] = kernel.weight_at @packed.layers.mlp.gate_proj_up_proj{{\[}}%[[LAYER]]{{\]}} :
// CHECK: kernel.matmul(%[[POST_ATTENTION_LAYERNORM_CODES]], %[[GATE_PROJ_UP_PROJ_PACKED]]) quantized(%[[POST_ATTENTION_LAYERNORM_SCALES]], %[[POST_ATTENTION_LAYERNORM_SUMS]]) into(%[[GATED]]) {activation = "i8", epilogue = "gated_silu", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns 32>}
// CHECK: %[[GATED_CODES:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x64xi8, "private">
// CHECK: %[[GATED_SCALES:.*]] = kernel.buffer {offset = 64 : i64} : memref<1x2xf32, "private">
// CHECK: %[[GATED_SUMS:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x2xi32, "private">
// CHECK: kernel.barrier
// CHECK: kernel.quantize_rows(%[[GATED]]) into(%[[GATED_CODES]], %[[GATED_SCALES]], %[[GATED_SUMS]]) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<replicated>}
// CHECK: %[[DOWN_PROJ_PACKED:.*]] = kernel.weight_at @packed.layers.mlp.down_proj{{\[}}%[[LAYER]]{{\]}} :
// CHECK: kernel.matmul(%[[GATED_CODES]], %[[DOWN_PROJ_PACKED]]) quantized(%[[GATED_SCALES]], %[[GATED_SUMS]]) into(%[[X]]) {activation = "i8", epilogue = "add", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns 32>}
// CHECK: }
// CHECK: %[[NORM:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x32xf32, "private">
// CHECK: %[[NORM_VECTOR:.*]] = kernel.weight_at @packed.model.norm :
// CHECK: kernel.barrier
// CHECK: kernel.rms_norm(%[[X]], %[[NORM_VECTOR]]) into(%[[NORM]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<replicated>}
// CHECK: %[[NORM_CODES:.*]] = kernel.buffer {offset = 128 : i64} : memref<1x32xi8, "private">
// CHECK: %[[NORM_SCALES:.*]] = kernel.buffer {offset = 192 : i64} : memref<1x1xf32, "private">
// CHECK: %[[NORM_SUMS:.*]] = kernel.buffer {offset = 256 : i64} : memref<1x1xi32, "private">
// CHECK: kernel.quantize_rows(%[[NORM]]) into(%[[NORM_CODES]], %[[NORM_SCALES]], %[[NORM_SUMS]]) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<replicated>}
// CHECK: %[[LM_HEAD_PACKED:.*]] = kernel.weight_at @packed.lm_head :
// CHECK: kernel.matmul(%[[NORM_CODES]], %[[LM_HEAD_PACKED]]) quantized(%[[NORM_SCALES]], %[[NORM_SUMS]]) into(%[[LOGITS]]) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns 32>}
// CHECK: %[[VALUES2:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x1xf32, "threads">
// CHECK: %[[INDICES:.*]] = kernel.buffer {offset = 64 : i64} : memref<1x1xi64, "threads">
// CHECK: kernel.argmax(%[[LOGITS]]) into(%[[VALUES2]], %[[INDICES]]) {split = #kernel.split<columns 32>}
// CHECK: kernel.barrier
// CHECK: kernel.pick(%[[VALUES2]], %[[INDICES]]) into(%[[TOKEN]]) {split = #kernel.split<rows>}
// CHECK: }

// CHECK: kernel.step @prefill(%[[IDS:.*]]: memref<?xi64, "shared">, %[[POSITION:.*]]: index, %[[HIDDEN:.*]]: memref<?x32xf32, "shared">) {
// CHECK: %[[EMBED_TOKENS_PACKED:.*]] = kernel.weight_at @packed.model.embed_tokens :
// CHECK: kernel.embed(%[[IDS]], %[[EMBED_TOKENS_PACKED]]) into(%[[HIDDEN]]) {split = #kernel.split<rows>}
// CHECK: kernel.loop %[[LAYER:.*]] = 0 to 2 {
// CHECK: %[[INPUT_LAYERNORM:.*]] = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, "shared">
// CHECK: %[[INPUT_LAYERNORM_VECTOR:.*]] = kernel.weight_at @packed.layers.input_layernorm{{\[}}%[[LAYER]]{{\]}} :
// CHECK: kernel.barrier
// CHECK: kernel.rms_norm(%[[HIDDEN]], %[[INPUT_LAYERNORM_VECTOR]]) into(%[[INPUT_LAYERNORM]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<rows>}
// CHECK: %[[INPUT_LAYERNORM_CODES:.*]] = kernel.buffer {offset = 128 : i64} : memref<?x64xi8, "shared">
// CHECK: %[[INPUT_LAYERNORM_CODES2:.*]] = kernel.view %[[INPUT_LAYERNORM_CODES]] : {{.*}} -> memref<?x32xi8, strided<[64, 1]>, "shared">
// CHECK: %[[INPUT_LAYERNORM_SCALES:.*]] = kernel.buffer {offset = 192 : i64} : memref<?x1xf32, "shared">
// CHECK: %[[INPUT_LAYERNORM_SUMS:.*]] = kernel.buffer {offset = 256 : i64} : memref<?x1xi32, "shared">
// CHECK: kernel.quantize_rows(%[[INPUT_LAYERNORM]]) into(%[[INPUT_LAYERNORM_CODES2]], %[[INPUT_LAYERNORM_SCALES]], %[[INPUT_LAYERNORM_SUMS]]) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<rows>}
// CHECK: %[[Q_PROJ_K_PROJ_V_PROJ:.*]] = kernel.buffer {offset = 320 : i64} : memref<?x64xf32, "shared">
// CHECK: %[[Q_PROJ_K_PROJ_V_PROJ_PACKED:.*]] = kernel.weight_at @packed.layers.self_attn.q_proj_k_proj_v_proj{{\[}}%[[LAYER]]{{\]}} :
// CHECK: kernel.barrier
// CHECK: kernel.matmul(%[[INPUT_LAYERNORM_CODES2]], %[[Q_PROJ_K_PROJ_V_PROJ_PACKED]]) quantized(%[[INPUT_LAYERNORM_SCALES]], %[[INPUT_LAYERNORM_SUMS]]) into(%[[Q_PROJ_K_PROJ_V_PROJ]]) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns 32>}
// CHECK: %[[Q_PROJ:.*]] = kernel.view %[[Q_PROJ_K_PROJ_V_PROJ]] : {{.*}} -> memref<?x2x16xf32, strided<[64, 16, 1]>, "shared">
// CHECK: %[[ANGLES:.*]] = kernel.table_at @rope.0 : memref<?x16xf32, "tables">
// CHECK: kernel.barrier
// CHECK: kernel.rope(%[[ANGLES]], %[[POSITION]]) into(%[[Q_PROJ]]) {split = #kernel.split<rows>}
// CHECK: %[[K_PROJ:.*]] = kernel.view %[[Q_PROJ_K_PROJ_V_PROJ]] : {{.*}} -> memref<?x1x16xf32, strided<[64, 16, 1], offset: 32>, "shared">
// CHECK: kernel.rope(%[[ANGLES]], %[[POSITION]]) into(%[[K_PROJ]]) {split = #kernel.split<rows>}
// CHECK: %[[KEYS:.*]], %[[VALUES:.*]] = kernel.cache_at @cache.0{{\[}}%[[LAYER]]{{\]}} : memref<1x?x16x16xf16, "cache">, memref<1x?x16xf16, "cache">
// CHECK: %[[V_PROJ:.*]] = kernel.view %[[Q_PROJ_K_PROJ_V_PROJ]] : {{.*}} -> memref<?x1x16xf32, strided<[64, 16, 1], offset: 48>, "shared">
// CHECK: kernel.append_cache(%[[K_PROJ]], %[[V_PROJ]], %[[POSITION]]) into(%[[KEYS]], %[[VALUES]]) {split = #kernel.split<rows>}
// CHECK: %[[ATTENTION:.*]] = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, "shared">
// CHECK: %[[ATTENTION2:.*]] = kernel.view %[[ATTENTION]] : {{.*}} -> memref<?x2x16xf32, strided<[32, 16, 1]>, "shared">
// CHECK: kernel.barrier
// CHECK: kernel.attention(%[[Q_PROJ]], %[[KEYS]], %[[VALUES]], %[[POSITION]]) into(%[[ATTENTION2]]) {scale = 2.500000e-01 : f32, split = #kernel.split<folded_rows>}
// CHECK: %[[ATTENTION_CODES:.*]] = kernel.buffer {offset = 128 : i64} : memref<?x64xi8, "shared">
// CHECK: %[[ATTENTION_CODES2:.*]] = kernel.view %[[ATTENTION_CODES]] : {{.*}} -> memref<?x32xi8, strided<[64, 1]>, "shared">
// CHECK: %[[ATTENTION_SCALES:.*]] = kernel.buffer {offset = 192 : i64} : memref<?x1xf32, "shared">
// CHECK: %[[ATTENTION_SUMS:.*]] = kernel.buffer {offset = 256 : i64} : memref<?x1xi32, "shared">
// CHECK: kernel.quantize_rows(%[[ATTENTION]]) into(%[[ATTENTION_CODES2]], %[[ATTENTION_SCALES]], %[[ATTENTION_SUMS]]) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<folded_rows>}
// CHECK: %[[O_PROJ_PACKED:.*]] = kernel.weight_at @packed.layers.self_attn.o_proj{{\[}}%[[LAYER]]{{\]}} :
// CHECK: kernel.barrier
// CHECK: kernel.matmul(%[[ATTENTION_CODES2]], %[[O_PROJ_PACKED]]) quantized(%[[ATTENTION_SCALES]], %[[ATTENTION_SUMS]]) into(%[[HIDDEN]]) {activation = "i8", epilogue = "add", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns 32>}
// CHECK: %[[POST_ATTENTION_LAYERNORM:.*]] = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, "shared">
// CHECK: %[[POST_ATTENTION_LAYERNORM_VECTOR:.*]] = kernel.weight_at @packed.layers.post_attention_layernorm{{\[}}%[[LAYER]]{{\]}} :
// CHECK: kernel.barrier
// CHECK: kernel.rms_norm(%[[HIDDEN]], %[[POST_ATTENTION_LAYERNORM_VECTOR]]) into(%[[POST_ATTENTION_LAYERNORM]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<rows>}
// CHECK: %[[POST_ATTENTION_LAYERNORM_CODES:.*]] = kernel.buffer {offset = 128 : i64} : memref<?x64xi8, "shared">
// CHECK: %[[POST_ATTENTION_LAYERNORM_CODES2:.*]] = kernel.view %[[POST_ATTENTION_LAYERNORM_CODES]] : {{.*}} -> memref<?x32xi8, strided<[64, 1]>, "shared">
// CHECK: %[[POST_ATTENTION_LAYERNORM_SCALES:.*]] = kernel.buffer {offset = 192 : i64} : memref<?x1xf32, "shared">
// CHECK: %[[POST_ATTENTION_LAYERNORM_SUMS:.*]] = kernel.buffer {offset = 256 : i64} : memref<?x1xi32, "shared">
// CHECK: kernel.quantize_rows(%[[POST_ATTENTION_LAYERNORM]]) into(%[[POST_ATTENTION_LAYERNORM_CODES2]], %[[POST_ATTENTION_LAYERNORM_SCALES]], %[[POST_ATTENTION_LAYERNORM_SUMS]]) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<rows>}
// CHECK: %[[GATED:.*]] = kernel.buffer {offset = 320 : i64} : memref<?x64xf32, "shared">
// CHECK: %[[GATE_PROJ_UP_PROJ_PACKED:.*]] = kernel.weight_at @packed.layers.mlp.gate_proj_up_proj{{\[}}%[[LAYER]]{{\]}} :
// CHECK: kernel.barrier
// CHECK: kernel.matmul(%[[POST_ATTENTION_LAYERNORM_CODES2]], %[[GATE_PROJ_UP_PROJ_PACKED]]) quantized(%[[POST_ATTENTION_LAYERNORM_SCALES]], %[[POST_ATTENTION_LAYERNORM_SUMS]]) into(%[[GATED]]) {activation = "i8", epilogue = "gated_silu", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns 32>}
// CHECK: %[[GATED_CODES:.*]] = kernel.buffer {offset = 0 : i64} : memref<?x64xi8, "shared">
// CHECK: %[[GATED_SCALES:.*]] = kernel.buffer {offset = 64 : i64} : memref<?x2xf32, "shared">
// CHECK: %[[GATED_SUMS:.*]] = kernel.buffer {offset = 128 : i64} : memref<?x2xi32, "shared">
// CHECK: kernel.barrier
// CHECK: kernel.quantize_rows(%[[GATED]]) into(%[[GATED_CODES]], %[[GATED_SCALES]], %[[GATED_SUMS]]) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<rows>}
// CHECK: %[[DOWN_PROJ_PACKED:.*]] = kernel.weight_at @packed.layers.mlp.down_proj{{\[}}%[[LAYER]]{{\]}} :
// CHECK: kernel.barrier
// CHECK: kernel.matmul(%[[GATED_CODES]], %[[DOWN_PROJ_PACKED]]) quantized(%[[GATED_SCALES]], %[[GATED_SUMS]]) into(%[[HIDDEN]]) {activation = "i8", epilogue = "add", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns 32>}
// CHECK: }
// CHECK: }

// CHECK: kernel.step @head(%[[HIDDEN:.*]]: memref<?x32xf32, "shared">, %[[LOGITS:.*]]: memref<?x64xf32, "shared">) {
// CHECK: %[[NORM:.*]] = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, "shared">
// CHECK: %[[NORM_VECTOR:.*]] = kernel.weight_at @packed.model.norm :
// CHECK: kernel.rms_norm(%[[HIDDEN]], %[[NORM_VECTOR]]) into(%[[NORM]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<rows>}
// CHECK: %[[NORM_CODES:.*]] = kernel.buffer {offset = 128 : i64} : memref<?x64xi8, "shared">
// CHECK: %[[NORM_CODES2:.*]] = kernel.view %[[NORM_CODES]] : {{.*}} -> memref<?x32xi8, strided<[64, 1]>, "shared">
// CHECK: %[[NORM_SCALES:.*]] = kernel.buffer {offset = 192 : i64} : memref<?x1xf32, "shared">
// CHECK: %[[NORM_SUMS:.*]] = kernel.buffer {offset = 256 : i64} : memref<?x1xi32, "shared">
// CHECK: kernel.quantize_rows(%[[NORM]]) into(%[[NORM_CODES2]], %[[NORM_SCALES]], %[[NORM_SUMS]]) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<rows>}
// CHECK: %[[LM_HEAD_PACKED:.*]] = kernel.weight_at @packed.lm_head :
// CHECK: kernel.barrier
// CHECK: kernel.matmul(%[[NORM_CODES2]], %[[LM_HEAD_PACKED]]) quantized(%[[NORM_SCALES]], %[[NORM_SUMS]]) into(%[[LOGITS]]) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<{{.*}}>, split = #kernel.split<columns 32>}
// CHECK: }

builtin.module {
  llm.weight @model.embed_tokens.weight : tensor<64x32xf32>
  llm.weight @model.layers.0.input_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.0.self_attn.q_proj.weight : !llm.quantized_tensor<32x32xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.0.self_attn.k_proj.weight : !llm.quantized_tensor<16x32xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.0.self_attn.v_proj.weight : !llm.quantized_tensor<16x32xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.0.self_attn.o_proj.weight : !llm.quantized_tensor<32x32xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.0.post_attention_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.0.mlp.gate_proj.weight : !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.0.mlp.up_proj.weight : !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.0.mlp.down_proj.weight : !llm.quantized_tensor<32x64xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.1.input_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.1.self_attn.q_proj.weight : !llm.quantized_tensor<32x32xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.1.self_attn.k_proj.weight : !llm.quantized_tensor<16x32xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.1.self_attn.v_proj.weight : !llm.quantized_tensor<16x32xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.1.self_attn.o_proj.weight : !llm.quantized_tensor<32x32xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.1.post_attention_layernorm.weight : tensor<32xf32>
  llm.weight @model.layers.1.mlp.gate_proj.weight : !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.1.mlp.up_proj.weight : !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.layers.1.mlp.down_proj.weight : !llm.quantized_tensor<32x64xi4, scale=f16, symmetric=true, group_size=32>
  llm.weight @model.norm.weight : tensor<32xf32>
  llm.weight @lm_head.weight : !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>
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
    %q_proj.weight = llm.load_weight @model.layers.0.self_attn.q_proj.weight : !llm.quantized_tensor<32x32xi4, scale=f16, symmetric=true, group_size=32>
    %quantized = llm.quantize(%input_layernorm) : (tensor<?x32xf32>) -> !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>
    %q_proj = llm.quantized_matmul(%quantized, %q_proj.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<32x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x32xf32>
    %heads = tensor.expand_shape %q_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %k_proj.weight = llm.load_weight @model.layers.0.self_attn.k_proj.weight : !llm.quantized_tensor<16x32xi4, scale=f16, symmetric=true, group_size=32>
    %k_proj = llm.quantized_matmul(%quantized, %k_proj.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<16x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x16xf32>
    %heads_1 = tensor.expand_shape %k_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %v_proj.weight = llm.load_weight @model.layers.0.self_attn.v_proj.weight : !llm.quantized_tensor<16x32xi4, scale=f16, symmetric=true, group_size=32>
    %v_proj = llm.quantized_matmul(%quantized, %v_proj.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<16x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x16xf32>
    %heads_2 = tensor.expand_shape %v_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %rotated_query = llm.rope(%heads, %position) {theta = 1.000000e+04 : f64} : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %rotated_key = llm.rope(%heads_1, %position) {theta = 1.000000e+04 : f64} : (tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %keys = llm.update_cache(%key_cache, %rotated_key, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %values = llm.update_cache(%value_cache, %heads_2, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %attention = llm.attention(%rotated_query, %keys, %values, %position) {scale = 2.500000e-01 : f32} : (tensor<?x2x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x2x16xf32>
    %merged = tensor.collapse_shape %attention [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %o_proj.weight = llm.load_weight @model.layers.0.self_attn.o_proj.weight : !llm.quantized_tensor<32x32xi4, scale=f16, symmetric=true, group_size=32>
    %quantized_1 = llm.quantize(%merged) : (tensor<?x32xf32>) -> !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>
    %o_proj = llm.quantized_matmul(%quantized_1, %o_proj.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<32x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x32xf32>
    %attention_residual = arith.addf %x, %o_proj : tensor<?x32xf32>
    %post_attention_layernorm.weight = llm.load_weight @model.layers.0.post_attention_layernorm.weight : tensor<32xf32>
    %post_attention_layernorm = llm.rms_norm(%attention_residual, %post_attention_layernorm.weight) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %gate_proj.weight = llm.load_weight @model.layers.0.mlp.gate_proj.weight : !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>
    %quantized_2 = llm.quantize(%post_attention_layernorm) : (tensor<?x32xf32>) -> !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>
    %gate_proj = llm.quantized_matmul(%quantized_2, %gate_proj.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x64xf32>
    %up_proj.weight = llm.load_weight @model.layers.0.mlp.up_proj.weight : !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>
    %up_proj = llm.quantized_matmul(%quantized_2, %up_proj.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x64xf32>
    %gated = llm.gated_activation(%gate_proj, %up_proj) {activation = "silu"} : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    %down_proj.weight = llm.load_weight @model.layers.0.mlp.down_proj.weight : !llm.quantized_tensor<32x64xi4, scale=f16, symmetric=true, group_size=32>
    %quantized_3 = llm.quantize(%gated) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, group_size=32>
    %down_proj = llm.quantized_matmul(%quantized_3, %down_proj.weight) : (!llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<32x64xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x32xf32>
    %mlp_residual = arith.addf %attention_residual, %down_proj : tensor<?x32xf32>
    func.return %mlp_residual, %keys, %values : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
  func.func @model.layers.1(%x: tensor<?x32xf32>, %position: index, %key_cache: tensor<?x1x16xf32>, %value_cache: tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>) attributes {llm.role = "block"} {
    %input_layernorm.weight = llm.load_weight @model.layers.1.input_layernorm.weight : tensor<32xf32>
    %input_layernorm = llm.rms_norm(%x, %input_layernorm.weight) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %c0 = arith.constant 0 : index
    %tokens = tensor.dim %input_layernorm, %c0 : tensor<?x32xf32>
    %q_proj.weight = llm.load_weight @model.layers.1.self_attn.q_proj.weight : !llm.quantized_tensor<32x32xi4, scale=f16, symmetric=true, group_size=32>
    %quantized = llm.quantize(%input_layernorm) : (tensor<?x32xf32>) -> !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>
    %q_proj = llm.quantized_matmul(%quantized, %q_proj.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<32x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x32xf32>
    %heads = tensor.expand_shape %q_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %k_proj.weight = llm.load_weight @model.layers.1.self_attn.k_proj.weight : !llm.quantized_tensor<16x32xi4, scale=f16, symmetric=true, group_size=32>
    %k_proj = llm.quantized_matmul(%quantized, %k_proj.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<16x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x16xf32>
    %heads_1 = tensor.expand_shape %k_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %v_proj.weight = llm.load_weight @model.layers.1.self_attn.v_proj.weight : !llm.quantized_tensor<16x32xi4, scale=f16, symmetric=true, group_size=32>
    %v_proj = llm.quantized_matmul(%quantized, %v_proj.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<16x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x16xf32>
    %heads_2 = tensor.expand_shape %v_proj [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 1, 16] : tensor<?x16xf32> into tensor<?x1x16xf32>
    %rotated_query = llm.rope(%heads, %position) {theta = 1.000000e+04 : f64} : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %rotated_key = llm.rope(%heads_1, %position) {theta = 1.000000e+04 : f64} : (tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %keys = llm.update_cache(%key_cache, %rotated_key, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %values = llm.update_cache(%value_cache, %heads_2, %position) : (tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x1x16xf32>
    %attention = llm.attention(%rotated_query, %keys, %values, %position) {scale = 2.500000e-01 : f32} : (tensor<?x2x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, index) -> tensor<?x2x16xf32>
    %merged = tensor.collapse_shape %attention [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %o_proj.weight = llm.load_weight @model.layers.1.self_attn.o_proj.weight : !llm.quantized_tensor<32x32xi4, scale=f16, symmetric=true, group_size=32>
    %quantized_1 = llm.quantize(%merged) : (tensor<?x32xf32>) -> !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>
    %o_proj = llm.quantized_matmul(%quantized_1, %o_proj.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<32x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x32xf32>
    %attention_residual = arith.addf %x, %o_proj : tensor<?x32xf32>
    %post_attention_layernorm.weight = llm.load_weight @model.layers.1.post_attention_layernorm.weight : tensor<32xf32>
    %post_attention_layernorm = llm.rms_norm(%attention_residual, %post_attention_layernorm.weight) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %gate_proj.weight = llm.load_weight @model.layers.1.mlp.gate_proj.weight : !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>
    %quantized_2 = llm.quantize(%post_attention_layernorm) : (tensor<?x32xf32>) -> !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>
    %gate_proj = llm.quantized_matmul(%quantized_2, %gate_proj.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x64xf32>
    %up_proj.weight = llm.load_weight @model.layers.1.mlp.up_proj.weight : !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>
    %up_proj = llm.quantized_matmul(%quantized_2, %up_proj.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x64xf32>
    %gated = llm.gated_activation(%gate_proj, %up_proj) {activation = "silu"} : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    %down_proj.weight = llm.load_weight @model.layers.1.mlp.down_proj.weight : !llm.quantized_tensor<32x64xi4, scale=f16, symmetric=true, group_size=32>
    %quantized_3 = llm.quantize(%gated) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, group_size=32>
    %down_proj = llm.quantized_matmul(%quantized_3, %down_proj.weight) : (!llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<32x64xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x32xf32>
    %mlp_residual = arith.addf %attention_residual, %down_proj : tensor<?x32xf32>
    func.return %mlp_residual, %keys, %values : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
  func.func @head(%x: tensor<?x32xf32>) -> tensor<?x64xf32> attributes {llm.role = "head"} {
    %norm.weight = llm.load_weight @model.norm.weight : tensor<32xf32>
    %norm = llm.rms_norm(%x, %norm.weight) {epsilon = 1.000000e-05 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %lm_head.weight = llm.load_weight @lm_head.weight : !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>
    %quantized = llm.quantize(%norm) : (tensor<?x32xf32>) -> !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>
    %lm_head = llm.quantized_matmul(%quantized, %lm_head.weight) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, group_size=32>, !llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x64xf32>
    func.return %lm_head : tensor<?x64xf32>
  }
  func.func @backbone(%ids: tensor<?xi64>, %position: index, %k0_cache: tensor<?x1x16xf32>, %v0_cache: tensor<?x1x16xf32>, %k1_cache: tensor<?x1x16xf32>, %v1_cache: tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>) attributes {llm.role = "backbone"} {
    %x = func.call @embed(%ids) : (tensor<?xi64>) -> tensor<?x32xf32>
    %x_1, %k0, %v0 = func.call @model.layers.0(%x, %position, %k0_cache, %v0_cache) : (tensor<?x32xf32>, index, tensor<?x1x16xf32>, tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>)
    %x_2, %k1, %v1 = func.call @model.layers.1(%x_1, %position, %k1_cache, %v1_cache) : (tensor<?x32xf32>, index, tensor<?x1x16xf32>, tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>)
    func.return %x_2, %k0, %v0, %k1, %v1 : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
}
