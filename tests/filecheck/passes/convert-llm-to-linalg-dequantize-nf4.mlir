// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Codes of a codebook are rows of a table of its sixteen entries.

!q = !llm.quantized_tensor<4x8x!llm.codebook<nf4>, scale=f32, group_size=4>
func.func @f(%q: !q) -> tensor<4x8xf32> {
  %x = llm.dequantize(%q) : (!q) -> tensor<4x8xf32>
  func.return %x : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:.*]]: tensor<4x8xi8>, %[[Q1:.*]]: tensor<4x2xf32>) -> tensor<4x8xf32>
// CHECK-NEXT: %[[SPLIT:.*]] = tensor.expand_shape %[[Q]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] output_shape [4, 2, 4] : tensor<4x8xi8> into tensor<4x2x4xi8>
// CHECK-NEXT: %[[C:.*]] = arith.constant dense<[-1.000000e+00, -0.696192801, -0.525073051, -0.394917488, -0.284441382, -0.18477343, -0.0910500363, 0.000000e+00, 7.958030e-02, 0.160930201, 0.246112302, 0.337915242, 0.440709829, 5.626170e-01, 0.722956836, 1.000000e+00]> : tensor<16xf32>
// CHECK:      %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[SPLIT]], %[[Q1]] : tensor<4x2x4xi8>, tensor<4x2xf32>) outs(%{{.*}} : tensor<4x2x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i8, %[[E2:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extui %[[E]] : i8 to i32
// CHECK-NEXT:   %[[INDEXCAST:.*]] = arith.index_cast %[[EXT]] : i32 to index
// CHECK-NEXT:   %[[EXTRACT:.*]] = tensor.extract %[[C]][%[[INDEXCAST]]] : tensor<16xf32>
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[EXTRACT]], %[[E2]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      %[[X:.*]] = tensor.collapse_shape %[[G]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] : tensor<4x2x4xf32> into tensor<4x8xf32>
// CHECK-NEXT: func.return %[[X]] : tensor<4x8xf32>
