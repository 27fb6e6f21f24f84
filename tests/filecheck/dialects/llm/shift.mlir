// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// x + offset, of a norm whose weight is stored less one.

func.func @forms(%x: tensor<6xf16>) -> tensor<6xf32> {
  %y = llm.shift(%x) {offset = 1.0 : f32} : (tensor<6xf16>) -> tensor<6xf32>
  func.return %y : tensor<6xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<6xf16>) -> tensor<6xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.shift(%[[X]]) {offset = 1.000000e+00 : f32} : (tensor<6xf16>) -> tensor<6xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<6xf32>

// 2 + 1 and -3 + 1

func.func @folded() -> tensor<2xf32> {
  %x = arith.constant dense<[2.0, -3.0]> : tensor<2xf16>
  %y = llm.shift(%x) {offset = 1.0 : f32} : (tensor<2xf16>) -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<2xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<[3.000000e+00, -2.000000e+00]> : tensor<2xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<2xf32>
