// RUN: llmir-opt %s -p fuse-quantized-ops | filecheck %s

// linear of dequantized input and weight: a product of their codes, the bias kept.

!x = !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>
!w = !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>
func.func @f(%x: !x, %w: !w, %b: tensor<4xf32>) -> tensor<?x4xf32> {
  %rx = llm.dequantize(%x) : (!x) -> tensor<?x8xf32>
  %rw = llm.dequantize(%w) : (!w) -> tensor<4x8xf32>
  %y = llm.linear(%rx, %rw) bias(%b) {module = "m"} : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>, %[[W:.*]]: !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>, %[[B:.*]]: tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[W]]) bias(%[[B]]) {module = "m"} : (!llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>, tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x4xf32>
