// RUN: llmir-opt %s -p fuse-gated-activations | filecheck %s

// The activated factor is the gate, whichever side of the product it is on.

func.func @f(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %s = llm.silu(%a) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = arith.mulf %s, %b : tensor<?x4xf32>
  %r = llm.silu(%a) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = arith.mulf %b, %r : tensor<?x4xf32>
  func.return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[A:.*]]: tensor<?x4xf32>, %[[B:.*]]: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
// CHECK-NEXT: %[[Y:.*]] = llm.gated_activation(%[[A]], %[[B]]) {activation = "silu"} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[Z:.*]] = llm.gated_activation(%[[A]], %[[B]]) {activation = "silu"} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: func.return %[[Y]], %[[Z]] : tensor<?x4xf32>, tensor<?x4xf32>
