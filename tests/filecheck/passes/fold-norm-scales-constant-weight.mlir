// RUN: llmir-opt %s -p fold-norm-scales | filecheck %s
// A weight in the text with a scale for each index of K: the norm takes the scales, the weight keeps 1.

!w = !llm.quantized_tensor<2x4xi8, scale=f32, symmetric=true, axis=1>

// CHECK-LABEL: func.func @folded(
// CHECK-SAME:  %[[X:.*]]: tensor<?x4xf32>)
// CHECK-NEXT:  %[[N:.*]] = arith.constant dense<[5.000000e-01, 4.000000e+00, 6.000000e+00, 2.500000e-01]> : tensor<4xf32>
// CHECK-NEXT:  %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}1, 2, 3, 4], [5, 6, 7, 8]]> : tensor<2x4xi8>, scale = dense<1.000000e+00> : tensor<1xf32>} : !llm.quantized_tensor<2x4xi8, scale=f32, symmetric=true>
// CHECK-NEXT:  %[[Y:.*]] = llm.rms_norm(%[[X]], %[[N]])
// CHECK-NEXT:  %{{.*}} = llm.quantized_matmul(%[[Y]], %[[W]]) : (tensor<?x4xf32>, !llm.quantized_tensor<2x4xi8, scale=f32, symmetric=true>) -> tensor<?x2xf32>
func.func @folded(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %n = arith.constant dense<[1.0, 2.0, 3.0, 1.0]> : tensor<4xf32>
  %w = llm.constant {codes = dense<[[1, 2, 3, 4], [5, 6, 7, 8]]> : tensor<2x4xi8>, scale = dense<[0.5, 2.0, 2.0, 0.25]> : tensor<4xf32>} : !w
  %y = llm.rms_norm(%x, %n) {epsilon = 1.0e-05 : f32} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %z = llm.quantized_matmul(%y, %w) : (tensor<?x4xf32>, !w) -> tensor<?x2xf32>
  func.return %z : tensor<?x2xf32>
}

// Near miss: one of the scales is not a power of two.
// CHECK-LABEL: func.func @rounds(
// CHECK:       scale = dense<[5.000000e-01, 3.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>
// CHECK:       llm.quantized_matmul({{.*}}) {llm.remark = "scales of K not folded into the norm before it: 3 is not a power of two, so that values would round (rounded=true allows it)"}
func.func @rounds(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %n = arith.constant dense<[1.0, 2.0, 3.0, 1.0]> : tensor<4xf32>
  %w = llm.constant {codes = dense<[[1, 2, 3, 4], [5, 6, 7, 8]]> : tensor<2x4xi8>, scale = dense<[0.5, 3.0, 2.0, 0.25]> : tensor<4xf32>} : !w
  %y = llm.rms_norm(%x, %n) {epsilon = 1.0e-05 : f32} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %z = llm.quantized_matmul(%y, %w) : (tensor<?x4xf32>, !w) -> tensor<?x2xf32>
  func.return %z : tensor<?x2xf32>
}
