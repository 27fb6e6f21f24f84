// RUN: llmir-opt %s -p fuse-gated-activations | filecheck %s

// Near miss: a sum is no gate.

func.func @f(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %s = llm.silu(%a) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = arith.subf %s, %b : tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[A:.*]]: tensor<?x4xf32>, %[[B:.*]]: tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[S:.*]] = llm.silu(%[[A]]) : (tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[Y:.*]] = arith.subf %[[S]], %[[B]] : tensor<?x4xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x4xf32>
