// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// Codes to codes: dequantized, then quantized with constants.

func.func @forms(%q: !llm.quantized_tensor<?x8xi8, scale=f32, axis=0>) -> !llm.quantized_tensor<?x8xui4, scale=f32, zp=ui4> {
  %r = llm.requantize(%q) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<7> : tensor<1xui4>} : (!llm.quantized_tensor<?x8xi8, scale=f32, axis=0>) -> !llm.quantized_tensor<?x8xui4, scale=f32, zp=ui4>
  func.return %r : !llm.quantized_tensor<?x8xui4, scale=f32, zp=ui4>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[Q:.*]]: !llm.quantized_tensor<?x8xi8, scale=f32, axis=0>) -> !llm.quantized_tensor<?x8xui4, scale=f32, zp=ui4>
// CHECK-NEXT: %[[R:.*]] = llm.requantize(%[[Q]]) {scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<7> : tensor<1xui4>} : (!llm.quantized_tensor<?x8xi8, scale=f32, axis=0>) -> !llm.quantized_tensor<?x8xui4, scale=f32, zp=ui4>
// CHECK-NEXT: func.return %[[R]] : !llm.quantized_tensor<?x8xui4, scale=f32, zp=ui4>

// -25 / 0.5 + 7 is below 0; 0.75 / 0.5 + 7 = 8.5 goes to the even 8; 1.5 / 0.5 + 7

!q = !llm.quantized_tensor<3xi8, scale=f32, symmetric=true>
!r = !llm.quantized_tensor<3xui4, scale=f32, zp=ui4>
func.func @folded() -> !r {
  %q = llm.constant {codes = dense<[-100, 3, 6]> : tensor<3xi8>, scale = dense<0.25> : tensor<1xf32>} : !q
  %r = llm.requantize(%q) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<7> : tensor<1xui4>} : (!q) -> !r
  func.return %r : !r
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> !llm.quantized_tensor<3xui4, scale=f32, zp=ui4>
// FOLD-NEXT: %[[R:.*]] = llm.constant {codes = dense<[0, 8, 10]> : tensor<3xui8>, scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<7> : tensor<1xui8>} : !llm.quantized_tensor<3xui4, scale=f32, zp=ui4>
// FOLD-NEXT: func.return %[[R]] : !llm.quantized_tensor<3xui4, scale=f32, zp=ui4>
