// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// The N largest magnitudes of every M along the last dimension are kept.

func.func @forms(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = llm.prune(%x) {sparsity = "2:4"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>) -> tensor<?x8xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.prune(%[[X]]) {sparsity = "2:4"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x8xf32>

// -4 and 2 are the largest of the first four; of four equal ones the first two are kept

func.func @folded() -> tensor<1x8xf32> {
  %x = arith.constant dense<[[1.0, -4.0, 2.0, 0.5, 3.0, 3.0, 3.0, -3.0]]> : tensor<1x8xf32>
  %y = llm.prune(%x) {sparsity = "2:4"} : (tensor<1x8xf32>) -> tensor<1x8xf32>
  func.return %y : tensor<1x8xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<1x8xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<{{\[\[}}0.000000e+00, -4.000000e+00, 2.000000e+00, 0.000000e+00, 3.000000e+00, 3.000000e+00, 0.000000e+00, 0.000000e+00]]> : tensor<1x8xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<1x8xf32>
