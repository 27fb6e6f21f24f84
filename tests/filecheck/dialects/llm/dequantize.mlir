// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// (code - zero point) * scale.

func.func @forms(%q: !llm.quantized_tensor<?x64xi8, scale=f32, axis=0>, %p: tensor<?x64xi8>) -> (tensor<?x64xf16>, tensor<?x64xf32>) {
  %x = llm.dequantize(%q) : (!llm.quantized_tensor<?x64xi8, scale=f32, axis=0>) -> tensor<?x64xf16>
  %y = llm.dequantize(%p) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<-2> : tensor<1xi8>} : (tensor<?x64xi8>) -> tensor<?x64xf32>
  func.return %x, %y : tensor<?x64xf16>, tensor<?x64xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[Q:.*]]: !llm.quantized_tensor<?x64xi8, scale=f32, axis=0>, %[[P:.*]]: tensor<?x64xi8>) -> (tensor<?x64xf16>, tensor<?x64xf32>)
// CHECK-NEXT: %[[X:.*]] = llm.dequantize(%[[Q]]) : (!llm.quantized_tensor<?x64xi8, scale=f32, axis=0>) -> tensor<?x64xf16>
// CHECK-NEXT: %[[Y:.*]] = llm.dequantize(%[[P]]) {scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<-2> : tensor<1xi8>} : (tensor<?x64xi8>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[X]], %[[Y]] : tensor<?x64xf16>, tensor<?x64xf32>

// (0 - 10) * 0.5, (10 - 10) * 0.5, (20 - 5) * 2, (255 - 5) * 2; then 0 * 0.5 - 1 and 15 * 0.5 - 1

!q = !llm.quantized_tensor<1x4xui8, scale=f32, zp=ui8, group_size=2>
!m = !llm.quantized_tensor<1x2xui4, scale=f32, min=f32>
func.func @folded() -> (tensor<1x4xf32>, tensor<1x2xf32>) {
  %q = llm.constant {codes = dense<[[0, 10, 20, 255]]> : tensor<1x4xui8>, scale = dense<[[0.5, 2.0]]> : tensor<1x2xf32>, zero_point = dense<[[10, 5]]> : tensor<1x2xui8>} : !q
  %x = llm.dequantize(%q) : (!q) -> tensor<1x4xf32>
  %m = llm.constant {codes = dense<[[0, 15]]> : tensor<1x2xui8>, scale = dense<0.5> : tensor<1xf32>, min = dense<-1.0> : tensor<1xf32>} : !m
  %y = llm.dequantize(%m) : (!m) -> tensor<1x2xf32>
  func.return %x, %y : tensor<1x4xf32>, tensor<1x2xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> (tensor<1x4xf32>, tensor<1x2xf32>)
// FOLD-NEXT: %[[X:.*]] = arith.constant dense<{{\[\[}}-5.000000e+00, 0.000000e+00, 3.000000e+01, 5.000000e+02]]> : tensor<1x4xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<{{\[\[}}-1.000000e+00, 6.500000e+00]]> : tensor<1x2xf32>
// FOLD-NEXT: func.return %[[X]], %[[Y]] : tensor<1x4xf32>, tensor<1x2xf32>
