// RUN: llmir-opt %s -p lower-to-target | filecheck %s

// Elementwise arithmetic keeps the order of its operands.

func.func @f(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %s = arith.addf %a, %b : tensor<?x4xf32>
  %d = arith.subf %s, %a : tensor<?x4xf32>
  %m = arith.mulf %d, %b : tensor<?x4xf32>
  func.return %m : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[A:.*]]: tensor<?x4xf32>, %[[B:.*]]: tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[S:.*]] = kernel.call @add(%[[A]], %[[B]]) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[D:.*]] = kernel.call @subtract(%[[S]], %[[A]]) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[M:.*]] = kernel.call @multiply(%[[D]], %[[B]]) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: func.return %[[M]] : tensor<?x4xf32>
