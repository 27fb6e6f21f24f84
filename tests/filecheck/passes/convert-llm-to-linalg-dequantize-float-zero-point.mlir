// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Zero points that are floats are subtracted as they are.

!q = !llm.quantized_tensor<4x8xui4, scale=f32, zp=f16, axis=0>
func.func @f(%q: !q) -> tensor<4x8xf32> {
  %x = llm.dequantize(%q) : (!q) -> tensor<4x8xf32>
  func.return %x : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:.*]]: tensor<4x8xi8>, %[[Q1:.*]]: tensor<4xf32>, %[[Q2:.*]]: tensor<4xf16>) -> tensor<4x8xf32>
// CHECK:      %[[X:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[Q]], %[[Q1]], %[[Q2]] : tensor<4x8xi8>, tensor<4xf32>, tensor<4xf16>) outs(%{{.*}} : tensor<4x8xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i8, %[[E2:.*]]: f32, %[[E3:.*]]: f16, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extui %[[E]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[EXT]] : i32 to f32
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[E3]] : f16 to f32
// CHECK-NEXT:   %[[DIFF:.*]] = arith.subf %[[FLOAT]], %[[WIDE]] : f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[DIFF]], %[[E2]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      func.return %[[X]] : tensor<4x8xf32>
