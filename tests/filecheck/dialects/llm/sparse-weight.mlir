// RUN: %roundtrip
// RUN: %generic-roundtrip

// A sparse weight multiplies, and is dequantized, like the dense one.

!s = !llm.sparse_quantized_tensor<4:8, !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, axis=0>>
llm.weight @w : !s
func.func @forms(%x: tensor<?x16xf32>) -> (tensor<?x8xf32>, tensor<8x16xf16>) {
  %w = llm.load_weight @w : !s
  %y = llm.quantized_matmul(%x, %w) : (tensor<?x16xf32>, !s) -> tensor<?x8xf32>
  %d = llm.dequantize(%w) : (!s) -> tensor<8x16xf16>
  func.return %y, %d : tensor<?x8xf32>, tensor<8x16xf16>
}

// CHECK:      llm.weight @w : !llm.sparse_quantized_tensor<4:8, !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, axis=0>>
// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>) -> (tensor<?x8xf32>, tensor<8x16xf16>)
// CHECK-NEXT: %[[W:.*]] = llm.load_weight @w : !llm.sparse_quantized_tensor<4:8, !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, axis=0>>
// CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[W]]) : (tensor<?x16xf32>, !llm.sparse_quantized_tensor<4:8, !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, axis=0>>) -> tensor<?x8xf32>
// CHECK-NEXT: %[[D:.*]] = llm.dequantize(%[[W]]) : (!llm.sparse_quantized_tensor<4:8, !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, axis=0>>) -> tensor<8x16xf16>
// CHECK-NEXT: func.return %[[Y]], %[[D]] : tensor<?x8xf32>, tensor<8x16xf16>
