// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// The larger of x and 0.

func.func @forms(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = llm.relu(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.relu(%[[X]]) : (tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x6xf32>

// negative values become 0

func.func @folded() -> tensor<3xf32> {
  %x = arith.constant dense<[-2.5, 0.0, 2.5]> : tensor<3xf32>
  %y = llm.relu(%x) : (tensor<3xf32>) -> tensor<3xf32>
  func.return %y : tensor<3xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<3xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<[0.000000e+00, 0.000000e+00, 2.500000e+00]> : tensor<3xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<3xf32>
