// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// cap * tanh(x / cap): the operand of the division is x, the cap is the divisor.

func.func @f(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = llm.softcap(%x) {cap = 2.0 : f32} : (tensor<?x6xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]] : tensor<?x6xf32>) outs(%{{.*}} : tensor<?x6xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[C:.*]] = arith.constant 2.000000e+00 : f32
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E]], %[[C]] : f32
// CHECK-NEXT:   %[[TANH:.*]] = math.tanh %[[QUOT]] : f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[TANH]], %[[C]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x6xf32>
