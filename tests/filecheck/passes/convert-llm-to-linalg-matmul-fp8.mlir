// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Codes that are floats are no integer sum: both sides are dequantized.

!w = !llm.quantized_tensor<4x8xf8E4M3FN, scale=f32, axis=0>
func.func @f(%x: !llm.quantized_tensor<?x8xf8E4M3FN, scale=f32, axis=0>, %w: !w, %b: tensor<4xf32>) -> tensor<?x4xf32> {
  %y = llm.quantized_matmul(%x, %w) bias(%b) : (!llm.quantized_tensor<?x8xf8E4M3FN, scale=f32, axis=0>, !w, tensor<4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf8E4M3FN>, %[[X1:.*]]: tensor<?xf32>, %[[W:.*]]: tensor<4x8xf8E4M3FN>, %[[W1:.*]]: tensor<4xf32>, %[[B:.*]]: tensor<4xf32>) -> tensor<?x4xf32>
// CHECK:      %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]], %[[X1]] : tensor<?x8xf8E4M3FN>, tensor<?xf32>) outs(%{{.*}} : tensor<?x8xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f8E4M3FN, %[[E2:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[E]] : f8E4M3FN to f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[WIDE]], %[[E2]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[W]], %[[W1]] : tensor<4x8xf8E4M3FN>, tensor<4xf32>) outs(%{{.*}} : tensor<4x8xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E3:.*]]: f8E4M3FN, %[[E4:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[WIDE2:.*]] = arith.extf %[[E3]] : f8E4M3FN to f32
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[WIDE2]], %[[E4]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL2]] : f32
// CHECK:      %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : f32) outs(%{{.*}} : tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[G3:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[G]], %[[G2]] : tensor<?x8xf32>, tensor<4x8xf32>) outs(%[[FILLED]] : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E5:.*]]: f32, %[[E6:.*]]: f32, %[[OUT3:.*]]: f32):
// CHECK-NEXT:   %[[MUL3:.*]] = arith.mulf %[[E5]], %[[E6]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[OUT3]], %[[MUL3]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM]] : f32
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G3]], %[[B]] : tensor<?x4xf32>, tensor<4xf32>) outs(%{{.*}} : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E7:.*]]: f32, %[[E8:.*]]: f32, %[[OUT4:.*]]: f32):
// CHECK-NEXT:   %[[SUM2:.*]] = arith.addf %[[E7]], %[[E8]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM2]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x4xf32>
