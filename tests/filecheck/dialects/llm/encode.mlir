// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// Codes of values in units of the scale: the constant scale does not divide them.

func.func @forms(%x: tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32, zp=i8> {
  %e = llm.encode(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<-3> : tensor<1xi8>} : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32, zp=i8>
  func.return %e : !llm.quantized_tensor<?x8xi8, scale=f32, zp=i8>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32, zp=i8>
// CHECK-NEXT: %[[E:.*]] = llm.encode(%[[X]]) {scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<-3> : tensor<1xi8>} : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32, zp=i8>
// CHECK-NEXT: func.return %[[E]] : !llm.quantized_tensor<?x8xi8, scale=f32, zp=i8>

// 4 - 3; 5.5 - 3 = 2.5 goes to the even 2; 997 is above 127

!e = !llm.quantized_tensor<3xi8, scale=f32, zp=i8>
func.func @folded() -> !e {
  %x = arith.constant dense<[4.0, 5.5, 1000.0]> : tensor<3xf32>
  %e = llm.encode(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<-3> : tensor<1xi8>} : (tensor<3xf32>) -> !e
  func.return %e : !e
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> !llm.quantized_tensor<3xi8, scale=f32, zp=i8>
// FOLD-NEXT: %[[E:.*]] = llm.constant {codes = dense<[1, 2, 127]> : tensor<3xi8>, scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<-3> : tensor<1xi8>} : !llm.quantized_tensor<3xi8, scale=f32, zp=i8>
// FOLD-NEXT: func.return %[[E]] : !llm.quantized_tensor<3xi8, scale=f32, zp=i8>
