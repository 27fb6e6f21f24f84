// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// x / sqrt(mean(x^2) + epsilon) * weight.

func.func @f(%x: tensor<2x6xf32>, %w: tensor<6xf16>) -> tensor<2x6xf32> {
  %y = llm.rms_norm(%x, %w) {epsilon = 0.5 : f32} : (tensor<2x6xf32>, tensor<6xf16>) -> tensor<2x6xf32>
  func.return %y : tensor<2x6xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<2x6xf32>, %[[W:.*]]: tensor<6xf16>) -> tensor<2x6xf32>
// CHECK-NEXT: %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : f32) outs(%{{.*}} : tensor<2xf32>) -> tensor<2xf32>
// CHECK-NEXT: %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]} ins(%[[X]] : tensor<2x6xf32>) outs(%[[FILLED]] : tensor<2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[E]], %[[E]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[OUT]], %[[MUL]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM]] : f32
// CHECK:      %[[C2:.*]] = arith.constant 6.000000e+00 : f32
// CHECK:      %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%[[G]] : tensor<2xf32>) outs(%{{.*}} : tensor<2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E2:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E2]], %[[C2]] : f32
// CHECK-NEXT:   linalg.yield %[[QUOT]] : f32
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]], %[[G2]], %[[W]] : tensor<2x6xf32>, tensor<2xf32>, tensor<6xf16>) outs(%{{.*}} : tensor<2x6xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E3:.*]]: f32, %[[E4:.*]]: f32, %[[E5:.*]]: f16, %[[OUT3:.*]]: f32):
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[E5]] : f16 to f32
// CHECK-NEXT:   %[[C3:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-NEXT:   %[[SUM2:.*]] = arith.addf %[[E4]], %[[C3]] : f32
// CHECK-NEXT:   %[[SQRT:.*]] = math.sqrt %[[SUM2]] : f32
// CHECK-NEXT:   %[[QUOT2:.*]] = arith.divf %[[E3]], %[[SQRT]] : f32
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[QUOT2]], %[[WIDE]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL2]] : f32
// CHECK:      func.return %[[Y]] : tensor<2x6xf32>
