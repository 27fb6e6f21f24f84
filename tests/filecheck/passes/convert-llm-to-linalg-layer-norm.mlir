// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// (x - mean) / sqrt(variance + epsilon) * weight + bias; the variance is the mean of (x - mean)^2.

func.func @f(%x: tensor<2x6xf32>, %w: tensor<6xf32>, %b: tensor<6xf32>) -> tensor<2x6xf32> {
  %y = llm.layer_norm(%x, %w) bias(%b) {epsilon = 0.5 : f32} : (tensor<2x6xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<2x6xf32>
  func.return %y : tensor<2x6xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<2x6xf32>, %[[W:.*]]: tensor<6xf32>, %[[B:.*]]: tensor<6xf32>) -> tensor<2x6xf32>
// CHECK-NEXT: %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : f32) outs(%{{.*}} : tensor<2xf32>) -> tensor<2xf32>
// CHECK-NEXT: %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]} ins(%[[X]] : tensor<2x6xf32>) outs(%[[FILLED]] : tensor<2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[OUT]], %[[E]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM]] : f32
// CHECK:      %[[C2:.*]] = arith.constant 6.000000e+00 : f32
// CHECK:      %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%[[G]] : tensor<2xf32>) outs(%{{.*}} : tensor<2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E2:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E2]], %[[C2]] : f32
// CHECK-NEXT:   linalg.yield %[[QUOT]] : f32
// CHECK:      %[[C3:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED2:.*]] = linalg.fill ins(%[[C3]] : f32) outs(%{{.*}} : tensor<2xf32>) -> tensor<2xf32>
// CHECK-NEXT: %[[G3:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]} ins(%[[X]], %[[G2]] : tensor<2x6xf32>, tensor<2xf32>) outs(%[[FILLED2]] : tensor<2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E3:.*]]: f32, %[[E4:.*]]: f32, %[[OUT3:.*]]: f32):
// CHECK-NEXT:   %[[DIFF:.*]] = arith.subf %[[E3]], %[[E4]] : f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[DIFF]], %[[DIFF]] : f32
// CHECK-NEXT:   %[[SUM2:.*]] = arith.addf %[[OUT3]], %[[MUL]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM2]] : f32
// CHECK:      %[[C4:.*]] = arith.constant 6.000000e+00 : f32
// CHECK:      %[[G4:.*]] = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%[[G3]] : tensor<2xf32>) outs(%{{.*}} : tensor<2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E5:.*]]: f32, %[[OUT4:.*]]: f32):
// CHECK-NEXT:   %[[QUOT2:.*]] = arith.divf %[[E5]], %[[C4]] : f32
// CHECK-NEXT:   linalg.yield %[[QUOT2]] : f32
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]], %[[G2]], %[[G4]], %[[W]], %[[B]] : tensor<2x6xf32>, tensor<2xf32>, tensor<2xf32>, tensor<6xf32>, tensor<6xf32>) outs(%{{.*}} : tensor<2x6xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E6:.*]]: f32, %[[E7:.*]]: f32, %[[E8:.*]]: f32, %[[E9:.*]]: f32, %[[E10:.*]]: f32, %[[OUT5:.*]]: f32):
// CHECK-NEXT:   %[[C5:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-NEXT:   %[[SUM3:.*]] = arith.addf %[[E8]], %[[C5]] : f32
// CHECK-NEXT:   %[[SQRT:.*]] = math.sqrt %[[SUM3]] : f32
// CHECK-NEXT:   %[[DIFF2:.*]] = arith.subf %[[E6]], %[[E7]] : f32
// CHECK-NEXT:   %[[QUOT3:.*]] = arith.divf %[[DIFF2]], %[[SQRT]] : f32
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[QUOT3]], %[[E9]] : f32
// CHECK-NEXT:   %[[SUM4:.*]] = arith.addf %[[MUL2]], %[[E10]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM4]] : f32
// CHECK:      func.return %[[Y]] : tensor<2x6xf32>
