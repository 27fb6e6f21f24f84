// RUN: llmir-opt %s -p fuse-quantized-ops | filecheck %s

// A dequantize that something else reads stays for it.

!w = !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>
func.func @f(%x: tensor<?x8xf32>, %w: !w) -> (tensor<?x4xf32>, tensor<4x8xf32>) {
  %rw = llm.dequantize(%w) : (!w) -> tensor<4x8xf32>
  %y = llm.linear(%x, %rw) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return %y, %rw : tensor<?x4xf32>, tensor<4x8xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>) -> (tensor<?x4xf32>, tensor<4x8xf32>)
// CHECK-NEXT: %[[RW:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>) -> tensor<4x8xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[W]]) : (tensor<?x8xf32>, !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x4xf32>
// CHECK-NEXT: func.return %[[Y]], %[[RW]] : tensor<?x4xf32>, tensor<4x8xf32>
