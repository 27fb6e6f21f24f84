// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// Codes of the weight, of both sides, in plain tensors, with a bias, and with codes as the result.

!w = !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>
!q = !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>
func.func @forms(%x: tensor<?x8xf32>, %w: !w, %b: tensor<4xf32>, %q: !q, %i: tensor<4xi32>, %p: tensor<4x8xi8>, %s: tensor<8xf32>, %z: tensor<8xi8>) {
  %1 = llm.quantized_matmul(%x, %w) bias(%b) {module = "m"} : (tensor<?x8xf32>, !w, tensor<4xf32>) -> tensor<?x4xf32>
  %2 = llm.quantized_matmul(%q, %w) : (!q, !w) -> tensor<?x4xf16>
  %3 = llm.quantized_matmul(%q, %w) bias(%i) {out_scale = dense<0.25> : tensor<1xf32>, out_zero_point = dense<-1> : tensor<1xi8>} : (!q, !w, tensor<4xi32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
  %4 = llm.quantized_matmul(%x, %p, %s, %z) {bits = 8 : i32, group_size = 4 : i32} : (tensor<?x8xf32>, tensor<4x8xi8>, tensor<8xf32>, tensor<8xi8>) -> tensor<?x4xf32>
  func.return
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>, %[[B:.*]]: tensor<4xf32>, %[[Q:.*]]: !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>, %[[I:.*]]: tensor<4xi32>, %[[P:.*]]: tensor<4x8xi8>, %[[S:.*]]: tensor<8xf32>, %[[Z:.*]]: tensor<8xi8>)
// CHECK-NEXT: %[[QUANTIZEDMATMUL:.*]] = llm.quantized_matmul(%[[X]], %[[W]]) bias(%[[B]]) {module = "m"} : (tensor<?x8xf32>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>, tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[QUANTIZEDMATMUL2:.*]] = llm.quantized_matmul(%[[Q]], %[[W]]) : (!llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>) -> tensor<?x4xf16>
// CHECK-NEXT: %[[QUANTIZEDMATMUL3:.*]] = llm.quantized_matmul(%[[Q]], %[[W]]) bias(%[[I]]) {out_scale = dense<2.500000e-01> : tensor<1xf32>, out_zero_point = dense<-1> : tensor<1xi8>} : (!llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>, tensor<4xi32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
// CHECK-NEXT: %[[QUANTIZEDMATMUL4:.*]] = llm.quantized_matmul(%[[X]], %[[P]], %[[S]], %[[Z]]) {bits = 8 : i32, group_size = 4 : i32} : (tensor<?x8xf32>, tensor<4x8xi8>, tensor<8xf32>, tensor<8xi8>) -> tensor<?x4xf32>
// CHECK-NEXT: func.return

// centred codes [2, 4] times [2, 3] and [3, 4] are 16 and 22; times 0.5 * 2 and 0.5 * 4 they are 16 and 44, plus the bias.
// With integer biases 17 and 24, times the same scales, over 4: 4.25 and 12, less 3

!x = !llm.quantized_tensor<1x2xui8, scale=f32, zp=ui8>
!v = !llm.quantized_tensor<2x2xi8, scale=f32, zp=i8, axis=0>
!y = !llm.quantized_tensor<1x2xi8, scale=f32, zp=i8>
func.func @folded() -> (tensor<1x2xf32>, !y) {
  %x = llm.constant {codes = dense<[[10, 12]]> : tensor<1x2xui8>, scale = dense<0.5> : tensor<1xf32>, zero_point = dense<8> : tensor<1xui8>} : !x
  %w = llm.constant {codes = dense<[[3, 4], [5, 6]]> : tensor<2x2xi8>, scale = dense<[2.0, 4.0]> : tensor<2xf32>, zero_point = dense<[1, 2]> : tensor<2xi8>} : !v
  %b = arith.constant dense<[100.0, 200.0]> : tensor<2xf32>
  %y = llm.quantized_matmul(%x, %w) bias(%b) : (!x, !v, tensor<2xf32>) -> tensor<1x2xf32>
  %i = arith.constant dense<[1, 2]> : tensor<2xi32>
  %z = llm.quantized_matmul(%x, %w) bias(%i) {out_scale = dense<4.0> : tensor<1xf32>, out_zero_point = dense<-3> : tensor<1xi8>} : (!x, !v, tensor<2xi32>) -> !y
  func.return %y, %z : tensor<1x2xf32>, !y
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> (tensor<1x2xf32>, !llm.quantized_tensor<1x2xi8, scale=f32, zp=i8>)
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<{{\[\[}}1.160000e+02, 2.440000e+02]]> : tensor<1x2xf32>
// FOLD-NEXT: %[[Z:.*]] = llm.constant {codes = dense<{{\[\[}}1, 9]]> : tensor<1x2xi8>, scale = dense<4.000000e+00> : tensor<1xf32>, zero_point = dense<-3> : tensor<1xi8>} : !llm.quantized_tensor<1x2xi8, scale=f32, zp=i8>
// FOLD-NEXT: func.return %[[Y]], %[[Z]] : tensor<1x2xf32>, !llm.quantized_tensor<1x2xi8, scale=f32, zp=i8>
