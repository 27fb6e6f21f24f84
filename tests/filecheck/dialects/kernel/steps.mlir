// RUN: %roundtrip
// RUN: %generic-roundtrip

// CHECK: kernel.weight @table {members = {{\[\[}}@wte.weight{{\]\]}}, offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<259x64xf16>, tile=32>
kernel.weight @table {members = [[@wte.weight]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<259x64xf16>, tile=32>
// CHECK: kernel.weight @positions {members = {{\[\[}}@wpe.weight{{\]\]}}, offset = 36864 : i64, stride = 0 : i64} : !kernel.tiles<tensor<259x64xf16>, tile=32>
kernel.weight @positions {members = [[@wpe.weight]], offset = 36864 : i64, stride = 0 : i64} : !kernel.tiles<tensor<259x64xf16>, tile=32>
// CHECK: kernel.weight @layers.norm {members = {{\[\[}}@l.0.norm.weight], [@l.1.norm.weight{{\]\]}}, offset = 73728 : i64, stride = 32768 : i64, shift = 1.000000e+00 : f32} : memref<64xf32, "weights">
kernel.weight @layers.norm {members = [[@l.0.norm.weight], [@l.1.norm.weight]], offset = 73728 : i64, stride = 32768 : i64, shift = 1.0 : f32} : memref<64xf32, "weights">
// CHECK: kernel.weight @layers.qkv {members = {{\[\[}}@l.0.q.weight, #kernel.rows<@l.0.kv.weight, start=0, size=64>], [@l.1.q.weight, #kernel.rows<@l.1.kv.weight, start=0, size=64>{{\]\]}}, offset = 73984 : i64, stride = 32768 : i64} : !kernel.tiles<!llm.quantized_tensor<128x64xi4, scale=f16, symmetric=true, group_size=32>, tile=32>
kernel.weight @layers.qkv {members = [[@l.0.q.weight, #kernel.rows<@l.0.kv.weight, start=0, size=64>], [@l.1.q.weight, #kernel.rows<@l.1.kv.weight, start=0, size=64>]], offset = 73984 : i64, stride = 32768 : i64} : !kernel.tiles<!llm.quantized_tensor<128x64xi4, scale=f16, symmetric=true, group_size=32>, tile=32>
// CHECK: kernel.weight @layers.gate_up {members = {{\[\[}}@l.0.gate.weight, @l.0.up.weight], [@l.1.gate.weight, @l.1.up.weight{{\]\]}}, offset = 78592 : i64, stride = 32768 : i64} : !kernel.tiles<!llm.quantized_tensor<96x64xi4, scale=f16, symmetric=true, group_size=32>, tile=32, interleave=2>
kernel.weight @layers.gate_up {members = [[@l.0.gate.weight, @l.0.up.weight], [@l.1.gate.weight, @l.1.up.weight]], offset = 78592 : i64, stride = 32768 : i64} : !kernel.tiles<!llm.quantized_tensor<96x64xi4, scale=f16, symmetric=true, group_size=32>, tile=32, interleave=2>
// CHECK: kernel.weight @layers.down {members = {{\[\[}}@l.0.down.weight], [@l.1.down.weight{{\]\]}}, offset = 85504 : i64, stride = 32768 : i64} : !kernel.tiles<tensor<64x96xbf16>, tile=32>
kernel.weight @layers.down {members = [[@l.0.down.weight], [@l.1.down.weight]], offset = 85504 : i64, stride = 32768 : i64} : !kernel.tiles<tensor<64x96xbf16>, tile=32>
// CHECK: kernel.cache @cache {layers = 2 : i64, kv_heads = 2 : i64, head_dim = 16 : i64, element = f16, lanes = 16 : i64}
kernel.cache @cache {layers = 2 : i64, kv_heads = 2 : i64, head_dim = 16 : i64, element = f16, lanes = 16 : i64}
// CHECK: kernel.rope_table @rope {theta = 1.000000e+04 : f64, dimensions = 16 : i64}
kernel.rope_table @rope {theta = 1.0e+04 : f64, dimensions = 16 : i64}

// CHECK: kernel.step @decode(%[[IDS:.*]]: memref<1xi64, "shared">, %[[POSITION:.*]]: index, %[[LOGITS:.*]]: memref<1x259xf32, "shared">, %[[TOKEN:.*]]: memref<1xi64, "shared">) attributes {rows = 1 : i64} {
kernel.step @decode(%ids: memref<1xi64, "shared">, %position: index, %logits: memref<1x259xf32, "shared">, %token: memref<1xi64, "shared">) attributes {rows = 1 : i64} {
// CHECK: %[[X:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x64xf32, "shared">
  %x = kernel.buffer {offset = 0 : i64} : memref<1x64xf32, "shared">
// CHECK: %[[TABLE:.*]] = kernel.weight_at @table : !kernel.tiles<tensor<259x64xf16>, tile=32>
  %table = kernel.weight_at @table : !kernel.tiles<tensor<259x64xf16>, tile=32>
// CHECK: kernel.embed(%[[IDS]], %[[TABLE]]) into(%[[X]]) {split = #kernel.split<rows>} : (memref<1xi64, "shared">, !kernel.tiles<tensor<259x64xf16>, tile=32>, memref<1x64xf32, "shared">) -> ()
  kernel.embed(%ids, %table) into(%x) {split = #kernel.split<rows>} : (memref<1xi64, "shared">, !kernel.tiles<tensor<259x64xf16>, tile=32>, memref<1x64xf32, "shared">) -> ()
// CHECK: %[[PLACES:.*]] = kernel.weight_at @positions : !kernel.tiles<tensor<259x64xf16>, tile=32>
  %places = kernel.weight_at @positions : !kernel.tiles<tensor<259x64xf16>, tile=32>
// CHECK: %[[P:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x64xf32, "private">
  %p = kernel.buffer {offset = 0 : i64} : memref<1x64xf32, "private">
// CHECK: kernel.embed_positions(%[[PLACES]], %[[POSITION]]) into(%[[P]]) {count = 256 : i64, offset = 2 : i64, split = #kernel.split<replicated>} : (!kernel.tiles<tensor<259x64xf16>, tile=32>, index, memref<1x64xf32, "private">) -> ()
  kernel.embed_positions(%places, %position) into(%p) {count = 256 : i64, offset = 2 : i64, split = #kernel.split<replicated>} : (!kernel.tiles<tensor<259x64xf16>, tile=32>, index, memref<1x64xf32, "private">) -> ()
// CHECK: kernel.scale(%[[P]]) into(%[[P]]) {factor = 2.000000e+00 : f32, split = #kernel.split<replicated>} : (memref<1x64xf32, "private">, memref<1x64xf32, "private">) -> ()
  kernel.scale(%p) into(%p) {factor = 2.0 : f32, split = #kernel.split<replicated>} : (memref<1x64xf32, "private">, memref<1x64xf32, "private">) -> ()
// CHECK: kernel.add(%[[X]], %[[P]]) into(%[[X]]) {split = #kernel.split<rows>} : (memref<1x64xf32, "shared">, memref<1x64xf32, "private">, memref<1x64xf32, "shared">) -> ()
  kernel.add(%x, %p) into(%x) {split = #kernel.split<rows>} : (memref<1x64xf32, "shared">, memref<1x64xf32, "private">, memref<1x64xf32, "shared">) -> ()
// CHECK: kernel.loop %[[L:.*]] = 0 to 2 {
  kernel.loop %l = 0 to 2 {
// CHECK: %[[W:.*]] = kernel.weight_at @layers.norm{{\[}}%[[L]]{{\]}} : memref<64xf32, "weights">
    %w = kernel.weight_at @layers.norm[%l] : memref<64xf32, "weights">
// CHECK: %[[H:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x64xf32, "private">
    %h = kernel.buffer {offset = 0 : i64} : memref<1x64xf32, "private">
// CHECK: kernel.barrier
    kernel.barrier
// CHECK: kernel.rms_norm(%[[X]], %[[W]]) into(%[[H]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<replicated>} : (memref<1x64xf32, "shared">, memref<64xf32, "weights">, memref<1x64xf32, "private">) -> ()
    kernel.rms_norm(%x, %w) into(%h) {epsilon = 1.0e-05 : f32, split = #kernel.split<replicated>} : (memref<1x64xf32, "shared">, memref<64xf32, "weights">, memref<1x64xf32, "private">) -> ()
// CHECK: %[[CODES:.*]] = kernel.buffer {offset = 256 : i64} : memref<1x64xi8, "private">
    %codes = kernel.buffer {offset = 256 : i64} : memref<1x64xi8, "private">
// CHECK: %[[SCALES:.*]] = kernel.buffer {offset = 320 : i64} : memref<1x2xf32, "private">
    %scales = kernel.buffer {offset = 320 : i64} : memref<1x2xf32, "private">
// CHECK: %[[SUMS:.*]] = kernel.buffer {offset = 384 : i64} : memref<1x2xi32, "private">
    %sums = kernel.buffer {offset = 384 : i64} : memref<1x2xi32, "private">
// CHECK: kernel.quantize_rows(%[[H]]) into(%[[CODES]], %[[SCALES]], %[[SUMS]]) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<replicated>} : (memref<1x64xf32, "private">, memref<1x64xi8, "private">, memref<1x2xf32, "private">, memref<1x2xi32, "private">) -> ()
    kernel.quantize_rows(%h) into(%codes, %scales, %sums) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<replicated>} : (memref<1x64xf32, "private">, memref<1x64xi8, "private">, memref<1x2xf32, "private">, memref<1x2xi32, "private">) -> ()
// CHECK: %[[QKV_WEIGHT:.*]] = kernel.weight_at @layers.qkv{{\[}}%[[L]]{{\]}} : !kernel.tiles<!llm.quantized_tensor<128x64xi4, scale=f16, symmetric=true, group_size=32>, tile=32>
    %qkv_weight = kernel.weight_at @layers.qkv[%l] : !kernel.tiles<!llm.quantized_tensor<128x64xi4, scale=f16, symmetric=true, group_size=32>, tile=32>
// CHECK: %[[QKV:.*]] = kernel.buffer {offset = 256 : i64} : memref<1x128xf32, "shared">
    %qkv = kernel.buffer {offset = 256 : i64} : memref<1x128xf32, "shared">
// CHECK: kernel.matmul(%[[CODES]], %[[QKV_WEIGHT]]) quantized(%[[SCALES]], %[[SUMS]]) into(%[[QKV]]) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=4096>, split = #kernel.split<columns 32>} : (memref<1x64xi8, "private">, !kernel.tiles<!llm.quantized_tensor<128x64xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, memref<1x2xf32, "private">, memref<1x2xi32, "private">, memref<1x128xf32, "shared">) -> ()
    kernel.matmul(%codes, %qkv_weight) quantized(%scales, %sums) into(%qkv) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=4096>, split = #kernel.split<columns 32>} : (memref<1x64xi8, "private">, !kernel.tiles<!llm.quantized_tensor<128x64xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, memref<1x2xf32, "private">, memref<1x2xi32, "private">, memref<1x128xf32, "shared">) -> ()
// CHECK: kernel.barrier
    kernel.barrier
// CHECK: %[[ANGLES:.*]] = kernel.table_at @rope : memref<?x16xf32, "tables">
    %angles = kernel.table_at @rope : memref<?x16xf32, "tables">
// CHECK: %[[Q:.*]] = kernel.view %[[QKV]] : memref<1x128xf32, "shared"> -> memref<1x4x16xf32, strided<[128, 16, 1]>, "shared">
    %q = kernel.view %qkv : memref<1x128xf32, "shared"> -> memref<1x4x16xf32, strided<[128, 16, 1]>, "shared">
// CHECK: %[[K:.*]] = kernel.view %[[QKV]] : memref<1x128xf32, "shared"> -> memref<1x2x16xf32, strided<[128, 16, 1], offset: 64>, "shared">
    %k = kernel.view %qkv : memref<1x128xf32, "shared"> -> memref<1x2x16xf32, strided<[128, 16, 1], offset: 64>, "shared">
// CHECK: %[[V:.*]] = kernel.view %[[QKV]] : memref<1x128xf32, "shared"> -> memref<1x2x16xf32, strided<[128, 16, 1], offset: 96>, "shared">
    %v = kernel.view %qkv : memref<1x128xf32, "shared"> -> memref<1x2x16xf32, strided<[128, 16, 1], offset: 96>, "shared">
// CHECK: kernel.rope(%[[ANGLES]], %[[POSITION]]) into(%[[Q]]) {split = #kernel.split<heads 2>} : (memref<?x16xf32, "tables">, index, memref<1x4x16xf32, strided<[128, 16, 1]>, "shared">) -> ()
    kernel.rope(%angles, %position) into(%q) {split = #kernel.split<heads 2>} : (memref<?x16xf32, "tables">, index, memref<1x4x16xf32, strided<[128, 16, 1]>, "shared">) -> ()
// CHECK: kernel.rope(%[[ANGLES]], %[[POSITION]]) into(%[[K]]) {split = #kernel.split<heads 2>} : (memref<?x16xf32, "tables">, index, memref<1x2x16xf32, strided<[128, 16, 1], offset: 64>, "shared">) -> ()
    kernel.rope(%angles, %position) into(%k) {split = #kernel.split<heads 2>} : (memref<?x16xf32, "tables">, index, memref<1x2x16xf32, strided<[128, 16, 1], offset: 64>, "shared">) -> ()
// CHECK: %[[KEYS:.*]], %[[VALUES:.*]] = kernel.cache_at @cache{{\[}}%[[L]]{{\]}} : memref<2x?x16x16xf16, "cache">, memref<2x?x16xf16, "cache">
    %keys, %values = kernel.cache_at @cache[%l] : memref<2x?x16x16xf16, "cache">, memref<2x?x16xf16, "cache">
// CHECK: kernel.append_cache(%[[K]], %[[V]], %[[POSITION]]) into(%[[KEYS]], %[[VALUES]]) {split = #kernel.split<heads 2>} : (memref<1x2x16xf32, strided<[128, 16, 1], offset: 64>, "shared">, memref<1x2x16xf32, strided<[128, 16, 1], offset: 96>, "shared">, index, memref<2x?x16x16xf16, "cache">, memref<2x?x16xf16, "cache">) -> ()
    kernel.append_cache(%k, %v, %position) into(%keys, %values) {split = #kernel.split<heads 2>} : (memref<1x2x16xf32, strided<[128, 16, 1], offset: 64>, "shared">, memref<1x2x16xf32, strided<[128, 16, 1], offset: 96>, "shared">, index, memref<2x?x16x16xf16, "cache">, memref<2x?x16xf16, "cache">) -> ()
// CHECK: %[[ATTENDED:.*]] = kernel.buffer {offset = 768 : i64} : memref<1x64xf32, "shared">
    %attended = kernel.buffer {offset = 768 : i64} : memref<1x64xf32, "shared">
// CHECK: %[[HEADS:.*]] = kernel.view %[[ATTENDED]] : memref<1x64xf32, "shared"> -> memref<1x4x16xf32, strided<[64, 16, 1]>, "shared">
    %heads = kernel.view %attended : memref<1x64xf32, "shared"> -> memref<1x4x16xf32, strided<[64, 16, 1]>, "shared">
// CHECK: kernel.attention(%[[Q]], %[[KEYS]], %[[VALUES]], %[[POSITION]]) into(%[[HEADS]]) {scale = 2.500000e-01 : f32, window = 128 : i64, split = #kernel.split<heads 2>} : (memref<1x4x16xf32, strided<[128, 16, 1]>, "shared">, memref<2x?x16x16xf16, "cache">, memref<2x?x16xf16, "cache">, index, memref<1x4x16xf32, strided<[64, 16, 1]>, "shared">) -> ()
    kernel.attention(%q, %keys, %values, %position) into(%heads) {scale = 0.25 : f32, window = 128 : i64, split = #kernel.split<heads 2>} : (memref<1x4x16xf32, strided<[128, 16, 1]>, "shared">, memref<2x?x16x16xf16, "cache">, memref<2x?x16xf16, "cache">, index, memref<1x4x16xf32, strided<[64, 16, 1]>, "shared">) -> ()
// CHECK: kernel.barrier
    kernel.barrier
// CHECK: %[[N:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x64xf32, "private">
    %n = kernel.buffer {offset = 0 : i64} : memref<1x64xf32, "private">
// CHECK: kernel.layer_norm(%[[ATTENDED]], %[[W]]) into(%[[N]]) {epsilon = 1.000000e-05 : f32, split = #kernel.split<replicated>} : (memref<1x64xf32, "shared">, memref<64xf32, "weights">, memref<1x64xf32, "private">) -> ()
    kernel.layer_norm(%attended, %w) into(%n) {epsilon = 1.0e-05 : f32, split = #kernel.split<replicated>} : (memref<1x64xf32, "shared">, memref<64xf32, "weights">, memref<1x64xf32, "private">) -> ()
// CHECK: %[[GATE_UP:.*]] = kernel.weight_at @layers.gate_up{{\[}}%[[L]]{{\]}} : !kernel.tiles<!llm.quantized_tensor<96x64xi4, scale=f16, symmetric=true, group_size=32>, tile=32, interleave=2>
    %gate_up = kernel.weight_at @layers.gate_up[%l] : !kernel.tiles<!llm.quantized_tensor<96x64xi4, scale=f16, symmetric=true, group_size=32>, tile=32, interleave=2>
// CHECK: %[[GATED:.*]] = kernel.buffer {offset = 1024 : i64} : memref<1x96xf32, "shared">
    %gated = kernel.buffer {offset = 1024 : i64} : memref<1x96xf32, "shared">
// CHECK: kernel.matmul(%[[N]], %[[GATE_UP]]) into(%[[GATED]]) {activation = "f32", epilogue = "gated_silu", schedule = #kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=4096>, split = #kernel.split<columns 32>} : (memref<1x64xf32, "private">, !kernel.tiles<!llm.quantized_tensor<96x64xi4, scale=f16, symmetric=true, group_size=32>, tile=32, interleave=2>, memref<1x96xf32, "shared">) -> ()
    kernel.matmul(%n, %gate_up) into(%gated) {activation = "f32", epilogue = "gated_silu", schedule = #kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=4096>, split = #kernel.split<columns 32>} : (memref<1x64xf32, "private">, !kernel.tiles<!llm.quantized_tensor<96x64xi4, scale=f16, symmetric=true, group_size=32>, tile=32, interleave=2>, memref<1x96xf32, "shared">) -> ()
// CHECK: kernel.activate(%[[GATED]]) into(%[[GATED]]) {activation = "relu", split = #kernel.split<columns 32>} : (memref<1x96xf32, "shared">, memref<1x96xf32, "shared">) -> ()
    kernel.activate(%gated) into(%gated) {activation = "relu", split = #kernel.split<columns 32>} : (memref<1x96xf32, "shared">, memref<1x96xf32, "shared">) -> ()
// CHECK: kernel.gate(%[[GATED]], %[[GATED]]) into(%[[GATED]]) {activation = "gelu", split = #kernel.split<columns 32>} : (memref<1x96xf32, "shared">, memref<1x96xf32, "shared">, memref<1x96xf32, "shared">) -> ()
    kernel.gate(%gated, %gated) into(%gated) {activation = "gelu", split = #kernel.split<columns 32>} : (memref<1x96xf32, "shared">, memref<1x96xf32, "shared">, memref<1x96xf32, "shared">) -> ()
// CHECK: kernel.multiply(%[[GATED]], %[[GATED]]) into(%[[GATED]]) {split = #kernel.split<columns 32>} : (memref<1x96xf32, "shared">, memref<1x96xf32, "shared">, memref<1x96xf32, "shared">) -> ()
    kernel.multiply(%gated, %gated) into(%gated) {split = #kernel.split<columns 32>} : (memref<1x96xf32, "shared">, memref<1x96xf32, "shared">, memref<1x96xf32, "shared">) -> ()
// CHECK: %[[DOWN:.*]] = kernel.weight_at @layers.down{{\[}}%[[L]]{{\]}} : !kernel.tiles<tensor<64x96xbf16>, tile=32>
    %down = kernel.weight_at @layers.down[%l] : !kernel.tiles<tensor<64x96xbf16>, tile=32>
// CHECK: kernel.barrier
    kernel.barrier
// CHECK: kernel.matmul(%[[GATED]], %[[DOWN]]) into(%[[X]]) {activation = "bf16", epilogue = "add", schedule = #kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=4096>, split = #kernel.split<columns 32>} : (memref<1x96xf32, "shared">, !kernel.tiles<tensor<64x96xbf16>, tile=32>, memref<1x64xf32, "shared">) -> ()
    kernel.matmul(%gated, %down) into(%x) {activation = "bf16", epilogue = "add", schedule = #kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=4096>, split = #kernel.split<columns 32>} : (memref<1x96xf32, "shared">, !kernel.tiles<tensor<64x96xbf16>, tile=32>, memref<1x64xf32, "shared">) -> ()
// CHECK: }
  }
// CHECK: %[[LAST:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x64xf32, "private">
  %last = kernel.buffer {offset = 0 : i64} : memref<1x64xf32, "private">
// CHECK: kernel.barrier
  kernel.barrier
// CHECK: kernel.copy(%[[X]]) into(%[[LAST]]) {split = #kernel.split<replicated>} : (memref<1x64xf32, "shared">, memref<1x64xf32, "private">) -> ()
  kernel.copy(%x) into(%last) {split = #kernel.split<replicated>} : (memref<1x64xf32, "shared">, memref<1x64xf32, "private">) -> ()
// CHECK: kernel.matmul(%[[LAST]], %[[TABLE]]) into(%[[LOGITS]]) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=4096>, split = #kernel.split<columns 32>} : (memref<1x64xf32, "private">, !kernel.tiles<tensor<259x64xf16>, tile=32>, memref<1x259xf32, "shared">) -> ()
  kernel.matmul(%last, %table) into(%logits) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=4096>, split = #kernel.split<columns 32>} : (memref<1x64xf32, "private">, !kernel.tiles<tensor<259x64xf16>, tile=32>, memref<1x259xf32, "shared">) -> ()
// CHECK: kernel.softcap(%[[LOGITS]]) into(%[[LOGITS]]) {cap = 3.000000e+01 : f32, split = #kernel.split<columns 32>} : (memref<1x259xf32, "shared">, memref<1x259xf32, "shared">) -> ()
  kernel.softcap(%logits) into(%logits) {cap = 30.0 : f32, split = #kernel.split<columns 32>} : (memref<1x259xf32, "shared">, memref<1x259xf32, "shared">) -> ()
// CHECK: %[[BEST:.*]] = kernel.buffer {offset = 0 : i64} : memref<1x1xf32, "threads">
  %best = kernel.buffer {offset = 0 : i64} : memref<1x1xf32, "threads">
// CHECK: %[[AT:.*]] = kernel.buffer {offset = 64 : i64} : memref<1x1xi64, "threads">
  %at = kernel.buffer {offset = 64 : i64} : memref<1x1xi64, "threads">
// CHECK: kernel.argmax(%[[LOGITS]]) into(%[[BEST]], %[[AT]]) {split = #kernel.split<columns 32>} : (memref<1x259xf32, "shared">, memref<1x1xf32, "threads">, memref<1x1xi64, "threads">) -> ()
  kernel.argmax(%logits) into(%best, %at) {split = #kernel.split<columns 32>} : (memref<1x259xf32, "shared">, memref<1x1xf32, "threads">, memref<1x1xi64, "threads">) -> ()
// CHECK: kernel.barrier
  kernel.barrier
// CHECK: kernel.pick(%[[BEST]], %[[AT]]) into(%[[TOKEN]]) {split = #kernel.split<rows>} : (memref<1x1xf32, "threads">, memref<1x1xi64, "threads">, memref<1xi64, "shared">) -> ()
  kernel.pick(%best, %at) into(%token) {split = #kernel.split<rows>} : (memref<1x1xf32, "threads">, memref<1x1xi64, "threads">, memref<1xi64, "shared">) -> ()
// CHECK: }
}
