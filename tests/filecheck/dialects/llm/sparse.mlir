// RUN: llmir-opt %s | llmir-opt | filecheck %s
// RUN: llmir-opt %s --print-op-generic | llmir-opt | filecheck %s

// CHECK: llm.weight @w : !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, group_size=8>>
llm.weight @w : !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, group_size=8>>

// CHECK-LABEL: func.func @sparse(
// CHECK-SAME:  %[[X:.*]]: tensor<?x16xf32>, %[[V:.*]]: tensor<8x16xf32>)
func.func @sparse(%x: tensor<?x16xf32>, %v: tensor<8x16xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[P:.*]] = llm.prune(%[[V]]) {sparsity = "2:4"} : (tensor<8x16xf32>) -> tensor<8x16xf32>
  %p = llm.prune(%v) {sparsity = "2:4"} : (tensor<8x16xf32>) -> tensor<8x16xf32>
  // CHECK-NEXT: %[[Q:.*]] = llm.quantize(%[[P]]) : (tensor<8x16xf32>) -> !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>
  %q = llm.quantize(%p) : (tensor<8x16xf32>) -> !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>
  // CHECK-NEXT: %[[S:.*]] = llm.pack_sparse(%[[Q]]) : (!llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>) -> !llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>>
  %s = llm.pack_sparse(%q) : (!llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>) -> !llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>>
  // CHECK-NEXT: %[[U:.*]] = llm.unpack_sparse(%[[S]]) : (!llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>>) -> !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>
  %u = llm.unpack_sparse(%s) : (!llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>>) -> !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>
  // CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[S]]) : (tensor<?x16xf32>, !llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>>) -> tensor<?x8xf32>
  %y = llm.quantized_matmul(%x, %s) : (tensor<?x16xf32>, !llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>>) -> tensor<?x8xf32>
  // CHECK-NEXT: %{{.*}} = llm.dequantize(%[[S]]) : (!llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>>) -> tensor<8x16xf32>
  %d = llm.dequantize(%s) : (!llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>>) -> tensor<8x16xf32>
  // CHECK-NEXT: func.return %[[Y]]
  func.return %y : tensor<?x8xf32>
}
