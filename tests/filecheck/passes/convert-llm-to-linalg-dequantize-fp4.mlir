// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Patterns of 4-bit floats are looked up in a table, in the order of the patterns.

!q = !llm.quantized_tensor<4x8xf4E2M1FN, scale=f32, axis=0>
func.func @f(%q: !q) -> tensor<4x8xf32> {
  %x = llm.dequantize(%q) : (!q) -> tensor<4x8xf32>
  func.return %x : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:.*]]: tensor<4x8xi8>, %[[Q1:.*]]: tensor<4xf32>) -> tensor<4x8xf32>
// CHECK-NEXT: %[[C:.*]] = arith.constant dense<[0.000000e+00, 5.000000e-01, 1.000000e+00, 1.500000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00, 6.000000e+00, -0.000000e+00, -5.000000e-01, -1.000000e+00, -1.500000e+00, -2.000000e+00, -3.000000e+00, -4.000000e+00, -6.000000e+00]> : tensor<16xf32>
// CHECK:      %[[X:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[Q]], %[[Q1]] : tensor<4x8xi8>, tensor<4xf32>) outs(%{{.*}} : tensor<4x8xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i8, %[[E2:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extui %[[E]] : i8 to i32
// CHECK-NEXT:   %[[INDEXCAST:.*]] = arith.index_cast %[[EXT]] : i32 to index
// CHECK-NEXT:   %[[EXTRACT:.*]] = tensor.extract %[[C]][%[[INDEXCAST]]] : tensor<16xf32>
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[EXTRACT]], %[[E2]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      func.return %[[X]] : tensor<4x8xf32>
