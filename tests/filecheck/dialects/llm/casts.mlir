// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// CHECK-LABEL: func.func @wider
// CHECK-SAME: (%[[A:.*]]: !llm
// CHECK-NEXT: %[[B:.*]] = llm.cast_codes(%[[A]]) : (!llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) -> !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=2>
// CHECK-NEXT: func.return %[[B]]
func.func @wider(%a: !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) -> !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=2> {
  %b = llm.cast_codes(%a) : (!llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) -> !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=2>
  func.return %b : !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=2>
}

// FOLD-LABEL: func.func @folded
// FOLD-NEXT: %[[B:.*]] = llm.constant {codes = dense<[125, 131]> : tensor<2xui8>, scale = dense<2.000000e+00> : tensor<1xf32>, zero_point = dense<128> : tensor<1xui8>}
// FOLD-NEXT: func.return %[[B]]
func.func @folded() -> !llm.quantized_tensor<2xui8, scale=f32, zp=ui8> {
  %a = llm.constant {codes = dense<[-3, 3]> : tensor<2xi8>, scale = dense<2.0> : tensor<1xf32>} : !llm.quantized_tensor<2xi8, scale=f32, symmetric=true>
  %b = llm.cast_codes(%a) : (!llm.quantized_tensor<2xi8, scale=f32, symmetric=true>) -> !llm.quantized_tensor<2xui8, scale=f32, zp=ui8>
  func.return %b : !llm.quantized_tensor<2xui8, scale=f32, zp=ui8>
}
