// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// The larger of x and 0.

func.func @f(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = llm.relu(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]] : tensor<?x6xf32>) outs(%{{.*}} : tensor<?x6xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[MAXIMUMF:.*]] = arith.maximumf %[[E]], %[[C]] : f32
// CHECK-NEXT:   linalg.yield %[[MAXIMUMF]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x6xf32>
