// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))).

func.func @f(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = llm.gelu(%x) {approximate = "tanh"} : (tensor<?x6xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]] : tensor<?x6xf32>) outs(%{{.*}} : tensor<?x6xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[E]], %[[E]] : f32
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[MUL]], %[[E]] : f32
// CHECK-NEXT:   %[[C:.*]] = arith.constant 4.471500e-02 : f32
// CHECK-NEXT:   %[[MUL3:.*]] = arith.mulf %[[MUL2]], %[[C]] : f32
// CHECK-NEXT:   %[[C2:.*]] = arith.constant 0.797884583 : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[E]], %[[MUL3]] : f32
// CHECK-NEXT:   %[[MUL4:.*]] = arith.mulf %[[C2]], %[[SUM]] : f32
// CHECK-NEXT:   %[[TANH:.*]] = math.tanh %[[MUL4]] : f32
// CHECK-NEXT:   %[[C3:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-NEXT:   %[[MUL5:.*]] = arith.mulf %[[E]], %[[C3]] : f32
// CHECK-NEXT:   %[[C4:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:   %[[SUM2:.*]] = arith.addf %[[C4]], %[[TANH]] : f32
// CHECK-NEXT:   %[[MUL6:.*]] = arith.mulf %[[MUL5]], %[[SUM2]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL6]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x6xf32>
