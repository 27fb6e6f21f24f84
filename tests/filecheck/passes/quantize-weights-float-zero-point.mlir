// RUN: llmir-opt %s -p 'assign-schemes{weight-type=ui4 weight-zero-point=f32},quantize-weights' | filecheck %s

// the range 2.5 to 10 is widened to contain 0: steps of 10 / 15, from a zero point that is a float

func.func @f(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[2.5, 10.0, 3.0, 5.0]]> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}4, 15, 4, 8]]> : tensor<1x4xui8>, scale = dense<0.666666687> : tensor<1xf32>, zero_point = dense<0.000000e+00> : tensor<1xf32>} : !llm.quantized_tensor<1x4xui4, scale=f32, zp=f32, axis=0>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<1x4xui4, scale=f32, zp=f32, axis=0>) -> tensor<1x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x1xf32>
