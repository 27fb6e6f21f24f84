// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// Rows in one of several formats: which, by a selector or so that an average of bits is met.

!m = !llm.mixed_quantized_tensor<3x4x!llm.mixed<i8,i4>, scale=f32>
func.func @forms(%x: tensor<3x4xf32>) -> (!m, !m) {
  %a = llm.quantize(%x) {selector = dense<[1, 0, 1]> : tensor<3xi8>} : (tensor<3x4xf32>) -> !m
  %b = llm.quantize(%x) {average_bits = 6.0 : f32} : (tensor<3x4xf32>) -> !m
  func.return %a, %b : !m, !m
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<3x4xf32>) -> (!llm.mixed_quantized_tensor<3x4x!llm.mixed<i8,i4>, scale=f32>, !llm.mixed_quantized_tensor<3x4x!llm.mixed<i8,i4>, scale=f32>)
// CHECK-NEXT: %[[A:.*]] = llm.quantize(%[[X]]) {selector = dense<[1, 0, 1]> : tensor<3xi8>} : (tensor<3x4xf32>) -> !llm.mixed_quantized_tensor<3x4x!llm.mixed<i8,i4>, scale=f32>
// CHECK-NEXT: %[[B:.*]] = llm.quantize(%[[X]]) {average_bits = 6.000000e+00 : f32} : (tensor<3x4xf32>) -> !llm.mixed_quantized_tensor<3x4x!llm.mixed<i8,i4>, scale=f32>
// CHECK-NEXT: func.return %[[A]], %[[B]] : !llm.mixed_quantized_tensor<3x4x!llm.mixed<i8,i4>, scale=f32>, !llm.mixed_quantized_tensor<3x4x!llm.mixed<i8,i4>, scale=f32>

// the first row in 8 bits, 1.28 / 2^7 its scale, the second in 4, 0.8 / 2^3

!n = !llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32>
func.func @folded() -> !n {
  %x = arith.constant dense<[[-1.28, 0.64], [-0.8, 0.7]]> : tensor<2x2xf32>
  %a = llm.quantize(%x) {selector = dense<[0, 1]> : tensor<2xi8>} : (tensor<2x2xf32>) -> !n
  func.return %a : !n
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> !llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32>
// FOLD-NEXT: %[[A:.*]] = llm.constant {codes = dense<{{\[\[}}-128, 64], [-8, 7]]> : tensor<2x2xi8>, scale = dense<[1.000000e-02, 1.000000e-01]> : tensor<2xf32>, selector = dense<[0, 1]> : tensor<2xui8>} : !llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32>
// FOLD-NEXT: func.return %[[A]] : !llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32>
