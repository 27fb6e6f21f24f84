// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Codes that MLIR has a float type for keep it: no table.

!q = !llm.quantized_tensor<4x8xf8E4M3FN, scale=f32, axis=0>
func.func @f(%q: !q) -> tensor<4x8xf32> {
  %x = llm.dequantize(%q) : (!q) -> tensor<4x8xf32>
  func.return %x : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:.*]]: tensor<4x8xf8E4M3FN>, %[[Q1:.*]]: tensor<4xf32>) -> tensor<4x8xf32>
// CHECK:      %[[X:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[Q]], %[[Q1]] : tensor<4x8xf8E4M3FN>, tensor<4xf32>) outs(%{{.*}} : tensor<4x8xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f8E4M3FN, %[[E2:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[E]] : f8E4M3FN to f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[WIDE]], %[[E2]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      func.return %[[X]] : tensor<4x8xf32>
