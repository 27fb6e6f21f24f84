// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// x * factor.

func.func @forms(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = llm.scale(%x) {factor = 1.5 : f32} : (tensor<?x6xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.scale(%[[X]]) {factor = 1.500000e+00 : f32} : (tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x6xf32>

// 1.5 * 2 and 1.5 * -3

func.func @folded() -> tensor<2xf32> {
  %x = arith.constant dense<[2.0, -3.0]> : tensor<2xf32>
  %y = llm.scale(%x) {factor = 1.5 : f32} : (tensor<2xf32>) -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<2xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<[3.000000e+00, -4.500000e+00]> : tensor<2xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<2xf32>
