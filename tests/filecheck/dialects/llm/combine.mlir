// RUN: %roundtrip
// RUN: %generic-roundtrip

// An expert's rows times their weights, added to a total if there is one.

func.func @forms(%y: tensor<?x8xf32>, %experts: tensor<?x2xi64>, %weights: tensor<?x2xf32>) -> tensor<?x8xf32> {
  %a = llm.combine(%y, %experts, %weights) {expert = 0 : i64} : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>) -> tensor<?x8xf32>
  %b = llm.combine(%y, %experts, %weights) into(%a) {expert = 1 : i64} : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  func.return %b : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[Y:.*]]: tensor<?x8xf32>, %[[EXPERTS:.*]]: tensor<?x2xi64>, %[[WEIGHTS:.*]]: tensor<?x2xf32>) -> tensor<?x8xf32>
// CHECK-NEXT: %[[A:.*]] = llm.combine(%[[Y]], %[[EXPERTS]], %[[WEIGHTS]]) {expert = 0 : i64} : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>) -> tensor<?x8xf32>
// CHECK-NEXT: %[[B:.*]] = llm.combine(%[[Y]], %[[EXPERTS]], %[[WEIGHTS]]) into(%[[A]]) {expert = 1 : i64} : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
// CHECK-NEXT: func.return %[[B]] : tensor<?x8xf32>
