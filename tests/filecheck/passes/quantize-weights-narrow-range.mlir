// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-narrow-range=true},quantize-weights' | filecheck %s

// without -8 the largest code is 7: 3.5 / 7

func.func @f(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[-3.5, 1.0, 3.5, 0.0]]> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}-7, 2, 7, 0]]> : tensor<1x4xi8>, scale = dense<5.000000e-01> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi4, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<1x4xi4, scale=f32, symmetric=true, axis=0>) -> tensor<1x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x1xf32>
