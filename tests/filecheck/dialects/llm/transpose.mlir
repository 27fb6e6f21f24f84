// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// Dimension i of the result is dimension permutation[i] of the input.

func.func @forms(%x: tensor<2x3x4xf32>) -> tensor<4x2x3xf32> {
  %y = llm.transpose(%x) {permutation = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
  func.return %y : tensor<4x2x3xf32>
}
// scales of channels follow their dimension
func.func @codes(%w: !llm.quantized_tensor<8x4xi8, scale=f16, axis=0>) -> !llm.quantized_tensor<4x8xi8, scale=f16, axis=1> {
  %t = llm.transpose(%w) {permutation = array<i64: 1, 0>} : (!llm.quantized_tensor<8x4xi8, scale=f16, axis=0>) -> !llm.quantized_tensor<4x8xi8, scale=f16, axis=1>
  func.return %t : !llm.quantized_tensor<4x8xi8, scale=f16, axis=1>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.transpose(%[[X]]) {permutation = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<4x2x3xf32>
// CHECK-LABEL: func.func @codes(
// CHECK-SAME: %[[W:.*]]: !llm.quantized_tensor<8x4xi8, scale=f16, axis=0>) -> !llm.quantized_tensor<4x8xi8, scale=f16, axis=1>
// CHECK-NEXT: %[[T:.*]] = llm.transpose(%[[W]]) {permutation = array<i64: 1, 0>} : (!llm.quantized_tensor<8x4xi8, scale=f16, axis=0>) -> !llm.quantized_tensor<4x8xi8, scale=f16, axis=1>
// CHECK-NEXT: func.return %[[T]] : !llm.quantized_tensor<4x8xi8, scale=f16, axis=1>

// rows become columns

func.func @folded() -> tensor<3x2xf32> {
  %x = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %y = llm.transpose(%x) {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  func.return %y : tensor<3x2xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<3x2xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<{{\[\[}}1.000000e+00, 4.000000e+00], [2.000000e+00, 5.000000e+00], [3.000000e+00, 6.000000e+00]]> : tensor<3x2xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<3x2xf32>
