// RUN: %roundtrip
// RUN: %generic-roundtrip

// The rows that chose an expert.

func.func @forms(%x: tensor<?x8xf32>, %experts: tensor<?x2xi64>) -> tensor<?x8xf32> {
  %y = llm.dispatch(%x, %experts) {expert = 3 : i64} : (tensor<?x8xf32>, tensor<?x2xi64>) -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[EXPERTS:.*]]: tensor<?x2xi64>) -> tensor<?x8xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.dispatch(%[[X]], %[[EXPERTS]]) {expert = 3 : i64} : (tensor<?x8xf32>, tensor<?x2xi64>) -> tensor<?x8xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x8xf32>
