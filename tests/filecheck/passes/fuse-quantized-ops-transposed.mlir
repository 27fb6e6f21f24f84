// RUN: llmir-opt %s -p fuse-quantized-ops | filecheck %s

// Codes that are dequantized, then transposed, are multiplied too: transposes are absorbed first.

!w = !llm.quantized_tensor<8x4xi8, scale=f32, symmetric=true, axis=1>
func.func @f(%x: tensor<?x8xf32>, %w: !w) -> tensor<?x4xf32> {
  %rw = llm.dequantize(%w) : (!w) -> tensor<8x4xf32>
  %t = llm.transpose(%rw) {permutation = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
  %y = llm.linear(%x, %t) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !llm.quantized_tensor<8x4xi8, scale=f32, symmetric=true, axis=1>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[TRANSPOSE:.*]] = llm.transpose(%[[W]]) {permutation = array<i64: 1, 0>} : (!llm.quantized_tensor<8x4xi8, scale=f32, symmetric=true, axis=1>) -> !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[TRANSPOSE]]) : (tensor<?x8xf32>, !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x4xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x4xf32>
