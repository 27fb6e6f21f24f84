// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// The weight is dequantized once for all rows; the bias is added to the sums.

!w = !llm.quantized_tensor<4x8xi8, scale=f32, zp=i8, axis=0>
func.func @f(%x: tensor<?x8xf32>, %w: !w, %b: tensor<4xf32>) -> tensor<?x4xf32> {
  %y = llm.quantized_matmul(%x, %w) bias(%b) : (tensor<?x8xf32>, !w, tensor<4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<4x8xi8>, %[[W1:.*]]: tensor<4xf32>, %[[W2:.*]]: tensor<4xi8>, %[[B:.*]]: tensor<4xf32>) -> tensor<?x4xf32>
// CHECK:      %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[W]], %[[W1]], %[[W2]] : tensor<4x8xi8>, tensor<4xf32>, tensor<4xi8>) outs(%{{.*}} : tensor<4x8xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i8, %[[E2:.*]]: f32, %[[E3:.*]]: i8, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extsi %[[E]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[EXT]] : i32 to f32
// CHECK-NEXT:   %[[EXT2:.*]] = arith.extsi %[[E3]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT2:.*]] = arith.sitofp %[[EXT2]] : i32 to f32
// CHECK-NEXT:   %[[DIFF:.*]] = arith.subf %[[FLOAT]], %[[FLOAT2]] : f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[DIFF]], %[[E2]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : f32) outs(%{{.*}} : tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X]], %[[G]] : tensor<?x8xf32>, tensor<4x8xf32>) outs(%[[FILLED]] : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E4:.*]]: f32, %[[E5:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[E4]], %[[E5]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[OUT2]], %[[MUL2]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM]] : f32
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G2]], %[[B]] : tensor<?x4xf32>, tensor<4xf32>) outs(%{{.*}} : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E6:.*]]: f32, %[[E7:.*]]: f32, %[[OUT3:.*]]: f32):
// CHECK-NEXT:   %[[SUM2:.*]] = arith.addf %[[E6]], %[[E7]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM2]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x4xf32>
