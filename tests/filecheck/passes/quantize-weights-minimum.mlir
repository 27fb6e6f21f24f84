// RUN: llmir-opt %s -p 'assign-schemes{weight-type=ui4 weight-min=f32},quantize-weights' | filecheck %s

// a range of 2.5 to 10 in 15 steps of 0.5 begins at its minimum

func.func @f(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[2.5, 10.0, 3.0, 5.0]]> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}0, 15, 1, 5]]> : tensor<1x4xui8>, scale = dense<5.000000e-01> : tensor<1xf32>, min = dense<2.500000e+00> : tensor<1xf32>} : !llm.quantized_tensor<1x4xui4, scale=f32, min=f32, axis=0>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<1x4xui4, scale=f32, min=f32, axis=0>) -> tensor<1x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x1xf32>
