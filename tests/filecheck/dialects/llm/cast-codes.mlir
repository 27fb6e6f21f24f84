// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// The same values in other codes: the other sign, wider, finer groups, zero points taken off.

!a = !llm.quantized_tensor<4x8xui4, scale=f16, zp=ui4, group_size=4>
!b = !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=2>
func.func @forms(%a: !a) -> !b {
  %b = llm.cast_codes(%a) : (!a) -> !b
  func.return %b : !b
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[A:.*]]: !llm.quantized_tensor<4x8xui4, scale=f16, zp=ui4, group_size=4>) -> !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=2>
// CHECK-NEXT: %[[B:.*]] = llm.cast_codes(%[[A]]) : (!llm.quantized_tensor<4x8xui4, scale=f16, zp=ui4, group_size=4>) -> !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=2>
// CHECK-NEXT: func.return %[[B]] : !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=2>

// each code less the zero point of its group; scales as they were

!u = !llm.quantized_tensor<1x4xui4, scale=f32, zp=ui4, group_size=2>
!s = !llm.quantized_tensor<1x4xi8, scale=f32, symmetric=true, group_size=2>
func.func @folded() -> !s {
  %u = llm.constant {codes = dense<[[0, 15, 3, 4]]> : tensor<1x4xui8>, scale = dense<[[0.5, 2.0]]> : tensor<1x2xf32>, zero_point = dense<[[8, 4]]> : tensor<1x2xui8>} : !u
  %s = llm.cast_codes(%u) : (!u) -> !s
  func.return %s : !s
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> !llm.quantized_tensor<1x4xi8, scale=f32, symmetric=true, group_size=2>
// FOLD-NEXT: %[[S:.*]] = llm.constant {codes = dense<{{\[\[}}-8, 7, -1, 0]]> : tensor<1x4xi8>, scale = dense<{{\[\[}}5.000000e-01, 2.000000e+00]]> : tensor<1x2xf32>} : !llm.quantized_tensor<1x4xi8, scale=f32, symmetric=true, group_size=2>
// FOLD-NEXT: func.return %[[S]] : !llm.quantized_tensor<1x4xi8, scale=f32, symmetric=true, group_size=2>
