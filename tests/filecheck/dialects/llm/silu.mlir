// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// x * sigmoid(x); results may be of another float type.

func.func @forms(%x: tensor<?x6xf32>) -> tensor<?x6xf16> {
  %y = llm.silu(%x) : (tensor<?x6xf32>) -> tensor<?x6xf16>
  func.return %y : tensor<?x6xf16>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<?x6xf16>
// CHECK-NEXT: %[[Y:.*]] = llm.silu(%[[X]]) : (tensor<?x6xf32>) -> tensor<?x6xf16>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x6xf16>

// 0 stays 0; of 20 nothing is lost in f32: 20 / (1 + e^-20) = 19.99999996

func.func @folded() -> tensor<2xf32> {
  %x = arith.constant dense<[0.0, 20.0]> : tensor<2xf32>
  %y = llm.silu(%x) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<2xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<[0.000000e+00, 2.000000e+01]> : tensor<2xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<2xf32>
