// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// One operand: its first half is activated, and multiplied by its second half.

func.func @f(%x: tensor<?x6xf32>) -> tensor<?x3xf32> {
  %y = llm.gated_activation(%x) {activation = "silu"} : (tensor<?x6xf32>) -> tensor<?x3xf32>
  func.return %y : tensor<?x3xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<?x3xf32>
// CHECK:      %[[SLICE:.*]] = tensor.extract_slice %[[X]][0, 0] [%{{.*}}, 3] [1, 1] : tensor<?x6xf32> to tensor<?x3xf32>
// CHECK:      %[[SLICE2:.*]] = tensor.extract_slice %[[X]][0, 3] [%{{.*}}, 3] [1, 1] : tensor<?x6xf32> to tensor<?x3xf32>
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[SLICE]], %[[SLICE2]] : tensor<?x3xf32>, tensor<?x3xf32>) outs(%{{.*}} : tensor<?x3xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[E2:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[NEGF:.*]] = arith.negf %[[E]] : f32
// CHECK-NEXT:   %[[EXP:.*]] = math.exp %[[NEGF]] : f32
// CHECK-NEXT:   %[[C:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[C]], %[[EXP]] : f32
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E]], %[[SUM]] : f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[QUOT]], %[[E2]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x3xf32>
