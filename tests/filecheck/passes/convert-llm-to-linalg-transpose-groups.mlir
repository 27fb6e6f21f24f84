// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Codes and their scales are both transposed where groups lie along a dimension.

!w = !llm.quantized_tensor<4x8xi4, scale=f32, symmetric=true, group_size=4>
!t = !llm.quantized_tensor<8x4xi4, scale=f32, symmetric=true, group_size=4, axis=0>
func.func @f(%w: !w) -> !t {
  %t = llm.transpose(%w) {permutation = array<i64: 1, 0>} : (!w) -> !t
  func.return %t : !t
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[W:.*]]: tensor<4x8xi8>, %[[W1:.*]]: tensor<4x2xf32>) -> (tensor<8x4xi8>, tensor<2x4xf32>)
// CHECK:      %[[TRANSPOSE:.*]] = linalg.transpose ins(%[[W1]]:tensor<4x2xf32>) outs(%{{.*}}:tensor<2x4xf32>) permutation = [1, 0]
// CHECK:      %[[T:.*]] = linalg.transpose ins(%[[W]]:tensor<4x8xi8>) outs(%{{.*}}:tensor<8x4xi8>) permutation = [1, 0]
// CHECK-NEXT: func.return %[[T]], %[[TRANSPOSE]] : tensor<8x4xi8>, tensor<2x4xf32>
