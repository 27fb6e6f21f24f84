// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Codes in a plain tensor, a scale and a zero point for each group of 4 of a row.

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8xi8>, %s: tensor<8xf32>, %z: tensor<8xi8>) -> tensor<?x4xf32> {
  %y = llm.quantized_matmul(%x, %w, %s, %z) {bits = 8 : i32, group_size = 4 : i32} : (tensor<?x8xf32>, tensor<4x8xi8>, tensor<8xf32>, tensor<8xi8>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<4x8xi8>, %[[S:.*]]: tensor<8xf32>, %[[Z:.*]]: tensor<8xi8>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[SPLIT:.*]] = tensor.expand_shape %[[W]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] output_shape [4, 2, 4] : tensor<4x8xi8> into tensor<4x2x4xi8>
// CHECK-NEXT: %[[SPLIT2:.*]] = tensor.expand_shape %[[S]] {{\[\[}}0 : i64, 1 : i64]] output_shape [4, 2] : tensor<8xf32> into tensor<4x2xf32>
// CHECK-NEXT: %[[SPLIT3:.*]] = tensor.expand_shape %[[Z]] {{\[\[}}0 : i64, 1 : i64]] output_shape [4, 2] : tensor<8xi8> into tensor<4x2xi8>
// CHECK:      %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>, affine_map<(d0, d1, d2) -> (d0, d1)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[SPLIT]], %[[SPLIT2]], %[[SPLIT3]] : tensor<4x2x4xi8>, tensor<4x2xf32>, tensor<4x2xi8>) outs(%{{.*}} : tensor<4x2x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i8, %[[E2:.*]]: f32, %[[E3:.*]]: i8, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extsi %[[E]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[EXT]] : i32 to f32
// CHECK-NEXT:   %[[EXT2:.*]] = arith.extsi %[[E3]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT2:.*]] = arith.sitofp %[[EXT2]] : i32 to f32
// CHECK-NEXT:   %[[DIFF:.*]] = arith.subf %[[FLOAT]], %[[FLOAT2]] : f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[DIFF]], %[[E2]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      %[[JOINED:.*]] = tensor.collapse_shape %[[G]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] : tensor<4x2x4xf32> into tensor<4x8xf32>
// CHECK:      %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : f32) outs(%{{.*}} : tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X]], %[[JOINED]] : tensor<?x8xf32>, tensor<4x8xf32>) outs(%[[FILLED]] : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E4:.*]]: f32, %[[E5:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[E4]], %[[E5]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[OUT2]], %[[MUL2]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x4xf32>
