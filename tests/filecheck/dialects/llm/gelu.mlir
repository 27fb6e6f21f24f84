// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// Exact, or with the approximation by tanh.

func.func @forms(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = llm.gelu(%x) {approximate = "tanh"} : (tensor<?x6xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}
func.func @exact(%x: tensor<4xf16>) -> tensor<4xf16> {
  %y = llm.gelu(%x) : (tensor<4xf16>) -> tensor<4xf16>
  func.return %y : tensor<4xf16>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.gelu(%[[X]]) {approximate = "tanh"} : (tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x6xf32>
// CHECK-LABEL: func.func @exact(
// CHECK-SAME: %[[X:.*]]: tensor<4xf16>) -> tensor<4xf16>
// CHECK-NEXT: %[[Y:.*]] = llm.gelu(%[[X]]) : (tensor<4xf16>) -> tensor<4xf16>
// CHECK-NEXT: func.return %[[Y]] : tensor<4xf16>

// far from 0 it is x or 0

func.func @folded() -> tensor<3xf32> {
  %x = arith.constant dense<[0.0, 20.0, -20.0]> : tensor<3xf32>
  %y = llm.gelu(%x)  : (tensor<3xf32>) -> tensor<3xf32>
  func.return %y : tensor<3xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<3xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<[0.000000e+00, 2.000000e+01, -0.000000e+00]> : tensor<3xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<3xf32>
