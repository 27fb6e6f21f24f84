// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// x / (1 + exp(-x)).

func.func @f(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = llm.silu(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]] : tensor<?x6xf32>) outs(%{{.*}} : tensor<?x6xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[NEGF:.*]] = arith.negf %[[E]] : f32
// CHECK-NEXT:   %[[EXP:.*]] = math.exp %[[NEGF]] : f32
// CHECK-NEXT:   %[[C:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[C]], %[[EXP]] : f32
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E]], %[[SUM]] : f32
// CHECK-NEXT:   linalg.yield %[[QUOT]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x6xf32>
