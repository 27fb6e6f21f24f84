// RUN: llmir-opt %s -p 'fold-norm-scales{rounded=true}' | filecheck %s

// Scales that are no powers of two round the weight: only with rounded=true, 3 / 0.3 in f32.

!q = !llm.quantized_tensor<?x2xi8, scale=f32>
func.func @f(%x: tensor<?x2xf32>) -> !q {
  %w = arith.constant dense<[3.0, 0.0]> : tensor<2xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 0.5 : f32} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %q = llm.quantize(%n) {scale = dense<0.3> : tensor<1xf32>} : (tensor<?x2xf32>) -> !q
  func.return %q : !q
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xi8, scale=f32>
// CHECK-NEXT: %[[W:.*]] = arith.constant dense<[1.000000e+01, 0.000000e+00]> : tensor<2xf32>
// CHECK-NEXT: %[[N:.*]] = llm.rms_norm(%[[X]], %[[W]]) {epsilon = 5.000000e-01 : f32} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[Q:.*]] = llm.encode(%[[N]]) {scale = dense<3.000000e-01> : tensor<1xf32>} : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xi8, scale=f32>
// CHECK-NEXT: func.return %[[Q]] : !llm.quantized_tensor<?x2xi8, scale=f32>
