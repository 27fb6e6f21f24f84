// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// A bias in units of the product of both scales.

!x = !llm.quantized_tensor<?x8xi8, scale=f32>
!w = !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>
func.func @forms(%b: tensor<4xf32>, %x: !x, %w: !w) -> tensor<4xi32> {
  %i = llm.quantize_bias(%b, %x, %w) : (tensor<4xf32>, !x, !w) -> tensor<4xi32>
  func.return %i : tensor<4xi32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[B:.*]]: tensor<4xf32>, %[[X:.*]]: !llm.quantized_tensor<?x8xi8, scale=f32>, %[[W:.*]]: !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>) -> tensor<4xi32>
// CHECK-NEXT: %[[I:.*]] = llm.quantize_bias(%[[B]], %[[X]], %[[W]]) : (tensor<4xf32>, !llm.quantized_tensor<?x8xi8, scale=f32>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>) -> tensor<4xi32>
// CHECK-NEXT: func.return %[[I]] : tensor<4xi32>

// 10 / (0.5 * 2); 1.25 / 0.5 = 2.5 goes to the even 2; the largest i32

!a = !llm.quantized_tensor<1x2xi8, scale=f32, symmetric=true>
!c = !llm.quantized_tensor<3x2xi8, scale=f32, symmetric=true, axis=0>
func.func @folded() -> tensor<3xi32> {
  %b = arith.constant dense<[10.0, 1.25, 1.0e+30]> : tensor<3xf32>
  %x = llm.constant {codes = dense<[[0, 0]]> : tensor<1x2xi8>, scale = dense<0.5> : tensor<1xf32>} : !a
  %w = llm.constant {codes = dense<0> : tensor<3x2xi8>, scale = dense<[2.0, 1.0, 1.0]> : tensor<3xf32>} : !c
  %i = llm.quantize_bias(%b, %x, %w) : (tensor<3xf32>, !a, !c) -> tensor<3xi32>
  func.return %i : tensor<3xi32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<3xi32>
// FOLD-NEXT: %[[I:.*]] = arith.constant dense<[10, 2, 2147483647]> : tensor<3xi32>
// FOLD-NEXT: func.return %[[I]] : tensor<3xi32>
