// RUN: llmir-opt %s -p absorb-transposes | filecheck %s

// Two transposes that undo each other are the value itself; others become one, in this order and no other.

func.func @f(%x: tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<3x4x2xf32>) {
  %a = llm.transpose(%x) {permutation = array<i64: 1, 0, 2>} : (tensor<2x3x4xf32>) -> tensor<3x2x4xf32>
  %b = llm.transpose(%a) {permutation = array<i64: 1, 0, 2>} : (tensor<3x2x4xf32>) -> tensor<2x3x4xf32>
  %c = llm.transpose(%a) {permutation = array<i64: 0, 2, 1>} : (tensor<3x2x4xf32>) -> tensor<3x4x2xf32>
  func.return %b, %c : tensor<2x3x4xf32>, tensor<3x4x2xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<3x4x2xf32>)
// CHECK-NEXT: %[[C:.*]] = llm.transpose(%[[X]]) {permutation = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
// CHECK-NEXT: func.return %[[X]], %[[C]] : tensor<2x3x4xf32>, tensor<3x4x2xf32>
