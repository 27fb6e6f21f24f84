// RUN: llmir-opt %s -p fold-norm-scales | filecheck %s

// The weight of the norm is divided by the scale of the quantize after it, which becomes an encode.

!q = !llm.quantized_tensor<?x2xi8, scale=f32, zp=i8>
func.func @f(%x: tensor<?x2xf32>) -> !q {
  %w = arith.constant dense<[1.0, 3.0]> : tensor<2xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 0.5 : f32} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %q = llm.quantize(%n) {scale = dense<0.25> : tensor<1xf32>, zero_point = dense<-3> : tensor<1xi8>} : (tensor<?x2xf32>) -> !q
  func.return %q : !q
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xi8, scale=f32, zp=i8>
// CHECK-NEXT: %[[W:.*]] = arith.constant dense<[4.000000e+00, 1.200000e+01]> : tensor<2xf32>
// CHECK-NEXT: %[[N:.*]] = llm.rms_norm(%[[X]], %[[W]]) {epsilon = 5.000000e-01 : f32} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[Q:.*]] = llm.encode(%[[N]]) {scale = dense<2.500000e-01> : tensor<1xf32>, zero_point = dense<-3> : tensor<1xi8>} : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xi8, scale=f32, zp=i8>
// CHECK-NEXT: func.return %[[Q]] : !llm.quantized_tensor<?x2xi8, scale=f32, zp=i8>
