// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Scales of channels are one dimension, which the transpose leaves as it is.

!w = !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>
!t = !llm.quantized_tensor<8x4xi8, scale=f32, symmetric=true, axis=1>
func.func @f(%w: !w) -> !t {
  %t = llm.transpose(%w) {permutation = array<i64: 1, 0>} : (!w) -> !t
  func.return %t : !t
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[W:.*]]: tensor<4x8xi8>, %[[W1:.*]]: tensor<4xf32>) -> (tensor<8x4xi8>, tensor<4xf32>)
// CHECK:      %[[T:.*]] = linalg.transpose ins(%[[W]]:tensor<4x8xi8>) outs(%{{.*}}:tensor<8x4xi8>) permutation = [1, 0]
// CHECK-NEXT: func.return %[[T]], %[[W1]] : tensor<8x4xi8>, tensor<4xf32>
