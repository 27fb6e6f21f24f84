// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// The experts with the largest logits, and the softmax of theirs.

func.func @forms(%logits: tensor<?x8xf32>) -> (tensor<?x2xi64>, tensor<?x2xf32>) {
  %experts, %weights = llm.route(%logits) {top_k = 2 : i64, normalize = true} : (tensor<?x8xf32>) -> (tensor<?x2xi64>, tensor<?x2xf32>)
  func.return %experts, %weights : tensor<?x2xi64>, tensor<?x2xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[LOGITS:.*]]: tensor<?x8xf32>) -> (tensor<?x2xi64>, tensor<?x2xf32>)
// CHECK-NEXT: %[[EXPERTS:.*]], %[[WEIGHTS:.*]] = llm.route(%[[LOGITS]]) {top_k = 2 : i64, normalize = true} : (tensor<?x8xf32>) -> (tensor<?x2xi64>, tensor<?x2xf32>)
// CHECK-NEXT: func.return %[[EXPERTS]], %[[WEIGHTS]] : tensor<?x2xi64>, tensor<?x2xf32>

// experts 1 and 3, a half each

func.func @folded() -> (tensor<1x2xi64>, tensor<1x2xf32>) {
  %logits = arith.constant dense<[[0.0, 100.0, -5.0, 100.0]]> : tensor<1x4xf32>
  %experts, %weights = llm.route(%logits) {top_k = 2 : i64, normalize = true} : (tensor<1x4xf32>) -> (tensor<1x2xi64>, tensor<1x2xf32>)
  func.return %experts, %weights : tensor<1x2xi64>, tensor<1x2xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> (tensor<1x2xi64>, tensor<1x2xf32>)
// FOLD-NEXT: %[[EXPERTS:.*]] = arith.constant dense<{{\[\[}}1, 3]]> : tensor<1x2xi64>
// FOLD-NEXT: %[[WEIGHTS:.*]] = arith.constant dense<5.000000e-01> : tensor<1x2xf32>
// FOLD-NEXT: func.return %[[EXPERTS]], %[[WEIGHTS]] : tensor<1x2xi64>, tensor<1x2xf32>
