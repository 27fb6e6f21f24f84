// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// The sum over K of x[m, k] * weight[n, k], then the bias of column n.

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf16>, %b: tensor<6xf32>) -> tensor<?x6xf32> {
  %y = llm.linear(%x, %w) bias(%b) : (tensor<?x8xf32>, tensor<6x8xf16>, tensor<6xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<6x8xf16>, %[[B:.*]]: tensor<6xf32>) -> tensor<?x6xf32>
// CHECK:      %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[W]] : tensor<6x8xf16>) outs(%{{.*}} : tensor<6x8xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f16, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[E]] : f16 to f32
// CHECK-NEXT:   linalg.yield %[[WIDE]] : f32
// CHECK:      %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : f32) outs(%{{.*}} : tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X]], %[[G]] : tensor<?x8xf32>, tensor<6x8xf32>) outs(%[[FILLED]] : tensor<?x6xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E2:.*]]: f32, %[[E3:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[E2]], %[[E3]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[OUT2]], %[[MUL]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM]] : f32
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G2]], %[[B]] : tensor<?x6xf32>, tensor<6xf32>) outs(%{{.*}} : tensor<?x6xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E4:.*]]: f32, %[[E5:.*]]: f32, %[[OUT3:.*]]: f32):
// CHECK-NEXT:   %[[SUM2:.*]] = arith.addf %[[E4]], %[[E5]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM2]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x6xf32>
