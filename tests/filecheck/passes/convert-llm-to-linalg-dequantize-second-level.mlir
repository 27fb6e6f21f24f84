// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Scales that are quantized themselves are three tensors: codes, their codes, and f16.

!q = !llm.quantized_tensor<4x64xi6, scale=!llm.scale<i8, scale=f16, group_size=2>, symmetric=true, group_size=16>
func.func @f(%q: !q) -> tensor<4x64xf32> {
  %x = llm.dequantize(%q) : (!q) -> tensor<4x64xf32>
  func.return %x : tensor<4x64xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:.*]]: tensor<4x64xi8>, %[[Q1:.*]]: tensor<4x4xi8>, %[[Q2:.*]]: tensor<4x2xf16>) -> tensor<4x64xf32>
// CHECK-NEXT: %[[SPLIT:.*]] = tensor.expand_shape %[[Q]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] output_shape [4, 4, 16] : tensor<4x64xi8> into tensor<4x4x16xi8>
// CHECK-NEXT: %[[SPLIT2:.*]] = tensor.expand_shape %[[Q1]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] output_shape [4, 2, 2] : tensor<4x4xi8> into tensor<4x2x2xi8>
// CHECK:      %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[SPLIT2]], %[[Q2]] : tensor<4x2x2xi8>, tensor<4x2xf16>) outs(%{{.*}} : tensor<4x2x2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i8, %[[E2:.*]]: f16, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extsi %[[E]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[EXT]] : i32 to f32
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[E2]] : f16 to f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[FLOAT]], %[[WIDE]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      %[[JOINED:.*]] = tensor.collapse_shape %[[G]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] : tensor<4x2x2xf32> into tensor<4x4xf32>
// CHECK:      %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[SPLIT]], %[[JOINED]] : tensor<4x4x16xi8>, tensor<4x4xf32>) outs(%{{.*}} : tensor<4x4x16xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E3:.*]]: i8, %[[E4:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[EXT2:.*]] = arith.extsi %[[E3]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT2:.*]] = arith.sitofp %[[EXT2]] : i32 to f32
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[FLOAT2]], %[[E4]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL2]] : f32
// CHECK:      %[[X:.*]] = tensor.collapse_shape %[[G2]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] : tensor<4x4x16xf32> into tensor<4x64xf32>
// CHECK-NEXT: func.return %[[X]] : tensor<4x64xf32>
