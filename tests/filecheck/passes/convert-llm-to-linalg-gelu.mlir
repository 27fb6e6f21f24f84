// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// x / 2 * (1 + erf(x / sqrt(2))).

func.func @f(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = llm.gelu(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]] : tensor<?x6xf32>) outs(%{{.*}} : tensor<?x6xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[C:.*]] = arith.constant 0.707106769 : f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[E]], %[[C]] : f32
// CHECK-NEXT:   %[[ERF:.*]] = math.erf %[[MUL]] : f32
// CHECK-NEXT:   %[[C2:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[E]], %[[C2]] : f32
// CHECK-NEXT:   %[[C3:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[C3]], %[[ERF]] : f32
// CHECK-NEXT:   %[[MUL3:.*]] = arith.mulf %[[MUL2]], %[[SUM]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL3]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x6xf32>
