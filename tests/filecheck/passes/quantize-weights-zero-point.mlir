// RUN: llmir-opt %s -p 'assign-schemes{weight-type=ui4 weight-zero-point=ui4},quantize-weights' | filecheck %s

// a range of -2 to 5.5 in 15 steps of 0.5, 0 at code 4

func.func @f(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[-2.0, 5.5, 0.0, 0.5]]> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}0, 15, 4, 5]]> : tensor<1x4xui8>, scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<4> : tensor<1xui8>} : !llm.quantized_tensor<1x4xui4, scale=f32, zp=ui4, axis=0>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<1x4xui4, scale=f32, zp=ui4, axis=0>) -> tensor<1x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x1xf32>
